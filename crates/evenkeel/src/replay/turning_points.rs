//! What an operator would want to know of a stretch, and how two tellings of it differ.
//!
//! Of all events these: actions requested, proposed and withheld; incidents opened and
//! resolved; components whose public status changed; pages to people and words to the
//! public. Two of them are the same turning point when they are of one sort and about the
//! same thing, within [`TOGETHER`] of each other; numbers that only count (`A-12`) do not
//! tell them apart.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::event::{Event, What};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::message::{Body, Message};
use evenkeel_core::record::Record;
use evenkeel_core::time;
use serde::Serialize;

use crate::web::account;

/// The same thing this long apart is another occasion of it.
const TOGETHER: Duration = Duration::from_secs(1800);

/// A shift in time that is told: below lies the time between two steps.
const SHIFT: Duration = Duration::from_secs(6);

/// What sort of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Something was to be done to a machine.
    Action,
    /// An incident opened or was resolved.
    Incident,
    /// A component's public status changed.
    Status,
    /// A person was called.
    Page,
    /// The public was told.
    PublicWord,
}

impl Sort {
    /// Every sort with its words, one and many.
    pub(super) const ALL: [(Self, &str, &str); 5] = [
        (Self::Action, "action", "actions done"),
        (Self::Incident, "incident", "incidents opened"),
        (Self::Status, "status", "public status changes"),
        (Self::Page, "page", "pages to people"),
        (Self::PublicWord, "public", "words to the public"),
    ];

    pub(super) fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(sort, ..)| *sort == self)
            .map_or("", |(_, word, _)| word)
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) at: Timestamp,
    pub(super) sort: Sort,
    /// What it is about.
    pub(super) about: String,
    /// How it was decided; empty where `about` says it all.
    pub(super) how: String,
    /// Whether it is counted in the summary: an action that is performed, an opening.
    pub(super) counts: bool,
}

/// What an event is to an operator; `record` is the one after it.
pub(super) fn of(event: &Event, record: &Record) -> Option<Point> {
    let point = |sort, about: String, how: String, counts| {
        Some(Point {
            at: event.at,
            sort,
            about: without_numbers(&about),
            how,
            counts,
        })
    };
    match &event.what {
        What::ActionRequested {
            action,
            approved_by,
        } => {
            let by = approved_by.as_ref();
            let how = by.map_or("done".to_owned(), |by| format!("done, approved by {by}"));
            point(Sort::Action, action.task.to_string(), how, true)
        }
        What::ActionProposed { action, .. } => {
            let how = "proposed to an operator".to_owned();
            point(Sort::Action, action.task.to_string(), how, false)
        }
        What::ActionWithheld { action, why } => {
            let how = format!("not done: {}", account::withheld_word(why));
            point(Sort::Action, action.task.to_string(), how, false)
        }
        What::IncidentOpened { title, .. } => point(
            Sort::Incident,
            format!("{title}: opened"),
            String::new(),
            true,
        ),
        What::IncidentStatusChanged {
            incident,
            to: IncidentStatus::Resolved,
            ..
        } => {
            let title = record.incidents.get(incident).map(|i| i.title.as_str());
            let about = format!("{}: resolved", title.unwrap_or("an incident"));
            point(Sort::Incident, about, String::new(), false)
        }
        What::ComponentStatusChanged { component, to, .. } => {
            let about = format!("{component} is {}", to.as_str().replace('_', " "));
            point(Sort::Status, about, String::new(), true)
        }
        What::MessageRequested { message } => {
            told(message).and_then(|(sort, about)| point(sort, about, String::new(), true))
        }
        _ => None,
    }
}

fn told(message: &Message) -> Option<(Sort, String)> {
    Some(match &message.body {
        Body::Operator { headline, to, .. } => match to {
            Some(person) => (Sort::Page, format!("to {}: {headline}", person.as_str())),
            None => (Sort::Page, headline.clone()),
        },
        Body::Public {
            status, components, ..
        } => {
            let components = components.iter();
            let components: Vec<String> = components
                .map(|(id, status)| format!("{id} {}", status.as_str().replace('_', " ")))
                .collect();
            let about = format!("{}: {}", status.as_str(), components.join(", "));
            (Sort::PublicWord, about)
        }
        Body::Maintenance(word) => {
            let about = format!("{} {}", word.maintenance, word.news.as_str());
            (Sort::PublicWord, about)
        }
    })
}

/// `A-12`, `I-3` and `M-7` count up differently in two tellings of the same.
fn without_numbers(text: &str) -> String {
    let words: Vec<String> = text
        .split(' ')
        .map(|word| {
            let is_id = word
                .strip_prefix(['A', 'I', 'M'])
                .and_then(|rest| rest.strip_prefix('-'))
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            if is_id {
                let tail = word.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-');
                format!("{}-*{tail}", &word[..1])
            } else {
                word.to_owned()
            }
        })
        .collect();
    words.join(" ")
}

