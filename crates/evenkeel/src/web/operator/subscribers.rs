//! Subscribers: how many, how far the last updates are, what did not arrive; and whoever has
//! to be found or erased.
//!
//! Addresses are shown to who searches for them, a page at most: this is no list to read
//! through. What it shows of failures names numbers.

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use evenkeel_core::ids::ComponentId;
use evenkeel_core::language::Language;
use maud::{Markup, html};
use serde::Deserialize;

use super::gate::{Desk, Posted, path_of_ours};
use crate::access::Role;
use crate::access::sessions::Word;
use crate::public::words::Words;
use crate::subscribers::Subscribers;
use crate::subscribers::store::queue::Queued;
use crate::subscribers::store::{Kind, Standing, StoreError, Subscriber};
use crate::web::clock;

/// Who is shown of a search.
const FOUND_MAX: u32 = 50;

/// Updates that are shown.
const WORDS_MAX: u32 = 20;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    address: String,
}

pub(super) async fn page(desk: Desk, Query(search): Query<Search>) -> Response {
    let Some(own) = desk.site.subscribers.clone() else {
        let body = html! {
            h1 { "Nobody can subscribe yet" }
            p { "Write a [subscribers] section, or announce updates with [[announce]]; `evenkeel init --stdout` shows both." }
        };
        return desk.page("Subscribers", body).into_response();
    };
    let wanted: String = search.address.trim().chars().take(300).collect();
    let text = wanted.clone();
    let read = own.with(move |store| {
        let found = match text.is_empty() {
            true => Vec::new(),
            false => store.find(&text, None, FOUND_MAX)?,
        };
        Ok((store.words(WORDS_MAX)?, found))
    });
    let body = match read.await {
        Ok((words, found)) => html! {
            (standings(&desk, &own))
            (updates(&desk, &words))
            (failures(&desk, &own))
            (searched(&desk, &wanted, &found))
        },
        Err(error) => broken(&error),
    };
    desk.page("Subscribers", body).into_response()
}

fn broken(error: &StoreError) -> Markup {
    html! {
        h1 { "The subscribers' file cannot be read" }
        p.alarm { (crate::pump::store::chain(error)) }
    }
}

fn standings(desk: &Desk, own: &Subscribers) -> Markup {
    let figures = own.standings().figures();
    let of = |kind: Kind, standing: Standing| -> u32 {
        let counts = figures.counts.iter();
        counts
            .filter(|c| c.kind == kind && c.standing == standing)
            .map(|c| c.count)
            .sum()
    };
    let told: u32 = [Kind::Mail, Kind::Webhook]
        .map(|kind| of(kind, Standing::Active))
        .iter()
        .sum();
    let trouble: Vec<_> = Kind::ALL
        .into_iter()
        .filter_map(|kind| Some((kind, own.standings().of(kind).trouble?)))
        .collect();
    html! {
        h1 {
            @match (trouble.is_empty(), told) {
                (false, _) => "Updates do not go out to everybody",
                (true, 1) => "One subscriber is told of updates",
                (true, _) => { (told) " subscribers are told of updates" }
            }
        }
        @for (kind, (since, why)) in &trouble {
            p.alarm { strong { (name(*kind)) ": " } (why) ", since " (clock::ago(*since, desk.now)) ". It is tried again by itself." }
        }
        @if let Some(why) = &figures.trouble { p.alarm { (why) } }
        table {
            thead { tr { th { "By" } th.number { "Told" } th.number { "Not confirmed" } th.number { "Paused" } th.number { "Waits" } th.number { "Taken since the start" } th.number { "Refused" } } }
            tbody {
                @for kind in Kind::ALL {
                    @let way = own.standings().of(kind);
                    @let waits = figures.backlog.iter().find(|(of, _)| *of == kind);
                    tr {
                        td { (name(kind)) }
                        @for standing in [Standing::Active, Standing::Waiting, Standing::Paused] {
                            td.number { (of(kind, standing)) }
                        }
                        td.number { (waits.map_or(0, |(_, backlog)| backlog.rows)) }
                        td.number { (way.taken) }
                        td.number { (way.refused) }
                    }
                }
            }
        }
        p.dim { "Whom nothing reached three updates in a row is paused: nothing more is sent there until they confirm anew, or are imported again." }
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Mail => "Mail",
        Kind::Webhook => "Webhooks",
        Kind::Announcement => "Announcements",
    }
}

