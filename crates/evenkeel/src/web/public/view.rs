//! The parts of the public page, from one published picture, in one language.
//!
//! What they show depends on nothing but what [`View::of`] is given: the same picture at
//! the same moment is the same page, served or written to a file. Nothing in it is said
//! relative to the reader's clock.

use std::collections::BTreeMap;

use evenkeel_core::Timestamp;
use evenkeel_core::action::Outcome;
use evenkeel_core::ids::ComponentId;
use evenkeel_core::incident::{Incident, IncidentStatus};
use evenkeel_core::message::{Body, Message};
use evenkeel_core::record::{ComponentState, Phase};
use evenkeel_core::status::Status;
use evenkeel_core::time;
use maud::{Markup, html};

use super::documents::postmortem_address;
use super::{Moment, PAST_DAYS, PAST_MAX, UPDATES_ALL_MAX, UPDATES_MAX, address, said, strip};
use crate::public::words::{Answer, Language, Words};
use crate::pump::published::Published;
use crate::web::{Site, clock, shape};

/// What the parts are made from.
pub(super) struct View<'a> {
    pub(super) site: &'a Site,
    pub(super) words: &'static Words,
    pub(super) published: &'a Published,
    pub(super) now: Timestamp,
    is_stale: bool,
    /// In the order of the configuration.
    components: Vec<(&'a ComponentId, &'a str, Status)>,
}

impl<'a> View<'a> {
    pub(super) fn of(
        site: &'a Site,
        published: &'a Published,
        language: Language,
        moment: Moment,
    ) -> Self {
        let Moment { now, is_stale } = moment;
        let mut components: Vec<_> = site.policy.components.iter().collect();
        components.sort_by_key(|(_, policy)| policy.position);
        let components = components
            .into_iter()
            .map(|(id, policy)| {
                let known = published.record.components.get(id);
                let status = match known {
                    Some(state) if !is_stale => state.status,
                    _ => Status::Unknown,
                };
                (id, policy.name.as_str(), status)
            })
            .collect();
        Self {
            site,
            words: Words::of(language),
            published,
            now,
            is_stale,
            components,
        }
    }

    /// Every component and how it is, in the order of the configuration.
    pub(super) fn statuses(&self) -> &[(&'a ComponentId, &'a str, Status)] {
        &self.components
    }

