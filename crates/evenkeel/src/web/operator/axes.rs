//! Axes of a drawing over time, for [`super::chart`] (lines) and [`super::plot`] (dots): the
//! scale, the grid with its units, the times below, thresholds and marks.

use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::time;
use jiff::tz::TimeZone;
use maud::{Markup, html};

pub(super) const WIDTH: f64 = 720.0;
pub(super) const HEIGHT: f64 = 240.0;
pub(super) const LEFT: f64 = 72.0;
pub(super) const RIGHT: f64 = 12.0;
pub(super) const BOTTOM: f64 = 26.0;

/// The scale of a drawing.
pub(super) struct Axes {
    from: Timestamp,
    to: Timestamp,
    /// The value at the top.
    top: f64,
    /// Room above the top for a legend and the heads of marks.
    above: f64,
}

impl Axes {
    /// Up to the largest value and every threshold near it: one far above everything would
    /// press what there is to the ground.
    pub(super) fn new(
        (from, to): (Timestamp, Timestamp),
        above: f64,
        largest: f64,
        thresholds: impl Iterator<Item = f64>,
    ) -> Self {
        let near = thresholds.filter(|value| *value <= largest * 4.0);
        let top = near.fold(largest, f64::max).max(1e-3) * 1.08;
        Self {
            from,
            to,
            top,
            above,
        }
    }

    /// The value at the top.
    pub(super) fn top(&self) -> f64 {
        self.top
    }

    fn span(&self) -> f64 {
        self.to.duration_since(self.from).as_secs_f64().max(1.0)
    }

    /// Where a moment is.
    pub(super) fn x(&self, at: Timestamp) -> f64 {
        let share = at.duration_since(self.from).as_secs_f64() / self.span();
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    /// Where a value is.
    pub(super) fn y(&self, value: f64) -> f64 {
        let share = (value / self.top).min(1.0);
        HEIGHT - BOTTOM - share * (HEIGHT - self.above - BOTTOM)
    }

    /// Lines across, a `step` apart, each with its value; and the times below.
    pub(super) fn grid(&self, step: f64, shown: fn(f64) -> String) -> Markup {
        let levels = (0..=8).map(|n| f64::from(n) * step);
        let levels = levels.filter(|level| *level <= self.top);
        let days = self.span() > 36.0 * 3600.0;
        html! {
            @for level in levels {
                line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(n(self.y(level))) y2=(n(self.y(level))) {}
                text.end x=(LEFT - 8.0) y=(n(self.y(level) + 4.0)) { (shown(level)) }
            }
            @for index in 0..=4_u8 {
                @let after = Duration::from_secs_f64(self.span() * f64::from(index) / 4.0);
                @let at = time::after(self.from, after);
                text class=[(index == 4).then_some("end").or((index > 0).then_some("middle"))]
                    x=(n(self.x(at))) y=(HEIGHT - 8.0) { (moment(at, days, index == 4)) }
            }
        }
    }

    /// Moments, with what happened.
    pub(super) fn marks(&self, marks: &[(Timestamp, String)]) -> Markup {
        let seen = marks
            .iter()
            .filter(|(at, _)| (self.from..=self.to).contains(at));
        html! {
            @for (at, title) in seen {
                g.mark {
                    title { (title) }
                    line x1=(n(self.x(*at))) x2=(n(self.x(*at))) y1=(self.above) y2=(HEIGHT - BOTTOM) {}
                    text.middle x=(n(self.x(*at))) y=(self.above - 2.0) { "▼" }
                }
            }
        }
    }

    /// Lines across, with what they are called.
    pub(super) fn thresholds<'t>(
        &self,
        thresholds: impl Iterator<Item = (f64, &'t str)>,
        shown: fn(f64) -> String,
    ) -> Markup {
        html! {
            @for (value, name) in thresholds.filter(|(value, _)| *value <= self.top) {
                line.threshold x1=(LEFT) x2=(WIDTH - RIGHT) y1=(n(self.y(value))) y2=(n(self.y(value))) {}
                text.over x=(LEFT + 6.0) y=(n(self.y(value) - 4.0)) { (name) ", " (shown(value)) }
            }
        }
    }

    /// Points of a line, as SVG has them.
    pub(super) fn points(&self, points: impl Iterator<Item = (Timestamp, f64)>) -> String {
        let place = |(at, value)| format!("{},{}", n(self.x(at)), n(self.y(value)));
        points.map(place).collect::<Vec<_>>().join(" ")
    }
}

/// A number with as many digits as a screen has use for.
pub(super) fn n(value: f64) -> String {
    format!("{value:.1}")
}

/// The last one names the zone for all.
fn moment(at: Timestamp, days: bool, last: bool) -> String {
    let at = at.to_zoned(TimeZone::UTC);
    let form = match (days, last) {
        (true, _) => "%-d %b",
        (false, false) => "%H:%M",
        (false, true) => "%H:%M UTC",
    };
    at.strftime(form).to_string()
}
