//! What the edge is to serve, checked: every name that is used is defined, every file was
//! readable, every bound is set. Made by the program from its configuration.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use evenkeel_core::edge::Criticality;
use evenkeel_core::ids::{ComponentId, InstanceId, PoolId, RouteId};
use evenkeel_core::policy::Pattern;

/// What the edge is to serve.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where clients come.
    pub listeners: Vec<Listener>,
    /// Where requests go; the most specific one that fits wins, see [`Route`].
    pub routes: Vec<Route>,
    /// The groups of instances behind it.
    pub pools: Vec<Pool>,
    /// By what a request's tenant and session are known.
    pub identity: Identity,
    /// Peers whose `Forwarded`, `X-Forwarded-*` and PROXY headers are believed.
    pub trusted: Vec<Network>,
    /// The most of everything.
    pub bounds: Bounds,
    /// Whether and how requests are logged.
    pub access_log: Option<AccessLog>,
    /// What the edge's own pages say.
    pub pages: Pages,
    /// Where the plan in force and the sockets live.
    pub state_dir: PathBuf,
    /// Old processes end what is under way within this time, whatever it is.
    pub shutdown_max: Duration,
}

/// Where clients come.
#[derive(Debug, Clone)]
pub struct Listener {
    /// The address.
    pub address: SocketAddr,
    /// What TLS is spoken with; none for plain HTTP.
    pub tls: Option<Certificates>,
    /// Trusted peers begin every connection with a PROXY header, version 1 or 2.
    pub proxy_protocol: bool,
    /// Every request is sent on to `https://` with the same host and path.
    pub redirect_to_https: bool,
}

/// What TLS is spoken with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificates {
    /// Files, one pair or several: the one whose names fit the client's is used, else the
    /// first. Read again when they change.
    Files(Vec<CertificateFiles>),
    /// An ACME authority issues it.
    Acme(Authority),
}

/// An ACME authority, and what is asked of it. That its terms are agreed to was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Its directory.
    pub directory: String,
    /// For which hosts; at least one, lower case, no wildcards.
    pub domains: Vec<String>,
    /// Whom it may write to, `mailto:` before the address.
    pub contact: Option<String>,
    /// A further root to believe the authority's own certificate by, PEM.
    pub root: Option<PathBuf>,
    /// How long it is left alone after a failure.
    pub backoff: Backoff,
}

/// How long nobody is asked after a failure: doubled each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first.
    pub first: Duration,
    /// The most.
    pub most: Duration,
}

/// A certificate with its key, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own first.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Which requests go where. Of those that fit, the one with an exact host wins over one
/// with a pattern over one without; then the longer path; then one with methods; then the
/// earlier one.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its name.
    pub id: RouteId,
    /// The function customers see that it belongs to.
    pub component: Option<ComponentId>,
    /// Hosts without port, lower case: `app.example.com`, `*.example.com`; all where empty.
    pub hosts: Vec<Pattern>,
    /// Paths: `/api` is it and everything below, `/login$` is exactly it, `*` is one whole
    /// segment; all where empty.
    pub paths: Vec<String>,
    /// Methods, upper case; all where empty.
    pub methods: Vec<String>,
    /// Where they go.
    pub pool: PoolId,
    /// What is shed first, and what last.
    pub criticality: Criticality,
    /// The most of its requests under way at once.
    pub concurrency_max: Option<u32>,
    /// From the whole request until the answer's head. While the request's body is on its
    /// way, `idle_timeout` and a rate that no line of today falls below bound it.
    pub timeout: Duration,
    /// Between two pieces of a body, either way. Upgraded connections and event streams
    /// are bounded by this alone.
    pub idle_timeout: Duration,
    /// The largest request body, bytes.
    pub body_max: u64,
}

/// Instances that do the same.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Its name.
    pub id: PoolId,
    /// Its instances; at least one.
    pub instances: Vec<Instance>,
    /// How the edge asks whether an instance is well; never where `None`.
    pub check: Option<ActiveCheck>,
    /// How instances that fail customers' requests rest.
    pub outlier: Outlier,
    /// How many requests may be under way.
    pub limit: Limit,
    /// How requests wait for a place.
    pub queue: Queue,
    /// How requests are tried again.
    pub retry: Retry,
    /// How long a new or returned instance's share grows.
    pub slow_start: Duration,
    /// How requests are held.
    pub hold: HoldBounds,
    /// A cookie of the edge's own that keeps a session at its instance.
    pub sticky_cookie: Option<String>,
    /// Requests that are under way at a draining instance are cut off after this time.
    pub drain_max: Duration,
    /// How long opening a connection may take.
    pub connect_timeout: Duration,
    /// Idle connections to one instance that are kept.
    pub idle_connections_max: usize,
    /// An idle connection is closed after this time, well before the instance would.
    pub idle_connection_max: Duration,
}

/// One process of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name; unique in the whole configuration.
    pub id: InstanceId,
    /// Where it answers.
    pub address: SocketAddr,
}

/// How the edge asks whether an instance is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveCheck {
    /// The path that is asked for; 2xx and 3xx are well.
    pub path: String,
    /// The `Host` it is asked with.
    pub host: String,
    /// How often.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Good answers in a row until it is up.
    pub rise: u32,
    /// Bad answers in a row until it is down.
    pub fall: u32,
}

/// How instances that fail customers' requests rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlier {
    /// Failures in a row (5xx of a kind that a sound instance does not give, cut off,
    /// refused, timed out).
    pub failures: u32,
    /// The first rest; doubled for each further one in a row.
    pub rest: Duration,
    /// The longest rest.
    pub rest_max: Duration,
    /// Never so many that less than this share of the pool's instances would be in use,
    /// percent: then all are used, because a fault they share is not theirs.
    pub panic_pct: u8,
}