    /// What it is made for.
    pub(super) fn site(&self) -> &'a Site {
        self.site
    }

    /// Whether nothing is known of now.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Unresolved incidents that customers were told of, newest first.
    pub(super) fn open(&self) -> Vec<&'a Incident> {
        let incidents = self.published.record.incidents.values().rev();
        incidents
            .filter(|incident| incident.is_announced())
            .collect()
    }

    /// What the answer at the top says.
    pub(super) fn judged(&self) -> Answer<'a> {
        if self.is_stale {
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
        let until = self.published.record.maintenances_under_way();
        let until = until.filter(|state| !state.is_overdue());
        let until = until.map(|state| state.plan.when.until).max();
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
            Answer::Maintenance { components, until }
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
        self.words.answer(&self.judged(), self.published.at)
    }

    pub(super) fn answer(&self) -> Markup {
        let judged = self.judged();
        let worst = match &judged {
            Answer::Well => Status::Operational,
            Answer::Stale { .. } | Answer::NothingWatched => Status::Unknown,
            // Also what is well again is no better than what is still watched.
            Answer::Harm { .. }
            | Answer::Recovered { .. }
            | Answer::Maintenance { .. }
            | Answer::PartlyUnknown { .. } => self.published.record.overall_status(),
        };
        let (words, at) = (self.words, self.published.at);
        html! {
            div class={ "answer " (shape::class(worst)) } {
                (shape::of(worst))
                h1 { (self.answer_text()) }
            }
            @if worst.is_harm() {
                @if let Some(unharmed) = self.unharmed() { p.unharmed { (unharmed) } }
            }
            p.asof {
                (clock::within(&words.as_of(&words.second_of_day(at)), &[(at, words.second_of_day(at))]))
                @if self.is_stale { " " (words.as_of_old()) }
            }
        }
    }

    /// What still works, while something else does not.
    fn unharmed(&self) -> Option<String> {
        let of = |wanted: fn(Status) -> bool| -> Vec<&'a str> {
            let those = self.components.iter();
            let those = those.filter(|(_, _, status)| wanted(*status));
            those.map(|(_, name, _)| *name).collect()
        };
        let well = of(|status| status == Status::Operational);
        let harmed = of(Status::is_harm);
        let all_others = well.len() + harmed.len() == self.components.len();
        self.words.unharmed(&well, all_others)
    }

    pub(super) fn components(&self) -> Markup {
        if self.components.is_empty() {
            return html! {};
        }
        html! {
            section aria-labelledby="functions" {
                h2 id="functions" { (self.words.heading_functions()) }
                ul.components {
                    @for (id, name, status) in &self.components {
                        @let state = self.published.record.components.get(*id);
                        li {
                            div.row {
                                h3 { (name) }
                                p class={ "status " (shape::class(*status)) } {
                                    (shape::of(*status)) " "
                                    @if *status == Status::Unknown {
                                        (self.unknown(state))
                                    } @else {
                                        (self.words.status(*status))
                                    }
                                }
                            }
                            (strip::strip(self.words, name, state, self.now))
                            @let bad = strip::bad_days(self.words, state, self.now);
                            @if !bad.is_empty() {
                                details {
                                    summary { (self.words.bad_days()) }
                                    ul { @for (day, worst) in &bad { li { (day) ": " (worst) } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// That a component's state is unknown, and since when.
    fn unknown(&self, state: Option<&ComponentState>) -> Markup {
        let since = match state {
            Some(state) if state.status == Status::Unknown => state.since,
            _ => self.published.at,
        };
        let said = self.words.minute(since, self.published.at);
        let status = self.words.status(Status::Unknown);
        clock::within(&self.words.status_since(&status, &said), &[(since, said)])
    }

    pub(super) fn open_incidents(&self) -> Markup {
        let open = self.open();
        if open.is_empty() {
            return html! {};
        }
        html! {
            section aria-labelledby="now" {
                h2 id="now" { (self.words.heading_open()) }
                @for incident in open.iter().take(PAST_MAX) {
                    (self.incident(incident, false))
                }
            }
        }
    }

    /// One incident with its newest updates; `alone` on a page of its own.
    pub(super) fn incident(&self, incident: &Incident, alone: bool) -> Markup {
        let updates = self.updates(incident);
        let most = if alone { UPDATES_ALL_MAX } else { UPDATES_MAX };
        let link = address(self.words.language(), Some(incident.id));
        html! {
            article.incident {
                @if alone {
                    h1 { (self.title(incident)) }
                } @else {
                    h3 { a href=(link) { (self.title(incident)) } }
                }
                p.span { (self.when(incident)) }
                @if self.has_postmortem(incident) {
                    @let language = self.words.language();
                    p { a href=(postmortem_address(language, incident.id)) { (self.words.postmortem_read()) } }
                }
                @let measures = self.measures(incident);
                @if !measures.is_empty() { p { (measures) } }
                ol.updates {
                    @for (message, status, text) in updates.iter().take(most) {
                        li id=(message.id) {
                            p.when {
                                strong { (self.words.incident_status(*status)) } " · "
                                (clock::element(message.at, &self.words.minute(message.at, incident.opened_at)))
                            }
                            p { (text) }
                            (said::said(self.site, self.words, message))
                        }
                    }
                }
                @if updates.len() > most {
                    p {
                        @if alone { (self.words.earlier_updates_gone()) }
                        @else { a href=(link) { (self.words.earlier_updates()) } }
                    }
                }
            }
        }
    }

    /// What is done and has been done about an incident, each sort once, in the order in
    /// which it was decided.
    fn measures(&self, incident: &Incident) -> String {
        let states = self.published.record.actions.values();
        let states = states.filter(|state| state.action.incident == Some(incident.id));
        let newest: BTreeMap<_, _> = states
            .filter_map(|state| {
                let kind = state.action.task.kind();
                let said = match &state.phase {
                    Phase::Requested { .. } => self.words.doing(kind),
                    Phase::Performed { outcome, .. } | Phase::Proven { outcome, .. }
                        if matches!(outcome, Outcome::Done(_)) =>
                    {
                        self.words.done(kind)
                    }
                    _ => return None,
                };
                Some((kind, (state.action.id, said)))
            })
            .collect();
        let said: BTreeMap<_, _> = newest.into_values().collect();
        said.into_values().collect::<Vec<_>>().join(" ")
    }

    /// Whether a post-mortem of it is published.
    fn has_postmortem(&self, incident: &Incident) -> bool {
        let postmortem = self.published.record.postmortem(incident.id);
        postmortem.is_some_and(|postmortem| postmortem.published().is_some())
    }

    fn when(&self, incident: &Incident) -> Markup {
        let (words, from) = (self.words, incident.opened_at);
        let begins = words.minute_of_day(from);
        let Some(to) = incident.resolved_at else {
            return clock::within(&words.began(&begins), &[(from, begins)]);
        };
        let ends = words.minute(to, from);
        let said = words.lasted(&begins, &ends, &words.span(from, to));
        clock::within(&said, &[(from, begins), (to, ends)])
    }

    pub(super) fn title(&self, incident: &Incident) -> String {
        let over = matches!(
            incident.status,
            IncidentStatus::Monitoring | IncidentStatus::Resolved
        );
        self.words.incident_title(&self.harmed(incident), over)
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
                let text = self
                    .words
                    .update(*status, &components, *next_update_at, message.at);
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
                h2 id="past" { (self.words.heading_past()) }
                @if past.is_empty() {
                    p { (self.words.past_none(&self.words.day_of_year(oldest))) }
                } @else {
                    ul.past {
                        @for incident in past {
                            li {
                                a href=(address(self.words.language(), Some(incident.id))) { (self.title(incident)) }
                                p.span { (self.when(incident)) }
                                @if self.has_postmortem(incident) {
                                    @let language = self.words.language();
                                    p { a href=(postmortem_address(language, incident.id)) { (self.words.postmortem_read()) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
