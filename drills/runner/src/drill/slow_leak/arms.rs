//! What stands before the front ends in each arm.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{LEAKING, MEMORY_LIMIT, Pace, SAWTOOTH, WELL};
use crate::drill::account::Told;
use crate::drill::front_ends::FrontEnd;
use crate::drill::fronted::Fronted;
use crate::drill::haproxy::Haproxy;
use crate::drill::service::Service;
use crate::drill::{Arm, Timeline, account};
use crate::traffic::Sample;

/// What stands before the front ends.
pub(super) enum Before {
    /// Evenkeel, which may restart front ends, or only says that it would.
    Evenkeel(Box<Fronted>),
    /// HAProxy; front ends are ended at their limit by their supervisor, and restarted one
    /// after the other every night.
    Peers(Haproxy),
}

/// How long a drained front end may take to end what is under way.
const DRAIN_MAX: Duration = Duration::from_secs(5);

impl Before {
    pub(super) async fn start(service: &Service, arm: Arm, pace: &Pace) -> Result<Self, String> {
        match arm {
            Arm::Peers => {
                let sections = sections(service, pace);
                let haproxy = Haproxy::start(&service.books.folder, &sections).await?;
                Ok(Self::Peers(haproxy))
            }
            Arm::With | Arm::Without => {
                let pools = pools(service, pace, arm == Arm::With);
                let fronted = Fronted::start(service, |_| pools).await?;
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

    /// What is forecast now; `None` where nobody forecasts.
    pub(super) async fn forecasts(&self) -> Result<Option<Vec<Told>>, String> {
        match self {
            Self::Evenkeel(fronted) => account::forecasts(&fronted.keeper).await.map(Some),
            Self::Peers(_) => Ok(None),
        }
    }

    /// What is done every night; ends only with what went wrong.
    pub(super) async fn nights(&self, service: &Service, pace: &Pace, began: Instant) -> String {
        match self {
            Self::Evenkeel(_) => std::future::pending().await,
            Self::Peers(haproxy) => {
                for night in 1_u32.. {
                    tokio::time::sleep_until((began + pace.day * night).into()).await;
                    if let Err(why) = nightly(haproxy, service.group(LEAKING)).await {
                        return why;
                    }
                }
                std::future::pending().await
            }
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

/// The configuration an operator would write for this service: which process each front end
/// is, what its memory is bounded by, and how it is restarted.
fn pools(service: &Service, pace: &Pace, may_act: bool) -> String {
    let mode = if may_act { "act" } else { "watch" };
    let mut text = String::new();
    for group in &service.groups {
        text.push_str(&format!(
            r#"
[[component]]
id = "{id}"
name = "{id}"

[[pool]]
id = "{id}"
check = "/health"
check_interval = "500ms"
check_timeout = "1s"
slow_start = "{slow_start}s"
drain_max = "2s"
restart_max = "10s"
admit_within = "4s"
[pool.may]
recycle_instance = {{ mode = "{mode}", budget = 20, per = "1h", interval = "2s" }}
"#,
            id = group.id,
            slow_start = pace.slow_start.as_secs(),
        ));
        for front_end in &group.front_ends {
            text.push_str(&format!(
                r#"[[pool.instance]]
id = "{name}"
address = "{address}"
pid_file = "{pid_file}"
memory_limit = "{limit}MiB"
recycle_command = ["{restart}"]
"#,
                name = front_end.name,
                address = front_end.address,
                pid_file = front_end.pid_file.display(),
                limit = MEMORY_LIMIT >> 20,
                restart = front_end.restart.display(),
            ));
        }
    }
    for (id, paths, pool) in [
        ("planning", r#"paths = ["/appointments"]"#, WELL),
        ("documents", r#"paths = ["/scanning"]"#, SAWTOOTH),
        ("all", "", LEAKING),
    ] {
        text.push_str(&format!(
            "\n[[route]]\nid = \"{id}\"\ncomponent = \"{pool}\"\npool = \"{pool}\"\n{paths}\ntimeout = \"10s\"\n",
        ));
    }
    text
}

/// The front ends one after the other: drained, restarted, and admitted when the next check
/// has seen them.
async fn nightly(haproxy: &Haproxy, front_ends: &[FrontEnd]) -> Result<(), String> {
    for front_end in front_ends {
        let server = format!("{LEAKING}/{}", front_end.name);
        haproxy
            .tell(&format!("set server {server} state drain"))
            .await?;
        let until = Instant::now() + DRAIN_MAX;
        while haproxy.under_way(LEAKING, front_end.name).await? > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        front_end.restart().await?;
        // Two checks, as the configuration asks for.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        haproxy
            .tell(&format!("set server {server} state ready"))
            .await?;
    }
    Ok(())
}

/// Checks as tight as a small service bears them, requests that failed tried at the other
/// front end where that is safe, a slow start, and no idle connection that its server may
/// just be closing.
fn sections(service: &Service, pace: &Pace) -> String {
    let mut text = format!(
        "
frontend service
    bind {{address}}
    http-request disable-l7-retry unless METH_GET
    use_backend {WELL} if {{ path_beg /appointments }}
    use_backend {SAWTOOTH} if {{ path_beg /scanning }}
    default_backend {LEAKING}
"
    );
    for group in &service.groups {
        text.push_str(&format!(
            "
backend {}
    balance leastconn
    option httpchk GET /health
    default-server check inter 500ms fall 2 rise 2 slowstart {}s observe layer7 error-limit 3 on-error mark-down on-marked-down shutdown-sessions
",
            group.id,
            pace.slow_start.as_secs(),
        ));
        for front_end in &group.front_ends {
            text.push_str(&format!(
                "    server {} {}\n",
                front_end.name, front_end.address
            ));
        }
    }
    text
}
