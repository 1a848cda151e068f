//! `[recorder]`: what is kept for replay.

use std::time::Duration;

use super::reader::{Report, Section};

/// What is kept for replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recording {
    /// Whether anything is.
    pub enabled: bool,
    /// How long.
    pub keep_for: Duration,
    /// How much, bytes.
    pub bytes_max: u64,
}

/// Three days: what happened on a Friday night is still there on Monday.
const KEEP_FOR: Duration = Duration::from_secs(72 * 3600);

pub(super) fn read(root: &mut Section<'_>, report: &mut Report<'_>) -> Recording {
    let mut section = root.below_root(report, "recorder");
    let enabled = section.yes_no(report, "enabled").unwrap_or(true);
    let keep_for = section.duration_of(report, "keep_for", Duration::from_secs(3600));
    let mebibytes = section.number(report, "size_max_mib", 16..=1 << 20);
    section.finish(report);
    let mebibytes = mebibytes.and_then(|at| u64::try_from(at.value).ok());
    Recording {
        enabled,
        keep_for: keep_for.map_or(KEEP_FOR, |at| at.value),
        bytes_max: mebibytes.unwrap_or(1024) << 20,
    }
}
