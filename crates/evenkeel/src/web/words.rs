//! Every word the public page says, in English, made from facts.
//!
//! Nothing an operator, a detector or a configuration file wrote reaches customers but
//! the public names of components: titles and reasons of findings name machines, jobs
//! and people. One module, so that another language is another module.

use evenkeel_core::Timestamp;
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::status::Status;

use super::clock;

/// How a component is, in its row.
pub fn status(status: Status) -> &'static str {
    match status {
        Status::Operational => "works",
        Status::Unknown => "unknown",
        Status::UnderMaintenance => "under maintenance",
        Status::DegradedPerformance => "slow",
        Status::PartialOutage => "fails for some",
        Status::MajorOutage => "does not work",
    }
}

/// Where an incident stands.
pub fn incident_status(status: IncidentStatus) -> &'static str {
    match status {
        IncidentStatus::Investigating => "Investigating",
        IncidentStatus::Identified => "Identified",
        IncidentStatus::Monitoring => "Monitoring",
        IncidentStatus::Resolved => "Resolved",
    }
}

/// `Login`, `Login and Invoices`, `Login, Invoices and Quotes`, or how many from four on.
pub fn names(names: &[&str]) -> String {
    match names {
        [] => "nothing".into(),
        [one] => (*one).into(),
        [rest @ .., last] if names.len() <= 3 => format!("{} and {last}", rest.join(", ")),
        _ => format!("{} functions", names.len()),
    }
}

/// What a status does to one function or several: `Login is slow`.
fn clause(components: &[&str], of: Status) -> String {
    let (names, one) = (names(components), components.len() == 1);
    let is = if one { "is" } else { "are" };
    match of {
        Status::Operational if one => format!("{names} works"),
        Status::Operational => format!("{names} work"),
        Status::Unknown => format!(
            "whether {names} {} is unknown",
            if one { "works" } else { "work" }
        ),
        Status::UnderMaintenance => format!("{names} {is} under maintenance"),
        Status::DegradedPerformance => format!("{names} {is} slow"),
        Status::PartialOutage if one => format!("{names} fails for some"),
        Status::PartialOutage => format!("{names} fail for some"),
        Status::MajorOutage if one => format!("{names} does not work"),
        Status::MajorOutage => format!("{names} do not work"),
    }
}

/// `Login is slow; Quotes does not work`: worst first, at most three parts.
pub fn state_of<'a>(components: impl IntoIterator<Item = (&'a str, Status)>) -> String {
    let components: Vec<(&str, Status)> = components.into_iter().collect();
    let parts: Vec<String> = Status::ALL
        .into_iter()
        .rev()
        .filter_map(|of| {
            let named: Vec<&str> = components
                .iter()
                .filter(|(_, status)| *status == of)
                .map(|(name, _)| *name)
                .collect();
            (!named.is_empty()).then(|| clause(&named, of))
        })
        .take(3)
        .collect();
    capital(&parts.join("; "))
}

/// The answer at the top of the page.
pub enum Answer<'a> {
    /// No picture of now.
    Stale {
        /// The last moment something was known.
        since: Timestamp,
    },
    /// No component is configured.
    NothingWatched,
    /// Customers are hurt.
    Harm {
        /// Who is hurt, and how.
        components: Vec<(&'a str, Status)>,
        /// Since when.
        since: Timestamp,
    },
    /// Nobody is known to be hurt, but not everything can be seen.
    PartlyUnknown {
        /// What cannot be seen.
        components: Vec<&'a str>,
        /// Since when.
        since: Timestamp,
    },
    /// Planned work, and nothing worse.
    Maintenance {
        /// On what.
        components: Vec<&'a str>,
    },
    /// All is well again and still watched.
    Recovered {
        /// What was hurt.
        components: Vec<&'a str>,
    },
    /// All is well.
    Well,
}