/// One turning point that is not the same in both tellings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// When: as it was, where it was so at all.
    pub at: Timestamp,
    /// What sort of thing.
    pub sort: Sort,
    /// What it is about.
    pub about: String,
    /// As it was; none where it was not so.
    pub was: Option<String>,
    /// As it would have been; none where it would not.
    pub would_be: Option<String>,
    /// How much later (earlier: negative) it would have been, milliseconds.
    pub later_ms: i64,
}

/// Two tellings of one stretch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tellings {
    /// What differs, in order of time.
    pub turns: Vec<Turn>,
    /// Turning points that are the same.
    pub same_count: u64,
    /// How many of each sort there were, and would have been.
    pub counts: Vec<(Sort, u64, u64)>,
}

/// Sets two tellings beside each other.
pub(super) fn compare(was: Vec<Point>, would_be: Vec<Point>) -> Tellings {
    let count = |points: &[Point], sort| {
        let of_sort = points.iter().filter(|p| p.sort == sort && p.counts);
        of_sort.count() as u64
    };
    let counts = Sort::ALL
        .iter()
        .map(|(sort, ..)| (*sort, count(&was, *sort), count(&would_be, *sort)))
        .collect();
    let mut by_subject: BTreeMap<(Sort, String), (Vec<Point>, Vec<Point>)> = BTreeMap::new();
    for point in was {
        let key = (point.sort, point.about.clone());
        by_subject.entry(key).or_default().0.push(point);
    }
    for point in would_be {
        let key = (point.sort, point.about.clone());
        by_subject.entry(key).or_default().1.push(point);
    }
    let mut tellings = Tellings {
        counts,
        ..Tellings::default()
    };
    for (was, would_be) in by_subject.into_values() {
        pair_up(was, would_be, &mut tellings);
    }
    tellings
        .turns
        .sort_by(|a, b| (a.at, a.sort, &a.about).cmp(&(b.at, b.sort, &b.about)));
    tellings
}

/// Both of one subject, in order of time.
fn pair_up(was: Vec<Point>, would_be: Vec<Point>, tellings: &mut Tellings) {
    let mut was = was.into_iter().peekable();
    let mut would_be = would_be.into_iter().peekable();
    loop {
        let (left, right) = match (was.peek(), would_be.peek()) {
            (None, None) => return,
            (Some(left), Some(right)) => {
                let apart = time::since(left.at, right.at).max(time::since(right.at, left.at));
                let left_first = left.at <= right.at;
                if apart <= TOGETHER {
                    (was.next(), would_be.next())
                } else if left_first {
                    (was.next(), None)
                } else {
                    (None, would_be.next())
                }
            }
            (Some(_), None) => (was.next(), None),
            (None, Some(_)) => (None, would_be.next()),
        };
        let Some(first) = left.as_ref().or(right.as_ref()) else {
            return;
        };
        let later = match (&left, &right) {
            (Some(left), Some(right)) => right.at.duration_since(left.at),
            _ => jiff::SignedDuration::ZERO,
        };
        let is_same = left.as_ref().map(|point| &point.how) == right.as_ref().map(|p| &p.how)
            && later.unsigned_abs() < SHIFT;
        if is_same {
            tellings.same_count += 1;
            continue;
        }
        tellings.turns.push(Turn {
            at: first.at,
            sort: first.sort,
            about: first.about.clone(),
            later_ms: i64::try_from(later.as_millis()).unwrap_or_default(),
            was: left.map(|point| point.how),
            would_be: right.map(|point| point.how),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(second: i64, about: &str, how: &str) -> Point {
        Point {
            at: Timestamp::from_second(second).unwrap(),
            sort: Sort::Action,
            about: about.into(),
            how: how.into(),
            counts: true,
        }
    }

    #[test]
    fn what_is_the_same_is_counted_and_not_told() {
        let was = vec![point(10, "a", "done"), point(20, "b", "done")];
        let would_be = vec![point(11, "a", "done"), point(20, "b", "proposed")];
        let tellings = compare(was, would_be);
        assert_eq!(tellings.same_count, 1);
        assert_eq!(tellings.turns.len(), 1);
        let turn = &tellings.turns[0];
        assert_eq!(
            (&*turn.about, turn.would_be.as_deref()),
            ("b", Some("proposed"))
        );
    }

    #[test]
    fn another_occasion_is_not_the_same_one() {
        let tellings = compare(vec![point(0, "a", "done")], vec![point(7200, "a", "done")]);
        let sides: Vec<(bool, bool)> = tellings
            .turns
            .iter()
            .map(|turn| (turn.was.is_some(), turn.would_be.is_some()))
            .collect();
        assert_eq!(sides, [(true, false), (false, true)]);
    }

    #[test]
    fn an_earlier_one_is_told_as_earlier() {
        let tellings = compare(vec![point(90, "a", "done")], vec![point(30, "a", "done")]);
        assert_eq!(tellings.turns[0].later_ms, -60_000);
    }

    #[test]
    fn numbers_that_count_up_do_not_tell_apart() {
        assert_eq!(without_numbers("A-12 did not help"), "A-* did not help");
        assert_eq!(without_numbers("see I-3."), "see I-*.");
        assert_eq!(without_numbers("the A-team"), "the A-team");
    }
}
