//! Decides a recorded stretch again.
//!
//! Under the same policy ([`again`]) every decision must be the one in the journal, byte
//! for byte: what is not is told, and counted. Under another policy ([`otherwise`]) the
//! answer is what would have been decided and done instead.
//!
//! What always holds:
//!
//! - **Nothing is changed.** The ring and the journal are read, beside a running server
//!   too, and nothing is performed or told.
//! - **What could not be compared is not counted as equal.** Entries that retention
//!   removed, steps that were not recorded, damaged blocks: each is counted or named.
//! - **A difference stays where it is.** After a step that was decided otherwise, the
//!   record goes on as the journal has it, so that one difference is one difference.
//!
//! Replay starts with the newest segment that began before the stretch, and lets the time
//! until the stretch pass without looking at it.

pub mod again;
mod entries;
pub mod otherwise;
#[cfg(test)]
mod tests;
mod turning_points;

use std::ops::ControlFlow;
use std::path::Path;

use evenkeel_core::Timestamp;
use evenkeel_journal::ReadError;
use serde::Serialize;

use crate::recorder::read::{self, Piece};
use crate::recorder::ring;
use crate::recorder::{Base, Step, Why};

/// Notes that are kept: a ring has some hundred segments.
const NOTES_MAX: usize = 200;

/// A stretch that cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The ring cannot be read.
    #[error("the recordings in {folder} cannot be read")]
    Ring {
        /// Where.
        folder: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The journal cannot be read.
    #[error("the journal cannot be read")]
    Journal(#[from] ReadError),
    /// Nothing is recorded there.
    #[error("nothing is recorded in that stretch: {0}")]
    Nothing(String),
}

/// The stretch to look at; open ends where nothing is said.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
}

impl Stretch {
    fn holds(&self, at: Timestamp) -> bool {
        (self.from..=self.to).contains(&at)
    }
}

/// What was replayed, of whatever policy.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Replayed {
    /// The first and the last step looked at.
    pub from: Option<Timestamp>,
    /// The last step looked at.
    pub to: Option<Timestamp>,
    /// Segments read.
    pub replay_segments_count: u64,
    /// Steps looked at.
    pub replay_steps_count: u64,
    /// Observations in them.
    pub replay_observations_count: u64,
    /// Steps that are known to be missing in the stretch.
    pub replay_steps_missing_count: u64,
    /// What is missing, and what to know of the stretch.
    pub notes: Vec<String>,
}

impl Replayed {
    fn note(&mut self, note: String) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(note);
        }
    }
}

/// How the state at the start of a segment follows from what was replayed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follows {
    /// Nothing is missing between: the state goes on.
    On,
    /// Nothing is missing, and the state was folded anew from the journal.
    Anew,
    /// Something is missing, or nothing was before.
    Not,
}

/// Who decides a stretch again.
trait Player {
    fn begin(&mut self, base: Base, follows: Follows, replayed: &mut Replayed);

    /// `looked_at` is false while the time before the stretch passes.
    fn step(&mut self, step: &Step, looked_at: bool) -> Result<(), ReplayError>;
}

/// How far a replay is: steps so far, and the time it has reached.
pub type Progress<'a> = &'a mut dyn FnMut(u64, Timestamp);

fn play(
    folder: &Path,
    stretch: Stretch,
    player: &mut dyn Player,
    progress: Progress<'_>,
) -> Result<Replayed, ReplayError> {
    let segments = ring::segments(folder).map_err(|source| ReplayError::Ring {
        folder: folder.to_owned(),
        source,
    })?;
    let (Some(oldest), Some(_)) = (segments.first(), segments.last()) else {
        return Err(ReplayError::Nothing(format!(
            "{} is empty; with `enabled = true` in [recorder], `evenkeel serve` records into it",
            folder.display()
        )));
    };
    let oldest = oldest.began;
    let first = segments
        .iter()
        .rposition(|segment| segment.began <= stretch.from)
        .unwrap_or(0);
    let mut walk = Walk {
        stretch,
        player,
        progress,
        replayed: Replayed::default(),
        whole: false,
        taken: 0,
        failed: None,
    };
    for segment in &segments[first..] {
        if segment.began > stretch.to {
            break;
        }
        walk.replayed.replay_segments_count += 1;
        let name = segment.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        read::segment(segment, &mut |piece| walk.take(piece, &name));
        if let Some(error) = walk.failed {
            return Err(error);
        }
    }
    let replayed = walk.replayed;
    if replayed.replay_steps_count == 0 && replayed.notes.is_empty() {
        return Err(ReplayError::Nothing(format!(
            "the recordings begin at {oldest}; the last seconds before now are not written yet"
        )));
    }
    Ok(replayed)
}

struct Walk<'a, 'p> {
    stretch: Stretch,
    player: &'a mut dyn Player,
    progress: Progress<'p>,
    replayed: Replayed,
    /// Whether everything up to here was replayed.
    whole: bool,
    taken: u64,
    failed: Option<ReplayError>,
}

impl Walk<'_, '_> {
    fn take(&mut self, piece: Piece, name: &str) -> ControlFlow<()> {
        match piece {
            Piece::Base(base) => self.begin(*base),
            Piece::Steps(steps) => {
                for step in &steps {
                    if step.now > self.stretch.to {
                        return ControlFlow::Break(());
                    }
                    if let Err(error) = self.step(step) {
                        self.failed = Some(error);
                        return ControlFlow::Break(());
                    }
                }
            }
            // The end of what was written when it was read, or of what a crash left.
            Piece::Torn => self.whole = false,
            Piece::Missing(what) => {
                self.whole = false;
                self.replayed.note(format!("{name}: {what}"));
            }
        }
        ControlFlow::Continue(())
    }

    fn begin(&mut self, base: Base) {
        let follows = match (&base.why, self.whole) {
            (Why::Continued, true) => Follows::On,
            (Why::Started | Why::Rebuilt, true) => Follows::Anew,
            _ => Follows::Not,
        };
        if let Why::Gap(gap) = &base.why
            && base.at >= self.stretch.from
        {
            self.replayed.replay_steps_missing_count += gap.steps;
            self.replayed.note(format!(
                "from {} to {} {} steps with {} observations were not recorded: {}",
                gap.since, base.at, gap.steps, gap.observations, gap.because
            ));
        }
        self.player.begin(base, follows, &mut self.replayed);
        self.whole = true;
    }

    fn step(&mut self, step: &Step) -> Result<(), ReplayError> {
        let looked_at = self.stretch.holds(step.now);
        self.player.step(step, looked_at)?;
        if looked_at {
            self.replayed.replay_steps_count += 1;
            self.replayed.replay_observations_count += step.inputs.len() as u64;
            self.replayed.from.get_or_insert(step.now);
            self.replayed.to = Some(step.now);
        }
        self.taken += 1;
        if self.taken.is_multiple_of(1024) {
            (self.progress)(self.taken, step.now);
        }
        Ok(())
    }
}
