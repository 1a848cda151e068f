//! Pools: whether they carry the load, their instances, and the orders to the edge.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use evenkeel_core::edge::InstanceState;
use evenkeel_core::ids::{ComponentId, PoolId};
use evenkeel_core::status::Status;
use maud::{Markup, html};

use super::chart::{Chart, Line};
use super::gate::Desk;
use super::not_found;
use crate::pump::windows::Second;
use crate::report::edge::{InstanceReport, PoolReport, pools};
use crate::web::languages::{self, Language};
use crate::web::{clock, shape};

/// More failures than this are no slip.
const FAILING_PCT: u32 = 5;

/// How a pool stands, in a word and a sentence.
fn standing(pool: &PoolReport) -> (Status, String) {
    let name = &pool.name;
    if pool.seen_at.is_none() {
        return (
            Status::Unknown,
            format!("{name}: nobody knows how it is, the edge is not heard"),
        );
    }
    let used = pool
        .instances
        .iter()
        .filter(|instance| is_used(instance))
        .count();
    let all = pool.instances.len();
    let requests: u32 = pool
        .instances
        .iter()
        .map(|instance| instance.requests)
        .sum();
    let errors: u32 = pool.instances.iter().map(|instance| instance.errors).sum();
    if pool.hold.is_some() {
        let wait = pool.held;
        return (
            Status::UnderMaintenance,
            format!("{name}: held by order, {wait} requests wait"),
        );
    }
    if used == 0 {
        return (
            Status::MajorOutage,
            format!("{name}: no instance is in use"),
        );
    }
    if errors > 0 && u64::from(errors) * 100 > u64::from(requests) * u64::from(FAILING_PCT) {
        return (
            Status::PartialOutage,
            format!("{name}: {errors} of {requests} requests failed"),
        );
    }
    if pool.shed > 0 {
        return (
            Status::PartialOutage,
            format!("{name}: full, {} requests were turned away", pool.shed),
        );
    }
    if pool.queued > 0 {
        return (
            Status::DegradedPerformance,
            format!("{name}: full, {} requests wait for a place", pool.queued),
        );
    }
    let out: Vec<&InstanceReport> = pool
        .instances
        .iter()
        .filter(|instance| !is_used(instance))
        .collect();
    match out.first() {
        // Taken out on purpose is no trouble.
        Some(_) if out.iter().all(|one| one.drained || one.recycling) => (
            Status::Operational,
            format!(
                "{name}: the load is carried by {used} of {all} instances; the others drain by order"
            ),
        ),
        Some(one) => (
            Status::DegradedPerformance,
            format!(
                "{name}: the load is carried by {used} of {all} instances; {} is not used",
                one.id
            ),
        ),
        None => (Status::Operational, format!("{name}: the load is carried")),
    }
}

fn is_used(instance: &InstanceReport) -> bool {
    matches!(
        instance.state,
        Some(InstanceState::InUse | InstanceState::SlowStart)
    )
}

pub(super) async fn list(desk: Desk) -> Markup {
    let policy = &desk.site.policy;
    let mut pools = pools(&desk.live.record, policy, Some(&desk.live));
    pools.sort_by_key(|pool| std::cmp::Reverse(standing(pool).0));
    let title = match pools.first().map(standing) {
        None => "There is no pool".to_owned(),
        Some((Status::Operational, _)) => "The pools carry the load".to_owned(),
        Some((_, worst)) => worst,
    };
    let body = html! {
        h1 { (title) }
        @if pools.is_empty() {
            p.dim { "Name one as [[pool]] in the configuration, and put " code { "evenkeel edge" } " in front of the service." }
        }
        @for pool in &pools {
            section {
                h2 { a href={ "/pools/" (pool.id) } { (pool.name) } }
                (head(&desk, pool))
                (instances(pool))
            }
        }
        @if !policy.routes.is_empty() { (functions(&desk)) (banner(&desk)) }
    };
    desk.page_with("Pools", true, body)
}

pub(super) async fn one(desk: Desk, Path(id): Path<String>) -> Response {
    let id = PoolId::from(id);
    let all = pools(&desk.live.record, &desk.site.policy, Some(&desk.live));
    let Some(pool) = all.into_iter().find(|pool| pool.id == id) else {
        return not_found(desk).await;
    };
    let body = html! {
        h1 { (standing(&pool).1) }
        (head(&desk, &pool))
        (instances(&pool))
        (charts(&desk, &id))
        h2 { "Its instances, in and out of use" }
        @for instance in &pool.instances { (orders_of(&desk, &pool, instance)) }
        h2 { "All of it" }
        (hold(&desk, &pool))
    };
    desk.page_with(&pool.name, true, body).into_response()
}

