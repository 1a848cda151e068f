//! Post-mortems as documents: one source, a version for customers and a technical one.
//!
//! A document is made of blocks ([`document`]) and written as Markdown or HTML, each of which
//! escapes in one place. What comes from facts is said in the reader's language by
//! [`words`](crate::public::words); what people wrote is marked with its language and shown
//! as they wrote it. Customers read nothing that names a machine, a job or a person: neither
//! titles of findings, nor tasks, nor owners are given to their version ([`customers`]).
//!
//! PDF is the browser's: the public page and the HTML files have a style for paper, which a
//! browser test prints. A typesetter as a library (typst) brings some two hundred crates and
//! fonts for a page that is printed twice a year, and a writer of bare PDF (krilla) brings
//! neither line breaking nor tagging by itself.

pub mod bundle;
pub mod customers;
pub mod document;
pub mod names;
#[cfg(test)]
mod scenes;
pub mod technical;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::IncidentId;
use evenkeel_core::notice::{Clock, Regime};
use evenkeel_core::policy::Policy;
use evenkeel_core::postmortem::Postmortem;
use evenkeel_core::record::{Day, Record};
use serde::{Deserialize, Serialize};

use crate::public::words::Language;

/// What stands wherever clocks of notices are shown.
pub const NO_ADVICE: &str = "This is no legal advice: whether, to whom and by when an incident has to be notified is for a person to judge.";

/// A post-mortem in short.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PostmortemLine {
    /// The incident.
    pub incident: IncidentId,
    /// Its title, as operators read it.
    pub title: String,
    /// When it was resolved the last time.
    pub resolved_at: Timestamp,
    /// When it was published the last time.
    pub published_at: Option<Timestamp>,
    /// Whether something was written, or came to be known, since.
    pub changed: bool,
    /// Measures that are still to be done.
    pub measures_open: usize,
    /// Of those: late.
    pub measures_late: usize,
}

/// A post-mortem with everything that belongs to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PostmortemReport {
    /// The incident.
    pub incident: IncidentId,
    /// Its title, as operators read it.
    pub title: String,
    /// Raised with every text that is written: who publishes says which one they read.
    pub revision: u32,
    /// Whether something was written, or came to be known, since it was published.
    pub changed: bool,
    /// What is known, written, promised and published.
    pub postmortem: Postmortem,
    /// Clocks of legal notices.
    pub clocks: Vec<ClockReport>,
    /// What is said of the clocks.
    pub no_advice: String,
}

/// The clock of a legal notice.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClockReport {
    /// Of which regime.
    pub regime: Regime,
    /// Whether anything of it is still to be given.
    pub runs: bool,
    /// The clock.
    pub clock: Clock,
    /// What is due when.
    pub steps: Vec<StepReport>,
}

/// A notice.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepReport {
    /// Which.
    pub step: String,
    /// What it is called.
    pub name: String,
    /// By when.
    pub due_at: Timestamp,
    /// When it was given.
    pub given_at: Option<Timestamp>,
    /// Whether it is late.
    pub late: bool,
}

/// Every post-mortem, newest incident first.
pub fn list(record: &Record, now: Timestamp) -> Vec<PostmortemLine> {
    let lines = record.postmortems().filter_map(|(id, postmortem)| {
        let incident = record.incidents.get(&id)?;
        let open = postmortem.measures.iter();
        Some(PostmortemLine {
            incident: id,
            title: incident.title.clone(),
            resolved_at: postmortem.facts.resolved_at,
            published_at: postmortem.published().map(|edition| edition.at),
            changed: postmortem.has_changed(),
            measures_open: open.filter(|measure| measure.late_at().is_some()).count(),
            measures_late: postmortem.late(now).count(),
        })
    });
    lines.collect()
}

/// One post-mortem.
pub fn report(record: &Record, id: IncidentId, now: Timestamp) -> Option<PostmortemReport> {
    let incident = record.incidents.get(&id)?;
    let postmortem = record.postmortem(id)?;
    Some(PostmortemReport {
        incident: id,
        title: incident.title.clone(),
        revision: postmortem.revision(),
        changed: postmortem.has_changed(),
        postmortem: postmortem.clone(),
        clocks: clocks(record, id, now),
        no_advice: NO_ADVICE.into(),
    })
}

