//! What people did: the audit, newest first, from the journal.

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use evenkeel_core::event::What;
use maud::html;

use super::gate::Desk;
use super::journal::{self, Search};
use crate::web::{account, clock};

/// `/audit`: logins, failed logins, orders, changes of people and tokens.
pub(super) async fn page(desk: Desk, Query(mut search): Query<Search>) -> Response {
    search.kind = "person_acted".into();
    let found = match journal::search(&desk.console, &search).await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let body = html! {
        h1 { "What people did" }
        p { "Logins, orders, people and tokens, as the journal has them. Who gives orders on this host is who the kernel says they are." }
        @if found.entries.is_empty() { p.dim { "Nothing" @if found.earlier.is_some() { " in this part of the journal" } "." } }
        @else {
            table {
                thead { tr { th { "Who" } th { "What" } th { "From" } th { "When" } th { "Entry" } } }
                tbody {
                    @for (entry, event) in &found.entries {
                        @if let Some(What::PersonActed { by, act, about, from }) = event.as_ref().map(|event| &event.what) {
                            tr {
                                td { (by.as_str().strip_prefix("operator:").unwrap_or(by.as_str())) }
                                td { (account::act(*act, about)) }
                                td { (from) }
                                td { (clock::ago(entry.at, desk.now)) }
                                td.number { a href={ "/journal/" (entry.revision.0) } { (entry.revision.0) } }
                            }
                        }
                    }
                }
            }
        }
        (found.further("/audit", &search))
    };
    desk.page("Audit", body).into_response()
}
