//! The front page as a witness publishes it: what it sees from outside, in five languages,
//! with the way to what was told before.
//!
//! Nothing on it is ever operational: whoever made the page from inside is silent, and what
//! answers from outside is one question that was answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use evenkeel_core::status::Status;
use evenkeel_core::witness::{Gap, Service};
use maud::{Markup, html};

use super::asked::Asked;
use super::{Site, documents};
use crate::public::words::{Language, Words};
use crate::web::{clock, shape};

/// What the witness tells.
#[derive(Debug, Clone)]
pub struct Told {
    /// Since when the keeper is silent, and how the service looks.
    pub gap: Gap,
    /// Incidents the keeper told of before, by language: titles and paths, newest first.
    pub before: BTreeMap<&'static str, Vec<(String, String)>>,
}

/// The front pages; `site` shows what the witness itself sees.
pub fn router(site: Site, told: Told) -> Router {
    let policy = super::policy(&site);
    let style = move |response: Response| {
        let policy = policy.clone();
        async move { super::STYLE.guard_by(response, "public, max-age=5", policy) }
    };
    Router::new()
        .route("/", get(page))
        .route("/{language}/", get(page))
        .layer(axum::middleware::map_response(style))
        .with_state((site, Arc::new(told)))
}

async fn page(State((site, told)): State<Scene>, asked: Asked) -> Response {
    asked.document(front(&site, &told, asked.language))
}

type Scene = (Site, Arc<Told>);

/// The answer in one sentence.
pub fn answer(words: &Words, gap: &Gap, known: evenkeel_core::Timestamp) -> String {
    let since = words.minute(gap.since, known);
    match gap.service {
        Service::Fails => words.unreachable(&since),
        Service::Answers => words.unreachable_operators(&since),
        Service::Unknown => words.unreachable_unknown(&since),
    }
}

fn front(site: &Site, told: &Told, language: Language) -> Markup {
    let words = Words::of(language);
    let published = site.now();
    let at = published.at;
    let text = answer(words, &told.gap, at);
    let status_of = |id| match published.record.components.get(id) {
        Some(state) if state.status.is_harm() => state.status,
        _ => Status::Unknown,
    };
    let mut components: Vec<_> = site.policy.components.iter().collect();
    components.sort_by_key(|(_, policy)| policy.position);
    let worst = components.iter().map(|(id, _)| status_of(id)).max();
    let worst = worst.unwrap_or(Status::Unknown);
    let since = words.minute(told.gap.since, at);
    let before = told.before.get(language.tag());
    let before = before.map_or(&[][..], Vec::as_slice);
    let main = html! {
        div class={ "answer " (shape::class(worst)) } {
            (shape::of(worst))
            h1 { (clock::within(&text, &[(told.gap.since, since.clone())])) }
        }
        p.asof {
            (clock::within(&words.as_of(&words.second_of_day(at)), &[(at, words.second_of_day(at))]))
        }
        p { (words.witnessed()) }
        section aria-labelledby="functions" {
            h2 id="functions" { (words.heading_functions()) }
            ul.components {
                @for (id, policy) in &components {
                    @let status = status_of(id);
                    li {
                        div.row {
                            h3 { (policy.name) }
                            p class={ "status " (shape::class(status)) } {
                                (shape::of(status)) " "
                                @if status == Status::Unknown {
                                    (words.status_since(&words.status(status), &since))
                                } @else {
                                    (words.status(status))
                                }
                            }
                        }
                    }
                }
            }
        }
        @if !before.is_empty() {
            section aria-labelledby="past" {
                h2 id="past" { (words.heading_past()) }
                ul.past {
                    @for (title, path) in before { li { a href=(path) { (title) } } }
                }
            }
        }
    };
    documents::of_witness(site, words, &text, main)
}