/// The clocks of an incident.
pub fn clocks(record: &Record, id: IncidentId, now: Timestamp) -> Vec<ClockReport> {
    let aftermath = record.aftermath.get(&id);
    let clocks = aftermath
        .into_iter()
        .flat_map(|aftermath| &aftermath.clocks);
    let report = clocks.map(|(regime, clock)| {
        let steps = regime.steps().iter().filter_map(|(step, name)| {
            let due_at = clock.due_at(*regime, *step)?;
            let given_at = clock.given.get(step).map(|given| given.at);
            Some(StepReport {
                step: step.as_str().into(),
                name: (*name).into(),
                due_at,
                given_at,
                late: clock.stopped.is_none() && given_at.is_none() && due_at <= now,
            })
        });
        ClockReport {
            regime: *regime,
            runs: clock.runs(*regime),
            clock: clock.clone(),
            steps: steps.collect(),
        }
    });
    report.collect()
}

/// Who reads a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Customers, in their language.
    Customers(Language),
    /// Colleagues.
    Technical,
}

/// What a version is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Markdown (CommonMark, with tables as GitHub has them).
    Markdown,
    /// A whole page of HTML.
    Html,
}

/// A version in a format, by the name of its file: `customers-nl.md`, `technical.html`.
pub fn named(file: &str) -> Option<(Version, Format)> {
    let (name, ending) = file.rsplit_once('.')?;
    let format = match ending {
        "md" => Format::Markdown,
        "html" => Format::Html,
        _ => return None,
    };
    let version = match name {
        "technical" => Version::Technical,
        name => {
            let tag = name.strip_prefix("customers-")?;
            Version::Customers(Language::of_tag(tag)?)
        }
    };
    Some((version, format))
}

/// The name of a version's file.
pub fn file_name(version: Version, format: Format) -> String {
    let ending = match format {
        Format::Markdown => "md",
        Format::Html => "html",
    };
    match version {
        Version::Customers(language) => format!("customers-{}.{ending}", language.tag()),
        Version::Technical => format!("technical.{ending}"),
    }
}

/// A version as it stands, the draft of it included, written down.
pub fn written(
    record: &Record,
    policy: &Policy,
    service: &str,
    id: IncidentId,
    (version, format): (Version, Format),
    now: Timestamp,
) -> Option<String> {
    let postmortem = record.postmortem(id)?;
    let made = match version {
        Version::Customers(language) => {
            let words = crate::public::words::Words::of(language);
            customers::draft(words, policy, postmortem, now)
        }
        Version::Technical => technical::document(record, policy, id, now)?,
    };
    Some(match format {
        Format::Markdown => document::markdown(&made),
        Format::Html => document::page(&made, service),
    })
}

/// The day of a text `2026-12-01`, and of no other way to write it.
pub fn day_of(text: &str) -> Result<Day, String> {
    let date: Option<jiff::civil::Date> = text.parse().ok().filter(|_| text.len() == 10);
    let at = date.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
    at.map(|at| Day::of(at.timestamp()))
        .ok_or_else(|| format!("`{text}` is no day: write 2026-12-01"))
}

/// A day as `2026-12-01`.
pub fn iso(day: Day) -> String {
    day.start().strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_its_version_and_format() {
        for language in Language::ALL {
            for format in [Format::Markdown, Format::Html] {
                for version in [Version::Customers(language), Version::Technical] {
                    let file = file_name(version, format);
                    assert_eq!(named(&file), Some((version, format)), "{file}");
                }
            }
        }
        for wrong in [
            "technical",
            "technical.pdf",
            "customers-fr.md",
            "customers.md",
            ".md",
            "",
        ] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_day_is_read_as_it_is_written() {
        assert_eq!(iso(day_of("2026-12-01").unwrap()), "2026-12-01");
        assert_eq!(day_of("1970-01-02"), Ok(Day(1)));
        for wrong in [
            "",
            "tomorrow",
            "2026-13-01",
            "2026-12-01T10:00",
            "01.12.2026",
        ] {
            assert!(day_of(wrong).is_err(), "{wrong}");
        }
    }
}
