//! What becomes of a request, for those who count and for the log: told once, when it is
//! over, however it ends.

use std::rc::Rc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, Method};
use jiff::Timestamp;
use tokio::time::Instant;

use super::Request;
use crate::access_log::Line;
use crate::shared::Shared;
use crate::trace::Trace;
use crate::traffic::{Class, Finish, Kind, Pick};

/// See the module.
#[derive(Debug)]
pub(crate) struct Account {
    shared: Rc<Shared>,
    class: Option<Class>,
    pub(crate) began: Instant,
    /// How it ended; whoever drops this before it is known has gone.
    pub(crate) kind: Kind,
    /// It was refused: it counts as no request of its route.
    pub(crate) is_refused: bool,
    /// What the client was answered.
    pub(crate) status: Option<u16>,
    /// From the request's head to the answer's.
    pub(crate) latency: Option<Duration>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) retried: bool,
    /// What the log says of it; none where nothing is logged.
    entry: Option<Box<Entry>>,
}

#[derive(Debug)]
struct Entry {
    at: Timestamp,
    client: std::net::IpAddr,
    method: Method,
    host: HeaderValue,
    target: PathAndQuery,
    instance: Option<(usize, usize)>,
    trace: Trace,
}

impl Account {
    pub(crate) fn new(
        shared: &Rc<Shared>,
        class: Option<Class>,
        request: &Request,
        client: impl FnOnce() -> std::net::IpAddr,
    ) -> Self {
        let entry = shared.access_log.as_ref().map(|_| {
            Box::new(Entry {
                at: Timestamp::now(),
                client: client(),
                method: request.method.clone(),
                host: request.host.clone(),
                target: request.target.clone(),
                instance: None,
                trace: request.trace,
            })
        });
        Self {
            shared: shared.clone(),
            class,
            began: Instant::now(),
            kind: Kind::Gone,
            is_refused: false,
            status: None,
            latency: None,
            bytes_in: 0,
            bytes_out: 0,
            retried: false,
            entry,
        }
    }

    /// Who counts.
    pub(crate) fn shared(&self) -> &Rc<Shared> {
        &self.shared
    }

    /// It is sent to an instance.
    pub(crate) fn sent_to(&mut self, pick: &Pick) {
        if let Some(entry) = &mut self.entry {
            entry.instance = Some((pick.pool, pick.instance));
        }
    }

    fn log(&self, entry: &Entry) {
        let Some(log) = &self.shared.access_log else {
            return;
        };
        let is_well = matches!(self.kind, Kind::Answered { status } if status < 400);
        if is_well && self.class.is_some() && !log.samples() {
            return;
        }
        let settings = &self.shared.settings;
        let route = self
            .class
            .map(|class| &settings.routes[usize::from(class.route)]);
        let instance = entry.instance.map(|(p, i)| &settings.pools[p].instances[i]);
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let what = match self.kind {
            _ if self.class.is_none() => "no_route",
            _ if self.is_refused => "refused",
            Kind::Answered { .. } => "answered",
            Kind::Failed => "failed",
            Kind::Shed => "shed",
            Kind::Off => "off",
            Kind::Gone => "gone",
        };
        log.add(&Line {
            at: entry.at,
            client: entry.client,
            method: entry.method.as_str(),
            host: entry.host.to_str().unwrap_or_default(),
            path: entry.target.path(),
            what,
            status: self.status,
            route: route.map(|route| route.id.as_str()),
            instance: instance.map(|instance| instance.id.as_str()),
            tenant: self
                .class
                .and_then(|class| crate::shared::tenant_name(&class)),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            head_us: self.latency.map(micros),
            total_us: micros(self.began.elapsed()),
            retried: self.retried,
            trace: entry.trace.id(),
        });
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.log(&entry);
        }
        if self.is_refused {
            self.shared.count_refused();
            return;
        }
        let finish = Finish {
            kind: self.kind,
            latency: self.latency,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            retried: self.retried,
        };
        if let Some(class) = &self.class {
            self.shared.traffic.finished(class, &finish);
        }
    }
}
