//! The operator's console: what is wrong, what was done and why, and the buttons.
//!
//! For who is on the list of people only ([`gate`]); what answers without a login is
//! [`OPEN`]. Viewers see no buttons. What a button will do stands beside it before it is
//! pressed; what it did, on the page it leads back to. Every page works without script;
//! with it, pages renew themselves ([`live`]).
//!
//! Without TLS loopback only, and only under a loopback name: a page elsewhere cannot reach them
//! through the reader's browser (DNS rebinding). Lists are bounded, and say how many more
//! there are.

mod audit;
mod axes;
mod cells;
mod chart;
mod checks;
pub(super) mod gate;
mod heartbeats;
mod incidents;
mod jobs;
pub(super) mod journal;
mod leaks;
mod live;
mod locks;
mod login;
mod maintenance;
mod orders;
mod overview;
mod plot;
mod pools;
mod postmortems;
mod proposals;
mod runs;
mod subscribers;
mod telling;
mod tenants;
mod writing;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use evenkeel_core::Timestamp;
use evenkeel_core::evidence::Fact;
use evenkeel_core::record::Phase;
use maud::{Markup, html};
use tokio::sync::Semaphore;

use super::{FAVICON, Site, Style, api};
use crate::access::Access;
use crate::pump::orders::OrderDesk;
use crate::web::serving::Peer;
use gate::Desk;

static STYLE: LazyLock<Style> = LazyLock::new(|| {
    Style::with_script(
        include_str!("operator/page.css"),
        include_str!("operator/console.js"),
    )
});

/// The longest form, bytes: a part of a post-mortem, each of its bytes written as three.
const FORM_MAX: usize = 32 << 10;

/// What answers without a login.
pub const OPEN: &[&str] = &["/login", "/healthz", "/favicon.svg"];

/// What the console is made from.
#[derive(Clone)]
pub struct Console {
    /// What pages are made from.
    pub site: Site,
    /// Who may.
    pub access: Access,
    /// Where orders go.
    pub orders: OrderDesk,
    /// Where what it shows is kept.
    pub places: Places,
    rooms: Rooms,
}

/// Where what the console shows is kept.
#[derive(Debug, Clone)]
pub struct Places {
    /// The journal.
    pub journal: PathBuf,
    /// The runs' folders.
    pub runs: PathBuf,
}

/// How much of what costs is done at once.
#[derive(Clone)]
struct Rooms {
    /// Pages that are told of changes.
    live: Arc<Semaphore>,
    /// Searches of the journal.
    journal: Arc<Semaphore>,
}

impl Console {
    /// A console.
    pub fn new(site: Site, access: Access, orders: OrderDesk, places: Places) -> Self {
        Self {
            site,
            access,
            orders,
            places,
            rooms: Rooms {
                live: Arc::new(Semaphore::new(live::READERS_MAX)),
                journal: Arc::new(Semaphore::new(journal::AT_ONCE)),
            },
        }
    }
}

impl FromRef<Console> for Site {
    fn from_ref(console: &Console) -> Self {
        console.site.clone()
    }
}

/// Every route of the operator's listener: a golden list guards it.
pub fn routes() -> Vec<(&'static str, MethodRouter<Console>)> {
    vec![
        ("/", get(overview::page)),
        ("/proposals", get(proposals::page)),
        ("/incidents", get(incidents::list)),
        ("/incidents/{id}", get(incidents::one)),
        ("/postmortems", get(postmortems::list)),
        (
            "/postmortems/{id}",
            get(postmortems::one).post(postmortems::write),
        ),
        ("/postmortems/{id}/{file}", get(postmortems::file)),
        ("/jobs", get(jobs::list)),
        ("/jobs/{job}", get(jobs::one)),
        ("/runs/{run}", get(runs::one)),
        ("/evidence/{id}/{file}", get(runs::evidence)),
        ("/locks", get(locks::page)),
        ("/pools", get(pools::list)),
        ("/pools/{id}", get(pools::one)),
        ("/tenants", get(tenants::page)),
        ("/leaks", get(leaks::page)),
        ("/checks", get(checks::list)),
        ("/checks/{id}", get(checks::one)),
        ("/heartbeats", get(heartbeats::page)),
        ("/readiness", get(heartbeats::readiness)),
        (
            "/subscribers",
            get(subscribers::page).post(subscribers::erase),
        ),
        ("/maintenance", get(maintenance::page)),
        ("/authority", get(overview::authority)),
        ("/journal", get(journal::page)),
        ("/journal/{revision}", get(journal::one)),
        ("/audit", get(audit::page)),
        ("/orders", post(orders::give)),
        ("/preview", post(writing::preview)),
        ("/live", get(live::events)),
        ("/console.js", get(live::script)),
        ("/login", get(login::page).post(login::log_in)),
        ("/logout", post(login::log_out)),
        ("/healthz", get(healthz)),
        ("/favicon.svg", get(favicon)),
    ]
}

/// The operator's listener's router.
pub fn router(console: Console) -> Router {
    let mut router = Router::new();
    for (path, method) in routes().into_iter().chain(api::routes()) {
        router = router.route(path, method);
    }
    router
        .route("/api/{*rest}", any(async || api::nothing_here()))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(console.clone(), gate::gate))
        .layer(DefaultBodyLimit::max(FORM_MAX))
        .layer(middleware::from_fn(only_under_a_loopback_name))
        .layer(middleware::map_response(async |response: Response| {
            STYLE.guard(response, "no-store")
        }))
        .with_state(console)
}

