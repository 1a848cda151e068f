//! How the page looks as the vendor's own: a logo, a colour, legal links.
//!
//! Nothing of it comes from elsewhere, and none of it can make the page unreadable: a
//! colour that text would not be read in is refused with the ratio it has (WCAG 2.2,
//! success criterion 1.4.3), in light and in dark.

use std::fmt;

use axum::body::Bytes;

/// What text needs against what is behind it.
pub const CONTRAST_MIN: f64 = 4.5;

/// What links stand on, of `page.css`: the page, and cards on it.
const LIGHT: [Color; 2] = [Color([0xff, 0xff, 0xff]), Color([0xf5, 0xf7, 0xf8])];
const DARK: [Color; 2] = [Color([0x12, 0x17, 0x1a]), Color([0x1b, 0x22, 0x26])];

/// The page's own look.
#[derive(Debug, Clone, Default)]
pub struct Brand {
    /// The colour of links, in light and in dark.
    pub accent: Option<[Color; 2]>,
    /// Beside the name at the top.
    pub logo: Option<Logo>,
    /// Who is behind it.
    pub imprint_url: Option<String>,
    /// What is done with visitors' data.
    pub privacy_url: Option<String>,
}

/// A picture that is served with the page.
#[derive(Clone)]
pub struct Logo {
    /// Where: `/logo.svg`.
    pub path: &'static str,
    /// What it is.
    pub content_type: &'static str,
    /// The file.
    pub bytes: Bytes,
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.path, self.bytes.len())
    }
}

/// Whether the page is light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Scheme {
    fn behind(self) -> [Color; 2] {
        match self {
            Self::Light => LIGHT,
            Self::Dark => DARK,
        }
    }
}

/// A colour: red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color(pub [u8; 3]);

impl Color {
    /// The colour of `#0b6478`.
    pub fn of(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let parts = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some(Self([parts[1], parts[2], parts[3]]))
    }

    /// WCAG 2.2, relative luminance.
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|part| {
            let share = f64::from(part) / 255.0;
            match share <= 0.04045 {
                true => share / 12.92,
                false => ((share + 0.055) / 1.055).powf(2.4),
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// WCAG 2.2, contrast ratio: from 1 to 21.
    pub fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// The worst contrast it has on a page.
    pub fn worst(self, scheme: Scheme) -> f64 {
        let behind = scheme.behind().into_iter();
        let ratios = behind.map(|behind| self.contrast(behind));
        ratios.fold(f64::INFINITY, f64::min)
    }

    /// The nearest one of its sort that can be read: darker on light, lighter on dark.
    pub fn readable(self, scheme: Scheme) -> Self {
        let to = match scheme {
            Scheme::Light => 0.0,
            Scheme::Dark => 255.0,
        };
        let mixed = |share: f64| {
            Self(self.0.map(|part| {
                let part = f64::from(part) + (to - f64::from(part)) * share;
                // Between 0 and 255.
                part.round() as u8
            }))
        };
        let steps = (0..=100).map(|step| mixed(f64::from(step) / 100.0));
        let mut readable = steps.filter(|color| color.worst(scheme) >= CONTRAST_MIN);
        readable.next().unwrap_or_else(|| mixed(1.0))
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl Brand {
    /// What is added to the page's style; empty where nothing is.
    pub fn css(&self) -> String {
        self.accent.map_or(String::new(), |[light, dark]| {
            format!(
                ":root{{--accent:{light}}}@media(prefers-color-scheme:dark){{:root{{--accent:{dark}}}}}"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn color(text: &str) -> Color {
        Color::of(text).expect("a colour")
    }

    /// Ratios that WCAG's own documents and every checker agree on.
    #[test]
    fn contrast_is_what_wcag_says() {
        let white = color("#ffffff");
        for (text, ratio) in [
            ("#000000", 21.0),
            ("#ffffff", 1.0),
            ("#767676", 4.54),
            ("#777777", 4.48),
            ("#ff0000", 4.0),
            ("#0000ff", 8.59),
        ] {
            let found = color(text).contrast(white);
            assert!((found - ratio).abs() < 0.01, "{text}: {found}");
        }
    }

    #[test]
    fn what_cannot_be_read_has_a_neighbour_that_can() {
        for text in [
            "#ffcc00", "#00ff00", "#0b6478", "#000000", "#ffffff", "#808080",
        ] {
            for scheme in [Scheme::Light, Scheme::Dark] {
                let readable = color(text).readable(scheme);
                assert!(readable.worst(scheme) >= CONTRAST_MIN, "{text} {scheme:?}");
            }
        }
        // What can be read stays as it is.
        assert_eq!(color("#0b6478").readable(Scheme::Light), color("#0b6478"));
    }

    #[test]
    fn the_grounds_are_those_of_the_style_sheet() {
        let css = include_str!("page.css");
        for [page, card] in [LIGHT, DARK] {
            let short = |color: Color| match color.0 {
                [255, 255, 255] => "#fff".to_owned(),
                _ => color.to_string(),
            };
            assert!(css.contains(&format!("--bg:{};", short(page))), "{page}");
            assert!(css.contains(&format!("--card:{};", short(card))), "{card}");
        }
    }

    #[test]
    fn only_six_digits_are_a_colour() {
        for text in [
            "red", "#fff", "#12345g", "0b6478", "#0b64780", "", "#+b6478",
        ] {
            assert_eq!(Color::of(text), None, "{text}");
        }
        assert_eq!(color("#0B6478").to_string(), "#0b6478");
    }
}
