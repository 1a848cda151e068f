//! What every drill is: an outage with real parts, in one of three arms, measured from
//! outside.
//!
//! A drill is one file below this one and one line in [`DRILLS`]. Its figures come from
//! its own clients; what Evenkeel says of itself is compared with them, never taken for
//! them. Limits hold for the arm with Evenkeel, and what it tells where it only watches; the
//! arm of the peers shows what it shows.

mod account;
pub mod demo;
mod front_ends;
mod fronted;
mod haproxy;
pub mod host_lost;
pub mod hung_export;
mod keeper;
pub mod noisy_tenant;
mod outside;
mod peers;
mod scene;
mod service;
pub mod slow_leak;
mod telling;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::pin::Pin;
use std::time::Instant;

use serde::Serialize;

/// Every drill.
pub const DRILLS: &[Drill] = &[
    Drill {
        name: "hung-export",
        about: "A nightly export hangs without ending and keeps the rows that login updates.",
        limits: hung_export::LIMITS,
        tells: telling::LIMITS,
        replay: |options| Box::pin(hung_export::replay(options)),
    },
    Drill {
        name: "slow-leak",
        about: "Two front ends leak, and would both stop taking connections on the busiest day.",
        limits: slow_leak::LIMITS,
        tells: telling::LIMITS,
        replay: |options| Box::pin(slow_leak::replay(options)),
    },
    Drill {
        name: "noisy-tenant",
        about: "One of 50 tenants sends 20 times its share, half of it to a slow function.",
        limits: noisy_tenant::LIMITS,
        tells: telling::LIMITS,
        replay: |options| Box::pin(noisy_tenant::replay(options)),
    },
    Drill {
        name: "host-lost",
        about: "The network of the host is lost: service, Evenkeel and its page at once.",
        limits: host_lost::LIMITS,
        // Without a copy elsewhere nothing is told: that is the drill.
        tells: &[],
        replay: |options| Box::pin(host_lost::replay(options)),
    },
];

/// A future of a replay.
pub type Replaying<'a> = Pin<Box<dyn Future<Output = Result<Replay, String>> + 'a>>;

/// One drill.
#[derive(Clone, Copy)]
pub struct Drill {
    /// Its name on the command line.
    pub name: &'static str,
    /// The outage in one sentence.
    pub about: &'static str,
    /// What must hold with Evenkeel.
    pub limits: &'static [(&'static str, Limit)],
    /// What must hold of what is told where Evenkeel only watches.
    pub tells: &'static [(&'static str, Limit)],
    /// Replays it once.
    pub replay: for<'a> fn(&'a Options) -> Replaying<'a>,
}

impl Drill {
    /// What must hold in an arm.
    fn limits(&self, arm: Arm) -> &'static [(&'static str, Limit)] {
        match arm {
            Arm::With => self.limits,
            Arm::Without => self.tells,
            Arm::Peers => &[],
        }
    }
}

/// What a figure must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// At most.
    AtMost(f64),
    /// At least.
    AtLeast(f64),
    /// Just that.
    Exactly(f64),
}

impl Limit {
    /// Whether a figure is within it; one that is missing is not.
    #[must_use]
    pub fn holds(self, figure: Option<f64>) -> bool {
        figure.is_some_and(|figure| match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
            Self::Exactly(wanted) => (figure - wanted).abs() < 1e-9,
        })
    }

    fn value(self) -> f64 {
        match self {
            Self::AtMost(value) | Self::AtLeast(value) | Self::Exactly(value) => value,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(value) => format!("<= {value}"),
            Self::AtLeast(value) => format!(">= {value}"),
            Self::Exactly(value) => format!("{value}"),
        }
    }
}

/// With whose help the outage is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    /// With Evenkeel.
    With,
    /// Evenkeel only watches: the control.
    Without,
    /// What a careful engineer sets up today.
    Peers,
}

impl Arm {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::With => "with",
            Self::Without => "without",
            Self::Peers => "peers",
        }
    }
}

/// How an outage is to be replayed.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The arm.
    pub arm: Arm,
    /// Same seed, same businesses, same users at the same moments.
    pub seed: u64,
    /// The same limits over a shorter outage.
    pub short: bool,
    /// Whether what happens is said on standard error while it happens.
    pub tells: bool,
}

/// What was measured in one replay.
#[derive(Debug, Clone, Serialize)]
pub struct Replay {
    /// The drill.
    pub drill: String,
    /// The arm.
    pub arm: Arm,
    /// The seed.
    pub seed: u64,
    /// Figures, units last.
    pub figures: BTreeMap<String, f64>,
    /// Limits of this arm; none in that of the peers.
    pub limits: BTreeMap<String, f64>,
    /// Whether every limit held.
    pub held: bool,
    /// What happened, as it was seen from outside.
    pub timeline: Vec<Moment>,
}

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
pub struct Moment {
    /// After the load began.
    pub at_ms: u64,
    /// What.
    pub what: String,
}