async fn only_under_a_loopback_name(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let loopback = name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    // Under TLS the certificate says which names are ours, and browsers hold to it.
    let peer = request.extensions().get::<Peer>();
    if loopback || peer.is_some_and(|peer| peer.is_encrypted) {
        next.run(request).await
    } else {
        let why = "These pages answer under localhost or 127.0.0.1 only; use an SSH tunnel.\n";
        (StatusCode::MISDIRECTED_REQUEST, why).into_response()
    }
}

async fn healthz(State(site): State<Site>) -> Response {
    let (status, text) = match site.now().ailment() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    };
    (status, text).into_response()
}

async fn favicon() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/svg+xml")], FAVICON)
}

async fn not_found(desk: Desk) -> Response {
    let body = html! {
        h1 { "There is no such page" }
        p { "The " a href="/journal" { "journal" } " has what these pages no longer show." }
    };
    (StatusCode::NOT_FOUND, desk.page("No such page", body)).into_response()
}

/// A page for who is not logged in.
fn plain(site: &Site, title: &str, body: Markup) -> Markup {
    let page = html! {
        header { nav aria-label="Pages" { a.name href="/" { "Evenkeel" } } }
        main.narrow { (body) }
        footer { p { (site.name) } }
    };
    STYLE.page(
        "en",
        &format!("{title} · {} · Evenkeel", site.name),
        html! {},
        page,
    )
}

/// The ways around, in the order of a bad night.
const WAYS: &[(&str, &str)] = &[
    ("/incidents", "Incidents"),
    ("/proposals", "Proposals"),
    ("/postmortems", "Post-mortems"),
    ("/jobs", "Jobs"),
    ("/locks", "Locks"),
    ("/pools", "Pools"),
    ("/tenants", "Tenants"),
    ("/leaks", "Leaks"),
    ("/checks", "Checks"),
    ("/heartbeats", "Heartbeats"),
    ("/readiness", "Readiness"),
    ("/subscribers", "Subscribers"),
    ("/maintenance", "Maintenance"),
    ("/authority", "Authority"),
    ("/journal", "Journal"),
    ("/audit", "Audit"),
];

impl Desk {
    /// A whole page with its way around.
    fn page(&self, title: &str, body: Markup) -> Markup {
        self.page_with(title, false, body)
    }

    /// The same; `moving` renews itself with every picture, others with every revision.
    fn page_with(&self, title: &str, moving: bool, body: Markup) -> Markup {
        let record = &self.live.record;
        let open = record
            .incidents
            .values()
            .filter(|incident| incident.resolved_at.is_none())
            .count();
        let waiting = record
            .open_actions
            .iter()
            .filter_map(|id| record.actions.get(id))
            .filter(|state| matches!(state.phase, Phase::Proposed { .. }))
            .count();
        let here = self.path.split('?').next().unwrap_or_default();
        let is_here = |way: &str| {
            here == way
                || here.starts_with(&format!("{way}/"))
                || (way == "/jobs" && here.starts_with("/runs/"))
        };
        let page = html! {
            a.skip href="#main" { "To the page" }
            header {
                nav aria-label="Pages" {
                    a.name href="/" aria-current=[(here == "/").then_some("page")] { "Evenkeel" }
                    @for (way, name) in WAYS {
                        a href=(way) aria-current=[is_here(way).then_some("page")] {
                            (name)
                            @match *way {
                                "/incidents" if open > 0 => span.count { (open) " open" },
                                "/proposals" if waiting > 0 => span.count { (waiting) " wait" },
                                _ => {}
                            }
                        }
                    }
                    form.me method="post" action="/logout" {
                        input type="hidden" name="csrf" value=(self.visitor.csrf);
                        span { (self.visitor.name) ", " (self.visitor.role.as_str()) }
                        button.quiet type="submit" { "Log out" }
                    }
                }
            }
            main #main tabindex="-1" data-revision=(record.revision) data-moving=[moving.then_some("")] {
                @if let Some(word) = &self.word {
                    p.word.refused[!word.good] role="status" { (word.text) }
                }
                @if let Some(ailment) = self.live.ailment() {
                    p.alarm { strong { "This is no picture of now: " } (ailment) }
                }
                @if let Some(ailment) = self.live.recording.ailment() {
                    p.alarm { strong { "To know: " } (ailment) "." }
                }
                @if let Some(held) = &record.held {
                    p.alarm {
                        strong { "Actions are held" } " by " (held.by) " since "
                        (super::clock::ago(held.since, self.now)) ": " (held.reason)
                        ". Nothing that ends something is done until "
                        a href="/authority#hold" { "they are released" } "."
                    }
                }
                (cells::named(body))
                p.dim.stand {
                    "As of journal revision " (record.revision) ", "
                    (super::clock::ago(self.live.at, self.now)) "."
                }
            }
            footer {
                p { (self.site.name) " " span #live role="status" {} }
            }
        };
        let head = html! {
            script src="/console.js" integrity=(STYLE.integrity()) defer {}
        };
        STYLE.page(
            "en",
            &format!("{title} · {} · Evenkeel", self.site.name),
            head,
            page,
        )
    }
}

/// What a decision rests on, as pairs.
fn facts(facts: &[Fact]) -> Markup {
    let now = Timestamp::now();
    html! {
        @if !facts.is_empty() {
            dl.facts {
                @for fact in facts {
                    div { dt { (fact.name.replace('_', " ")) } dd {
                        @match fact.value.parse::<Timestamp>() {
                            Ok(at) => (super::clock::ago(at, now)),
                            Err(_) => (fact.value),
                        }
                    } }
                }
            }
        }
    }
}

/// `and 12 more`, where a list was cut.
fn more(all: usize, shown: usize, where_else: &str) -> Markup {
    html! {
        @if all > shown {
            p.dim { "and " (all - shown) " more: " code { (where_else) } }
        }
    }
}
