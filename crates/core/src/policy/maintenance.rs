//! Planned work and known peaks of the configuration. When they are, the program says.

use alloc::collections::BTreeSet;
use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::ComponentId;
use crate::maintenance::{Plan, PlannedImpact, Stretch, Turn};
use crate::telling::FreeText;

/// A maintenance of the configuration, without its times.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MaintenancePolicy {
    /// The functions that are worked on.
    pub components: BTreeSet<ComponentId>,
    /// What it is expected to do to them.
    pub impact: PlannedImpact,
    /// What for, in a person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<FreeText>,
    /// How each begins.
    pub begins: Turn,
    /// How each ends.
    pub ends: Turn,
    /// How long before each customers are reminded.
    pub reminders: BTreeSet<Duration>,
}

impl MaintenancePolicy {
    /// The plan of one at this time.
    pub fn at(&self, when: Stretch) -> Plan {
        Plan {
            components: self.components.clone(),
            when,
            impact: self.impact,
            text: self.text.clone(),
            begins: self.begins,
            ends: self.ends,
            reminders: self.reminders.clone(),
        }
    }
}

/// A known peak, without its times.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PeakPolicy {
    /// Its name, as operators say it: `VAT day`.
    pub name: String,
    /// The functions that are busy then; all of them where none is named.
    pub components: BTreeSet<ComponentId>,
}
