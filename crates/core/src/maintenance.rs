//! Planned work, in Statuspage's words: scheduled, in progress, verifying, completed.
//!
//! A maintenance is announced when it is planned, reminded of, begun and ended by itself or
//! by hand. While it is under way its components are shown under maintenance, and harm to
//! them opens no incident, as far as the plan said that they would be hurt and only until
//! the end that was announced.
//!
//! It hides nothing: what hurt before it began is no part of it, harm worse than planned
//! or to others is an incident as ever, what still hurts when its time is over becomes one
//! at once, and its length is bounded ([`LENGTH_MAX`]). An end that nobody declares makes it
//! overdue: it covers nothing any more and somebody is called.
//!
//! The core knows no time zones: the program says when what the configuration plans, and
//! the known peaks, come next ([`MaintenanceDates`](crate::observation::MaintenanceDates)).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ComponentId, MaintenanceId, PeakId, PlanId};
use crate::record::{MaintenanceState, Record};
use crate::status::Status;
use crate::telling::FreeText;
use crate::time;

/// The longest a maintenance may be, extensions included: the vendor's own longest night of
/// moving servers was twelve hours. Longer work is several, each announced.
pub const LENGTH_MAX: Duration = Duration::from_secs(24 * 3600);

/// The shortest: shorter, reading of it takes longer than it.
pub const LENGTH_MIN: Duration = Duration::from_secs(60);

/// How far ahead one may be planned.
pub const AHEAD_MAX: Duration = Duration::from_secs(400 * 86400);

/// With less notice a reason is asked for: customers plan their day the day before.
pub const NOTICE_MIN: Duration = Duration::from_secs(24 * 3600);

/// How long before its time one may be begun by hand; earlier, it was not announced.
pub const EARLY_MAX: Duration = Duration::from_secs(15 * 60);

/// An overdue one that nobody ends is taken for ended after so long: whoever was to end it
/// has been called all the while.
pub const OVERDUE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Reminders of one maintenance.
pub const REMINDERS_MAX: usize = 5;

/// Maintenances that are planned and not over. Ten a week for a year.
pub const OPEN_MAX: usize = 500;

/// Where a maintenance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaintenanceStatus {
    /// It is planned and announced.
    Scheduled,
    /// It is under way.
    InProgress,
    /// The work is done; it is watched whether all is well.
    Verifying,
    /// It is over.
    Completed,
    /// It was called off before it began. Ours: Statuspage deletes such a one, and whoever
    /// had put it into their calendar is not told.
    Cancelled,
}

impl MaintenanceStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::Scheduled,
        Self::InProgress,
        Self::Verifying,
        Self::Completed,
        Self::Cancelled,
    ];

    /// The word on pages and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::InProgress => "in_progress",
            Self::Verifying => "verifying",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it has begun and is not over.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::InProgress | Self::Verifying)
    }

    /// Whether nothing more comes of it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

impl fmt::Display for MaintenanceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a maintenance is expected to do to its components, in NANOG's words
/// (<https://github.com/jda/maintnote-std>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedImpact {
    /// Nobody notices: nothing is covered.
    NoImpact,
    /// Nobody notices, and less could fail before somebody does: nothing is covered.
    ReducedRedundancy,
    /// They are slow: slowness is covered, failure is not.
    Degraded,
    /// They may not work at all.
    #[default]
    Outage,
}

impl PlannedImpact {
    /// Every impact, mildest first.
    pub const ALL: [Self; 4] = [
        Self::NoImpact,
        Self::ReducedRedundancy,
        Self::Degraded,
        Self::Outage,
    ];

    /// The word in configuration and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoImpact => "no_impact",
            Self::ReducedRedundancy => "reduced_redundancy",
            Self::Degraded => "degraded",
            Self::Outage => "outage",
        }
    }

    /// The worst that is planned; `None` where nobody is to notice.
    pub fn covers(self) -> Option<Status> {
        match self {
            Self::NoImpact | Self::ReducedRedundancy => None,
            Self::Degraded => Some(Status::DegradedPerformance),
            Self::Outage => Some(Status::MajorOutage),
        }
    }
}

