//! Statuspage's public API, version 2: clients that know a Statuspage know this page.
//!
//! Field names, words, order (newest first) and numbers (50 incidents) are Statuspage's;
//! <https://metastatuspage.com/api> shows what clients rely on. Three things are ours:
//!
//! **Unknown.** Statuspage has no word for it, and each of its words claims something.
//! `operational` would be a lie: what is not seen may be broken, and clients page people by
//! this very word. `partial_outage` or `major_outage` would claim harm nobody has seen, and
//! `under_maintenance` a plan nobody made. So `degraded_performance`, the mildest word that
//! is not all clear, and the indicator is at least `minor`; the description says that it is
//! unknown, and since when. Beside each status stands the exact one: `evenkeel_status`.
//!
//! **The indicator** is never better than the worst incident that is not resolved. Pages
//! have shown green while an incident was in `monitoring`; this one cannot. Planned work
//! is `minor`, since the four words have none for it.
//!
//! **`page.updated_at`** is when the picture was made, not when somebody last typed: where
//! it stands still, nothing was looked at since.
//!
//! Without an incident and with everything seen and well, the description is Statuspage's
//! own `All Systems Operational`, because scripts compare it; else it is the page's first
//! sentence.
//!
//! **Maintenances** carry the impact that Statuspage writes itself, `maintenance`. One that
//! was called off is `completed` there, since a list that merely lacks it says nothing to
//! who had seen it; `evenkeel_status` says `cancelled`.

use evenkeel_core::ids::{ComponentId, IncidentId, MaintenanceId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::maintenance::MaintenanceStatus;
use evenkeel_core::status::Status;
use evenkeel_core::telling::FreeText;
use serde::Serialize;
use serde_json::Value;

use super::maintenances::{self, Said, Work};
use super::picture::{Affected, Impact, Picture, Told, Update, id_of, millis};

/// Components named in all incidents of one answer, each some 400 bytes: room for 50
/// incidents that hurt ten functions and were told of six times. An older incident that
/// finds no room is listed without its components.
const ROWS_MAX: usize = 4000;

pub(super) fn summary(picture: &Picture<'_>) -> String {
    #[derive(Serialize)]
    struct Summary<'a> {
        page: Page<'a>,
        components: Vec<Component<'a>>,
        incidents: Vec<Incident<'a>>,
        scheduled_maintenances: Vec<Incident<'a>>,
        status: Rollup,
    }
    let told = picture.unresolved();
    let works = picture.works(|status| !status.is_over());
    text(&Summary {
        page: page(picture),
        components: every_component(picture),
        incidents: listed(picture, &told),
        scheduled_maintenances: planned(picture, &works),
        status: rollup(picture),
    })
}

pub(super) fn status(picture: &Picture<'_>) -> String {
    #[derive(Serialize)]
    struct Answer<'a> {
        page: Page<'a>,
        status: Rollup,
    }
    text(&Answer {
        page: page(picture),
        status: rollup(picture),
    })
}

pub(super) fn components(picture: &Picture<'_>) -> String {
    #[derive(Serialize)]
    struct Answer<'a> {
        page: Page<'a>,
        components: Vec<Component<'a>>,
    }
    text(&Answer {
        page: page(picture),
        components: every_component(picture),
    })
}

pub(super) fn incidents(picture: &Picture<'_>) -> String {
    of_incidents(picture, &picture.incidents())
}

pub(super) fn unresolved(picture: &Picture<'_>) -> String {
    of_incidents(picture, &picture.unresolved())
}

pub(super) fn maintenances(picture: &Picture<'_>) -> String {
    of_maintenances(picture, &picture.works(|_| true))
}

pub(super) fn maintenances_active(picture: &Picture<'_>) -> String {
    of_maintenances(picture, &picture.works(MaintenanceStatus::is_under_way))
}

pub(super) fn maintenances_upcoming(picture: &Picture<'_>) -> String {
    let works = picture.works(|status| status == MaintenanceStatus::Scheduled);
    of_maintenances(picture, &works)
}

fn of_maintenances(picture: &Picture<'_>, works: &[Work<'_>]) -> String {
    #[derive(Serialize)]
    struct Answer<'a> {
        page: Page<'a>,
        scheduled_maintenances: Vec<Incident<'a>>,
    }
    text(&Answer {
        page: page(picture),
        scheduled_maintenances: planned(picture, works),
    })
}