impl Replay {
    /// Judges figures by a drill's limits.
    #[must_use]
    pub fn judged(
        drill: &Drill,
        options: &Options,
        figures: BTreeMap<String, f64>,
        timeline: Vec<Moment>,
    ) -> Self {
        let limits = drill.limits(options.arm);
        Self {
            drill: drill.name.to_owned(),
            arm: options.arm,
            seed: options.seed,
            held: limits
                .iter()
                .all(|(name, limit)| limit.holds(figures.get(*name).copied())),
            limits: limits
                .iter()
                .map(|(name, limit)| ((*name).to_owned(), limit.value()))
                .collect(),
            figures,
            timeline,
        }
    }
}

/// Judges a drill by its name.
fn finished(
    name: &str,
    options: &Options,
    figures: BTreeMap<String, f64>,
    timeline: Timeline,
) -> Result<Replay, String> {
    let drill = DRILLS.iter().find(|drill| drill.name == name);
    let drill = drill.ok_or("the drill is not in its table")?;
    Ok(Replay::judged(drill, options, figures, timeline.finish()))
}

/// What happens, with when; said aloud where somebody listens.
pub(crate) struct Timeline {
    began: Instant,
    moments: Vec<Moment>,
    tells: bool,
}

impl Timeline {
    pub(crate) fn new(tells: bool) -> Self {
        Self {
            began: Instant::now(),
            moments: Vec::new(),
            tells,
        }
    }

    /// Something happens now.
    pub(crate) fn now(&mut self, what: impl Into<String>) {
        let at_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.at(at_ms, what);
    }

    /// Something happened then.
    pub(crate) fn at(&mut self, at_ms: u64, what: impl Into<String>) {
        let what = what.into();
        if self.tells {
            crate::say::aside(&format!("{:>7.1} s  {what}", at_ms as f64 / 1000.0));
        }
        self.moments.push(Moment { at_ms, what });
    }

    /// Offsets count from here on.
    pub(crate) fn begin_at(&mut self, began: Instant) {
        self.began = began;
    }

    pub(crate) fn finish(mut self) -> Vec<Moment> {
        self.moments.sort_by_key(|moment| moment.at_ms);
        self.moments
    }
}

/// The arms side by side, as a table.
#[must_use]
pub fn side_by_side(drill: &Drill, replays: &[Replay]) -> String {
    let every = drill.limits.iter().chain(drill.tells);
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in every.clone() {
        if !names.contains(name) {
            names.push(name);
        }
    }
    for replay in replays {
        for name in replay.figures.keys() {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    let mut text = format!("{:<34} {:>12}", drill.name, "limit");
    for replay in replays {
        let _ = write!(text, " {:>14}", replay.arm.as_str());
    }
    text.push('\n');
    for name in names {
        let limit = every.clone().find(|(known, _)| *known == name);
        let limit = limit.map(|(_, limit)| *limit);
        let _ = write!(
            text,
            "{name:<34} {:>12}",
            limit.map_or_else(String::new, Limit::text)
        );
        for replay in replays {
            let figure = replay.figures.get(name).copied();
            let shown = figure.map_or_else(|| "-".to_owned(), shown);
            // Without, only what is told is held to a limit; the rest is shown against it.
            let is_held = drill
                .limits(replay.arm)
                .iter()
                .any(|(known, _)| *known == name);
            let is_shown = drill.limits.iter().any(|(known, _)| *known == name);
            let mark = match limit.filter(|_| is_held || is_shown) {
                Some(limit) if limit.holds(figure) => " ok",
                Some(_) => " no",
                None => "   ",
            };
            let _ = write!(text, " {shown:>11}{mark}");
        }
        text.push('\n');
    }
    text
}

fn shown(figure: f64) -> String {
    if (figure - figure.round()).abs() < 1e-9 {
        format!("{figure:.0}")
    } else {
        format!("{figure:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_is_missing_holds_no_limit() {
        for limit in [Limit::AtMost(3.0), Limit::AtLeast(0.0), Limit::Exactly(0.0)] {
            assert!(!limit.holds(None), "{limit:?}");
        }
        assert!(Limit::AtMost(3.0).holds(Some(3.0)) && !Limit::AtMost(3.0).holds(Some(3.1)));
        assert!(Limit::Exactly(0.0).holds(Some(0.0)) && !Limit::Exactly(0.0).holds(Some(1.0)));
        assert!(Limit::AtLeast(6.0).holds(Some(7.0)) && !Limit::AtLeast(6.0).holds(Some(5.0)));
    }

    #[test]
    fn one_limit_that_does_not_hold_is_enough() {
        let drill = &DRILLS[0];
        let options = Options {
            arm: Arm::With,
            seed: 1,
            short: true,
            tells: false,
        };
        let good: BTreeMap<String, f64> = drill
            .limits
            .iter()
            .map(|(name, limit)| ((*name).to_owned(), limit.value()))
            .collect();
        assert!(Replay::judged(drill, &options, good.clone(), Vec::new()).held);
        for (name, limit) in drill.limits {
            let mut bad = good.clone();
            let off = match limit {
                Limit::AtLeast(_) => -1.0,
                Limit::AtMost(_) | Limit::Exactly(_) => 1.0,
            };
            bad.insert((*name).to_owned(), limit.value() + off);
            let replay = Replay::judged(drill, &options, bad, Vec::new());
            assert!(!replay.held, "{name}");
            let table = side_by_side(drill, &[replay]);
            let line = table.lines().find(|line| line.starts_with(name));
            assert!(line.is_some_and(|line| line.ends_with(" no")), "{table}");
        }
    }
}