fn head(desk: &Desk, pool: &PoolReport) -> Markup {
    let (status, sentence) = standing(pool);
    html! {
        p {
            strong class=(shape::class(status)) { (shape::of(status)) " " (sentence) }
            @if let Some(at) = pool.seen_at { " · seen " (clock::ago(at, desk.now)) }
        }
        @if let Some(hold) = &pool.hold {
            p.alarm { strong { "Its requests wait" } " since " (clock::ago(hold.since, desk.now)) ": " (hold.reason) }
        }
        @if pool.plan_in_force.is_some_and(|in_force| in_force < pool.plan_wanted) {
            p.dim { "The edge has not taken the newest plan yet." }
        }
        @if pool.seen_at.is_none() {
            p { "Start it with " code { "evenkeel edge" } "; the service is served by the last plan meanwhile, if it runs." }
        } @else {
            dl.facts {
                div { dt { "under way" } dd { (pool.under_way) " of at most " (pool.limit) } }
                div { dt { "waiting for a place" } dd { (pool.queued) } }
                div { dt { "held" } dd { (pool.held) } }
                div { dt { "turned away" } dd { (pool.shed) " in " (pool.seconds) " s" } }
            }
        }
    }
}

fn instances(pool: &PoolReport) -> Markup {
    html! {
        table {
            thead { tr { th { "Instance" } th { "State" } th.number { "Share" } th.number { "Under way" } th.number { "Requests/s" } th.number { "Failed" } th.number { "p50" } th.number { "p99" } } }
            tbody {
                @for instance in &pool.instances {
                    tr {
                        td { code { (instance.id) } }
                        td { (state(instance)) }
                        td.number { @if is_used(instance) { (instance.weight_pct) " %" } @else { "–" } }
                        td.number { (instance.under_way) }
                        td.number { (per_second(instance.requests, pool.seconds)) }
                        td.number { (instance.errors) }
                        td.number { (millis(instance.p50_us)) }
                        td.number { (millis(instance.p99_us)) }
                    }
                }
            }
        }
        @if pool.seconds > 0 { p.dim { "Requests, failures and times of the last " (pool.seconds) " s." } }
    }
}

fn state(instance: &InstanceReport) -> Markup {
    let status = match instance.state {
        None => Status::Unknown,
        Some(InstanceState::InUse | InstanceState::SlowStart) => Status::Operational,
        Some(InstanceState::Draining) => Status::UnderMaintenance,
        Some(InstanceState::Ejected) => Status::PartialOutage,
        Some(InstanceState::Down) => Status::MajorOutage,
    };
    html! {
        span class=(shape::class(status)) {
            (shape::of(status)) " " (instance.state.map_or("not known", InstanceState::as_str))
        }
        @if instance.recycling { " · being recycled" }
        @else if instance.drained { " · by order" }
        @if let Some(why) = &instance.why { p.dim { (why) } }
    }
}

pub(super) fn per_second(count: u32, seconds: u32) -> String {
    match seconds {
        0 => "–".into(),
        seconds => format!("{:.1}", f64::from(count) / f64::from(seconds)),
    }
}

pub(super) fn millis(us: Option<u64>) -> String {
    us.map_or_else(
        || "–".into(),
        |us| format!("{}.{} ms", us / 1000, us % 1000 / 100),
    )
}

fn charts(desk: &Desk, id: &PoolId) -> Markup {
    let seconds = desk.live.windows.of(id);
    let (Some(first), Some(_)) = (seconds.first(), seconds.get(1)) else {
        return html! { p.dim { "Nothing to plot yet: the edge has just begun to tell." } };
    };
    let line = |name, value: fn(&Second) -> Option<f64>| Line {
        name,
        points: seconds
            .iter()
            .map(|second| (second.at, value(second)))
            .collect(),
    };
    #[expect(clippy::cast_precision_loss, reason = "drawn on a few hundred pixels")]
    let ms = |us: Option<u64>| us.map(|us| us as f64 / 1000.0);
    let time_of = |name, per_mille_99: bool| Line {
        name,
        points: seconds
            .iter()
            .map(|second| {
                (
                    second.at,
                    ms(if per_mille_99 {
                        second.p99_us
                    } else {
                        second.p50_us
                    }),
                )
            })
            .collect(),
    };
    let marks: Vec<_> = desk
        .live
        .record
        .incidents
        .values()
        .map(|incident| {
            (
                incident.opened_at,
                format!("{}: {}", incident.id, incident.title),
            )
        })
        .collect();
    let chart = |label: &str, lines: &[Line], shown| {
        Chart {
            label,
            lines,
            thresholds: &[],
            stretch: None,
            fan: None,
            marks: &marks,
            from: first.at,
            to: desk.now,
            shown,
            binary: false,
        }
        .draw()
    };
    let count: fn(f64) -> String = |value| format!("{value:.0}");
    html! {
        h2 { "Requests a second" }
        (chart("Requests a second, and those that failed", &[
            line("ended", |second| Some(second.requests.into())),
            line("failed", |second| Some(second.errors.into())),
        ], count))
        h2 { "Time to the answer" }
        (chart("Time until answers began", &[time_of("p99", true), time_of("p50", false)],
            |value| if value < 10.0 { format!("{value:.1} ms") } else { format!("{value:.0} ms") }))
        h2 { "Places" }
        (chart("Requests under way, the limit, and those that wait", &[
            line("under way", |second| Some(second.under_way.into())),
            line("limit", |second| Some(second.limit.into())),
            line("waiting", |second| Some((second.queued + second.held).into())),
        ], count))
        p.dim { "The last " (seconds.len()) " seconds. ▼ an incident was opened." }
    }
}

