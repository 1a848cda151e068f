//! Ids are types, so that a run cannot be passed where a job is meant.
//!
//! Names come from the configuration (`JobId`, `ComponentId`, `DatabaseId`);
//! numbers are counted up by the record (`IncidentId`, `ActionId`, `MessageId`) and
//! are shown the way an operator says them: `I-3`, `A-12`, `MW-3`, `M-7`.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as it is written in configuration, journal and pages.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.to_string())
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_id!(
    /// A job of the configuration: `nightly-export`.
    JobId
);
name_id!(
    /// One run of a job: `nightly-export-20261121T020000Z-1` (job, scheduled time, attempt).
    ///
    /// A run started by another scheduler through `evenkeel run` names itself in the same
    /// form, with the time of its start.
    RunId
);
name_id!(
    /// A function customers see: `login`.
    ComponentId
);
name_id!(
    /// A guarded database of the configuration: `main`.
    DatabaseId
);
name_id!(
    /// An instance of the service under guard: `web-1`.
    InstanceId
);
name_id!(
    /// A pool of instances that do the same: `web`.
    PoolId
);
name_id!(
    /// A route of the edge: `documents`.
    RouteId
);
name_id!(
    /// A file system that is watched: `data`.
    VolumeId
);
name_id!(
    /// A place where copies of the public page are published: `cdn`.
    TargetId
);
name_id!(
    /// A check of the configuration: `login-journey`.
    CheckId
);
name_id!(
    /// A heartbeat: its UUID, lower case.
    HeartbeatId
);
name_id!(
    /// A readiness of the configuration: `morning`.
    ReadinessId
);
name_id!(
    /// A piece of kept evidence: the name of its folder below the evidence directory.
    EvidenceId
);
name_id!(
    /// A maintenance of the configuration: `sunday-night`.
    PlanId
);
name_id!(
    /// A known peak of the configuration: `vat-day`.
    PeakId
);
name_id!(
    /// A person who is called: `ana`.
    PersonId
);
name_id!(
    /// Who observed or ordered something: `jobs`, `locks:main`, `operator:ana`, `pump`.
    Observer
);

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnId {
    /// The letter such an id starts with.
    pub prefix: &'static str,
    /// What was given.
    pub given: String,
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not an id of the form {}-NUMBER",
            self.given, self.prefix
        )
    }
}

impl core::error::Error for NotAnId {}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "-{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.strip_prefix(concat!($prefix, "-"))
                    .and_then(|digits| digits.parse().ok())
                    .map(Self)
                    .ok_or_else(|| NotAnId { prefix: $prefix, given: text.to_string() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(|error| serde::de::Error::custom(format!("{error}")))
            }
        }
    };
}

number_id!(
    /// An incident: `I-3`.
    IncidentId,
    "I"
);
number_id!(
    /// An action: `A-12`.
    ActionId,
    "A"
);
number_id!(
    /// A maintenance: `MW-3`.
    MaintenanceId,
    "MW"
);
number_id!(
    /// A message: `M-7`.
    MessageId,
    "M"
);
