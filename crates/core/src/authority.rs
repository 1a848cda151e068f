//! What Evenkeel may do by itself.
//!
//! Every kind of action has a mode for each scope (a job, a database, a pool): `watch` says
//! what would be done, `propose` waits for an operator, `act` does it. What is not
//! granted is watched. Budgets and intervals bound even what is granted, a failed proof
//! stops it, and one kill switch stops everything that ends something.

use alloc::collections::BTreeMap;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action::ActionKind;
use crate::subject::Subject;

/// How far Evenkeel may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Say what would be done.
    #[default]
    Watch,
    /// Ask an operator, and do it when approved.
    Propose,
    /// Do it.
    Act,
}

impl Mode {
    /// The word in configuration, pages and journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Propose => "propose",
            Self::Act => "act",
        }
    }
}

/// What is granted for one kind of action on one scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// How far.
    pub mode: Mode,
    /// At most so many ...
    pub budget: u32,
    /// ... within this time.
    pub window: Duration,
    /// At least this long between two.
    pub interval_min: Duration,
    /// How long a proposal stands.
    pub proposal_ttl: Duration,
}

impl Grant {
    /// What holds for a kind that nothing was said about: scheduled starts act (the
    /// schedule in the configuration is the operator's word), everything that ends
    /// something watches.
    pub fn default_for(kind: ActionKind) -> Self {
        let act = Self {
            mode: Mode::Watch,
            budget: 3,
            window: Duration::from_secs(3600),
            interval_min: Duration::from_secs(5),
            proposal_ttl: Duration::from_secs(900),
        };
        match kind {
            // A minutely job with retries stays below 240 an hour; what needs more is a
            // daemon, not a job.
            ActionKind::StartRun => Self {
                mode: Mode::Act,
                budget: 240,
                interval_min: Duration::ZERO,
                ..act
            },
            ActionKind::EndRun | ActionKind::EndBackend => act,
            // Leaks fill up in hours or days. What wants more restarts than one an hour is
            // broken, and restarting it in turns hides that; and after each the others need
            // time to show that they carry the load.
            ActionKind::RecycleInstance => Self {
                budget: 6,
                window: Duration::from_secs(6 * 3600),
                interval_min: Duration::from_secs(300),
                proposal_ttl: Duration::from_secs(3600),
                ..act
            },
        }
    }
}

/// Every grant of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Authority {
    /// Grants by kind and scope ([`Subject::Job`], [`Subject::Database`], [`Subject::Pool`]).
    #[serde(with = "pairs")]
    pub grants: BTreeMap<(ActionKind, Subject), Grant>,
}

impl Authority {
    /// What is granted for `kind` on `scope`.
    pub fn grant(&self, kind: ActionKind, scope: &Subject) -> Grant {
        self.grants
            .get(&(kind, scope.clone()))
            .cloned()
            .unwrap_or_else(|| Grant::default_for(kind))
    }
}

/// Maps with keys that are not texts, as lists of pairs: JSON has no other form.
pub(crate) mod pairs {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S, K, V>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        K: Serialize,
        V: Serialize,
    {
        serializer.collect_seq(map.iter())
    }

    pub(crate) fn deserialize<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        D: Deserializer<'de>,
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}
