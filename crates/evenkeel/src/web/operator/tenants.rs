//! Tenants at the edge: the busiest ones, by a hash of their name, and their bounds.

use maud::{Markup, html};

use super::gate::Desk;
use super::pools::{millis, per_second};
use crate::report::edge::{TenantReport, tenants};

/// A tenant that takes more than this share of all requests is worth a look, percent.
const NOISY_PCT: u64 = 30;

pub(super) async fn page(desk: Desk) -> Markup {
    let tenants = tenants(&desk.live.record, &desk.live);
    let all: u64 = tenants
        .iter()
        .map(|tenant| u64::from(tenant.requests))
        .sum();
    let noisy = tenants.iter().find(|tenant| {
        let many = u64::from(tenant.requests) * 100 > all * NOISY_PCT;
        tenant.tenant.is_some() && many && tenants.len() > 3
    });
    let title = match (tenants.is_empty(), noisy) {
        (true, _) => "Nothing is known of tenants".to_owned(),
        (_, Some(one)) => format!(
            "Tenant {} sends {} % of all requests",
            one.tenant.as_deref().unwrap_or_default(),
            u64::from(one.requests) * 100 / all.max(1)
        ),
        (_, None) => "No tenant takes more than its share".to_owned(),
    };
    let body = html! {
        h1 { (title) }
        p { "Names are hashed before they are kept. While places are short, tenants get them in turn: one that sends more waits longer, and nobody else does." }
        @if tenants.is_empty() {
            p.dim { "The edge is not heard, or no request named a tenant yet: " code { "[edge] tenant" } " says where it stands in a request." }
        } @else {
            table {
                thead { tr { th { "Tenant" } th.number { "Requests/s" } th.number { "Failed" } th.number { "Turned away" } th.number { "p99" } th { "Bound" } } }
                tbody { @for tenant in &tenants { (row(&desk, tenant)) } }
            }
            @if let Some(tenant) = tenants.first() { p.dim { "Of the last " (tenant.seconds) " s." } }
        }
    };
    desk.page_with("Tenants", true, body)
}

fn row(desk: &Desk, tenant: &TenantReport) -> Markup {
    html! {
        tr {
            td { @match &tenant.tenant { Some(hash) => code { (hash) }, None => "all others" } }
            td.number { (per_second(tenant.requests, tenant.seconds)) }
            td.number { (tenant.errors) }
            td.number { (tenant.shed) }
            td.number { (millis(tenant.p99_us)) }
            td { @if let Some(hash) = &tenant.tenant {
                @match tenant.requests_per_s_max {
                    Some(most) => {
                        (most) " requests/s "
                        (desk.form("cap_tenant", &[("tenant", hash)], html! {
                            button.quiet type="submit" { "Lift" }
                            span { "It may send what the configuration allows." }
                        }))
                    }
                    None => (desk.form("cap_tenant", &[("tenant", hash)], html! {
                        label { "At most " input type="number" name="requests_per_s_max" min="1" max="1000000" required; " requests/s" }
                        button.quiet type="submit" { "Bound" }
                        span { "What it sends beyond is answered with 429." }
                    })),
                }
            } }
        }
    }
}