fn updates(desk: &Desk, words: &[Queued]) -> Markup {
    let english = Words::of(Language::English);
    html! {
        h2 { "The last updates" }
        @if words.is_empty() { p.dim { "None was sent yet." } }
        @else {
            table {
                thead { tr { th { "Update" } th { "Incident" } th { "Queued" } th.number { "For" } th.number { "Taken" } th.number { "Waits" } th.number { "Not arrived" } th.number { "Replaced" } } }
                tbody {
                    @for queued in words {
                        tr {
                            td { (queued.word.title(english)) ", " (queued.word.stands(english)) }
                            td { @if let Some(id) = queued.word.incident() { a href={ "/incidents/" (id) } { (id) } } }
                            td { (clock::ago(queued.queued_at, desk.now)) }
                            td.number { (queued.total) }
                            td.number { (queued.sent) }
                            td.number { (queued.waiting()) }
                            td.number { (queued.failed) }
                            td.number { (queued.superseded) }
                        }
                    }
                }
            }
            p.dim { "Replaced: who had not got it yet was told the next update of the incident instead." }
        }
    }
}

fn failures(desk: &Desk, own: &Subscribers) -> Markup {
    let failures = own.standings().failures();
    html! {
        @if !failures.is_empty() {
            h2 { "What did not arrive" }
            table {
                thead { tr { th { "When" } th { "By" } th { "Subscriber" } th { "Why" } } }
                tbody {
                    @for failure in &failures {
                        tr {
                            td { (clock::ago(failure.at, desk.now)) }
                            td { (name(failure.kind)) }
                            td.number { (failure.subscriber) @if failure.is_paused { ", paused" } }
                            td { (failure.why) }
                        }
                    }
                }
            }
        }
    }
}

fn searched(desk: &Desk, wanted: &str, found: &[Subscriber]) -> Markup {
    html! {
        h2 { "Find somebody" }
        form.search method="get" action="/subscribers" {
            label { "Part of the address " input type="search" name="address" maxlength="300" value=(wanted); }
            button type="submit" { "Find" }
        }
        @if !wanted.is_empty() && found.is_empty() { p { "Nobody's address has that in it." } }
        @if !found.is_empty() {
            table {
                thead { tr { th.number { "Number" } th { "Address" } th { "In" } th { "About" } th { "Stands" } th { "Erase" } } }
                tbody {
                    @for one in found {
                        tr {
                            td.number { (one.id) }
                            td { (one.address) @if let Some(why) = &one.last_error { p.dim { (why) } } }
                            td { (one.wishes.language.tag()) }
                            td {
                                @if one.wishes.components.is_empty() { "all" }
                                @else { (one.wishes.components.iter().map(ComponentId::as_str).collect::<Vec<_>>().join(", ")) }
                                @if one.wishes.maintenance_only { ", planned work only" }
                            }
                            td { (one.standing.as_str()) " since " (clock::ago(one.since, desk.now)) }
                            td {
                                @if desk.may_order() && one.kind != Kind::Announcement {
                                    form.order method="post" action="/subscribers" {
                                        input type="hidden" name="csrf" value=(desk.visitor.csrf);
                                        input type="hidden" name="back" value="/subscribers";
                                        input type="hidden" name="subscriber" value=(one.id);
                                        button.quiet type="submit" { "Erase" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            p.dim { "Erasing removes everything that is known of somebody, at once and for good, also that they ever were here." }
        }
    }
}

/// Erases somebody.
pub(super) async fn erase(posted: Posted) -> Response {
    if posted.visitor.role != Role::Operator {
        return StatusCode::FORBIDDEN.into_response();
    }
    let id = posted.field("subscriber").parse::<i64>().ok();
    let own = posted.console.site.subscribers.clone();
    let word = match (own, id) {
        (Some(own), Some(id)) => match own.with(move |store| store.erase_numbered(id)).await {
            Ok(Some(_)) => {
                tracing::info!(
                    by = posted.visitor.name,
                    subscriber = id,
                    "a subscriber was erased"
                );
                Word {
                    good: true,
                    text: format!("Subscriber {id} is erased."),
                }
            }
            Ok(None) => Word {
                good: false,
                text: format!("Nothing was done: there is no subscriber {id}."),
            },
            Err(error) => Word {
                good: false,
                text: format!("Nothing was done: {}.", crate::pump::store::chain(&error)),
            },
        },
        _ => Word {
            good: false,
            text: "Nothing was done: that is no subscriber.".into(),
        },
    };
    posted.console.access.leave_word(&posted.cookie, word);
    Redirect::to(path_of_ours(posted.field("back"))).into_response()
}
