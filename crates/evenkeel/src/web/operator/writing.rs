//! Writing to customers: the form, filled in with what is seen, and what they would read of
//! it in every language before it is sent.
//!
//! The preview is a page of its own with the form below it, filled in as it was sent: what
//! can be changed is changed there. What is refused leads back to the same page, so that
//! nothing that somebody wrote is lost. What is previewed is made by the core, from the
//! order itself: what is sent then is what was read.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use evenkeel_core::ids::{ComponentId, IncidentId, MessageId, Observer};
use evenkeel_core::incident::Incident;
use evenkeel_core::message::Body;
use evenkeel_core::observation::Order;
use evenkeel_core::policy::ComponentPolicy;
use evenkeel_core::status::Status;
use maud::{Markup, html};

use super::gate::{Desk, Posted};
use super::telling;
use crate::public::words::{Language, Words};
use crate::pump::orders::doubt;
use crate::telling::STATUSES;
use crate::web::clock;
use crate::web::public::said::Said;

/// What the next word can be promised in, minutes.
pub(super) const PROMISES: [u64; 6] = [15, 30, 60, 120, 240, 1440];

/// What is written: an update of an incident, or a correction of a word of it.
#[derive(Clone, Copy)]
pub(super) enum About<'a> {
    Incident(&'a Incident),
    Word(MessageId, &'a Incident),
}

impl<'a> About<'a> {
    /// What a form that was sent is about.
    fn of(posted: &Posted, desk: &'a Desk) -> Option<Self> {
        let record = &desk.live.record;
        match posted.field("order") {
            "tell" => {
                let id: IncidentId = posted.field("incident").parse().ok()?;
                Some(Self::Incident(record.incidents.get(&id)?))
            }
            "correct" => {
                let id: MessageId = posted.field("message").parse().ok()?;
                let incident = record.messages.get(&id)?.message.incident?;
                Some(Self::Word(id, record.incidents.get(&incident)?))
            }
            _ => None,
        }
    }

    fn incident(self) -> &'a Incident {
        match self {
            Self::Incident(incident) | Self::Word(_, incident) => incident,
        }
    }
}

/// What the form is filled in with, by the names of its fields.
pub(super) struct Given(BTreeMap<String, String>);

impl Given {
    /// What is seen: where it stands, and what works all the same.
    fn proposed(desk: &Desk, incident: &Incident) -> Self {
        let record = &desk.live.record;
        let said = incident.said.as_ref();
        let status = said.map_or(incident.status, |said| said.status);
        let mut given = BTreeMap::from([("status".to_owned(), status.as_str().to_owned())]);
        let hurt = record.hurt_by(incident);
        let works = desk.site.policy.components.keys().filter(|id| {
            let state = record.components.get(*id);
            let is_well = state.is_some_and(|state| state.status == Status::Operational);
            is_well && !hurt.contains(id) && !incident.harmed.contains_key(*id)
        });
        // When nobody is hurt any more, what works is no news.
        if !hurt.is_empty() {
            given.extend(works.map(|id| (format!("works_{id}"), "yes".to_owned())));
        }
        Self(given)
    }

    /// Nothing.
    fn nothing() -> Self {
        Self(BTreeMap::new())
    }

    /// What was sent.
    fn of(posted: &Posted) -> Self {
        Self(posted.all().map(|(n, v)| (n.into(), v.into())).collect())
    }

