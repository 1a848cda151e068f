//! The technical version: what customers read and everything beside it, for colleagues, in
//! English.

use evenkeel_core::Timestamp;
use evenkeel_core::ids::IncidentId;
use evenkeel_core::policy::Policy;
use evenkeel_core::postmortem::{Happened, Moment, Section};
use evenkeel_core::record::Record;
use evenkeel_core::telling::FreeText;

use super::customers::{figures, item};
use super::document::{Block, Document, Item};
use super::{ClockReport, NO_ADVICE, clocks};
use crate::public::words::{Language, Words};
use crate::web::account;

/// Headings of the sections, in their order.
const SECTIONS: [(Section, &str); 5] = [
    (Section::Summary, "What happened"),
    (Section::Cause, "Cause"),
    (Section::Factors, "Contributing factors"),
    (Section::WentWell, "What went well"),
    (Section::Technical, "For colleagues only"),
];

/// The document as it stands; `None` where the incident has no post-mortem.
pub fn document(
    record: &Record,
    policy: &Policy,
    id: IncidentId,
    now: Timestamp,
) -> Option<Document> {
    let postmortem = record.postmortem(id)?;
    let incident = record.incidents.get(&id)?;
    let words = Words::of(Language::English);
    let facts = &postmortem.facts;
    let mut blocks = vec![Block::Facts(vec![
        ("Incident".into(), id.to_string()),
        ("Title".into(), account::stripped(&incident.title).into()),
        (
            "Severity".into(),
            format!("{:?}", incident.severity).to_lowercase(),
        ),
        (
            "Published".into(),
            match (postmortem.published(), postmortem.has_changed()) {
                (None, _) => "no, this is a draft".into(),
                (Some(edition), false) => {
                    format!("edition {}, {}", edition.number, minute(edition.at))
                }
                (Some(edition), true) => format!(
                    "edition {}, {}; what follows was changed since",
                    edition.number,
                    minute(edition.at)
                ),
            },
        ),
    ])];
    blocks.push(Block::Heading("Figures".into()));
    blocks.push(Block::List(figures(words, policy, facts)));
    let texts = postmortem.texts();
    for (section, heading) in SECTIONS {
        blocks.push(Block::Heading(heading.into()));
        blocks.push(match texts.get(&section) {
            Some(text) => original(words, text),
            None => Block::Paragraph("Not written yet.".into()),
        });
    }
    blocks.push(Block::Heading("Measures".into()));
    match postmortem.measures.is_empty() {
        true => blocks.push(Block::Paragraph("None.".into())),
        false => {
            let items = postmortem.measures.iter().map(|measure| {
                let Item {
                    what,
                    stands,
                    is_late,
                } = item(words, measure, now);
                let reason = measure.reason.as_ref();
                let reason = reason.map_or(String::new(), |why| format!("; because: {why}"));
                Item {
                    what,
                    stands: format!("{}: {stands}{reason}", measure.owner),
                    is_late,
                }
            });
            blocks.push(Block::Measures(items.collect()));
        }
    }
    blocks.push(Block::Heading("Timeline".into()));
    let moments = facts.timeline.iter();
    let moments = moments.map(|moment| (moment.at, second(moment.at), said(moment)));
    blocks.push(Block::Moments(moments.collect()));
    if facts.left_out > 0 {
        blocks.push(Block::Paragraph(words.moments_left_out(facts.left_out)));
    }
    blocks.push(Block::Heading("Evidence".into()));
    let mut evidence: Vec<String> = facts
        .evidence
        .iter()
        .map(|id| format!("{id}: `evenkeel evidence {id}`"))
        .collect();
    evidence.push(format!(
        "Every entry of the journal that names it: /journal?text={id}"
    ));
    blocks.push(Block::List(evidence));
    let clocks = clocks(record, id, now);
    if !clocks.is_empty() {
        blocks.push(Block::Heading("Legal notices".into()));
        blocks.push(Block::Paragraph(NO_ADVICE.into()));
        blocks.push(Block::List(clocks.iter().flat_map(notices).collect()));
    }
    Some(Document {
        language: Language::English,
        title: format!(
            "Post-mortem of {id}: {}",
            account::stripped(&incident.title)
        ),
        blocks,
    })
}

fn original(words: &Words, text: &FreeText) -> Block {
    Block::Original {
        said: words.original(text.language.own_name()),
        text: text.clone(),
    }
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn said(moment: &Moment) -> String {
    match &moment.what {
        Happened::Symptom => "The first sign.".into(),
        Happened::Detected => "Found to hurt customers.".into(),
        Happened::Found { finding, of, title } => {
            format!("Found: {} ({finding} on {of})", account::stripped(title))
        }
        Happened::Cleared { finding, of } => format!("No longer: {finding} on {of}"),
        Happened::Told {
            message,
            status,
            by_person,
            corrects,
        } => {
            let by = if *by_person { ", by a person" } else { "" };
            let what = if *corrects {
                "corrected"
            } else {
                status.as_str()
            };
            format!("{message} to customers: {what}{by}")
        }
        Happened::Acted {
            action,
            task,
            done,
            outcome,
            ..
        } => {
            let how = if *done { "done" } else { "not done" };
            format!("{action}: {task}: {how}, {}", account::stripped(outcome))
        }
        Happened::LookedAfter { by } => format!("{by} looks after it"),
        Happened::Recovered => "Nobody was hurt any more.".into(),
        Happened::Resolved => "Resolved.".into(),
        Happened::Reopened => "It came back.".into(),
    }
}

/// What a clock says, a line for each notice.
pub fn notices(report: &ClockReport) -> Vec<String> {
    let clock = &report.clock;
    let name = report.regime.name();
    let mut lines = vec![format!(
        "{name}: runs since {}, because {}",
        minute(clock.started_at),
        account::stripped(&clock.because)
    )];
    if let Some(stopped) = &clock.stopped {
        lines.push(format!(
            "{name}: stopped at {} by {}: {}",
            minute(stopped.at),
            stopped.by,
            account::stripped(&stopped.reason)
        ));
        return lines;
    }
    lines.extend(report.steps.iter().map(|step| {
        let due = minute(step.due_at);
        match (step.given_at, step.late) {
            (Some(at), _) => format!(
                "{name}: {} given at {} (due by {due})",
                step.name,
                minute(at)
            ),
            (None, true) => format!("{name}: {} LATE, it was due by {due}", step.name),
            (None, false) => format!("{name}: {} due by {due}", step.name),
        }
    }));
    lines
}
