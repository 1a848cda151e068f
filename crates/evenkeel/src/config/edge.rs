//! `[edge]` and `[[edge.listener]]`: where clients come, and what bounds them.
//!
//! A certificate that cannot be used is told and left out, and the others are served: one
//! that expired must not take down a service that has ten. Everything else that is wrong
//! stands in the way, because it would be found out by customers.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_core::ids::PoolId;
use evenkeel_core::policy::Pattern;
use evenkeel_edge::settings::{
    AccessLog, Bounds, CertificateFiles, Certificates, Identity, Listener, Network, Pages, Route,
    Settings, Source,
};

use evenkeel_guards::leaks::{PoolSpec, ReadyPath};

use super::acme::Asked;
use super::listeners::{address, usable};
use super::pools::PoolOf;
use super::reader::{At, Report, Section};
use super::settings::Kind;
use crate::web::tls::TlsFiles;

/// Certificates of one listener; each is read at the start.
const CERTIFICATES_MAX: usize = 1_000;

/// What [edge] says; pools and routes stand beside it.
pub(super) struct Front {
    pub(super) at: Range<usize>,
    pub(super) listeners: Vec<At<Listener>>,
    pub(super) identity: Identity,
    pub(super) trusted: Vec<Network>,
    pub(super) bounds: Bounds,
    pub(super) access_log: Option<AccessLog>,
    pub(super) shutdown_max: Duration,
}

/// `[edge]`; nothing where it is not there.
pub(super) fn read(root: &mut Section<'_>, report: &mut Report<'_>) -> Option<Front> {
    let mut section = root.below_root(report, "edge");
    let at = section.at.clone();
    let plain = address(&mut section, report, "listen");
    let trusted = networks(&mut section, report);
    let identity = Identity {
        tenant: sources(&mut section, report, "tenant"),
        session: sources(&mut section, report, "session"),
        ..Identity::default()
    };
    let access_log = section.path(report, "access_log", Kind::Folder);
    let sample = section.count(report, "access_log_sample", 1..=1_000_000, 100);
    let bounds = bounds(&mut section, report);
    let second = Duration::from_secs(1);
    let shutdown_max = section.time(report, "shutdown_max", second, Duration::from_secs(30));
    let mut listeners: Vec<At<Listener>> = plain
        .map(|plain| {
            plain.map(|address| Listener {
                address,
                tls: None,
                proxy_protocol: false,
                redirect_to_https: false,
            })
        })
        .into_iter()
        .collect();
    for of_one in section.many(report, "listener", "[edge.listener]") {
        let named = of_one.at.clone();
        listeners.extend(listener(of_one, &trusted, report).map(|value| At { value, at: named }));
    }
    let is_there = section.is_there();
    let names_any = section.has("listen") || section.has("listener");
    section.finish(report);
    if !is_there {
        return None;
    }
    if !names_any {
        report.error(
            &at,
            "[edge] listens nowhere; write for example listen = \"0.0.0.0:80\", or an \
             [[edge.listener]] with a certificate",
        );
    }
    for (n, listener) in listeners.iter().enumerate() {
        let wanted = listener.value.address;
        let mut others = listeners[..n].iter();
        let other = others.find(|other| same(other.value.address, wanted));
        if let Some(other) = other {
            let what = format!(
                "{wanted} is listened on already, since line {}; take one of them out",
                report.line_of(&other.at)
            );
            report.error(&listener.at, what);
        }
    }
    // `-` was read as a path beside the configuration.
    let standard_output = report.folder.join("-");
    Some(Front {
        at,
        listeners,
        identity,
        trusted,
        bounds,
        access_log: access_log.map(|log| AccessLog {
            file: (log.value != standard_output).then_some(log.value),
            sample,
        }),
        shutdown_max,
    })
}

