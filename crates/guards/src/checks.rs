//! The checks guard: it does from outside what customers do, and says what came of it.
//!
//! HTTP, a journey of several requests, TCP, TLS, DNS, a PostgreSQL query, SMTP: each is a
//! file. A check comes to one of three things: it passed; it failed, for a reason of the
//! target's; it could not be made, for a reason of our own (no file descriptor, no name
//! server), which says nothing about the target. What follows from that is the core's.
//!
//! What a target can cost is bounded: one probe at a time, a timeout over all of it, so
//! many bytes. Reasons are one line, and hold neither secrets nor more than a few words of
//! what was answered. Every probe opens a connection of its own.

mod capture;
mod claim;
mod cookies;
mod dns;
mod http;
mod journey;
mod net;
mod postgres;
mod secure;
mod smtp;
mod tcp;
mod template;
mod timetable;
mod tls;
mod trial;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evenkeel_core::action::{Action, ActionKind, Outcome};
use evenkeel_core::ids::CheckId;
use evenkeel_core::observation::{CheckOutcome, CheckResult};
use serde::{Deserialize, Serialize};
use tokio::sync::watch::Receiver;

use crate::guard::{BoxFuture, Guard, Performed, Watchlist};
use crate::outlet::Outlet;
pub use capture::Capture;
pub use claim::{JsonClaim, StatusSet};
pub use dns::{Dns, Record};
pub use http::{Body, Step};
pub use journey::{Journey, Secret, UNIQUE};
pub use net::{Address, is_host};
pub use postgres::{Place, Postgres};
pub use secure::Trust;
pub use smtp::{Smtp, SmtpTls};
pub use tcp::Tcp;
pub use template::{Template, is_name};
pub use tls::Tls;
pub use trial::Said;
use trial::{Trial, Tried, Trouble};

/// A check, as the checked configuration names it.
#[derive(Debug, Clone)]
pub struct CheckSpec {
    /// Its name in the configuration.
    pub id: CheckId,
    /// From one to the next.
    pub interval: Duration,
    /// The longest it may take, all in all.
    pub timeout: Duration,
    /// From a failure, or a slow answer, to the next look, until `failures` in a row are seen.
    pub retry_interval: Duration,
    /// Failures in a row that count.
    pub failures: u32,
    /// Passing, but taking longer, is slow, and looked at again as soon as a failure.
    pub slow_after: Option<Duration>,
    /// Whether it is asked at once whenever another fails.
    pub reference: bool,
    /// What it does.
    pub probe: Probe,
}

impl CheckSpec {
    /// A check every 30 s, within 10 s, looked at again 5 s after a failure, of which two
    /// in a row count.
    pub fn new(id: CheckId, probe: Probe) -> Self {
        Self {
            id,
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            retry_interval: Duration::from_secs(5),
            failures: 2,
            slow_after: None,
            reference: false,
            probe,
        }
    }
}

/// What a check does.
#[derive(Debug, Clone)]
pub enum Probe {
    /// One HTTP request, or several.
    Journey(Journey),
    /// A port that accepts.
    Tcp(Tcp),
    /// A chain of certificates.
    Tls(Tls),
    /// A name.
    Dns(Dns),
    /// A query.
    Postgres(Postgres),
    /// A mail server.
    Smtp(Smtp),
}

/// What one trial came to, and what was seen on the way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Account {
    /// What it came to.
    pub result: CheckResult,
    /// What was seen on the way, where it was asked for.
    pub story: Vec<Said>,
}

/// The guard.
pub struct Checks {
    specs: Vec<Arc<CheckSpec>>,
    net: net::Net,
    figures: Figures,
}

/// How the guard itself is doing, counted since it was made.
#[derive(Debug, Default)]
pub struct Figures {
    /// Probes that ended.
    pub made: AtomicU64,
    /// Those of them that failed.
    pub failed: AtomicU64,
    /// Checks that could not be made.
    pub not_made: AtomicU64,
    /// The longest a check has begun after it was due, milliseconds.
    pub late_ms_max: AtomicU64,
    /// Checks that began more than 100 ms after they were due.
    pub late: AtomicU64,
}

impl Figures {
    fn late(&self, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.late_ms_max.fetch_max(ms, Ordering::Relaxed);
        if ms > 100 {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Checks {
    /// A guard that makes `specs`.
    pub fn new(specs: Vec<CheckSpec>) -> Self {
        Self {
            specs: specs.into_iter().map(Arc::new).collect(),
            net: net::Net::default(),
            figures: Figures::default(),
        }
    }

    /// How it is doing itself.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }
}

impl Guard for Checks {
    fn name(&self) -> &'static str {
        "checks"
    }

    fn observe(
        self: Arc<Self>,
        outlet: Outlet,
        _watchlist: Receiver<Arc<Watchlist>>,
    ) -> BoxFuture<'static, ()> {
        Box::pin(watch::watch(self, outlet))
    }

    fn performs(&self) -> &'static [ActionKind] {
        &[]
    }

    fn perform<'a>(&'a self, action: &'a Action) -> BoxFuture<'a, Performed> {
        Box::pin(async move {
            Performed {
                outcome: Outcome::Failed(format!(
                    "the checks guard does not perform `{}`",
                    action.task
                )),
                evidence: None,
            }
        })
    }
}

/// Makes one check once, and tells its story.
pub async fn try_once(spec: &CheckSpec) -> Account {
    probe(spec, &net::Net::default(), true).await
}

async fn probe(spec: &CheckSpec, net: &net::Net, tells: bool) -> Account {
    let mut trial = Trial::new(tells);
    let made = make(spec, net, &mut trial).await;
    let took_ms = trial.failed_ms.unwrap_or_else(|| trial.took_ms());
    let outcome = match made {
        Ok(()) => CheckOutcome::Passed,
        Err(Trouble::Target(why)) => CheckOutcome::Failed {
            why: trial.cleaned(&why),
            step: trial.step.clone(),
        },
        Err(Trouble::Own(why)) => CheckOutcome::NotMade {
            why: trial.cleaned(&why),
        },
    };
    Account {
        result: CheckResult {
            check: spec.id.clone(),
            outcome,
            took_ms,
            certificate_expires_at: trial.certificate_expires_at,
        },
        story: trial.into_story(),
    }
}

async fn make(spec: &CheckSpec, net: &net::Net, trial: &mut Trial) -> Tried<()> {
    // Boxed: each waits in thousands, and the largest would be the size of all.
    let probe: BoxFuture<'_, Tried<()>> = match &spec.probe {
        // A journey keeps the time itself, because it cleans up after it.
        Probe::Journey(journey) => {
            return Box::pin(journey::make(journey, spec.timeout, net, trial)).await;
        }
        Probe::Tcp(tcp) => Box::pin(tcp::make(tcp, net, trial)),
        Probe::Tls(tls) => Box::pin(tls::make(tls, net, trial)),
        Probe::Dns(dns) => Box::pin(dns::make(dns, trial)),
        Probe::Postgres(postgres) => Box::pin(postgres::make(postgres, spec.timeout, net, trial)),
        Probe::Smtp(smtp) => Box::pin(smtp::make(smtp, net, trial)),
    };
    match tokio::time::timeout(spec.timeout, probe).await {
        Ok(made) => made,
        Err(_) => Err(trial.over(spec.timeout)),
    }
}
