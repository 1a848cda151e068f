//! `[witness]`: whom this Evenkeel follows from elsewhere.

use std::time::Duration;

use evenkeel_core::policy::Policy;

use super::reader::{At, Report, Section};
use crate::publish;
use crate::publish::places::Place;
use crate::publish::signing::Key;

/// A restart takes some seconds, and two questions have to fit.
const SILENT_AFTER_MIN: Duration = Duration::from_secs(5);

/// With the renewal of a copy, customers read the first word within a minute.
const SILENT_AFTER: Duration = Duration::from_secs(20);

/// Whom a witness follows.
#[derive(Debug, Clone)]
pub struct Witness {
    /// The keeper's public page, where it is made.
    pub keeper: String,
    /// Its key's public half.
    pub key: Key,
    /// How long the keeper has to be silent before anything is said.
    pub silent_after: Duration,
}

pub(super) fn read(root: &mut Section<'_>, report: &mut Report<'_>) -> Option<At<Witness>> {
    let mut section = root.below_root(report, "witness");
    if !section.is_there() {
        section.finish(report);
        return None;
    }
    let at = section.at.clone();
    let keeper = section.required(report, "keeper");
    let key = key(&mut section, report, "key", true);
    let silent_after = section.time(report, "silent_after", SILENT_AFTER_MIN, SILENT_AFTER);
    section.finish(report);
    let keeper = keeper?;
    if !keeper.value.contains("://") {
        report.error(&keeper.at, "`keeper` has to begin with https:// or http://");
        return None;
    }
    if let Err(why) = Place::of(&keeper.value) {
        report.error(&keeper.at, why);
        return None;
    }
    Some(At {
        value: Witness {
            keeper: keeper.value,
            key: key?,
            silent_after,
        },
        at,
    })
}

/// A public key.
pub(super) fn key(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    key: &'static str,
    must: bool,
) -> Option<Key> {
    let given = match must {
        true => section.required(report, key),
        false => section.text(report, key),
    }?;
    match Key::parse(&given.value) {
        Ok(key) => Some(key),
        Err(why) => {
            report.error(&given.at, format!("`{key}` {why}"));
            None
        }
    }
}

/// What a witness needs of the rest.
pub(super) fn checked(
    witness: &At<Witness>,
    policy: &Policy,
    publish: &publish::Settings,
    report: &mut Report<'_>,
) {
    if publish.targets.is_empty() {
        report.error(
            &witness.at,
            "a witness has nowhere to speak: name the keeper's own targets in [[publish]]",
        );
    }
    if policy.references.is_empty() {
        report.error(
            &witness.at,
            "a witness without references cannot tell the keeper's silence from its own: name two \
             [[check]] of somebody else with reference = true",
        );
    }
    if policy.checks.len() == policy.references.len() {
        report.warn(
            &witness.at,
            "no [[check]] asks the service: the witness cannot say whether it answers",
        );
    }
}
