//! Charts of figures over time: several lines, thresholds, marks, and a stretch of time
//! that matters. Drawn on the server as SVG, readable in grey: lines are told apart by
//! their dashes, and say their names.

use evenkeel_core::Timestamp;
use maud::{Markup, html};

use super::axes::{Axes, BOTTOM, HEIGHT, LEFT, RIGHT, WIDTH, n};

/// Room for the legend and the heads of marks.
const TOP: f64 = 44.0;

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
    /// What is likely to come.
    pub(super) fan: Option<Fan>,
    /// Moments, with what happened.
    pub(super) marks: &'a [(Timestamp, String)],
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    /// A value with its unit.
    pub(super) shown: fn(f64) -> String,
    /// Whether steps of the axis are powers of two: bytes.
    pub(super) binary: bool,
}

/// From a value where it is to one where it is to be: when at the earliest, most likely, and
/// at the latest.
pub(super) struct Fan {
    pub(super) at: Timestamp,
    pub(super) value: f64,
    pub(super) reaches: f64,
    pub(super) when: [Timestamp; 3],
}

impl Fan {
    /// The end of a line of it that goes no further than `to`.
    fn end(&self, when: Timestamp, to: Timestamp) -> (Timestamp, f64) {
        if when <= to {
            return (when, self.reaches);
        }
        let share =
            to.duration_since(self.at).as_secs_f64() / when.duration_since(self.at).as_secs_f64();
        let value = self.value + (self.reaches - self.value) * share.clamp(0.0, 1.0);
        (to, value)
    }

    fn draw(&self, axes: &Axes, to: Timestamp) -> Markup {
        let [earliest, likely, latest] = self.when.map(|when| self.end(when, to));
        let from = (self.at, self.value);
        // Where only the earliest is in sight, its corner lies between.
        let corner = (earliest.0 < to && latest.0 == to).then_some((to, self.reaches));
        let area = [from, earliest].into_iter().chain(corner).chain([latest]);
        html! {
            polygon.stretch points=(axes.points(area)) { title { "forecast, with its interval" } }
            polyline.curve.line2 points=(axes.points([from, likely].into_iter())) { title { "forecast" } }
        }
    }
}

impl Chart<'_> {
    pub(super) fn draw(&self) -> Markup {
        let values = self.lines.iter().flat_map(|line| &line.points);
        let largest = values.filter_map(|(_, value)| *value).fold(0.0, f64::max);
        let reached = self.fan.as_ref().map(|fan| fan.end(fan.when[0], self.to).1);
        let axes = Axes::new(
            (self.from, self.to),
            TOP,
            reached.map_or(largest, |reached| largest.max(reached)),
            self.thresholds.iter().map(|(value, _)| *value),
        );
        let names = self.lines.iter().map(|line| line.name);
        let names = names.chain(self.fan.is_some().then_some("forecast"));
        html! {
            svg.plot viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.label) {
                @if let Some((from, to, name)) = self.stretch {
                    @let (left, right) = (axes.x(from), axes.x(to));
                    rect.stretch x=(n(left)) y=(TOP) width=(n((right - left).max(2.0))) height=(HEIGHT - TOP - BOTTOM) { title { (name) } }
                    text.middle x=(n(((left + right) / 2.0).clamp(LEFT + 30.0, WIDTH - RIGHT - 30.0))) y=(HEIGHT - BOTTOM - 8.0) { (name) }
                }
                (axes.grid(step(axes.top(), self.binary), self.shown))
                (axes.marks(self.marks))
                (axes.thresholds(self.thresholds.iter().copied(), self.shown))
                @if let Some(fan) = &self.fan { (fan.draw(&axes, self.to)) }
                @for (index, line) in self.lines.iter().enumerate() {
                    @for stretch in line.points.split(|(_, value)| value.is_none()) {
                        @if !stretch.is_empty() {
                            @let points = stretch.iter().map(|(at, value)| (*at, value.unwrap_or_default()));
                            polyline class={ "curve line" (index) } points=(axes.points(points)) { title { (line.name) } }
                        }
                    }
                }
                @for (index, name) in names.enumerate() {
                    @let left = LEFT + 150.0 * f64::from(u32::try_from(index).unwrap_or(0));
                    line class={ "curve line" (index) } x1=(left) x2=(left + 22.0) y1="8" y2="8" {}
                    text x=(left + 28.0) y="12" { (name) }
                }
            }
        }
    }
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
            fan: None,
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

    #[test]
    fn a_forecast_that_leaves_the_chart_is_cut_at_its_edge() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let fan = Fan {
            at: at(100),
            value: 50.0,
            reaches: 100.0,
            when: [at(150), at(200), at(300)],
        };
        assert_eq!(fan.end(at(150), at(200)), (at(150), 100.0));
        assert_eq!(fan.end(at(300), at(200)), (at(200), 75.0));
        let (end, value) = fan.end(Timestamp::MAX, at(200));
        assert!(end == at(200) && (50.0..50.1).contains(&value), "{value}");
    }
}