/// What Statuspage posts to a webhook about an incident, without `meta`, which is of each
/// receiver.
pub(super) fn posted(picture: &Picture<'_>, of: IncidentId) -> Option<Value> {
    let mut told = picture.incidents();
    told.retain(|told| told.incident.id == of);
    as_posted(picture, listed(picture, &told).pop()?)
}

/// The same about planned work, which Statuspage calls an incident there, too.
pub(super) fn posted_work(picture: &Picture<'_>, of: MaintenanceId) -> Option<Value> {
    let mut works = picture.works(|_| true);
    works.retain(|work| work.state.id == of);
    as_posted(picture, planned(picture, &works).pop()?)
}

fn as_posted(picture: &Picture<'_>, incident: Incident<'_>) -> Option<Value> {
    #[derive(Serialize)]
    struct Posted<'a> {
        page: PostedPage,
        incident: Incident<'a>,
    }
    #[derive(Serialize)]
    struct PostedPage {
        id: String,
        status_indicator: &'static str,
        status_description: String,
    }
    let Rollup {
        indicator,
        description,
        ..
    } = rollup(picture);
    let page = PostedPage {
        id: page_id(picture),
        status_indicator: indicator,
        status_description: description,
    };
    serde_json::to_value(Posted { page, incident }).ok()
}

fn of_incidents(picture: &Picture<'_>, told: &[Told<'_>]) -> String {
    #[derive(Serialize)]
    struct Answer<'a> {
        page: Page<'a>,
        incidents: Vec<Incident<'a>>,
    }
    text(&Answer {
        page: page(picture),
        incidents: listed(picture, told),
    })
}

fn text(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).expect("texts, numbers and lists of them")
}

#[derive(Serialize)]
struct Page<'a> {
    id: String,
    name: &'a str,
    url: &'a str,
    time_zone: &'static str,
    updated_at: String,
}

#[derive(Serialize)]
struct Rollup {
    indicator: &'static str,
    description: String,
    evenkeel_status: &'static str,
}

#[derive(Serialize, Clone)]
struct Component<'a> {
    id: String,
    name: &'a str,
    status: &'static str,
    created_at: String,
    updated_at: String,
    position: usize,
    description: Option<&'a str>,
    showcase: bool,
    start_date: Option<String>,
    group_id: Option<&'a str>,
    page_id: String,
    group: bool,
    only_show_if_degraded: bool,
    evenkeel_status: &'static str,
}

#[derive(Serialize)]
struct Incident<'a> {
    id: &'a str,
    name: &'a str,
    status: &'static str,
    created_at: String,
    updated_at: String,
    monitoring_at: Option<String>,
    resolved_at: Option<String>,
    impact: &'static str,
    shortlink: &'a str,
    started_at: String,
    page_id: String,
    /// Statuspage's own names: there while a post-mortem is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    postmortem_body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    postmortem_body_last_updated_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    postmortem_published_at: Option<String>,
    incident_updates: Vec<IncidentUpdate<'a>>,
    components: Vec<Component<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evenkeel_status: Option<&'static str>,
}

#[derive(Serialize)]
struct IncidentUpdate<'a> {
    id: &'a str,
    status: &'static str,
    body: String,
    incident_id: &'a str,
    created_at: String,
    updated_at: String,
    display_at: String,
    affected_components: Option<Vec<AffectedComponent<'a>>>,
    deliver_notifications: bool,
    custom_tweet: Option<&'a str>,
    tweet_id: Option<&'a str>,
    /// What a person wrote, in their language.
    #[serde(skip_serializing_if = "Option::is_none")]
    evenkeel_text: Option<Original<'a>>,
    /// The update that this one corrects.
    #[serde(skip_serializing_if = "Option::is_none")]
    evenkeel_corrects: Option<&'a str>,
}

#[derive(Serialize)]
struct Original<'a> {
    language: &'static str,
    text: &'a str,
}