/// What the edge serves: what [edge] says, with the pools and routes beside it.
pub(super) fn settings(
    front: Option<Front>,
    (pools, routes): (Vec<At<PoolOf>>, Vec<At<Route>>),
    taken: &[(Option<SocketAddr>, &str)],
    (pages, state_dir): (Pages, &Path),
    report: &mut Report<'_>,
) -> (Option<Settings>, Vec<PoolSpec>) {
    let Some(front) = front else {
        if let Some(pool) = pools.first() {
            report.warn(
                &pool.at,
                "there is no [edge]: the instances are watched, and nothing is sent to them or restarted",
            );
        }
        let specs = pools.into_iter().map(|of| of.value.spec);
        return (None, specs.collect());
    };
    for listener in &front.listeners {
        let wanted = listener.value.address;
        let mut taken = taken.iter();
        let by = taken.find(|(address, _)| address.is_some_and(|address| same(address, wanted)));
        if let Some((_, by)) = by {
            let what =
                format!("{wanted} is where {by} listen already; give one of them another port");
            report.error(&listener.at, what.replace("page listen", "page listens"));
        }
    }
    if routes.is_empty() {
        report.error(
            &front.at,
            "there is no [[route]] that says where requests go; write one, with the `pool` that takes them",
        );
    }
    let hosts: BTreeMap<PoolId, String> = routes
        .iter()
        .rev()
        .filter_map(|route| {
            let mut hosts = route.value.hosts.iter().map(Pattern::as_str);
            let host = hosts.find(|host| !host.contains('*'))?;
            Some((route.value.pool.clone(), host.to_owned()))
        })
        .collect();
    let mut specs = Vec::new();
    let pools = pools.into_iter().map(|of| {
        let PoolOf {
            mut pool, mut spec, ..
        } = of.value;
        if let Some(check) = &mut pool.check {
            if check.host.is_empty() {
                let host = hosts.get(&pool.id).cloned();
                check.host = host.unwrap_or_else(|| "localhost".to_owned());
            }
            // Whoever restarts an instance waits for what the edge waits for.
            spec.ready = Some(ReadyPath {
                path: check.path.clone(),
                host: check.host.clone(),
            });
        }
        specs.push(spec);
        pool
    });
    let pools = pools.collect();
    let settings = Settings {
        listeners: front.listeners.into_iter().map(|at| at.value).collect(),
        routes: routes.into_iter().map(|at| at.value).collect(),
        pools,
        identity: front.identity,
        trusted: front.trusted,
        bounds: front.bounds,
        access_log: front.access_log,
        pages,
        state_dir: state_dir.to_owned(),
        shutdown_max: front.shutdown_max,
    };
    (Some(settings), specs)
}

/// Whether two listeners want one place; port 0 is another one each time.
fn same(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (one.ip() == other.ip() || everywhere)
}

fn bounds(section: &mut Section<'_>, report: &mut Report<'_>) -> Bounds {
    let default = Bounds::default();
    let second = Duration::from_secs(1);
    let head_max = section.size(report, "head_max", 4 << 10..=1 << 20);
    Bounds {
        connections_max: section.count(
            report,
            "connections_max",
            1..=1_000_000,
            default.connections_max,
        ),
        connections_per_address_max: section.count(
            report,
            "connections_per_address_max",
            1..=1_000_000,
            default.connections_per_address_max,
        ),
        head_max: head_max
            .and_then(|at| usize::try_from(at.value).ok())
            .unwrap_or(default.head_max),
        headers_max: section.count(report, "headers_max", 16..=1_000, default.headers_max),
        head_timeout: section.time(report, "head_timeout", second, default.head_timeout),
        keep_alive: section.time(report, "keep_alive", second, default.keep_alive),
        handshake_timeout: section.time(
            report,
            "handshake_timeout",
            second,
            default.handshake_timeout,
        ),
        streams_max: section.count(report, "streams_max", 1..=10_000, default.streams_max),
        tenants_told: section.count(report, "tenants_told", 0..=200, default.tenants_told),
        tenants_known: section.count(
            report,
            "tenants_known",
            100..=1_000_000,
            default.tenants_known,
        ),
    }
}

fn listener(
    mut section: Section<'_>,
    trusted: &[Network],
    report: &mut Report<'_>,
) -> Option<Listener> {
    section.demand(report, "address");
    let given = address(&mut section, report, "address");
    let certificate = section.path(report, "certificate_file", Kind::Folder);
    let key = section.path(report, "key_file", Kind::Folder);
    let more = section.map(report, "more_certificates");
    let asked = Asked::read(&mut section, report);
    let proxy_protocol = section.yes_no(report, "proxy_protocol").unwrap_or(false);
    let redirect_to_https = section.yes_no(report, "redirect_to_https").unwrap_or(false);
    let at = section.at.clone();
    section.finish(report);
    let pairs = pairs(certificate, key, more, report);
    if proxy_protocol && trusted.is_empty() {
        report.error(
            &at,
            "`proxy_protocol` is believed of trusted peers only, and there is none; name the proxy \
             in front in [edge] trusted",
        );
    }
    if redirect_to_https && (!pairs.is_empty() || !asked.domains.is_empty()) {
        report.error(
            &at,
            "this listener speaks TLS itself; give one of `redirect_to_https` and a certificate",
        );
    }
    if let (Some(domain), false) = (asked.domains.first(), pairs.is_empty()) {
        report.error(
            &domain.at,
            "give one of `certificate_file` and `acme_domains`: a listener's certificates come from \
             files or from an authority",
        );
    }
    let authority = asked.checked(report).map(Certificates::Acme);
    let tls = if pairs.is_empty() {
        authority
    } else {
        let good: Vec<CertificateFiles> = pairs
            .into_iter()
            .filter(|pair| is_usable(pair, report))
            .map(|(certificate, key)| CertificateFiles {
                certificate: certificate.value,
                key: key.value,
            })
            .collect();
        if good.is_empty() {
            report.warn(
                &at,
                "none of this listener's certificates can be used: it is left out, and the others serve",
            );
            return None;
        }
        Some(Certificates::Files(good))
    };
    Some(Listener {
        address: given?.value,
        tls,
        proxy_protocol,
        redirect_to_https,
    })
}

