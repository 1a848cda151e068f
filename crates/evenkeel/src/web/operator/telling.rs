//! What customers are told of an incident: what waits for a word, what a person said, and
//! what a form says.

use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::{IncidentId, MessageId};
use evenkeel_core::incident::Incident;
use evenkeel_core::message::Body;
use evenkeel_core::observation::Order;
use evenkeel_core::record::MessageState;
use evenkeel_core::telling::{
    Affected, Correct, DataAffected, FreeText, PersonWord, Tell, ToldFacts,
};
use maud::{Markup, html};

use super::gate::{Desk, Posted};
use super::writing::{PROMISES, correction_form};
use crate::public::words::{Language, Words};
use crate::telling::{by_the_minute, status_named};
use crate::web::clock;

/// What waits for a person's word before customers are told; nothing where nothing does.
pub(super) fn pending(desk: &Desk, incident: &Incident) -> Markup {
    let Some(pending) = &incident.pending else {
        return html! {};
    };
    let id = incident.id.to_string();
    let fields = [("incident", id.as_str())];
    html! {
        div.card.proposal {
            p {
                strong { "Customers are to be told: " (pending.status.as_str()) }
                @for (component, status) in &pending.components {
                    ", " (desk.site.component_name(component)) " " (Words::of(Language::English).status(*status))
                }
            }
            p {
                @match (&pending.refused_by, pending.tells_at) {
                    (Some(by), _) => { "Vetoed by " (by) ". It is not told until something changes, or somebody approves it." }
                    (None, Some(at)) => { "It is told at " (clock::second(at, desk.now)) " unless you veto it." }
                    (None, None) => { "Nothing is told until somebody approves it." }
                }
            }
            (desk.form("approve_word", &fields, html! {
                button type="submit" { "Tell them now" }
                span { "It is told at once, with you as the one who said so." }
            }))
            @if pending.refused_by.is_none() {
                (desk.form("refuse_word", &fields, html! {
                    label { "Why not " input type="text" name="reason" required maxlength="1000"; }
                    button.quiet type="submit" { "Veto" }
                    span { "It is not told. When something changes, you are asked again." }
                }))
            }
        }
    }
}

/// What a person added to a public word, for operators, and the form to correct the word.
pub(super) fn told(desk: &Desk, incident: &Incident, state: &MessageState) -> Markup {
    let Body::Public {
        person,
        approved_by,
        ..
    } = &state.message.body
    else {
        return html! {};
    };
    html! {
        @if let Some(by) = approved_by { p.dim { "Approved by " (by) } }
        @if let Some(word) = person { (words_of(word)) }
        (correction_form(desk, state.message.id, incident))
    }
}

fn words_of(word: &PersonWord) -> Markup {
    html! {
        p.dim {
            @match word.corrects {
                Some(wrong) => { "Correction of " (wrong) " by " (word.by) }
                None => { "Written by " (word.by) }
            }
        }
        @if let Some(free) = &word.text {
            blockquote lang=(free.language.tag()) { (free.text) }
        }
        @match &word.facts.affected {
            Some(Affected::All) => p { "All customers are affected." },
            Some(Affected::Some) => p { "Some customers are affected." },
            Some(Affected::Group(name)) => p { "Affected: " (name) "." },
            None => {}
        }
        @match word.facts.data {
            Some(DataAffected::No) => p { "Data is not affected." },
            Some(DataAffected::Yes) => p { "Data is affected." },
            Some(DataAffected::BeingChecked) => p { "Whether data is affected is being checked." },
            None => {}
        }
        @if !word.facts.works.is_empty() {
            p { "Still works: " @for (n, id) in word.facts.works.iter().enumerate() { @if n > 0 { ", " } (id) } "." }
        }
        @if let Some(reason) = &word.reason {
            p { strong { "Against what was seen, because: " } (reason) }
        }
    }
}

