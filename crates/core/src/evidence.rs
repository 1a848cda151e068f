//! What a decision rests on, and what is kept of a thing before it is ended.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::ids::EvidenceId;

/// One thing a decision rests on, as a person reads it: `waiters` = `14`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What was looked at, snake_case with the unit last: `no_progress_for_s`.
    pub name: String,
    /// What was seen.
    pub value: String,
}

impl Fact {
    /// A fact from anything that can be written down.
    pub fn new(name: &str, value: impl core::fmt::Display) -> Self {
        Self {
            name: name.into(),
            value: alloc::format!("{value}"),
        }
    }
}

/// The kinds of evidence that are kept before anything is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// The process tree with states, wait channels and commands.
    Processes,
    /// Open files.
    Files,
    /// Sockets with their peers and queue sizes.
    Sockets,
    /// CPU and I/O over a short stretch.
    Activity,
    /// The last of the output.
    Output,
    /// Database backends with query, wait event and transaction age.
    Backends,
    /// The lock tree.
    Locks,
    /// What its processes' memory consists of.
    Memory,
    /// How full everything of it was that can fill up.
    Levels,
    /// What it told of itself at its metrics address.
    Metrics,
}

/// One item of kept evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceItem {
    /// What it shows.
    pub kind: EvidenceKind,
    /// Its size in bytes.
    pub bytes: u64,
    /// Why it is missing or cut short, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<String>,
}

/// Evidence that was kept: where, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptEvidence {
    /// Its folder below the evidence directory.
    pub id: EvidenceId,
    /// What is in it.
    pub items: alloc::vec::Vec<EvidenceItem>,
}
