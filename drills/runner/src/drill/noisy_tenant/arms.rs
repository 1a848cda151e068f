//! What stands before the front ends in each arm.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use super::{SHARE_PER_SECOND, WORKERS};
use crate::drill::fronted::Fronted;
use crate::drill::haproxy::Haproxy;
use crate::drill::service::Service;
use crate::drill::{Arm, Timeline, account};
use crate::traffic::Sample;

/// What stands before the front ends.
pub(super) enum Before {
    /// Evenkeel, with its bulkheads or with none.
    Evenkeel(Box<Fronted>),
    /// HAProxy with `maxconn`, a queue, and a rate limit for each tenant.
    Peers(Haproxy),
}

/// What HAProxy lets a tenant send, in times of what it usually does: a busy morning is not
/// turned away.
const PEERS_TIMES: f64 = 5.0;

impl Before {
    pub(super) async fn start(service: &Service, arm: Arm) -> Result<Self, String> {
        match arm {
            Arm::Peers => {
                let haproxy = Haproxy::start(&service.books.folder, &sections(service)).await?;
                Ok(Self::Peers(haproxy))
            }
            Arm::With | Arm::Without => {
                let made = |edge| pools(service, arm == Arm::With) + &check(edge);
                let fronted = Fronted::start(service, made).await?;
                Ok(Self::Evenkeel(Box::new(fronted)))
            }
        }
    }

    /// Where users ask.
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Evenkeel(fronted) => fronted.address(),
            Self::Peers(haproxy) => haproxy.address,
        }
    }

    /// Whether it still runs.
    pub(super) fn well(&self) -> Result<(), String> {
        match self {
            Self::Evenkeel(fronted) => fronted.well(),
            Self::Peers(_) => Ok(()),
        }
    }

    /// Ends it; what it says of itself.
    pub(super) async fn end(
        self,
        hurt: &[&Sample],
        figures: &mut BTreeMap<String, f64>,
        timeline: &mut Timeline,
        began: Instant,
    ) -> Result<(), String> {
        let Self::Evenkeel(fronted) = self else {
            return Ok(());
        };
        account::end(*fronted, hurt, figures, timeline, began).await
    }
}

/// The pool as an operator writes it who knows that each front end has eight workers, and
/// neither which tenant will be noisy nor which function slow; or without any bound, as a
/// plain proxy is.
fn pools(service: &Service, bulkheads: bool) -> String {
    let places = WORKERS * 2;
    let bounds = match bulkheads {
        // As many as there are workers: whoever knows it need not have it found out.
        true => format!("adaptive = false\nconcurrency_max = {places}"),
        false => "adaptive = false\nconcurrency_max = 100000\nconcurrency_initial = 100000\n\
             tenant_pct = 100\nsession_max = 100000"
            .to_owned(),
    };
    let mut text = format!(
        r#"
[[component]]
id = "office"
name = "Back office"

[[pool]]
id = "web"
check = "/health"
check_interval = "500ms"
{bounds}
"#
    );
    for front_end in service.group("web") {
        text.push_str(&format!(
            "[[pool.instance]]\nid = \"{}\"\naddress = \"{}\"\npid_file = \"{}\"\n",
            front_end.name,
            front_end.address,
            front_end.pid_file.display()
        ));
    }
    text.push_str(
        r#"
[[route]]
id = "all"
component = "office"
pool = "web"
timeout = "10s"
"#,
    );
    text
}

/// What a customer of no account waits for: the page everyone begins with, through the edge.
fn check(edge: SocketAddr) -> String {
    format!(
        r#"
[[check]]
id = "login-page"
kind = "http"
url = "http://{edge}/login"
components = ["office"]
interval = "2s"
retry_interval = "1s"
slow_after = "1s"
timeout = "3s"
"#
    )
}

/// As many requests to a server as it has workers, the others in a queue; a tenant (a host
/// name) that sends more than five times its usual share is told to come later. The window
/// of the rate is a second: one of ten lets a burst through that fills every worker. What is
/// turned away is not counted, or a tenant that keeps sending would get nothing at all.
fn sections(service: &Service) -> String {
    let most = (SHARE_PER_SECOND * PEERS_TIMES).round();
    let mut text = format!(
        "
frontend service
    bind {{address}}
    http-request disable-l7-retry unless METH_GET
    stick-table type string len 64 size 100k expire 30s store http_req_rate(1s)
    http-request deny deny_status 429 if {{ req.hdr(host),table_http_req_rate(service) ge {most} }}
    http-request track-sc0 req.hdr(host)
    default_backend web

backend web
    balance leastconn
    option httpchk GET /health
    default-server check inter 500ms fall 2 rise 2 maxconn {WORKERS}
"
    );
    for front_end in service.group("web") {
        text.push_str(&format!(
            "    server {} {}\n",
            front_end.name, front_end.address
        ));
    }
    text
}