/// What a form tells; `None` where it is no such form.
pub(super) fn order(posted: &Posted) -> Option<Result<(Order, String), String>> {
    Some(match posted.field("order") {
        "tell" => tell(posted),
        "correct" => correct(posted),
        "approve_word" => incident(posted).map(|incident| {
            let done = format!("Customers are told of {incident}");
            (Order::ApproveWord { incident }, done)
        }),
        "refuse_word" => incident(posted).and_then(|incident| match posted.field("reason") {
            "" => Err("Nothing was done: say why, it is kept in the journal.".into()),
            reason => {
                let done = format!("What was to be told of {incident} is not told");
                let reason = reason.to_owned();
                Ok((Order::RefuseWord { incident, reason }, done))
            }
        }),
        _ => return None,
    })
}

fn incident(posted: &Posted) -> Result<IncidentId, String> {
    let incident = posted.field("incident");
    incident
        .parse()
        .map_err(|_| format!("Nothing was done: `{incident}` is no incident."))
}

fn tell(posted: &Posted) -> Result<(Order, String), String> {
    let incident = incident(posted)?;
    let status =
        status_named(posted.field("status")).map_err(|why| format!("Nothing was done: {why}."))?;
    let next_update_at = match posted.field("next_minutes") {
        "" => None,
        minutes => {
            let known: Option<u64> = minutes.parse().ok();
            let known = known.filter(|minutes| *minutes <= PROMISES[PROMISES.len() - 1]);
            let minutes =
                known.ok_or_else(|| format!("Nothing was done: `{minutes}` is no time."))?;
            let span = Duration::from_secs(minutes * 60);
            Some(by_the_minute(Timestamp::now(), span))
        }
    };
    let tell = Tell {
        incident,
        status,
        text: free_text(posted)?,
        facts: facts(posted)?,
        next_update_at,
        reason: reason(posted),
    };
    let done = format!("Customers are told of {incident}: {}", status.as_str());
    Ok((Order::Tell(tell), done))
}

fn correct(posted: &Posted) -> Result<(Order, String), String> {
    let message = posted.field("message");
    let message: MessageId = message
        .parse()
        .map_err(|_| format!("Nothing was done: `{message}` is no public word."))?;
    let correct = Correct {
        message,
        text: free_text(posted)?,
        facts: facts(posted)?,
        reason: reason(posted),
    };
    let done = format!("Customers read the correction beside {message}");
    Ok((Order::Correct(correct), done))
}

fn reason(posted: &Posted) -> Option<String> {
    let reason = posted.field("reason");
    (!reason.is_empty()).then(|| reason.to_owned())
}

/// What a person wrote, and in which language.
pub(super) fn free_text(posted: &Posted) -> Result<Option<FreeText>, String> {
    let text = posted.field("text");
    if text.is_empty() {
        return Ok(None);
    }
    let tag = posted.field("language");
    let language = Language::of(tag)
        .ok_or_else(|| format!("Nothing was done: `{tag}` is no language of customers."))?;
    // Browsers send lines as the mail of old did.
    let text = text.replace("\r\n", "\n");
    Ok(Some(FreeText { language, text }))
}

fn facts(posted: &Posted) -> Result<ToldFacts, String> {
    let affected = match (posted.field("affected"), posted.field("group")) {
        ("", _) => None,
        ("all", _) => Some(Affected::All),
        ("some", _) => Some(Affected::Some),
        ("group", "") => return Err("Nothing was done: name the group.".into()),
        ("group", name) => Some(Affected::Group(name.to_owned())),
        (other, _) => return Err(format!("Nothing was done: `{other}` is nobody.")),
    };
    let data = match posted.field("data") {
        "" => None,
        "no" => Some(DataAffected::No),
        "yes" => Some(DataAffected::Yes),
        "being_checked" => Some(DataAffected::BeingChecked),
        other => return Err(format!("Nothing was done: `{other}` says nothing of data.")),
    };
    let works = posted.named("works_").map(Into::into).collect();
    Ok(ToldFacts {
        affected,
        data,
        works,
    })
}
