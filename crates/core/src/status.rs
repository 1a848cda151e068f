//! The public status of a component, in Statuspage's words, and *unknown* of our own.

use core::fmt;

use serde::{Deserialize, Serialize};

/// How a component is, as customers are told.
///
/// Ordered from best to worst; the worst of what holds is shown. `Unknown` is worse
/// than `Operational` and better than any known harm: what is unknown is never shown
/// as healthy, and never hides what is known to be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It works.
    Operational,
    /// Nobody can say: what should see it is blind.
    #[default]
    Unknown,
    /// Planned work is under way.
    UnderMaintenance,
    /// It works, slowly or not always.
    DegradedPerformance,
    /// It fails for some.
    PartialOutage,
    /// It fails for all.
    MajorOutage,
}

impl Status {
    /// Every status, best first.
    pub const ALL: [Self; 6] = [
        Self::Operational,
        Self::Unknown,
        Self::UnderMaintenance,
        Self::DegradedPerformance,
        Self::PartialOutage,
        Self::MajorOutage,
    ];

    /// Whether customers are hurt.
    pub fn is_harm(self) -> bool {
        self >= Self::DegradedPerformance
    }

    /// The word on pages and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operational => "operational",
            Self::Unknown => "unknown",
            Self::UnderMaintenance => "under_maintenance",
            Self::DegradedPerformance => "degraded_performance",
            Self::PartialOutage => "partial_outage",
            Self::MajorOutage => "major_outage",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
