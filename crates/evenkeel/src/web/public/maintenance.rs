//! Planned work on the public page: what is under way and to come, what was, and a page for
//! each with everything that was said of it.
//!
//! What was called off stays: whoever had put it into a calendar looks for it.

use std::time::Duration;

use evenkeel_core::ids::MaintenanceId;
use evenkeel_core::maintenance::MaintenanceStatus;
use evenkeel_core::record::MaintenanceState;
use evenkeel_core::telling::FreeText;
use evenkeel_core::time;
use maud::{Markup, html};

use super::said::Said;
use super::view::View;
use crate::public::words::Language;
use crate::web::clock;

/// Planned work on the front page: what is under way and next.
const FRONT_MAX: usize = 3;
/// How far ahead the front page looks; the calendar shows all.
const FRONT_AHEAD: Duration = Duration::from_secs(31 * 86400);
/// Planned work that is over, in the calendar and as pages of its own.
pub const PAST_MAX: usize = 50;
/// Planned work to come, in the calendar.
const AHEAD_MAX: usize = 100;

/// Where planned work is, in one language: all of it, or one.
pub fn address(language: Language, maintenance: Option<MaintenanceId>) -> String {
    let tag = language.tag();
    match maintenance {
        None => format!("/{tag}/maintenance"),
        Some(id) => format!("/{tag}/maintenance/{id}"),
    }
}

impl<'a> View<'a> {
    /// What is under way, then what is to come, the next first.
    pub(super) fn maintenances_open(&self) -> Vec<&'a MaintenanceState> {
        let record = &self.published.record;
        let open = record.open_maintenances.iter();
        let mut open: Vec<_> = open.filter_map(|id| record.maintenances.get(id)).collect();
        open.sort_by_key(|state| {
            let waits = !state.status.is_under_way();
            (waits, state.plan.when.from, state.id)
        });
        open
    }

    /// What is over, newest first.
    fn maintenances_over(&self) -> Vec<&'a MaintenanceState> {
        let all = self.published.record.maintenances.values();
        let mut over: Vec<_> = all.filter(|state| state.status.is_over()).collect();
        over.sort_by_key(|state| std::cmp::Reverse((state.plan.when.from, state.id)));
        over.truncate(PAST_MAX);
        over
    }

    fn names(&self, state: &'a MaintenanceState) -> Vec<&'a str> {
        let components = state.plan.components.iter();
        components.map(|id| self.site.component_name(id)).collect()
    }

    /// `Maintenance of Login`.
    pub(super) fn maintenance_title(&self, state: &'a MaintenanceState) -> String {
        self.words.maintenance_named(&self.names(state))
    }

    /// From when to when.
    fn maintenance_when(&self, state: &MaintenanceState) -> Markup {
        let (words, when) = (self.words, state.plan.when);
        let begins = words.minute_of_day(when.from);
        let ends = words.minute(when.until, when.from);
        let said = words.lasted(&begins, &ends, &words.span(when.from, when.until));
        clock::within(&said, &[(when.from, begins), (when.until, ends)])
    }

    fn maintenance_row(&self, state: &'a MaintenanceState) -> Markup {
        let link = address(self.words.language(), Some(state.id));
        html! {
            li {
                a href=(link) { (self.maintenance_title(state)) }
                p.span {
                    strong { (self.words.maintenance_status(state.status)) } " · "
                    (self.maintenance_when(state))
                }
            }
        }
    }

    fn maintenance_list(&self, states: &[&'a MaintenanceState]) -> Markup {
        html! { ul.past { @for state in states { (self.maintenance_row(state)) } } }
    }

    /// The section of the front page; nothing where nothing is planned and nothing was.
    pub(super) fn maintenance_section(&self) -> Markup {
        if self.published.record.maintenances.is_empty() {
            return html! {};
        }
        let soon = time::after(self.now, FRONT_AHEAD);
        let mut open = self.maintenances_open();
        open.retain(|state| state.plan.when.from <= soon);
        open.truncate(FRONT_MAX);
        let all = address(self.words.language(), None);
        html! {
            section aria-labelledby="planned" {
                h2 id="planned" { (self.words.heading_maintenance()) }
                @if open.is_empty() { p { (self.words.maintenance_none()) } }
                (self.maintenance_list(&open))
                p { a href=(all) { (self.words.maintenance_all()) } }
            }
        }
    }

    /// All of it.
    pub(super) fn maintenance_calendar(&self) -> Markup {
        let mut open = self.maintenances_open();
        open.truncate(AHEAD_MAX);
        let over = self.maintenances_over();
        let file = super::machines::calendar_address(self.words.language());
        html! {
            h1 { (self.words.maintenance_title()) }
            @if open.is_empty() { p { (self.words.maintenance_none()) } }
            (self.maintenance_list(&open))
            p { (self.words.maintenance_calendar()) " " a href=(file) { "iCalendar" } }
            @if !over.is_empty() {
                section aria-labelledby="past" {
                    h2 id="past" { (self.words.maintenance_past()) }
                    (self.maintenance_list(&over))
                }
            }
        }
    }

    fn original(&self, free: &FreeText) -> Markup {
        Said::original(self.words, free).html(|wrong| format!("#{wrong}"))
    }

    /// One, with everything that was said of it.
    pub(super) fn maintenance(&self, state: &'a MaintenanceState) -> Markup {
        let expected = self
            .words
            .maintenance_expected(state.plan.impact, &self.names(state));
        html! {
            article.incident {
                h1 { (self.maintenance_title(state)) }
                p.span {
                    strong { (self.words.maintenance_status(state.status)) } " · "
                    (self.maintenance_when(state))
                }
                @if state.status != MaintenanceStatus::Cancelled { p { (expected) } }
                @if let Some(free) = &state.plan.text { (self.original(free)) }
                ol.updates {
                    @for (id, at, word) in state.words.iter().rev() {
                        li id=(id) {
                            p.when {
                                strong { (self.words.maintenance_status(word.status)) } " · "
                                (clock::element(*at, &self.words.minute_of_day(*at)))
                            }
                            p { (self.words.maintenance_word(word.news, word.when, *at)) }
                            @if let Some(free) = word.text.as_ref().filter(|free| Some(*free) != state.plan.text.as_ref()) {
                                (self.original(free))
                            }
                        }
                    }
                }
            }
        }
    }
}
