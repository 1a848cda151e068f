//! Charts of figures over time: several lines, thresholds, marks, and a stretch of time
//! that matters. Drawn on the server as SVG, readable in grey: lines are told apart by
//! their dashes, and say their names.

use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::time;
use jiff::tz::TimeZone;
use maud::{Markup, html};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 32.0;
const BOTTOM: f64 = 26.0;

/// One line: its name, and its points; none is a gap.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) points: Vec<(Timestamp, Option<f64>)>,
}

/// A chart.
pub(super) struct Chart<'a> {
    /// What it shows, for who does not see it.
    pub(super) label: &'a str,
    /// The first is drawn whole, the others dashed; at most three.
    pub(super) lines: &'a [Line],
    /// Lines across, with what they are called.
    pub(super) thresholds: &'a [(f64, &'a str)],
    /// A stretch of time, with what is likely in it.
    pub(super) stretch: Option<(Timestamp, Timestamp, &'a str)>,
    /// Moments, with what happened.
    pub(super) marks: &'a [(Timestamp, String)],
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    /// A value with its unit.
    pub(super) shown: fn(f64) -> String,
    /// Whether steps of the axis are powers of two: bytes.
    pub(super) binary: bool,
}

impl Chart<'_> {
    pub(super) fn draw(&self) -> Markup {
        let values = self.lines.iter().flat_map(|line| &line.points);
        let largest = values.filter_map(|(_, value)| *value).fold(0.0, f64::max);
        // A threshold far above everything would press what there is to the ground.
        let near = |value: &f64| *value <= largest * 4.0;
        let thresholds = self.thresholds.iter().map(|(value, _)| *value);
        let top = thresholds.filter(near).fold(largest, f64::max).max(1e-3) * 1.08;
        let step = step(top, self.binary);
        let span = self.to.duration_since(self.from).as_secs_f64().max(1.0);
        let x = |at: Timestamp| {
            let share = at.duration_since(self.from).as_secs_f64() / span;
            LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
        };
        let y = |value: f64| HEIGHT - BOTTOM - (value / top).min(1.0) * (HEIGHT - TOP - BOTTOM);
        let levels = (0..=8)
            .map(|n| f64::from(n) * step)
            .filter(|level| *level <= top);
        let moments: Vec<Timestamp> = (0..=4)
            .map(|n| {
                let after = Duration::from_secs_f64(span * f64::from(n) / 4.0);
                time::after(self.from, after)
            })
            .collect();
        html! {
            svg.plot viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.label) {
                @if let Some((from, to, name)) = self.stretch {
                    @let (left, right) = (x(from), x(to));
                    rect.stretch x=(n(left)) y=(TOP) width=(n((right - left).max(2.0))) height=(HEIGHT - TOP - BOTTOM) { title { (name) } }
                    text.middle x=(n(((left + right) / 2.0).clamp(LEFT + 30.0, WIDTH - RIGHT - 30.0))) y=(HEIGHT - BOTTOM - 8.0) { (name) }
                }
                @for level in levels {
                    line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(n(y(level))) y2=(n(y(level))) {}
                    text.end x=(LEFT - 8.0) y=(n(y(level) + 4.0)) { ((self.shown)(level)) }
                }
                @for (index, at) in moments.iter().enumerate() {
                    text class=[(index == 4).then_some("end").or((index > 0).then_some("middle"))]
                        x=(n(x(*at))) y=(HEIGHT - 8.0) { (moment(*at, span, index == 4)) }
                }
                @for (at, title) in self.marks {
                    @if *at >= self.from && *at <= self.to {
                        g.mark {
                            title { (title) }
                            line x1=(n(x(*at))) x2=(n(x(*at))) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
                            text.middle x=(n(x(*at))) y=(TOP - 2.0) { "▼" }
                        }
                    }
                }
                @for (value, name) in self.thresholds {
                    @if *value <= top {
                        line.threshold x1=(LEFT) x2=(WIDTH - RIGHT) y1=(n(y(*value))) y2=(n(y(*value))) {}
                        text.over x=(LEFT + 6.0) y=(n(y(*value) - 4.0)) { (name) ", " ((self.shown)(*value)) }
                    }
                }
                @for (index, line) in self.lines.iter().enumerate() {
                    @for stretch in line.points.split(|(_, value)| value.is_none()) {
                        @if !stretch.is_empty() {
                            polyline class={ "curve line" (index) } points=(points(stretch, &x, &y)) { title { (line.name) } }
                        }
                    }
                }
                @for (index, line) in self.lines.iter().enumerate() {
                    @let left = LEFT + 150.0 * f64::from(u32::try_from(index).unwrap_or(0));
                    line class={ "curve line" (index) } x1=(left) x2=(left + 22.0) y1="8" y2="8" {}
                    text x=(left + 28.0) y="12" { (line.name) }
                }
            }
        }
    }
}

fn points(
    stretch: &[(Timestamp, Option<f64>)],
    x: &impl Fn(Timestamp) -> f64,
    y: &impl Fn(f64) -> f64,
) -> String {
    let place = |(at, value): &(Timestamp, Option<f64>)| {
        format!("{},{}", n(x(*at)), n(y(value.unwrap_or_default())))
    };
    stretch.iter().map(place).collect::<Vec<_>>().join(" ")
}

/// The step of an axis that goes up to `top`, in at most five.
fn step(top: f64, binary: bool) -> f64 {
    let least = top / 5.0;
    if binary {
        let mut step = 1.0;
        while step < least {
            step *= 2.0;
        }
        return step;
    }
    let mut decade = 1e-3;
    loop {
        for of in [1.0, 2.0, 5.0] {
            if decade * of >= least {
                return decade * of;
            }
        }
        decade *= 10.0;
    }
}

fn n(value: f64) -> String {
    format!("{value:.1}")
}

/// The last one names the zone for all.
fn moment(at: Timestamp, span: f64, last: bool) -> String {
    let at = at.to_zoned(TimeZone::UTC);
    let form = match (span > 36.0 * 3600.0, last) {
        (true, _) => "%-d %b",
        (false, false) => "%H:%M",
        (false, true) => "%H:%M UTC",
    };
    at.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_at_most_five() {
        for (top, binary, expected) in [
            (0.9, false, 0.2),
            (1.0, false, 0.2),
            (37.0, false, 10.0),
            (1200.0, false, 500.0),
            (512.0 * 1024.0 * 1024.0, true, 128.0 * 1024.0 * 1024.0),
        ] {
            let step = step(top, binary);
            assert!((step - expected).abs() < 1e-9, "{top}: {step}");
        }
    }

    #[test]
    fn a_gap_parts_a_line_and_a_far_threshold_is_left_out() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let line = Line {
            name: "requests",
            points: vec![(at(0), Some(1.0)), (at(1), None), (at(2), Some(2.0))],
        };
        let chart = Chart {
            label: "requests",
            lines: &[line],
            thresholds: &[(2.5, "near"), (100.0, "far")],
            stretch: None,
            marks: &[],
            from: at(0),
            to: at(10),
            shown: |value| format!("{value}"),
            binary: false,
        };
        let drawn = chart.draw().into_string();
        assert_eq!(drawn.matches("<polyline").count(), 2);
        assert!(
            drawn.contains("near, 2.5") && !drawn.contains("far"),
            "{drawn}"
        );
    }
}
