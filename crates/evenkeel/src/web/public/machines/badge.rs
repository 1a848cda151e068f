//! Badges: how things are in two words, for other people's pages.
//!
//! As an image of our own, which asks nobody else, and as the JSON that shields.io makes its
//! images from (<https://shields.io/badges/endpoint-badge>). The word says it, colour only
//! repeats it: white on each of the colours is at least 4.5 to 1 (WCAG 2.2 AA).
//!
//! The letters of the reader's fonts are not known here. The text is as wide as it is told
//! to be (`textLength`), so that it never runs out of its box; the estimate only decides how
//! well it sits.

use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::status::Status;
use maud::html;
use serde::Serialize;

use super::feeds::plain;
use super::picture::{Impact, Picture};

/// Letters of a name in the image; its title has all of them.
const LABEL_MAX: usize = 40;

/// Left half, and what is read out of both.
pub(super) struct Badge {
    label: String,
    message: String,
    tone: Tone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Well,
    Unknown,
    Work,
    Slow,
    Part,
    Down,
}

const LABEL_COLOR: &str = "#3d444d";

impl Tone {
    #[cfg(test)]
    const ALL: [Self; 6] = [
        Self::Well,
        Self::Unknown,
        Self::Work,
        Self::Slow,
        Self::Part,
        Self::Down,
    ];

    fn of(status: Status) -> Self {
        match status {
            Status::Operational => Self::Well,
            Status::Unknown => Self::Unknown,
            Status::UnderMaintenance => Self::Work,
            Status::DegradedPerformance => Self::Slow,
            Status::PartialOutage => Self::Part,
            Status::MajorOutage => Self::Down,
        }
    }

    fn color(self) -> &'static str {
        match self {
            Self::Well => "#1a7f37",
            Self::Unknown => "#57606a",
            Self::Work => "#0b6478",
            Self::Slow => "#835b00",
            Self::Part => "#a8430b",
            Self::Down => "#b3261e",
        }
    }

    /// The name shields.io has for it.
    fn name(self) -> &'static str {
        match self {
            Self::Well => "brightgreen",
            Self::Unknown => "lightgrey",
            Self::Work => "blue",
            Self::Slow => "yellow",
            Self::Part => "orange",
            Self::Down => "red",
        }
    }
}

impl Badge {
    /// The whole service's.
    pub(super) fn of_all(picture: &Picture<'_>) -> Self {
        let worst = picture.worst();
        let (message, tone) = if worst == Status::Operational && picture.indicator() > Impact::None
        {
            // All works, and an incident is not over: no plain green before it is.
            let message = picture.incident_word(IncidentStatus::Monitoring);
            (message, Tone::Work)
        } else {
            (picture.status_word(worst), Tone::of(worst))
        };
        Self {
            label: plain(&picture.site.name).into_owned(),
            message: message.to_lowercase(),
            tone,
        }
    }

    /// A component's; none where there is none.
    pub(super) fn of(picture: &Picture<'_>, component: &str) -> Option<Self> {
        let mut components = picture.components().iter();
        let found = components.find(|(id, _, _)| id.as_str() == component);
        found.map(|(_, name, status)| Self {
            label: plain(name).into_owned(),
            message: picture.status_word(*status).to_lowercase(),
            tone: Tone::of(*status),
        })
    }

    /// What shields.io asks for.
    pub(super) fn endpoint(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Endpoint<'a> {
            schema_version: u8,
            label: &'a str,
            message: &'a str,
            color: &'a str,
            is_error: bool,
        }
        let endpoint = Endpoint {
            schema_version: 1,
            label: &self.label,
            message: &self.message,
            color: self.tone.name(),
            // Then nobody can have it in a colour of their own.
            is_error: self.tone != Tone::Well,
        };
        serde_json::to_string(&endpoint).expect("texts and a number")
    }

    /// The image.
    pub(super) fn svg(&self) -> String {
        let title = format!("{}: {}", self.label, self.message);
        let label = clipped(&self.label);
        let (left, right) = (width(&label), width(&self.message));
        let (left_box, right_box) = (left + 2 * PADDING, right + 2 * PADDING);
        let all = left_box + right_box;
        let image = html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(all) height="20"
                viewBox=(format!("0 0 {all} 20")) role="img" aria-label=(title) {
                title { (title) }
                rect width=(all) height="20" rx="3" fill=(LABEL_COLOR) {}
                path fill=(self.tone.color())
                    d=(format!("M{left_box} 0h{}q3 0 3 3v14q0 3-3 3h-{}z", right_box - 3, right_box - 3)) {}
                g fill="#fff" font-family="system-ui,Verdana,sans-serif" font-size="11"
                    aria-hidden="true" {
                    text x=(PADDING) y="14" textLength=(left) lengthAdjust="spacingAndGlyphs" { (label) }
                    text x=(left_box + PADDING) y="14" textLength=(right)
                        lengthAdjust="spacingAndGlyphs" { (self.message) }
                }
            }
        };
        image.into_string()
    }
}

/// Beside each text.
const PADDING: usize = 6;

fn clipped(label: &str) -> String {
    if label.chars().count() <= LABEL_MAX {
        return label.to_owned();
    }
    let kept: String = label.chars().take(LABEL_MAX - 1).collect();
    format!("{}…", kept.trim_end())
}

/// About how wide a text is at 11 pixels.
fn width(text: &str) -> usize {
    let tenths = text.chars().map(|letter| match letter {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | ' ' | '.' | ',' | ':' | ';' | '\'' | '!'
        | '|' => 38,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 96,
        letter if letter.is_uppercase() => 76,
        // Most scripts of the far east fill a square.
        '\u{1100}'.. => 110,
        _ => 64,
    });
    tenths.sum::<usize>().div_ceil(10).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(color: &str) -> f64 {
        let part = |at: usize| {
            let value = u8::from_str_radix(&color[at..at + 2], 16).unwrap();
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    #[test]
    fn white_is_readable_on_every_colour() {
        for color in Tone::ALL.map(Tone::color).into_iter().chain([LABEL_COLOR]) {
            let contrast = 1.05 / (luminance(color) + 0.05);
            assert!(contrast >= 4.5, "{color}: {contrast:.2} to 1");
        }
    }

    #[test]
    fn a_long_name_is_cut_in_the_image_and_whole_in_its_title() {
        let badge = Badge {
            label: "Travel expenses of the whole group ".repeat(3),
            message: "slow".into(),
            tone: Tone::Slow,
        };
        let svg = badge.svg();
        assert!(svg.contains(&format!("<title>{}: slow</title>", badge.label)));
        let shown = "Travel expenses of the whole group Trav…";
        assert!(svg.contains(&format!(">{shown}</text>")), "{svg}");
    }
}