type Pair = (At<PathBuf>, At<PathBuf>);

/// The certificates with their keys.
fn pairs(
    certificate: Option<At<PathBuf>>,
    key: Option<At<PathBuf>>,
    more: Option<At<Vec<(String, String)>>>,
    report: &mut Report<'_>,
) -> Vec<Pair> {
    let mut pairs = Vec::new();
    match (certificate, key) {
        (Some(certificate), Some(key)) => pairs.push((certificate, key)),
        (Some(one), None) | (None, Some(one)) => report.error(
            &one.at,
            "give `certificate_file` and `key_file`, or neither",
        ),
        (None, None) => {}
    }
    if let Some(more) = more {
        if more.value.len() > CERTIFICATES_MAX {
            let what = format!("these are more than {CERTIFICATES_MAX} certificates");
            report.error(&more.at, what + "; use one for several names");
        }
        let folder = report.folder.clone();
        let file = |name: &String| At {
            value: folder.join(name),
            at: more.at.clone(),
        };
        let named = more.value.iter().take(CERTIFICATES_MAX);
        pairs.extend(named.map(|(certificate, key)| (file(certificate), file(key))));
    }
    pairs
}

/// Tries a certificate; one that cannot be used is told, and does not stand in the way.
fn is_usable((certificate, key): &Pair, report: &mut Report<'_>) -> bool {
    let mut aside = report.aside();
    let files = TlsFiles {
        certificate: certificate.value.clone(),
        key: key.value.clone(),
    };
    let good = usable(&files, (&certificate.at, &key.at), &mut aside);
    for mut problem in aside.problems {
        if !problem.is_warning {
            problem.is_warning = true;
            problem.what += "; until then it is left out, and the others are served";
        }
        report.problems.push(problem);
    }
    good
}

/// `trusted`.
fn networks(section: &mut Section<'_>, report: &mut Report<'_>) -> Vec<Network> {
    let given = section.list(report, "trusted");
    let mut networks = Vec::new();
    for given in given {
        match network(&given.value) {
            Some(network) if network.prefix == 0 => report.error(
                &given.at,
                format!(
                    "`{}` is everyone: then anyone could claim to come from anywhere; name the proxies in \
                     front, for example trusted = [\"10.0.0.0/8\"]",
                    given.value
                ),
            ),
            Some(network) => networks.push(network),
            None => report.error(
                &given.at,
                format!(
                    "`{}` is no network; write for example \"10.0.0.0/8\" or \"::1\"",
                    given.value
                ),
            ),
        }
    }
    networks
}

/// An address, or addresses that begin alike.
fn network(text: &str) -> Option<Network> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(most);
    (prefix <= most).then_some(Network { address, prefix })
}

/// `tenant`, `session`.
fn sources(section: &mut Section<'_>, report: &mut Report<'_>, key: &'static str) -> Vec<Source> {
    let given = section.list(report, key).into_iter();
    let known = given.filter_map(|given| {
        let source = source(&given.value);
        if source.is_none() {
            report.error(
                &given.at,
                format!(
                    "`{}` is no place in a request; write \"header:x-tenant\", \"cookie:tenant\", \
                     \"host:0\" or \"path:0\"",
                    given.value
                ),
            );
        }
        source
    });
    known.collect()
}

/// Where in a request a name stands.
pub(super) fn source(text: &str) -> Option<Source> {
    let (of, name) = text.split_once(':')?;
    let is_token = |name: &str| {
        let of_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        !name.is_empty() && name.len() <= 100 && name.chars().all(of_token)
    };
    // A path of more segments, or a host of more labels, is none.
    let place = || name.parse::<usize>().ok().filter(|place| *place < 64);
    match of {
        "header" if is_token(name) => Some(Source::Header(name.to_ascii_lowercase())),
        "cookie" if is_token(name) => Some(Source::Cookie(name.to_owned())),
        "host" => place().map(Source::HostLabel),
        "path" => place().map(Source::PathSegment),
        _ => None,
    }
}