/// Whether something happens at its time, or when a person says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// At its time.
    #[default]
    ByItself,
    /// When a person says so; somebody is called when it is late.
    ByHand,
}

/// From when to when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stretch {
    /// When it begins.
    pub from: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

impl Stretch {
    /// Whether both have a moment in common.
    pub fn meets(&self, other: &Self) -> bool {
        self.from < other.until && other.from < self.until
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        time::since(self.from, self.until)
    }
}

/// What is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The functions that are worked on.
    pub components: BTreeSet<ComponentId>,
    /// When.
    #[serde(flatten)]
    pub when: Stretch,
    /// What it is expected to do to them.
    #[serde(default)]
    pub impact: PlannedImpact,
    /// What for, in a person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<FreeText>,
    /// How it begins.
    #[serde(default)]
    pub begins: Turn,
    /// How it ends.
    #[serde(default)]
    pub ends: Turn,
    /// How long before it begins customers are reminded.
    #[serde(default, rename = "reminders_s", with = "seconds")]
    pub reminders: BTreeSet<Duration>,
}

/// Spans as whole seconds: people write orders by hand, too.
mod seconds {
    use alloc::collections::BTreeSet;
    use core::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        spans: &BTreeSet<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(spans.iter().map(Duration::as_secs))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeSet<Duration>, D::Error> {
        let seconds = BTreeSet::<u64>::deserialize(deserializer)?;
        Ok(seconds.into_iter().map(Duration::from_secs).collect())
    }
}

/// Which occurrence of a maintenance of the configuration one is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Occurrence {
    /// The maintenance of the configuration.
    pub plan: PlanId,
    /// When it was first to begin; it may have been moved since.
    pub scheduled_at: Timestamp,
}

/// What customers are told of a maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaintenanceNews {
    /// It is planned.
    Announced,
    /// It is near.
    Reminder,
    /// It is at another time, or of other functions, than was said.
    Moved,
    /// It has begun.
    Began,
    /// It takes longer than was said.
    Extended,
    /// The work is done, it is watched.
    Verifying,
    /// It should be over and is not.
    Overdue,
    /// It is over.
    Completed,
    /// It was called off.
    Cancelled,
}

impl MaintenanceNews {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Announced,
        Self::Reminder,
        Self::Moved,
        Self::Began,
        Self::Extended,
        Self::Verifying,
        Self::Overdue,
        Self::Completed,
        Self::Cancelled,
    ];

    /// The word in templates and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Reminder => "reminder",
            Self::Moved => "moved",
            Self::Began => "began",
            Self::Extended => "extended",
            Self::Verifying => "verifying",
            Self::Overdue => "overdue",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One word to customers about a maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceWord {
    /// Which.
    pub maintenance: MaintenanceId,
    /// What is new.
    pub news: MaintenanceNews,
    /// Where it stands.
    pub status: MaintenanceStatus,
    /// When it is, as far as was known then.
    #[serde(flatten)]
    pub when: Stretch,
    /// The functions, and how they are shown from then on.
    pub components: BTreeMap<ComponentId, Status>,
    /// What a person added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<FreeText>,
}

