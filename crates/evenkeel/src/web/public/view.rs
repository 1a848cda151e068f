//! The parts of the public page, from one published picture.

use evenkeel_core::Timestamp;
use evenkeel_core::ids::ComponentId;
use evenkeel_core::incident::{Incident, IncidentStatus};
use evenkeel_core::message::{Body, Message};
use evenkeel_core::status::Status;
use evenkeel_core::time;
use maud::{Markup, html};

use super::{PAST_DAYS, PAST_MAX, UPDATES_MAX, strip};
use crate::pump::published::Published;
use crate::web::words::Answer;
use crate::web::{Site, clock, shape, words};

/// What the parts are made from.
pub(super) struct View<'a> {
    site: &'a Site,
    published: &'a Published,
    now: Timestamp,
    stale: bool,
    /// In the order of the configuration.
    components: Vec<(&'a ComponentId, &'a str, Status)>,
}

impl<'a> View<'a> {
    pub(super) fn of(site: &'a Site, published: &'a Published) -> Self {
        let stale = published.is_stale();
        let mut components: Vec<_> = site.policy.components.iter().collect();
        components.sort_by_key(|(_, policy)| policy.position);
        let components = components
            .into_iter()
            .map(|(id, policy)| {
                let known = published.record.components.get(id);
                let status = match known {
                    Some(state) if !stale => state.status,
                    _ => Status::Unknown,
                };
                (id, policy.name.as_str(), status)
            })
            .collect();
        Self {
            site,
            published,
            now: Timestamp::now(),
            stale,
            components,
        }
    }

    /// Every component and how it is, in the order of the configuration.
    pub(super) fn statuses(&self) -> &[(&'a ComponentId, &'a str, Status)] {
        &self.components
    }