/// The answer in one sentence.
pub fn answer(answer: &Answer<'_>, now: Timestamp) -> String {
    match answer {
        Answer::Stale { since } => format!(
            "How things are is unknown since {}; we are on it",
            clock::minute(*since, now)
        ),
        Answer::NothingWatched => "No function is watched yet".into(),
        Answer::Harm { components, since } => format!(
            "{} since {}; we are on it",
            state_of(components.iter().copied()),
            clock::minute(*since, now)
        ),
        Answer::PartlyUnknown { components, since } => format!(
            "Whether {} {} is unknown since {}; nothing else is known to be wrong",
            names(components),
            if components.len() == 1 {
                "works"
            } else {
                "work"
            },
            clock::minute(*since, now)
        ),
        Answer::Maintenance { components } => {
            capital(&clause(components, Status::UnderMaintenance))
        }
        Answer::Recovered { components } => format!(
            "{} again; we keep watching",
            capital(&clause(components, Status::Operational))
        ),
        Answer::Well => "All functions work".into(),
    }
}

/// An incident's title: what was hurt, at its worst.
pub fn incident_title(harmed: &[(&str, Status)], over: bool) -> String {
    let worst = harmed.iter().map(|(_, status)| *status).max();
    let all: Vec<&str> = harmed.iter().map(|(name, _)| *name).collect();
    let (names, one) = (names(&all), all.len() == 1);
    let title = match (worst.unwrap_or_default(), over) {
        (Status::DegradedPerformance, true) => {
            format!("{names} {} slow", if one { "was" } else { "were" })
        }
        (Status::PartialOutage, true) => format!("{names} failed for some"),
        (Status::MajorOutage, true) => format!("{names} did not work"),
        (_, true) => format!("{names} {} disturbed", if one { "was" } else { "were" }),
        (status, false) => clause(&all, status),
    };
    capital(&title)
}

/// One public update, as a few sentences.
pub fn update(
    status: IncidentStatus,
    components: &[(&str, Status)],
    next_update_at: Option<Timestamp>,
    now: Timestamp,
) -> String {
    let state = state_of(components.iter().copied());
    let stands = match status {
        IncidentStatus::Investigating => "We have seen it and look into the cause.",
        IncidentStatus::Identified => "We know the cause and are dealing with it.",
        IncidentStatus::Monitoring => "We keep watching whether it stays so.",
        IncidentStatus::Resolved => "It is over.",
    };
    let next = next_update_at.map_or_else(String::new, |at| {
        format!(" Next word by {}.", clock::minute(at, now))
    });
    format!("{state}. {stands}{next}")
}

/// What a component's ninety days were like, in words.
pub fn history(known_ms: u64, harmed_ms: u64, unknown_ms: u64) -> String {
    if known_ms == 0 {
        return "No history yet".into();
    }
    let minutes = |ms: u64| match ms.div_ceil(60_000) {
        minutes @ 0..120 => format!("{minutes} min"),
        minutes => format!("{} h", minutes / 60),
    };
    let mut said = if harmed_ms == 0 {
        "No disturbance".to_owned()
    } else {
        format!("Disturbed for {} in all", minutes(harmed_ms))
    };
    if unknown_ms > 0 {
        said.push_str(&format!(", unknown for {}", minutes(unknown_ms)));
    }
    said
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_answer_names_what_is_hurt_and_since_when() {
        let now = at("2026-11-18T02:16:00Z");
        let since = at("2026-11-18T02:14:09Z");
        let said = |given: Answer<'_>| answer(&given, now);
        assert_eq!(
            said(Answer::Harm {
                components: vec![("Login", Status::DegradedPerformance)],
                since
            }),
            "Login is slow since 02:14 UTC; we are on it"
        );
        assert_eq!(
            said(Answer::Harm {
                components: vec![
                    ("Login", Status::MajorOutage),
                    ("Quotes", Status::DegradedPerformance),
                    ("Invoices", Status::MajorOutage),
                ],
                since
            }),
            "Login and Invoices do not work; Quotes is slow since 02:14 UTC; we are on it"
        );
        assert_eq!(
            said(Answer::PartlyUnknown {
                components: vec!["Login"],
                since
            }),
            "Whether Login works is unknown since 02:14 UTC; nothing else is known to be wrong"
        );
        assert_eq!(said(Answer::Well), "All functions work");
    }

    #[test]
    fn an_update_promises_the_next_word() {
        let now = at("2026-11-18T02:16:00Z");
        assert_eq!(
            update(
                IncidentStatus::Identified,
                &[("Login", Status::PartialOutage)],
                Some(at("2026-11-18T02:36:00Z")),
                now
            ),
            "Login fails for some. We know the cause and are dealing with it. Next word by 02:36 UTC."
        );
    }
}