/// What a person orders of a maintenance. The observer says who.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "maintenance_order", rename_all = "snake_case")]
pub enum MaintenanceOrder {
    /// Plan one.
    Plan {
        /// What.
        plan: Plan,
        /// Why into a peak, or at such short notice, where it is. Operators read it,
        /// customers do not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Have it at another time: a later end of one that is under way extends it.
    Move {
        /// Which.
        maintenance: MaintenanceId,
        /// When it begins from now on; as before without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        begins_at: Option<Timestamp>,
        /// When it ends from now on.
        ends_at: Timestamp,
        /// In a person's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<FreeText>,
        /// As for a plan.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// It begins now.
    Begin {
        /// Which.
        maintenance: MaintenanceId,
    },
    /// The work is done.
    Finish {
        /// Which.
        maintenance: MaintenanceId,
        /// In a person's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<FreeText>,
    },
    /// It is called off.
    Cancel {
        /// Which.
        maintenance: MaintenanceId,
        /// In a person's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<FreeText>,
    },
}

impl MaintenanceOrder {
    /// The maintenance it is about; none where it plans one.
    pub fn about(&self) -> Option<MaintenanceId> {
        match self {
            Self::Plan { .. } => None,
            Self::Move { maintenance, .. }
            | Self::Begin { maintenance }
            | Self::Finish { maintenance, .. }
            | Self::Cancel { maintenance, .. } => Some(*maintenance),
        }
    }

    /// What a person wrote for customers.
    pub fn text(&self) -> Option<&FreeText> {
        match self {
            Self::Plan { plan, .. } => plan.text.as_ref(),
            Self::Move { text, .. } | Self::Finish { text, .. } | Self::Cancel { text, .. } => {
                text.as_ref()
            }
            Self::Begin { .. } => None,
        }
    }

    /// Why all the same.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Plan { reason, .. } | Self::Move { reason, .. } => reason.as_deref(),
            Self::Begin { .. } | Self::Finish { .. } | Self::Cancel { .. } => None,
        }
    }
}

/// A peak that a maintenance would be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeakMet {
    /// Which.
    pub peak: PeakId,
    /// Its name.
    pub name: String,
    /// When it is.
    pub when: Stretch,
}

/// Why an order cannot be obeyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unplannable {
    /// There is no such maintenance.
    NoMaintenance,
    /// It concerns no function.
    NoComponent,
    /// It begins in the past, or too far ahead.
    Begins,
    /// The same is planned already.
    Known(MaintenanceId),
    /// It is too short or too long.
    Length(Duration),
    /// Its end has come already.
    Ended,
    /// It is so already.
    Unchanged,
    /// It has begun: its beginning cannot be moved.
    HasBegun,
    /// It is too long before its time.
    TooEarly(Timestamp),
    /// It is not under way.
    NotUnderWay(MaintenanceStatus),
    /// It is not scheduled any more.
    NotScheduled(MaintenanceStatus),
    /// Too many reminders.
    Reminders,
    /// Too many are planned.
    TooMany,
    /// It is in a known peak, and there is no reason.
    Peak(Vec<PeakMet>),
    /// It is announced too late, and there is no reason: how long before.
    ShortNotice(Duration),
}

impl Record {
    /// Known peaks of any of these components at that time.
    pub fn peaks_met(&self, components: &BTreeSet<ComponentId>, when: Stretch) -> Vec<PeakMet> {
        let concerned = self.peaks.iter().filter(|(_, peak)| {
            let all = peak.components.is_empty();
            all || !peak.components.is_disjoint(components)
        });
        let met = concerned.flat_map(|(id, peak)| {
            let dates = peak.dates.iter().filter(move |date| date.meets(&when));
            dates.map(move |date| PeakMet {
                peak: id.clone(),
                name: peak.name.clone(),
                when: *date,
            })
        });
        met.collect()
    }

