//! Planned work as all formats have it: what was said of each, in the words of the page.

use std::cmp::Reverse;

use evenkeel_core::Timestamp;
use evenkeel_core::maintenance::{MaintenanceStatus, MaintenanceWord};
use evenkeel_core::record::MaintenanceState;

use super::super::maintenance::address;
use super::super::said::Said as Original;
use super::picture::{PLAIN, Picture, id_of, millis};

/// As many as incidents: Statuspage's own number.
pub(super) const MAINTENANCES_MAX: usize = 50;

/// Planned work, and what was said of it.
pub(super) struct Work<'a> {
    pub(super) state: &'a MaintenanceState,
    /// Of Statuspage's shape.
    pub(super) id: String,
    pub(super) title: String,
    /// What is to be expected of it.
    pub(super) expected: String,
    /// Its own page.
    pub(super) link: String,
    /// When something of it was last said or changed.
    pub(super) updated_at: Timestamp,
    /// Newest first.
    pub(super) updates: Vec<Said<'a>>,
}

/// One word about it.
pub(super) struct Said<'a> {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) status: MaintenanceStatus,
    /// In sentences.
    pub(super) text: String,
    /// What a person wrote.
    pub(super) original: Option<Original<'a>>,
    pub(super) word: &'a MaintenanceWord,
}

impl Said<'_> {
    /// All of it, as plain text.
    pub(super) fn body(&self) -> String {
        match &self.original {
            Some(original) => format!("{}\n{}", self.text, original.text()),
            None => self.text.clone(),
        }
    }
}

/// Statuspage's nearest word.
pub(super) fn word(status: MaintenanceStatus) -> &'static str {
    match status {
        MaintenanceStatus::Cancelled => MaintenanceStatus::Completed.as_str(),
        known => known.as_str(),
    }
}

impl<'a> Picture<'a> {
    /// Planned work that is wanted, newest first.
    pub(super) fn works(&self, wanted: fn(MaintenanceStatus) -> bool) -> Vec<Work<'a>> {
        let all = self.published.record.maintenances.values();
        let mut all: Vec<_> = all.filter(|state| wanted(state.status)).collect();
        all.sort_by_key(|state| Reverse((state.plan.when.from, state.id)));
        all.truncate(MAINTENANCES_MAX);
        all.into_iter().map(|state| self.work(state)).collect()
    }

    fn work(&self, state: &'a MaintenanceState) -> Work<'a> {
        let components = state.plan.components.iter();
        let names: Vec<&str> = components.map(|id| self.site.component_name(id)).collect();
        let id = id_of(
            "maintenance",
            &[state.id.to_string(), millis(state.planned_at)],
        );
        let updates = state.words.iter().rev().map(|(message, at, word)| {
            let free = word.text.as_ref();
            Said {
                id: id_of("update", &[id.clone(), message.to_string(), millis(*at)]),
                at: *at,
                status: word.status,
                text: self.words.maintenance_word(word.news, word.when, *at),
                original: free.map(|free| Original::original(self.words, free)),
                word,
            }
        });
        let updates: Vec<Said<'a>> = updates.collect();
        let spoken = updates.first().map(|said| said.at);
        let path = match self.words.language() {
            PLAIN => format!("/maintenance/{}", state.id),
            language => address(language, Some(state.id)),
        };
        Work {
            title: self.words.maintenance_named(&names),
            expected: self.words.maintenance_expected(state.plan.impact, &names),
            link: format!("{}{path}", self.base()),
            updated_at: spoken
                .max(Some(state.changed_at))
                .unwrap_or(state.changed_at),
            updates,
            state,
            id,
        }
    }
}
