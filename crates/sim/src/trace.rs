//! The trace: what happened, a line each, and one number for all of it.
//!
//! Two runs of a seed are the same exactly if their numbers are. The last lines are kept
//! for the report of a violation.

use std::collections::VecDeque;

use evenkeel_core::event::{Event, What};

use crate::clock::{Ms, say};

/// Lines kept for a report.
const KEPT: usize = 60;

#[derive(Debug, Default)]
pub(crate) struct Trace {
    lines: VecDeque<String>,
    hash: u64,
    aloud: bool,
}

impl Trace {
    pub(crate) fn new(aloud: bool) -> Self {
        Self {
            lines: VecDeque::new(),
            hash: 0xcbf2_9ce4_8422_2325,
            aloud,
        }
    }

    pub(crate) fn line(&mut self, t: Ms, text: &str) {
        self.mix(t.unsigned_abs());
        for byte in text.bytes() {
            self.mix(u64::from(byte));
        }
        let line = format!("{:>14}  {text}", say(t));
        if self.aloud {
            crate::report::line(&line);
        }
        self.lines.push_back(line);
        if self.lines.len() > KEPT {
            self.lines.pop_front();
        }
    }

    /// FNV-1a: the number need not resist anybody, only differ.
    pub(crate) fn mix(&mut self, value: u64) {
        self.hash = (self.hash ^ value).wrapping_mul(0x0100_0000_01b3);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn last(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}

/// An event, on one line.
pub(crate) fn sentence(event: &Event) -> String {
    let what = match &event.what {
        What::FindingOpened { finding } | What::FindingUpdated { finding } => {
            format!("{}: {}", finding.key, finding.reason)
        }
        What::FindingCleared { key, reason } => format!("{key}: {reason}"),
        What::ActionRequested {
            action,
            approved_by,
        } => match approved_by {
            Some(by) => format!("{} approved by {by}: {}", action.id, action.task),
            None => format!("{}: {} ({})", action.id, action.task, action.reason),
        },
        What::ActionProposed { action, .. } => format!("{}: {}", action.id, action.task),
        What::ActionWithheld { action, why } => format!("{}: {} {why:?}", action.id, action.task),
        What::MessageRequested { message } => {
            format!("{} to {:?}", message.id, message.audience())
        }
        other => format!("{other:?}"),
    };
    format!("core: {}: {what}", event.what.kind())
}