    /// Why an order cannot be obeyed; `None` where it can.
    pub fn unplannable(&self, order: &MaintenanceOrder, now: Timestamp) -> Option<Unplannable> {
        let state = match order.about() {
            None => None,
            Some(id) => match self.maintenances.get(&id) {
                Some(state) => Some(state),
                None => return Some(Unplannable::NoMaintenance),
            },
        };
        match (order, state) {
            (MaintenanceOrder::Plan { plan, reason }, _) => {
                if plan.components.is_empty() {
                    return Some(Unplannable::NoComponent);
                }
                if plan.reminders.len() > REMINDERS_MAX {
                    return Some(Unplannable::Reminders);
                }
                if self.open_maintenances.len() >= OPEN_MAX {
                    return Some(Unplannable::TooMany);
                }
                if let Some(known) = self.planned_alike(plan) {
                    return Some(Unplannable::Known(known));
                }
                let begins = badly_begun(plan.when.from, now);
                begins.or_else(|| self.unfit(&plan.components, plan.when, now, reason.is_some()))
            }
            (
                MaintenanceOrder::Move {
                    begins_at,
                    ends_at,
                    reason,
                    ..
                },
                Some(state),
            ) => {
                unmovable(state, *begins_at, *ends_at, now).or_else(|| {
                    let (before, when) = (state.plan.when, state.moved(*begins_at, *ends_at));
                    // What only becomes shorter asks for nothing, and who is at work already
                    // does not stop for a peak.
                    let is_shorter = when.from == before.from && when.until < before.until;
                    let goes = is_shorter || state.status.is_under_way() || reason.is_some();
                    self.unfit(&state.plan.components, when, now, goes)
                })
            }
            (MaintenanceOrder::Begin { .. }, Some(state)) => {
                let early = time::before(state.plan.when.from, EARLY_MAX);
                match state.status {
                    MaintenanceStatus::Scheduled if now < early => {
                        Some(Unplannable::TooEarly(early))
                    }
                    MaintenanceStatus::Scheduled if now >= state.plan.when.until => {
                        Some(Unplannable::Ended)
                    }
                    MaintenanceStatus::Scheduled => None,
                    status => Some(Unplannable::NotScheduled(status)),
                }
            }
            (MaintenanceOrder::Finish { .. }, Some(state)) => match state.status {
                MaintenanceStatus::InProgress => None,
                status => Some(Unplannable::NotUnderWay(status)),
            },
            (MaintenanceOrder::Cancel { .. }, Some(state)) => match state.status {
                MaintenanceStatus::Scheduled => None,
                status => Some(Unplannable::NotScheduled(status)),
            },
            (_, None) => Some(Unplannable::NoMaintenance),
        }
    }

    /// One that is planned for the same functions at the same time.
    fn planned_alike(&self, plan: &Plan) -> Option<MaintenanceId> {
        let open = self.open_maintenances.iter();
        let mut open = open.filter_map(|id| self.maintenances.get(id));
        let same = |known: &Plan| known.when == plan.when && known.components == plan.components;
        open.find(|state| same(&state.plan)).map(|state| state.id)
    }

    /// Whether a time is one for work: its length, the peaks, the notice.
    fn unfit(
        &self,
        components: &BTreeSet<ComponentId>,
        when: Stretch,
        now: Timestamp,
        has_reason: bool,
    ) -> Option<Unplannable> {
        let length = when.length();
        if when.until <= when.from || !(LENGTH_MIN..=LENGTH_MAX).contains(&length) {
            return Some(Unplannable::Length(length));
        }
        if has_reason {
            return None;
        }
        let met = self.peaks_met(components, when);
        if !met.is_empty() {
            return Some(Unplannable::Peak(met));
        }
        let notice = time::since(now, when.from);
        (notice < NOTICE_MIN).then_some(Unplannable::ShortNotice(notice))
    }
}

fn badly_begun(from: Timestamp, now: Timestamp) -> Option<Unplannable> {
    let ahead = time::since(now, from);
    (from < now || ahead > AHEAD_MAX).then_some(Unplannable::Begins)
}

fn unmovable(
    state: &MaintenanceState,
    begins_at: Option<Timestamp>,
    ends_at: Timestamp,
    now: Timestamp,
) -> Option<Unplannable> {
    if state.status.is_over() || state.status == MaintenanceStatus::Verifying {
        return Some(Unplannable::NotUnderWay(state.status));
    }
    let when = state.moved(begins_at, ends_at);
    if when == state.plan.when {
        return Some(Unplannable::Unchanged);
    }
    if ends_at <= now {
        return Some(Unplannable::Ended);
    }
    if when.from == state.plan.when.from {
        return None;
    }
    match state.status {
        MaintenanceStatus::Scheduled => badly_begun(when.from, now),
        _ => Some(Unplannable::HasBegun),
    }
}