/// How many requests of a pool may be under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Whether it follows what the pool can carry; else `max` holds.
    pub adaptive: bool,
    /// Never less.
    pub min: u32,
    /// Never more.
    pub max: u32,
    /// What it begins with.
    pub initial: u32,
    /// The most places that one tenant may hold while others wait, percent of the limit.
    pub tenant_pct: u8,
    /// The most places that one user session may hold at all.
    pub session_max: u32,
}

/// How requests wait for a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The longest wait.
    pub timeout: Duration,
    /// The most requests that wait.
    pub len_max: usize,
    /// The most of one tenant that wait.
    pub tenant_max: usize,
}

/// How requests are tried again at another instance: only where nothing was sent yet, or
/// where the method is idempotent and the body is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Tries after the first.
    pub attempts: u32,
    /// Retries for each hundred requests.
    pub budget_pct: u8,
    /// Retries a second that are always there.
    pub budget_min_per_s: u32,
}

/// How requests are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldBounds {
    /// The longest a request is held.
    pub timeout: Duration,
    /// The most that are held.
    pub count_max: usize,
    /// The most of one tenant.
    pub tenant_max: usize,
    /// The most that bodies of held requests may take here in all; the rest of them stays
    /// with the clients.
    pub bytes_max: u64,
    /// How many go on in a second when the hold ends.
    pub release_per_s: u32,
}

/// By what a request's tenant and session are known: the first that is there.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// The tenant.
    pub tenant: Vec<Source>,
    /// The user session.
    pub session: Vec<Source>,
    /// What the hash of both begins with, so that nobody can make a table of it.
    pub salt: [u8; 16],
}

/// Where in a request a name stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A label of the host, the first is 0: `acme` in `acme.example.com`.
    HostLabel(usize),
    /// A segment of the path, the first is 0: `acme` in `/acme/invoices`.
    PathSegment(usize),
    /// A header, lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
}

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// One of them.
    pub address: IpAddr,
    /// How many bits are alike.
    pub prefix: u8,
}

/// The most of everything that comes from outside.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Client connections; more are answered with 503 and closed.
    pub connections_max: usize,
    /// Of one address.
    pub connections_per_address_max: usize,
    /// Bytes of a request's head, and of an answer's.
    pub head_max: usize,
    /// Header fields of a head.
    pub headers_max: usize,
    /// How long a request's head may take from its first byte.
    pub head_timeout: Duration,
    /// How long a client connection may be idle between requests.
    pub keep_alive: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// Streams of an HTTP/2 connection at once.
    pub streams_max: u32,
    /// Tenants that are counted by name in a window.
    pub tenants_told: usize,
    /// Tenants that are known at all; the longest idle is forgotten.
    pub tenants_known: usize,
}

/// How requests are logged: one JSON object a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// Where; standard output where `None`.
    pub file: Option<PathBuf>,
    /// One of so many requests that went well; the others are always logged.
    pub sample: u32,
}

/// What the edge's own pages say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pages {
    /// The service's name.
    pub service: String,
    /// Where its state is told.
    pub status_page: Option<String>,
}

impl Network {
    /// Whether it has the address. An IPv4 address that came over IPv6 is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        };
        let ((own, width), (other, other_width)) = (bits(self.address), bits(address));
        let prefix = u32::from(self.prefix).min(width);
        let differ = (own ^ other).leading_zeros();
        width == other_width && differ >= prefix
    }
}

impl Default for Bounds {
    /// Four pages of head are what nginx and HAProxy allow by default; ten seconds for it
    /// suffice on a slow phone and bound what a slow attacker holds.
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            connections_per_address_max: 2_000,
            head_max: 32 * 1024,
            headers_max: 128,
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            handshake_timeout: Duration::from_secs(10),
            streams_max: 100,
            tenants_told: 20,
            tenants_known: 20_000,
        }
    }
}

impl Default for Backoff {
    /// Let's Encrypt forgives five failed proofs of a name in an hour: five minutes, doubled,
    /// make four in the first. Six hours are four tries a day for what stays broken.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5 * 60),
            most: Duration::from_secs(6 * 3600),
        }
    }
}

impl Default for Outlier {
    /// Envoy's: five in a row, thirty seconds, never under half of the pool.
    fn default() -> Self {
        Self {
            failures: 5,
            rest: Duration::from_secs(30),
            rest_max: Duration::from_secs(300),
            panic_pct: 50,
        }
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            adaptive: true,
            min: 4,
            max: 1_000,
            initial: 32,
            tenant_pct: 50,
            session_max: 12,
        }
    }
}

impl Default for Queue {
    /// A browser's user has gone after ten seconds; a place that is waited for longer than
    /// five is given to somebody who still looks.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            len_max: 1_000,
            tenant_max: 200,
        }
    }
}

impl Default for Retry {
    /// Linkerd's budget: a fifth more load at most, and ten a second for quiet services.
    fn default() -> Self {
        Self {
            attempts: 2,
            budget_pct: 20,
            budget_min_per_s: 10,
        }
    }
}

impl Default for HoldBounds {
    /// Thirty seconds are what a planned failover takes at worst; browsers wait longer. 64 MiB
    /// are a thousand forms, or one large upload of each of sixty users.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            count_max: 2_000,
            tenant_max: 200,
            bytes_max: 64 << 20,
            release_per_s: 200,
        }
    }
}