    fn says(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// The form for an update, as it stands on the incident's page.
pub(super) fn update_form(desk: &Desk, incident: &Incident) -> Markup {
    let is_over = incident.resolved_at.is_some() && !incident.is_announced();
    if is_over || !incident.is_public() || !desk.may_order() {
        return html! {};
    }
    html! {
        h2 id="tell" { "Tell customers" }
        @if let Some(promise) = &incident.promise {
            p { (promise.by) " promised the next word " (clock::ago(promise.until, desk.now)) "." }
        }
        (form(desk, About::Incident(incident), &Given::proposed(desk, incident)))
    }
}

/// The form for a correction, folded away beside the word.
pub(super) fn correction_form(desk: &Desk, word: MessageId, incident: &Incident) -> Markup {
    html! {
        @if desk.may_order() {
            details {
                summary { "Correct " (word) }
                (form(desk, About::Word(word, incident), &Given::nothing()))
            }
        }
    }
}

fn form(desk: &Desk, about: About<'_>, given: &Given) -> Markup {
    let (order, name, id) = match about {
        About::Incident(incident) => ("tell", "incident", incident.id.to_string()),
        About::Word(word, _) => ("correct", "message", word.to_string()),
    };
    let hurt = desk.live.record.hurt_by(about.incident());
    let is_update = order == "tell";
    html! {
        (desk.form(order, &[(name, &id)], html! {
            div.words {
                @if is_update { (status_field(given)) }
                (fields(desk, about, given, &|id| is_update && hurt.contains(id)))
                @if is_update { (promise_field(given)) }
                @if !hurt.is_empty() || !given.says("reason").is_empty() {
                    label { "Why it is better than what is seen "
                        input type="text" name="reason" maxlength="1000" value=(given.says("reason"));
                    }
                    p.dim {
                        "Needed only to say monitoring or resolved, or that something works, while it is seen to be hurt. Only operators read it."
                    }
                }
            }
            // The first is what the Enter key does.
            button.quiet type="submit" formaction="/preview" { "Preview in five languages" }
            button type="submit" { @if is_update { "Tell customers" } @else { "Correct it" } }
            @if is_update {
                span { "They read it at once, in their language; your text as you wrote it. Your name is not shown. It cannot be edited afterwards, only corrected." }
            } @else {
                span { "What was told stays; customers read the correction beside it." }
            }
        }))
    }
}

fn status_field(given: &Given) -> Markup {
    html! {
        label { "Where it stands "
            select name="status" {
                @for one in STATUSES {
                    option value=(one.as_str()) selected[one.as_str() == given.says("status")] { (one.as_str()) }
                }
            }
        }
    }
}

fn promise_field(given: &Given) -> Markup {
    html! {
        label { "Next word "
            select name="next_minutes" {
                option value="" { "by itself" }
                @for minutes in PROMISES {
                    option value=(minutes) selected[minutes.to_string() == given.says("next_minutes")] {
                        @match minutes { 0..120 => { "in " (minutes) " min" } _ => { "in " (minutes / 60) " h" } }
                    }
                }
            }
        }
    }
}

/// What an update and a correction have in common.
fn fields(
    desk: &Desk,
    about: About<'_>,
    given: &Given,
    is_hurt: &dyn Fn(&ComponentId) -> bool,
) -> Markup {
    // One for each form on a page.
    let list = match about {
        About::Incident(incident) => format!("groups-{}", incident.id),
        About::Word(word, _) => format!("groups-{word}"),
    };
    let mut components: Vec<(&ComponentId, &ComponentPolicy)> =
        desk.site.policy.components.iter().collect();
    components.sort_by_key(|(_, policy)| policy.position);
    components.retain(|(id, _)| !is_hurt(id));
    let choice = |name: &str, value: &str, shown: &str| {
        html! { option value=(value) selected[given.says(name) == value] { (shown) } }
    };
    html! {
        label { "In your words (optional) "
            // What a browser drops is the first line end.
            textarea name="text" rows="3" maxlength="2000" { "\n" (given.says("text")) }
        }
        label { "Language "
            select name="language" {
                @for one in Language::ALL { (choice("language", one.tag(), one.name())) }
            }
        }
        label { "Whom it hurts "
            select name="affected" {
                (choice("affected", "", "say nothing"))
                (choice("affected", "all", "all customers"))
                (choice("affected", "some", "some customers"))
                (choice("affected", "group", "those of a group:"))
            }
        }
        label { "Group "
            input type="text" name="group" maxlength="100" list=(list) value=(given.says("group"));
        }
        datalist id=(list) {
            @for name in desk.site.settings.banner.groups.keys() { option value=(name) {} }
        }
        label { "Is data affected "
            select name="data" {
                (choice("data", "", "say nothing"))
                (choice("data", "no", "no"))
                (choice("data", "being_checked", "it is being checked"))
                (choice("data", "yes", "yes"))
            }
        }
        @if !components.is_empty() {
            fieldset {
                legend { "Still works" }
                @for (id, policy) in components {
                    @let name = format!("works_{id}");
                    label {
                        input type="checkbox" name=(name) value="yes" checked[!given.says(&name).is_empty()];
                        " " (policy.name)
                    }
                }
            }
        }
    }
}

/// What customers would read.
pub(super) async fn preview(posted: Posted) -> Response {
    again(&posted, None)
}

/// The page with the form as it was sent: what came of it, or what customers would read.
pub(super) fn again(posted: &Posted, refused: Option<(StatusCode, String)>) -> Response {
    let desk = posted.desk();
    let Some(about) = About::of(posted, &desk) else {
        let why = "Nothing was done: there is no such incident, or no such word of it.";
        let body = html! { h1 { "Nothing to write about" } p { (why) } };
        return (StatusCode::NOT_FOUND, desk.page("Write", body)).into_response();
    };
    let order = telling::order(posted).unwrap_or_else(|| Err("Nothing was done.".into()));
    let (status, why, shown) = match (refused, order) {
        (Some((status, why)), order) => (status, Some(why), order.ok()),
        (None, Err(why)) => (StatusCode::BAD_REQUEST, Some(why), None),
        (None, Ok((order, done))) => {
            let (record, policy) = (&desk.live.record, &desk.site.policy);
            match doubt(&posted.visitor.name, &order, record, policy, desk.now) {
                Some(refusal) => (
                    refusal.kind.status(),
                    Some(format!("It cannot be told: {}.", refusal.why)),
                    None,
                ),
                None => (StatusCode::OK, None, Some((order, done))),
            }
        }
    };
    let incident = about.incident();
    let title = match about {
        About::Incident(_) => format!("An update of {}", incident.id),
        About::Word(word, _) => format!("A correction of {word}"),
    };
    let body = html! {
        h1 { (title) }
        p { a href={ "/incidents/" (incident.id) } { (incident.id) ": " (incident.title) } }
        @if let Some(why) = why { p.word.refused role="alert" { (why) } }
        @if let Some((order, _)) = &shown {
            @if let Some(read) = read(&desk, incident, posted, order) {
                h2 { "What customers would read" }
                p.dim { "Nothing has been told yet." }
                div.previews { (read) }
            }
        }
        h2 data-still { "As you wrote it" }
        (form(&desk, about, &Given::of(posted)))
    };
    (status, desk.page(&title, body)).into_response()
}

/// The update in every language, as the page would show it.
fn read(desk: &Desk, incident: &Incident, posted: &Posted, order: &Order) -> Option<Markup> {
    let by = &Observer::from(format!("operator:{}", posted.visitor.name));
    let (record, policy) = (&desk.live.record, &desk.site.policy);
    let body = match order {
        Order::Tell(tell) => {
            record.update_of(by, tell, policy.incidents.next_update_after, desk.now)
        }
        Order::Correct(correct) => record.correction_of(by, correct).map(|(_, body)| body),
        _ => None,
    };
    let Some(Body::Public {
        status,
        components,
        next_update_at,
        person,
        ..
    }) = body
    else {
        return None;
    };
    let site = &desk.site;
    let components = components.iter();
    let components: Vec<_> = components
        .map(|(id, status)| (site.component_name(id), *status))
        .collect();
    Some(html! {
        @for language in Language::ALL {
            @let words = Words::of(language);
            article.card lang=(language.tag()) {
                h3 { (language.own_name()) }
                p { strong { (words.incident_status(status)) } }
                p { (words.update(status, &components, next_update_at, desk.now)) }
                @if let Some(person) = &person {
                    (Said::of(site, words, person).html(|_| format!("/incidents/{}", incident.id)))
                }
            }
        }
    })
}