    /// Unresolved incidents that hurt customers, newest first.
    fn open(&self) -> Vec<&'a Incident> {
        let incidents = self.published.record.incidents.values().rev();
        incidents
            .filter(|incident| incident.is_public())
            .filter(|incident| incident.status != IncidentStatus::Resolved)
            .collect()
    }

    fn judged(&self) -> Answer<'a> {
        if self.stale {
            let since = match &self.published.trouble {
                Some((since, _)) => *since,
                None => self.published.at,
            };
            return Answer::Stale { since };
        }
        let of = |wanted: fn(Status) -> bool| -> Vec<(&'a ComponentId, &'a str, Status)> {
            let those = self.components.iter().copied();
            those.filter(|(_, _, status)| wanted(*status)).collect()
        };
        let names = |of: &[(&'a ComponentId, &'a str, Status)]| -> Vec<&'a str> {
            of.iter().map(|(_, name, _)| *name).collect()
        };
        let harmed = of(Status::is_harm);
        let unknown = of(|status| status == Status::Unknown);
        let maintained = of(|status| status == Status::UnderMaintenance);
        if self.components.is_empty() {
            Answer::NothingWatched
        } else if !harmed.is_empty() {
            let since = self.since(&harmed);
            let components = harmed.iter().map(|(_, name, s)| (*name, *s)).collect();
            Answer::Harm { components, since }
        } else if !unknown.is_empty() {
            let since = self.since(&unknown);
            let components = names(&unknown);
            Answer::PartlyUnknown { components, since }
        } else if !maintained.is_empty() {
            let components = names(&maintained);
            Answer::Maintenance { components }
        } else if let Some(incident) = self.open().first() {
            let components = self.harmed(incident).iter().map(|(n, _)| *n).collect();
            Answer::Recovered { components }
        } else {
            Answer::Well
        }
    }

    /// Since when they are not well: from the incident where there is one, since the
    /// status itself changes while the harm goes on.
    fn since(&self, components: &[(&ComponentId, &str, Status)]) -> Timestamp {
        let of_component = |id: &ComponentId| {
            let state = self.published.record.components.get(id);
            let incident = self
                .open()
                .into_iter()
                .filter(|incident| incident.harmed.contains_key(id))
                .map(|incident| incident.opened_at)
                .min();
            incident.or(state.map(|state| state.since))
        };
        let times = components.iter().filter_map(|(id, _, _)| of_component(id));
        times.min().unwrap_or(self.published.at)
    }

    pub(super) fn answer_text(&self) -> String {
        words::answer(&self.judged(), self.now)
    }

    pub(super) fn answer(&self) -> Markup {
        let judged = self.judged();
        let worst = match &judged {
            Answer::Well | Answer::Recovered { .. } => Status::Operational,
            Answer::Harm { components, .. } => {
                let statuses = components.iter().map(|(_, status)| *status);
                statuses.max().unwrap_or_default()
            }
            Answer::Maintenance { .. } => Status::UnderMaintenance,
            Answer::Stale { .. } | Answer::NothingWatched | Answer::PartlyUnknown { .. } => {
                Status::Unknown
            }
        };
        html! {
            div class={ "answer " (shape::class(worst)) } {
                (shape::of(worst))
                h1 { (words::answer(&judged, self.now)) }
            }
            p.asof {
                "As of " (clock::element(self.published.at, &clock::second(self.published.at, self.now)))
                @if self.stale { ". What is below is what was known then." }
            }
        }
    }

    pub(super) fn components(&self) -> Markup {
        if self.components.is_empty() {
            return html! {};
        }
        html! {
            section aria-labelledby="functions" {
                h2 id="functions" { "Functions" }
                ul.components {
                    @for (id, name, status) in &self.components {
                        @let state = self.published.record.components.get(*id);
                        li {
                            div.row {
                                h3 { (name) }
                                p class={ "status " (shape::class(*status)) } {
                                    (shape::of(*status)) " " (words::status(*status))
                                    @if *status == Status::Unknown {
                                        @let since = self.unknown_since(state);
                                        " since " (clock::element(since, &clock::minute(since, self.now)))
                                    }
                                }
                            }
                            (strip::strip(name, state, self.now))
                            @let bad = strip::bad_days(state, self.now);
                            @if !bad.is_empty() {
                                details {
                                    summary { "Days with a disturbance" }
                                    ul {
                                        @for (day, worst) in &bad {
                                            li { (day) ": " (words::status(*worst)) ", at worst" }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn unknown_since(&self, state: Option<&evenkeel_core::record::ComponentState>) -> Timestamp {
        match state {
            Some(state) if state.status == Status::Unknown => state.since,
            _ => self.published.at,
        }
    }

    pub(super) fn open_incidents(&self) -> Markup {
        let open = self.open();
        if open.is_empty() {
            return html! {};
        }
        html! {
            section aria-labelledby="now" {
                h2 id="now" { "What is going on" }
                @for incident in open.iter().take(PAST_MAX) {
                    (self.incident(incident, UPDATES_MAX, false))
                }
            }
        }
    }

    /// One incident with its newest updates.
    pub(super) fn incident(&self, incident: &Incident, most: usize, alone: bool) -> Markup {
        let updates = self.updates(incident);
        let link = format!("/incidents/{}", incident.id);
        html! {
            article.incident {
                @if alone {
                    h1 { (self.title(incident)) }
                } @else {
                    h3 { a href=(link) { (self.title(incident)) } }
                }
                p.span { (self.when(incident)) }
                ol.updates {
                    @for (message, status, text) in updates.iter().take(most) {
                        li {
                            p.when {
                                strong { (words::incident_status(*status)) } " · "
                                (clock::element(message.at, &clock::minute(message.at, self.now)))
                                " " span.ago { "(" (clock::span(message.at, self.now)) " ago)" }
                            }
                            p { (text) }
                        }
                    }
                }
                @if updates.len() > most {
                    p {
                        @if alone { "Earlier updates are no longer shown." }
                        @else { a href=(link) { "Earlier updates" } }
                    }
                }
            }
        }
    }

    fn when(&self, incident: &Incident) -> Markup {
        let from = incident.opened_at;
        html! {
            (clock::element(from, &clock::minute(from, self.now)))
            @match incident.resolved_at {
                Some(to) => {
                    " to " (clock::element(to, &clock::minute(to, self.now)))
                    ", " (clock::span(from, to)) " in all"
                }
                None => { ", " (clock::span(from, self.now)) " so far" }
            }
        }
    }

    pub(super) fn title(&self, incident: &Incident) -> String {
        let over = matches!(
            incident.status,
            IncidentStatus::Monitoring | IncidentStatus::Resolved
        );
        words::incident_title(&self.harmed(incident), over)
    }

    fn harmed(&self, incident: &'a Incident) -> Vec<(&'a str, Status)> {
        let harmed = incident.harmed.iter();
        harmed
            .map(|(id, status)| (self.site.component_name(id), *status))
            .collect()
    }

    /// Public updates, newest first.
    fn updates(&self, incident: &Incident) -> Vec<(&'a Message, IncidentStatus, String)> {
        let messages = self.published.record.messages.values().rev();
        messages
            .map(|state| &state.message)
            .filter(|message| message.incident == Some(incident.id))
            .filter_map(|message| {
                let Body::Public {
                    status,
                    components,
                    next_update_at,
                    ..
                } = &message.body
                else {
                    return None;
                };
                let components: Vec<(&str, Status)> = components
                    .iter()
                    .map(|(id, status)| (self.site.component_name(id), *status))
                    .collect();
                let text = words::update(*status, &components, *next_update_at, self.now);
                Some((message, *status, text))
            })
            .collect()
    }

    pub(super) fn past_incidents(&self) -> Markup {
        let oldest = time::before(self.now, std::time::Duration::from_secs(PAST_DAYS * 86400));
        let incidents = self.published.record.incidents.values().rev();
        let past: Vec<&Incident> = incidents
            .filter(|incident| incident.is_public())
            .filter(|incident| incident.resolved_at.is_some_and(|at| at >= oldest))
            .take(PAST_MAX)
            .collect();
        html! {
            section aria-labelledby="past" {
                h2 id="past" { "The last " (PAST_DAYS) " days" }
                @if past.is_empty() {
                    p { "No incident is over in this time." }
                } @else {
                    ul.past {
                        @for incident in past {
                            li {
                                a href=(format!("/incidents/{}", incident.id)) { (self.title(incident)) }
                                p.span { (self.when(incident)) }
                            }
                        }
                    }
                }
            }
        }
    }

    pub(super) fn footer(&self) -> Markup {
        html! {
            footer {
                p {
                    "Follow in a feed reader: " a href="/feed.atom" { "Atom" }
                    ", " a href="/feed.rss" { "RSS" } ", " a href="/feed.json" { "JSON" }
                    ". For programs: " a href="/api/v2/summary.json" { "summary.json" } "."
                }
                p {
                    "Watched by Evenkeel. What is unknown is shown as unknown. All times are UTC."
                }
            }
        }
    }
}
