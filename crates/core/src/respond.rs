//! Responses: what would be right to do about what holds.
//!
//! A response says what it would do, to exactly what, and why; whether it may is
//! authority's question (`step/actions.rs`). A response that must not touch a thing says
//! so, with the rule that forbids it, so that nobody waits for help that will not come.

pub mod end_backend;
pub mod end_run;
pub mod recycle_instance;
pub mod start_run;

use alloc::string::String;
use alloc::vec::Vec;

use crate::action::{ActionKind, Task};
use crate::detect::View;
use crate::evidence::Fact;
use crate::finding::FindingKind;
use crate::record::{ActionState, OpenFinding};

/// What a response wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Nothing, now.
    Nothing,
    /// This is to be done.
    Do(Proposal),
    /// This would be done, but must not be: the rule.
    Forbidden(Proposal, String),
}

/// What is to be done, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// What.
    pub task: Task,
    /// Why, in one sentence.
    pub reason: String,
    /// What it rests on.
    pub facts: Vec<Fact>,
}

/// Whether an action is seen to have helped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It helped: how that is seen.
    Helped(String),
    /// It did not, and the time for it is over: what was waited for. With `escalate` the
    /// next harder way is tried; without, the kind is stopped.
    Failed {
        /// What was waited for.
        reason: String,
        /// A harder way is left.
        escalate: bool,
    },
    /// It cannot be said yet; look again then.
    Waiting(jiff::Timestamp),
}

/// One response.
#[derive(Debug, Clone, Copy)]
pub struct Response {
    /// The kind of action it asks for.
    pub kind: ActionKind,
    /// What it does and how that is proven, for listings and the reference page.
    pub about: &'static str,
    /// The findings it answers.
    pub answers: &'static [FindingKind],
    /// What it wants for an open finding of these kinds.
    pub wish: fn(View<'_>, &OpenFinding) -> Wish,
    /// Whether a performed action of its kind helped.
    pub proof: fn(View<'_>, &ActionState, jiff::Timestamp) -> Proof,
}

/// Every response.
pub const RESPONSES: &[Response] = &[
    end_backend::RESPONSE,
    end_run::RESPONSE,
    recycle_instance::RESPONSE,
    start_run::RESPONSE,
];