impl<'a> IncidentUpdate<'a> {
    /// One of which nothing but this is known. Nothing is said quietly here.
    fn at(id: &'a str, incident_id: &'a str, at: String) -> Self {
        Self {
            id,
            status: "",
            body: String::new(),
            incident_id,
            created_at: at.clone(),
            updated_at: at.clone(),
            display_at: at,
            affected_components: None,
            deliver_notifications: true,
            custom_tweet: None,
            tweet_id: None,
            evenkeel_text: None,
            evenkeel_corrects: None,
        }
    }
}

impl<'a> Original<'a> {
    fn of(free: &'a FreeText) -> Self {
        Self {
            language: free.language.tag(),
            text: &free.text,
        }
    }
}

#[derive(Serialize)]
struct AffectedComponent<'a> {
    code: String,
    name: &'a str,
    old_status: &'static str,
    new_status: &'static str,
    evenkeel_status: &'static str,
}

/// Statuspage's nearest honest word.
pub(super) fn word(status: Status) -> &'static str {
    match status {
        Status::Unknown => Status::DegradedPerformance.as_str(),
        known => known.as_str(),
    }
}

fn page_id(picture: &Picture<'_>) -> String {
    id_of("page", &[picture.host()])
}

fn page<'a>(picture: &'a Picture<'_>) -> Page<'a> {
    Page {
        id: page_id(picture),
        name: &picture.site.name,
        url: picture.base(),
        time_zone: "Etc/UTC",
        updated_at: millis(picture.published.at),
    }
}

fn rollup(picture: &Picture<'_>) -> Rollup {
    let indicator = picture.indicator();
    Rollup {
        indicator: indicator.as_str(),
        description: match indicator {
            Impact::None => "All Systems Operational".into(),
            _ => picture.answer(),
        },
        evenkeel_status: picture.worst().as_str(),
    }
}

fn component_id(id: &ComponentId) -> String {
    id_of("component", &[id.to_string()])
}

fn every_component<'a>(picture: &'a Picture<'_>) -> Vec<Component<'a>> {
    let page_id = page_id(picture);
    let components = picture.components().iter().zip(1..);
    components
        .map(|((id, name, status), position)| {
            let state = picture.published.record.components.get(*id);
            // Days are kept for so long; before the first of them nothing is known.
            let first = state.and_then(|state| {
                let day = state.days.first_key_value().map(|(day, _)| day.start());
                day.into_iter().chain([state.since]).min()
            });
            let changed_at = state.map_or(picture.published.at, |state| state.since);
            Component {
                id: component_id(id),
                name,
                status: word(*status),
                created_at: millis(first.unwrap_or(changed_at)),
                updated_at: millis(changed_at),
                position,
                description: None,
                showcase: true,
                start_date: first.map(|at| at.strftime("%Y-%m-%d").to_string()),
                group_id: None,
                page_id: page_id.clone(),
                group: false,
                only_show_if_degraded: false,
                evenkeel_status: status.as_str(),
            }
        })
        .collect()
}

