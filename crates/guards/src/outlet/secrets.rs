//! The last place before the core: texts of observations without the secrets that error
//! messages, outputs and ping bodies bring along.
//!
//! What the core is given is what the journal may say and what the flight recorder keeps;
//! to blot it out later would either leave the secret in one of them, or make replay decide
//! on other words than were decided on. Queries and commands are blotted out more eagerly
//! where they are read ([`crate::evidence::blotted`]); prose keeps its words here, since
//! `password authentication failed` is what an operator has to read.
//!
//! What people write themselves (reasons of orders) is left as they wrote it, and so is
//! what the core compares: names, roles, application names.

use evenkeel_core::action::Outcome;
use evenkeel_core::observation::{CheckOutcome, Exit, ProductState, Seen};

/// Names before a `=` or `:` whose value is nobody's business.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "pgpassword",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
];

/// Takes secrets out of every free text in it. A kind that is added says here what free
/// text it has.
pub(super) fn blot_out(seen: &mut Seen) {
    match seen {
        Seen::RunExit(exit) => {
            if let Exit::NotStarted(why) = &mut exit.exit {
                blot(why);
            }
        }
        Seen::ProductReport(report) => {
            if let ProductState::Unreachable(why) = &mut report.state {
                blot(why);
            }
        }
        Seen::Sight(sight) => sight.blind.iter_mut().for_each(blot),
        Seen::ActionOutcome(ended) => blot_outcome(&mut ended.outcome),
        Seen::MessageOutcome(ended) => blot_outcome(&mut ended.outcome),
        Seen::CheckResult(result) => match &mut result.outcome {
            CheckOutcome::Passed => {}
            CheckOutcome::Failed { why, .. } | CheckOutcome::NotMade { why } => blot(why),
        },
        Seen::Ping(ping) => blot(&mut ping.body),
        Seen::CopyReport(report) => report.trouble.iter_mut().for_each(blot),
        // Blotted out where they are read: their queries are compared with patterns.
        Seen::LockWaits(_) | Seen::RunBackends(_) | Seen::DatabaseLoad(_) => {}
        Seen::ScheduleDue(_)
        | Seen::RunStart(_)
        | Seen::RunProgress(_)
        | Seen::ProductDue(_)
        | Seen::Order(_)
        | Seen::PersonAct(_)
        | Seen::ReadinessDue(_)
        | Seen::Absence(_)
        | Seen::OutsideWord(_)
        | Seen::HeartbeatChange(_)
        | Seen::QuietHours(_)
        | Seen::EdgeWindow(_)
        | Seen::Levels(_)
        | Seen::QuietWindow(_)
        | Seen::MaintenanceDates(_)
        | Seen::PeakDates(_) => {}
    }
}

fn blot_outcome(outcome: &mut Outcome) {
    match outcome {
        Outcome::Done(text)
        | Outcome::NothingToDo(text)
        | Outcome::Refused(text)
        | Outcome::Failed(text) => blot(text),
    }
}

fn blot(text: &mut String) {
    if let Some(blotted) = without_secrets(text) {
        *text = blotted;
    }
}

/// The text without secrets, in the same lines; `None` where it has none.
fn without_secrets(text: &str) -> Option<String> {
    let mut kept = String::new();
    let mut changed = false;
    let mut quoted_next = false;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let blotted = if quoted_next && word.starts_with(['\'', '"']) {
            Some("***".to_owned())
        } else {
            blotted_word(word)
        };
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        quoted_next = bare.eq_ignore_ascii_case("password") || (quoted_next && word == "=");
        match blotted {
            Some(word_without) => {
                changed = true;
                kept.push_str(&word_without);
                kept.push_str(&piece[word.len()..]);
            }
            None => kept.push_str(piece),
        }
    }
    changed.then_some(kept)
}

fn blotted_word(word: &str) -> Option<String> {
    if let Some((scheme, rest)) = word.split_once("://")
        && let Some((login, host)) = rest.rsplit_once('@')
        && login.contains(':')
    {
        return Some(format!("{scheme}://***@{host}"));
    }
    let lower = word.to_ascii_lowercase();
    for name in NAMES {
        for (at, _) in lower.match_indices(name) {
            let end = at + name.len();
            let value = &lower[end..];
            let value = value.trim_start_matches(['"', '\'']);
            let sign = value.starts_with(['=', ':']);
            if sign && value.len() > 1 && lower.is_char_boundary(end) && word.is_char_boundary(end)
            {
                return Some(format!("{}=***", &word[..end]));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_core::observation::Sight;
    use evenkeel_core::subject::Subject;

    #[test]
    fn secrets_go_and_prose_stays() {
        for (given, kept) in [
            (
                "connection to postgres://app:geheim@db:5432/main refused",
                "connection to postgres://***@db:5432/main refused",
            ),
            (
                "host=db password=geheim user=app",
                "host=db password=*** user=app",
            ),
            ("PGPASSWORD=geheim pg_dump", "PGPASSWORD=*** pg_dump"),
            ("{\"token\":\"geheim\"}", "{\"token=***"),
            (
                "alter role a password 'geheim';",
                "alter role a password ***",
            ),
            (
                "line 1\n  secret: x\ntoken=geheim",
                "line 1\n  secret: x\ntoken=***",
            ),
        ] {
            assert_eq!(without_secrets(given).as_deref(), Some(kept), "{given}");
        }
        for prose in [
            "password authentication failed for user \"app\"",
            "https://status.example.com/health answered 503",
            "mail to ana@example.com was refused",
            "the token was refused",
            "",
        ] {
            assert_eq!(without_secrets(prose), None, "{prose}");
        }
    }

    #[test]
    fn what_was_blotted_out_stays_as_it_is() {
        let mut seen = Seen::Sight(Sight {
            of: Subject::Evenkeel,
            blind: Some("password=geheim".into()),
        });
        blot_out(&mut seen);
        let once = seen.clone();
        blot_out(&mut seen);
        assert_eq!(seen, once);
        assert!(!format!("{seen:?}").contains("geheim"));
    }
}