fn orders_of(desk: &Desk, pool: &PoolReport, instance: &InstanceReport) -> Markup {
    let (id, of) = (instance.id.as_str(), pool.id.as_str());
    let fields = [("pool", of), ("instance", id)];
    html! {
        div.card {
            p { strong { (id) } " · " (state(instance)) }
            @if instance.drained {
                (desk.form("admit", &fields, html! {
                    button type="submit" { "Admit " (id) }
                    span { "It gets requests again, few at first, once its check answers." }
                }))
            } @else {
                (desk.form("drain", &fields, html! {
                    button.quiet type="submit" { "Drain " (id) }
                    span { "It gets no new request. Those under way end; what takes longer than the pool's drain_max is cut off. The others carry its load." }
                }))
            }
            p.dim { "On this host: " code { "evenkeel " (if instance.drained { "admit" } else { "drain" }) " " (of) " " (id) } }
        }
    }
}

fn hold(desk: &Desk, pool: &PoolReport) -> Markup {
    let id = pool.id.as_str();
    html! {
        div.card {
            @if pool.hold.is_some() {
                (desk.form("release", &[("pool", id)], html! {
                    button type="submit" { "Release " (id) }
                    span { "Its requests go on, so many a second as the pool's release_per_s." }
                }))
            } @else {
                (desk.form("hold", &[("pool", id)], html! {
                    label { "Why " input type="text" name="reason" required maxlength="1000"; }
                    button.stop type="submit" { "Hold " (id) }
                    span { "Every request of the pool waits, up to its hold_timeout; then it is answered with a page that says to try again. For a failover of seconds." }
                }))
            }
            @if !desk.may_order() { p.dim { "You may look, and give no orders." } }
        }
    }
}

/// What is switched off, and what can be.
fn functions(desk: &Desk) -> Markup {
    let routes = desk.site.policy.routes.values();
    let components: std::collections::BTreeSet<&ComponentId> = routes
        .filter_map(|route| route.component.as_ref())
        .collect();
    html! {
        h2 { "Functions" }
        @for component in components {
            @let name = desk.site.component_name(component);
            div.card {
                @match desk.live.record.edge.off.get(component) {
                    Some(off) => {
                        p { strong { (name) " is switched off" } " since " (clock::ago(off.since, desk.now)) ": " (off.reason) }
                        (told(&off.texts))
                        @if off.texts.is_empty() { p.dim { "Customers read the edge's own words, each in their language." } }
                        (desk.form("switch_on", &[("component", component.as_str())], html! {
                            button type="submit" { "Switch " (name) " on" }
                            span { "Its requests are served again at once." }
                        }))
                    }
                    None => {
                        p { strong { (name) } " is served." }
                        (desk.form("switch_off", &[("component", component.as_str())], html! {
                            label { "Why " input type="text" name="reason" required maxlength="1000"; }
                            (texts("What customers read"))
                            button.stop type="submit" { "Switch " (name) " off" }
                            span { "Whoever asks for it gets a page that says so: with your words, or where there are none with the edge's own, in their language. The rest of the service goes on." }
                        }))
                    }
                }
            }
        }
    }
}

/// Fields for a text in every language of the edge's own pages; English at once, the others
/// when they are asked for.
fn texts(what: &str) -> Markup {
    let field = |language: Language| {
        let (tag, label) = (language.tag(), format!("{what}, {}", language.name()));
        html! {
            label { (label) " " input type="text" name={ "text_" (tag) } maxlength="1000"; }
        }
    };
    let [first, others @ ..] = Language::ALL;
    html! {
        (field(first))
        details.others {
            summary { "In other languages" }
            @for other in others { (field(other)) }
            p.dim { "Who reads a language that has no text sees the English one." }
        }
    }
}

/// What visitors read, by language.
fn told(texts: &BTreeMap<String, String>) -> Markup {
    html! {
        @for (language, text) in texts { p { code { (language) } " " span lang=(language) { (text) } } }
        @if let Some(others) = languages::others(texts) { p.dim { "Other " (others) "." } }
    }
}

fn banner(desk: &Desk) -> Markup {
    html! {
        h2 { "What stands at the top of every page" }
        div.card {
            @match &desk.live.record.edge.banner {
                Some(banner) => {
                    (told(&banner.texts))
                    (desk.form("hide_banner", &[], html! {
                        button type="submit" { "Hide it" }
                        span { "No page carries it any more." }
                    }))
                }
                None => {
                    p { "Nothing." }
                    (desk.form("show_banner", &[], html! {
                        (texts("Text"))
                        button.quiet type="submit" { "Show it" }
                        span { "Every page of the service carries it, for every customer, until it is hidden." }
                    }))
                }
            }
        }
    }
}
