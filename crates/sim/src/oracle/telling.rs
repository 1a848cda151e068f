//! Messages: each is handed over, and nobody is flooded.

use evenkeel_core::finding::FindingKind;
use evenkeel_core::ids::MessageId;
use evenkeel_core::message::{Body, Message};
use evenkeel_core::record::Record;
use evenkeel_core::subject::Subject;

use super::{Held, Oracle};
use crate::clock::{HOUR, Ms};

/// Words about one incident within an hour, to operator and customers together. Four
/// components flapping under a chain a minute stay below it; a loop does not, for long.
const WORDS_AN_HOUR: usize = 500;

impl Oracle {
    /// Words about an incident are bounded by the hour, and a spent retry budget pages once.
    pub(super) fn few_words(&self, message: &Message, live: &Record, t: Ms) -> Held {
        let recent = self.words.get(&message.incident).map_or(0, |times| {
            times.iter().filter(|then| t - **then < HOUR).count()
        });
        if recent >= WORDS_AN_HOUR {
            return Err((
                "few_words",
                format!(
                    "{} is word number {recent} about {:?} within an hour",
                    message.id, message.incident
                ),
            ));
        }
        let Some(job) = spent(message) else {
            return Ok(());
        };
        let slot = live
            .jobs
            .get(&job)
            .and_then(|job| job.slot.as_ref())
            .map(|slot| slot.scheduled_at);
        match self.spent_pages.get(&(job.clone(), slot)) {
            Some(1..) => Err((
                "a_spent_budget_pages_once",
                format!("{} pages about {job} again", message.id),
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn note_message(&mut self, message: &Message, t: Ms) {
        self.messages.insert(message.id, (t, 0));
        let times = self.words.entry(message.incident).or_default();
        times.push_back(t);
        while times.front().is_some_and(|then| t - then > HOUR) {
            times.pop_front();
        }
        if self.words.len() > 300 {
            self.words
                .retain(|_, times| times.back().is_some_and(|then| t - then < HOUR));
        }
        if let Some(job) = spent(message) {
            let slot = self.folded.jobs.get(&job).and_then(|job| job.slot.as_ref());
            let slot = slot.map(|slot| slot.scheduled_at);
            *self.spent_pages.entry((job, slot)).or_default() += 1;
            if self.spent_pages.len() > 500 {
                self.spent_pages.pop_first();
            }
        }
    }

    pub(crate) fn told(&mut self, message: MessageId) {
        match self.messages.get_mut(&message) {
            Some((_, handed)) => *handed += 1,
            None => self.hold(Err((
                "no_word_without_a_request",
                format!("{message} is handed over"),
            ))),
        }
    }
}

fn spent(message: &Message) -> Option<evenkeel_core::ids::JobId> {
    let Body::Operator {
        finding: Some(key), ..
    } = &message.body
    else {
        return None;
    };
    match (&key.kind, &key.subject) {
        (FindingKind::RetriesSpent, Subject::Job(job)) => Some(job.clone()),
        _ => None,
    }
}
