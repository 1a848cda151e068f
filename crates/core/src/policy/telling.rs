//! When customers are told, and whether a person is asked before.

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Within this time of the first harm that was seen, customers are told.
pub const FIRST_WORD_WITHIN: Duration = Duration::from_secs(60);

/// A check takes up to half of [`FIRST_WORD_WITHIN`] to be sure; this is what is left to
/// wait and see, a person's time for a veto included.
pub const TELL_AFTER_MAX: Duration = Duration::from_secs(30);

/// Whether a person is asked before customers are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TellMode {
    /// Nobody is asked.
    #[default]
    Automatic,
    /// The operator is paged and may veto for a while; then it is told.
    Veto,
    /// The operator is paged, and nothing is told until they approve.
    Propose,
}

/// When customers are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellingPolicy {
    /// Whether a person is asked before.
    #[serde(default)]
    pub mode: TellMode,
    /// How long they may veto.
    #[serde(default = "veto_within")]
    pub veto_within: Duration,
    /// Harm that is over sooner, and by which no request failed, is told nobody: it is a
    /// line in the history. At most [`TELL_AFTER_MAX`].
    pub tell_after: Duration,
}

fn veto_within() -> Duration {
    TellingPolicy::default().veto_within
}

impl Default for TellingPolicy {
    /// Ten seconds until it is told: who waits longer has noticed (Nielsen's limit for
    /// keeping attention). Twenty for a veto: with them and half a minute for a check to be
    /// sure, the first word still comes within one.
    fn default() -> Self {
        Self {
            mode: TellMode::default(),
            veto_within: Duration::from_secs(20),
            tell_after: Duration::from_secs(10),
        }
    }
}
