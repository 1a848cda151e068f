//! Plots: drawn on the server as SVG, with axes, units, thresholds and marks. Readable in
//! grey: what is told apart has its own shape, and thresholds say their name.

use std::time::Duration;

use evenkeel_core::Timestamp;
use maud::{Markup, html};

use super::axes::{Axes, HEIGHT, WIDTH, n};

/// Room for the heads of marks.
const TOP: f64 = 14.0;

/// How a point is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// A filled dot: well.
    Good,
    /// A cross: not well.
    Bad,
    /// A ring: not over, or not known.
    Open,
}

/// One point.
pub(super) struct Dot {
    pub(super) at: Timestamp,
    pub(super) value: Duration,
    pub(super) look: Look,
    /// What is said of it when it is pointed at.
    pub(super) title: String,
    /// Where a click leads; empty for nowhere.
    pub(super) link: String,
}

/// Durations over time.
pub(super) struct Plot<'a> {
    /// What it shows, for who does not see it.
    pub(super) label: &'a str,
    pub(super) dots: &'a [Dot],
    /// Lines across, with what they are called.
    pub(super) thresholds: &'a [(Duration, &'a str)],
    /// Moments, with what happened.
    pub(super) marks: &'a [(Timestamp, String)],
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    /// Whether good dots are joined by a line.
    pub(super) joined: bool,
}

/// Steps an axis of durations may have, seconds.
const STEPS: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0,
    120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0, 172_800.0,
];

/// `200 ms`, `5 s`, `10 min`, `2 h`.
pub(super) fn shown(seconds: f64) -> String {
    match seconds {
        0.0 => "0".into(),
        s if s < 1.0 => format!("{:.0} ms", s * 1000.0),
        s if s < 10.0 && s.fract() > 0.049 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0).replace(".0 ", " "),
        s => format!("{:.0} days", s / 86400.0),
    }
}

impl Plot<'_> {
    pub(super) fn draw(&self) -> Markup {
        let largest = self.dots.iter().map(|dot| dot.value.as_secs_f64());
        let thresholds = || {
            let all = self.thresholds.iter();
            all.map(|(value, name)| (value.as_secs_f64(), *name))
        };
        let axes = Axes::new(
            (self.from, self.to),
            TOP,
            largest.fold(0.001, f64::max),
            thresholds().map(|(value, _)| value),
        );
        let top = axes.top();
        let step = STEPS.iter().copied().find(|step| top / step <= 5.0);
        let step = step.unwrap_or(top / 4.0);
        // What is in a picture is not read out; links are.
        let role = match self.dots.iter().any(|dot| !dot.link.is_empty()) {
            true => "group",
            false => "img",
        };
        html! {
            svg.plot viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role=(role) aria-label=(self.label) {
                (axes.grid(step, shown))
                (axes.marks(self.marks))
                (axes.thresholds(thresholds(), shown))
                @if self.joined {
                    @for stretch in self.dots.split(|dot| dot.look != Look::Good) {
                        @if stretch.len() > 1 {
                            @let points = stretch.iter().map(|dot| (dot.at, dot.value.as_secs_f64()));
                            polyline.curve points=(axes.points(points)) {}
                        }
                    }
                }
                @for dot in self.dots {
                    @let (cx, cy) = (axes.x(dot.at), axes.y(dot.value.as_secs_f64()));
                    @if dot.link.is_empty() { (self.dot(dot, cx, cy)) }
                    @else { a href=(dot.link) aria-label=(dot.title) { (self.dot(dot, cx, cy)) } }
                }
            }
        }
    }

    fn dot(&self, dot: &Dot, cx: f64, cy: f64) -> Markup {
        let (left, right, above, below) = (cx - 4.0, cx + 4.0, cy - 4.0, cy + 4.0);
        html! {
            @match dot.look {
                // Joined dots would hide their line.
                Look::Good if self.joined => {
                    circle.near cx=(n(cx)) cy=(n(cy)) r="3" { title { (dot.title) } }
                }
                Look::Good => circle.good cx=(n(cx)) cy=(n(cy)) r="4" { title { (dot.title) } },
                Look::Open => circle.open cx=(n(cx)) cy=(n(cy)) r="4" { title { (dot.title) } },
                Look::Bad => path.bad d={ "M" (n(left)) " " (n(above)) "L" (n(right)) " " (n(below)) "M" (n(right)) " " (n(above)) "L" (n(left)) " " (n(below)) } { title { (dot.title) } },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_in_the_unit_people_say() {
        for (seconds, said) in [
            (0.0, "0"),
            (0.05, "50 ms"),
            (1.5, "1.5 s"),
            (30.0, "30 s"),
            (600.0, "10 min"),
            (7200.0, "2 h"),
            (9000.0, "2.5 h"),
        ] {
            assert_eq!(shown(seconds), said);
        }
    }

    #[test]
    fn a_plot_names_its_thresholds_and_draws_failures_as_crosses() {
        let from = Timestamp::UNIX_EPOCH;
        let dot = |second: i64, look| Dot {
            at: Timestamp::from_second(second).unwrap(),
            value: Duration::from_secs(3),
            look,
            title: "t".into(),
            link: String::new(),
        };
        let plot = Plot {
            label: "how long",
            dots: &[dot(0, Look::Good), dot(50, Look::Bad)],
            thresholds: &[
                (Duration::from_secs(5), "deadline"),
                (Duration::from_secs(500), "far"),
            ],
            marks: &[],
            from,
            to: Timestamp::from_second(100).unwrap(),
            joined: false,
        };
        let drawn = plot.draw().into_string();
        assert!(drawn.contains("deadline, 5 s"), "{drawn}");
        assert!(!drawn.contains("far"), "{drawn}");
        assert_eq!(drawn.matches("class=\"bad\"").count(), 1);
    }
}