/// Incidents with what they hurt, as far as there is room.
fn listed<'a>(picture: &'a Picture<'_>, told: &'a [Told<'_>]) -> Vec<Incident<'a>> {
    let ids = picture.components().iter().map(|(id, _, _)| *id);
    let every: Vec<_> = ids.zip(every_component(picture)).collect();
    let page_id = page_id(picture);
    let mut room = ROWS_MAX;
    told.iter()
        .map(|told| incident(told, &every, &page_id, &mut room))
        .collect()
}

fn incident<'a>(
    told: &'a Told<'_>,
    every: &[(&ComponentId, Component<'a>)],
    page_id: &str,
    room: &mut usize,
) -> Incident<'a> {
    let of = told.incident;
    let harmed = every.iter().filter(|(id, _)| of.harmed.contains_key(*id));
    let harmed = harmed.map(|(_, component)| component.clone()).collect();
    let components = within(room, harmed).unwrap_or_default();
    let updates = told.updates.iter();
    let is_over = told.status == IncidentStatus::Resolved;
    let postmortem = told.postmortem.as_ref();
    Incident {
        id: &told.id,
        name: &told.title,
        status: told.word,
        created_at: millis(of.opened_at),
        updated_at: millis(told.updated_at),
        monitoring_at: told.monitoring_at.map(millis),
        resolved_at: of.resolved_at.filter(|_| is_over).map(millis),
        impact: told.impact.as_str(),
        shortlink: &told.link,
        started_at: millis(of.opened_at),
        page_id: page_id.into(),
        postmortem_body: postmortem.map(|it| it.body.as_str()),
        postmortem_body_last_updated_at: postmortem.map(|it| millis(it.at)),
        postmortem_published_at: postmortem.map(|it| millis(it.first_at)),
        incident_updates: updates.map(|u| update(u, &told.id, room)).collect(),
        components,
        scheduled_for: None,
        scheduled_until: None,
        evenkeel_status: None,
    }
}

/// Planned work with what is worked on, as far as there is room.
fn planned<'a>(picture: &'a Picture<'_>, works: &'a [Work<'_>]) -> Vec<Incident<'a>> {
    let ids = picture.components().iter().map(|(id, _, _)| *id);
    let every: Vec<_> = ids.zip(every_component(picture)).collect();
    let page_id = page_id(picture);
    let mut room = ROWS_MAX;
    let one = |work: &'a Work<'_>| {
        let (state, when) = (work.state, work.state.plan.when);
        let of = &state.plan.components;
        let concerned = every.iter().filter(|(id, _)| of.contains(*id));
        let concerned = concerned.map(|(_, component)| component.clone()).collect();
        let updates = work.updates.iter();
        Incident {
            id: &work.id,
            name: &work.title,
            status: maintenances::word(state.status),
            created_at: millis(state.planned_at),
            updated_at: millis(work.updated_at),
            monitoring_at: None,
            resolved_at: state.ended_at.map(millis),
            impact: "maintenance",
            shortlink: &work.link,
            started_at: millis(state.began_at.unwrap_or(when.from)),
            page_id: page_id.clone(),
            postmortem_body: None,
            postmortem_body_last_updated_at: None,
            postmortem_published_at: None,
            components: within(&mut room, concerned).unwrap_or_default(),
            incident_updates: updates
                .map(|said| of_work(picture, said, &work.id, &mut room))
                .collect(),
            scheduled_for: Some(millis(when.from)),
            scheduled_until: Some(millis(when.until)),
            evenkeel_status: Some(state.status.as_str()),
        }
    };
    works.iter().map(one).collect()
}

fn of_work<'a>(
    picture: &'a Picture<'_>,
    said: &'a Said<'_>,
    incident_id: &'a str,
    room: &mut usize,
) -> IncidentUpdate<'a> {
    let at = millis(said.at);
    let affected = said
        .word
        .components
        .iter()
        .map(|(id, status)| AffectedComponent {
            code: component_id(id),
            name: picture.site.component_name(id),
            old_status: word(*status),
            new_status: word(*status),
            evenkeel_status: status.as_str(),
        });
    let text = said.original.as_ref();
    let text = text.and_then(|said| said.original.as_ref());
    IncidentUpdate {
        status: maintenances::word(said.status),
        body: said.body(),
        affected_components: within(room, affected.collect()),
        evenkeel_text: text.map(|(_, free)| Original::of(free)),
        ..IncidentUpdate::at(&said.id, incident_id, at)
    }
}

fn update<'a>(
    update: &'a Update<'_>,
    incident_id: &'a str,
    room: &mut usize,
) -> IncidentUpdate<'a> {
    let affected = update.components.iter().map(affected);
    let text = update.said.as_ref();
    let text = text.and_then(|said| said.original.as_ref());
    IncidentUpdate {
        status: update.word,
        body: update.body(),
        affected_components: within(room, affected.collect()),
        evenkeel_text: text.map(|(_, free)| Original::of(free)),
        evenkeel_corrects: update.corrects.as_deref(),
        ..IncidentUpdate::at(&update.id, incident_id, millis(update.at))
    }
}

/// Where nothing was said before, no change is claimed.
fn affected<'a>(of: &'a Affected<'_>) -> AffectedComponent<'a> {
    AffectedComponent {
        code: component_id(of.id),
        name: of.name,
        old_status: word(of.before.unwrap_or(of.status)),
        new_status: word(of.status),
        evenkeel_status: of.status.as_str(),
    }
}

/// All of them where there is room for all of them.
fn within<T>(room: &mut usize, rows: Vec<T>) -> Option<Vec<T>> {
    *room = room.checked_sub(rows.len())?;
    Some(rows)
}
