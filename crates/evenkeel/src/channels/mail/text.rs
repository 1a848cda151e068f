//! The words of a mail: plain text that fits a telephone's screen at night.

use std::fmt::Write as _;

use evenkeel_core::Timestamp;
use evenkeel_core::finding::Severity;
use evenkeel_core::message::{Body, Message};
use jiff::tz::TimeZone;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message as Letter};

/// The longest subject, and the longest single sentence, in characters: what came from
/// elsewhere (a query, a server's answer) may be long.
const SUBJECT_MAX: usize = 120;
const SENTENCE_MAX: usize = 1000;

/// Facts that are listed.
const FACTS_MAX: usize = 12;

/// A whole mail, headers and all; none where the message is not one to an operator.
pub(super) fn write(
    message: &Message,
    since: Option<Timestamp>,
    zone: &TimeZone,
    page: Option<&str>,
    from: &lettre::Address,
    to: &lettre::Address,
) -> Option<Vec<u8>> {
    let (subject, text) = words(message, since, zone, page)?;
    // The number alone would be the same again in a journal that was begun anew.
    let id = format!(
        "<{}.{}@{}>",
        message.id,
        message.at.as_microsecond(),
        from.domain()
    );
    let seconds = u64::try_from(message.at.as_second()).unwrap_or_default();
    let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    let letter = Letter::builder()
        .from(Mailbox::new(Some("Evenkeel".into()), from.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(subject)
        .date(date)
        .message_id(Some(id))
        .header(ContentType::TEXT_PLAIN)
        .raw_header(automatic())
        .body(text);
    Some(letter.ok()?.formatted())
}

/// No out-of-office answer is wanted (RFC 3834).
fn automatic() -> lettre::message::header::HeaderValue {
    use lettre::message::header::{HeaderName, HeaderValue};
    HeaderValue::new(
        HeaderName::new_from_ascii_str("Auto-Submitted"),
        "auto-generated".into(),
    )
}

/// Subject and text.
fn words(
    message: &Message,
    since: Option<Timestamp>,
    zone: &TimeZone,
    page: Option<&str>,
) -> Option<(String, String)> {
    let Body::Operator {
        headline,
        details,
        facts,
        severity,
        ..
    } = &message.body
    else {
        return None;
    };
    let urgency = match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Notice => "notice",
    };
    let incident = message.incident.map(|id| id.to_string());
    let mut subject = format!("[{urgency}] {}", line(headline, SUBJECT_MAX));
    if let Some(incident) = &incident {
        let _ = write!(subject, " ({incident})");
    }
    let mut text = format!("{}.\n", line(headline, SENTENCE_MAX).trim_end_matches('.'));
    for detail in details {
        let _ = write!(text, "\n{}\n", line(detail, SENTENCE_MAX));
    }
    let shown = |at: Timestamp| {
        at.to_zoned(zone.clone())
            .strftime("%a %-d %b %H:%M:%S %Z")
            .to_string()
    };
    let _ = match since {
        Some(since) => write!(text, "\nSince: {}\n", shown(since)),
        None => write!(text, "\nAt: {}\n", shown(message.at)),
    };
    if let Some(incident) = &incident {
        let _ = write!(
            text,
            "\nTo say that you look after it, so that nobody else is called:\n    \
             evenkeel acknowledge {incident}\nWhat it rests on, and what was done:\n    \
             evenkeel incidents {incident}\n"
        );
        if let Some(page) = page {
            let page = page.trim_end_matches('/');
            let _ = writeln!(text, "    {page}/incidents/{incident}");
        }
    }
    if !facts.is_empty() {
        text.push('\n');
    }
    for fact in facts.iter().take(FACTS_MAX) {
        let name = fact.name.replace('_', " ");
        let _ = writeln!(text, "{}: {}", line(&name, 60), line(&fact.value, 300));
    }
    if facts.len() > FACTS_MAX {
        let _ = writeln!(text, "and {} more facts", facts.len() - FACTS_MAX);
    }
    Some((subject, text))
}

/// One line, not longer than `most`.
fn line(text: &str, most: usize) -> String {
    let mut letters = text.chars();
    let mut line: String = letters
        .by_ref()
        .take(most)
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    if letters.next().is_some() {
        line.push_str(" ...");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_core::evidence::Fact;
    use evenkeel_core::ids::{IncidentId, MessageId};

    fn message(headline: &str) -> Message {
        Message {
            id: MessageId(7),
            at: Timestamp::from_second(1_795_000_000).unwrap(),
            incident: Some(IncidentId(3)),
            body: Body::Operator {
                headline: headline.into(),
                details: vec![
                    "14 sessions wait for one.".into(),
                    "A-7 waits for approval: end backend 12. Approve with `evenkeel approve A-7`."
                        .into(),
                ],
                facts: vec![Fact::new("waiters_max", 14)],
                finding: None,
                to: Some("ana".into()),
                severity: Severity::Critical,
            },
        }
    }

    #[test]
    fn it_says_what_since_when_what_was_done_and_what_to_type() {
        let zone = TimeZone::get("Europe/Amsterdam").unwrap();
        let since = Timestamp::from_second(1_794_999_700).unwrap();
        let page = Some("http://127.0.0.1:8081/");
        let (subject, text) =
            words(&message("Login is blocked"), Some(since), &zone, page).unwrap();
        assert_eq!(subject, "[critical] Login is blocked (I-3)");
        assert_eq!(
            text,
            "Login is blocked.\n\n14 sessions wait for one.\n\n\
             A-7 waits for approval: end backend 12. Approve with `evenkeel approve A-7`.\n\n\
             Since: Wed 18 Nov 12:01:40 CET\n\n\
             To say that you look after it, so that nobody else is called:\n    \
             evenkeel acknowledge I-3\nWhat it rests on, and what was done:\n    \
             evenkeel incidents I-3\n    http://127.0.0.1:8081/incidents/I-3\n\n\
             waiters max: 14\n"
        );
    }

    #[test]
    fn what_came_from_elsewhere_makes_no_header_and_no_flood() {
        let long = format!("x\r\nBcc: all@example.com\r\n\r\n{}", "y".repeat(5000));
        let address: lettre::Address = "ana@example.com".parse().unwrap();
        let written = write(
            &message(&long),
            None,
            &TimeZone::UTC,
            None,
            &address,
            &address,
        )
        .unwrap();
        let written = String::from_utf8(written).unwrap();
        let (head, _) = written.split_once("\r\n\r\n").unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert!(
            head.contains("Message-ID: <M-7.1795000000000000@example.com>"),
            "{head}"
        );
        assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
        assert!(written.len() < 8000);
    }
}
