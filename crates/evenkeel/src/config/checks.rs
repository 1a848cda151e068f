//! `[[check]]`.
//!
//! One section for all kinds; a setting of another kind is told, not ignored. What must
//! not stand in this file, a password above all, is refused here, before it is ever sent.

mod http;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::ids::CheckId;
use evenkeel_core::policy::{CheckPolicy, FIRST_WORD_WITHIN, Policy, TellMode};
use evenkeel_core::status::Status;
use evenkeel_guards::checks::{
    Address, CheckSpec, Dns, Journey, Place, Postgres, Probe, Record, Smtp, SmtpTls, Step, Tcp,
    Tls, Trust, is_host,
};
use evenkeel_guards::locks::DatabaseSpec;
use tokio_postgres::config::Host;

use super::names::{HARMS, components, identity, known_database};
use super::reader::{At, Report, Section, hint};
use super::secrets::{readable, secret};
use super::settings::Kind;

/// Below this a check is load.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// The kinds of check.
pub(super) const KINDS: [&str; 7] = ["http", "journey", "tcp", "tls", "dns", "postgres", "smtp"];

/// Settings that only some kinds have.
const OF_KINDS: &[(&str, &[&str])] = &[
    ("certificate_days", &["http", "journey", "tls", "smtp"]),
    ("url", &["http"]),
    ("method", &["http"]),
    ("headers", &["http"]),
    ("body", &["http"]),
    ("status", &["http"]),
    ("json", &["http"]),
    ("contains", &["http", "tcp"]),
    ("not_contains", &["http"]),
    ("redirects", &["http"]),
    ("body_max", &["http"]),
    ("secret_files", &["http", "journey"]),
    ("ca_file", &["http", "journey", "tls", "smtp"]),
    ("step", &["journey"]),
    ("address", &["tcp", "tls", "smtp", "postgres"]),
    ("server_name", &["tls", "smtp"]),
    ("send", &["tcp"]),
    ("tls", &["smtp"]),
    ("host", &["dns"]),
    ("record", &["dns"]),
    ("answer", &["dns"]),
    ("resolver", &["dns"]),
    ("database", &["postgres"]),
    ("user", &["postgres"]),
    ("dbname", &["postgres"]),
    ("password_file", &["postgres"]),
    ("query", &["postgres"]),
    ("value", &["postgres"]),
];

/// Whether a check of this kind has the setting.
pub(super) fn has(kind: &str, key: &str) -> bool {
    let of = OF_KINDS.iter().find(|(known, _)| *known == key);
    of.is_none_or(|(_, kinds)| kinds.contains(&kind))
}

/// Trust, parsed once for each file.
struct Trusts {
    of_browsers: Arc<Trust>,
    of_files: BTreeMap<PathBuf, Option<Arc<Trust>>>,
}

pub(super) fn read(
    sections: Vec<Section<'_>>,
    policy: &mut Policy,
    databases: &[DatabaseSpec],
    report: &mut Report<'_>,
) -> Vec<CheckSpec> {
    let mut trusts = Trusts {
        of_browsers: Arc::new(Trust::of_browsers()),
        of_files: BTreeMap::new(),
    };
    let mut checks: Vec<CheckSpec> = Vec::new();
    let mut references = Vec::new();
    let mut elsewhere = None;
    for mut section in sections {
        let at = section.at.clone();
        let read = check(&mut section, policy, databases, &mut trusts, report);
        section.finish(report);
        let Some((spec, of_core)) = read else {
            continue;
        };
        let id = spec.id.clone();
        if policy.checks.insert(id.clone(), of_core).is_some() {
            report.error(&at, format!("there are two checks `{id}`"));
            continue;
        }
        if spec.reference {
            policy.references.insert(id);
            references.push(at);
        } else if !is_local(&spec.probe) && elsewhere.is_none() {
            elsewhere = Some(at);
        }
        checks.push(spec);
    }
    if let [only] = &references[..] {
        report.warn(
            only,
            "one reference target makes its outage look like ours; name a second one, of somebody \
             else, with reference = true",
        );
    }
    if let (Some(at), []) = (elsewhere, &references[..]) {
        report.warn(
            &at,
            "no check has reference = true: when this host loses its network, everything will look \
             down; name two targets that are not yours and always there",
        );
    }
    checks
}

fn check(
    section: &mut Section<'_>,
    policy: &Policy,
    databases: &[DatabaseSpec],
    trusts: &mut Trusts,
    report: &mut Report<'_>,
) -> Option<(CheckSpec, CheckPolicy)> {
    let id = identity(section, report, "check");
    let name = section.text(report, "name");
    let kind = kind(section, report);
    let components = components(section, policy, report);
    let harm = section.word(report, "harm", HARMS);
    let reference = section.yes_no(report, "reference").unwrap_or(false);
    let interval = section.duration_of(report, "interval", INTERVAL_MIN);
    let timeout = section.duration_of(report, "timeout", INTERVAL_MIN);
    let retry_interval = section.duration_of(report, "retry_interval", INTERVAL_MIN);
    let failures = section.number(report, "failures", 1..=100);
    let failures_at = failures.as_ref().map(|at| at.at.clone());
    let slow_after = section.duration(report, "slow_after");
    let kind = kind?;
    let is_journey = kind == "journey";
    let certificate_days = section.number(report, "certificate_days", 0..=3650);
    let probe = probe(kind, section, databases, trusts, report);
    for (key, kinds) in OF_KINDS {
        if kinds.contains(&kind) {
            continue;
        }
        if let Some(value) = section.raw(key) {
            let what = format!(
                "`{key}` is for kind {}, and this is {kind}",
                kinds.join(", ")
            );
            report.error(&value.span(), what + "; take it out");
        }
    }
    let of_core = CheckPolicy {
        name: match (&name, &id) {
            (Some(name), _) => name.value.clone(),
            (None, id) => id.as_ref().map(|id| id.value.clone()).unwrap_or_default(),
        },
        harm: harm.unwrap_or(match is_journey {
            true => Status::MajorOutage,
            false => Status::PartialOutage,
        }),
        failures: failures
            .and_then(|at| u32::try_from(at.value).ok())
            .unwrap_or(2)
            .max(1),
        interval: interval
            .as_ref()
            .map_or(Duration::from_secs(30), |at| at.value),
        timeout: timeout.as_ref().map_or(
            Duration::from_secs(if is_journey { 30 } else { 10 }),
            |at| at.value,
        ),
        slow_after: slow_after.as_ref().map(|at| at.value),
        certificate_days: has(kind, "certificate_days").then(|| {
            let days = certificate_days.and_then(|at| u32::try_from(at.value).ok());
            days.unwrap_or(14)
        }),
        quorum: 1,
        components,
    };
    if of_core.timeout > of_core.interval {
        let at = timeout.or(interval).map_or(section.at.clone(), |at| at.at);
        report.warn(
            &at,
            "`timeout` is longer than `interval`: while the target is silent, checks are left out",
        );
    }
    if let Some(slow) = slow_after.filter(|slow| slow.value >= of_core.timeout) {
        report.warn(
            &slow.at,
            "`slow_after` is not shorter than `timeout`: it will have failed before it is slow",
        );
    }
    if reference && !of_core.components.is_empty() {
        report.warn(
            &section.at,
            "a reference is somebody else's, and hurts no component of yours; leave `components` out",
        );
    }
    let retry_interval = retry_interval.map_or(Duration::from_secs(5), |at| at.value);
    let sure_after =
        (retry_interval.min(of_core.interval) + of_core.timeout) * (of_core.failures - 1);
    // A slow one is waited for besides.
    let mut waits = match of_core.slow_after {
        Some(_) => policy.telling.tell_after,
        None => Duration::ZERO,
    };
    if policy.telling.mode == TellMode::Veto {
        waits += policy.telling.veto_within;
    }
    if !of_core.components.is_empty() && sure_after + waits > FIRST_WORD_WITHIN {
        let at = failures_at.unwrap_or(section.at.clone());
        report.warn(
            &at,
            format!(
                "it may take {} s from the first failure until customers are told, and they should \
                 be within {} s: lower `failures`, `timeout` or `retry_interval`",
                (sure_after + waits).as_secs(),
                FIRST_WORD_WITHIN.as_secs()
            ),
        );
    }
    let spec = CheckSpec {
        id: CheckId::from(id?.value),
        interval: of_core.interval,
        timeout: of_core.timeout,
        retry_interval,
        failures: of_core.failures,
        slow_after: of_core.slow_after,
        reference,
        probe: probe?,
    };
    Some((spec, of_core))
}

fn kind(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<&'static str> {
    let given = section.required(report, "kind")?;
    let known = KINDS.iter().find(|kind| **kind == given.value);
    if known.is_none() {
        let what = format!(
            "`{}` is no kind of check; {}",
            given.value,
            hint(&given.value, &KINDS)
        );
        report.error(&given.at, what);
    }
    known.copied()
}

fn probe(
    kind: &str,
    section: &mut Section<'_>,
    databases: &[DatabaseSpec],
    trusts: &mut Trusts,
    report: &mut Report<'_>,
) -> Option<Probe> {
    let trust = trust(section, trusts, report);
    match kind {
        "http" | "journey" => {
            let secrets = http::secrets(section, report);
            let steps: Option<Vec<Step>> = match kind {
                "http" => http::single(section, &secrets, report).map(|step| vec![step]),
                _ => http::steps(section, &secrets, report),
            };
            Some(Probe::Journey(Journey {
                steps: steps?,
                secrets,
                trust,
            }))
        }
        "tcp" => {
            let send = section.text(report, "send").map(|at| at.value);
            let contains = section.list(report, "contains");
            Some(Probe::Tcp(Tcp {
                address: address(section, report)?,
                send,
                contains: contains.into_iter().map(|at| at.value).collect(),
            }))
        }
        "tls" => {
            let server_name = server_name(section, report);
            Some(Probe::Tls(Tls {
                address: address(section, report)?,
                server_name,
                trust,
            }))
        }
        "smtp" => {
            let server_name = server_name(section, report);
            let tls = smtp_tls(section, report);
            Some(Probe::Smtp(Smtp {
                address: address(section, report)?,
                tls,
                server_name,
                trust,
            }))
        }
        "dns" => dns(section, report),
        _ => postgres(section, databases, report),
    }
}

fn trust(section: &mut Section<'_>, trusts: &mut Trusts, report: &mut Report<'_>) -> Arc<Trust> {
    let Some(path) = section.path(report, "ca_file", Kind::Folder) else {
        return trusts.of_browsers.clone();
    };
    if !trusts.of_files.contains_key(&path.value) {
        let read = readable(&path, false, report).and_then(|file| {
            use std::io::Read;
            let mut pem = Vec::new();
            let read = file.take(1 << 20).read_to_end(&mut pem);
            let made = read.map_err(|error| format!("cannot be read: {error}"));
            match made.and_then(|_| Trust::with(&pem)) {
                Ok(trust) => Some(Arc::new(trust)),
                Err(why) => {
                    report.error(&path.at, format!("{} {why}", path.value.display()));
                    None
                }
            }
        });
        trusts.of_files.insert(path.value.clone(), read);
    }
    let read = trusts.of_files.get(&path.value).cloned().flatten();
    read.unwrap_or_else(|| trusts.of_browsers.clone())
}

fn address(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<Address> {
    let given = section.required(report, "address")?;
    let parsed = Address::parse(&given.value);
    if parsed.is_none() {
        wrong_address(&given, report);
    }
    parsed
}

fn wrong_address(given: &At<String>, report: &mut Report<'_>) {
    let what = format!("`{}` is no host and port", given.value);
    report.error(
        &given.at,
        what + "; write for example address = \"mail.example.com:25\"",
    );
}

fn server_name(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<String> {
    let given = section.text(report, "server_name")?;
    if !is_host(&given.value) {
        let what = format!("`{}` cannot be the name in a certificate", given.value);
        report.error(&given.at, what + "; write for example \"mail.example.com\"");
    }
    Some(given.value)
}

fn smtp_tls(section: &mut Section<'_>, report: &mut Report<'_>) -> SmtpTls {
    let Some(given) = section.text(report, "tls") else {
        return SmtpTls::default();
    };
    match given.value.as_str() {
        "none" => SmtpTls::None,
        "starttls" => SmtpTls::Starttls,
        "implicit" => SmtpTls::Implicit,
        other => {
            let what = format!("`{other}` is no way to speak TLS");
            report.error(&given.at, what + "; write none, starttls or implicit");
            SmtpTls::default()
        }
    }
}

fn dns(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<Probe> {
    let host = section.required(report, "host");
    if let Some(host) = host.as_ref().filter(|host| !is_host(&host.value)) {
        let what = format!("`{}` is no name", host.value);
        report.error(
            &host.at,
            what + "; write for example host = \"app.example.com\"",
        );
    }
    let record = section.text(report, "record").and_then(|given| {
        let parsed = Record::parse(&given.value);
        if parsed.is_none() {
            let names = Record::NAMES.join(", ");
            let what = format!("`{}` is no record that can be asked for", given.value);
            report.error(&given.at, format!("{what}; write one of {names}"));
        }
        parsed
    });
    let answer = section.list(report, "answer");
    let resolver = section.text(report, "resolver").and_then(|given| {
        let parsed = given.value.parse::<SocketAddr>();
        if parsed.is_err() {
            let what = format!("`{}` is no address with a port", given.value);
            report.error(
                &given.at,
                what + "; write for example resolver = \"9.9.9.9:53\"",
            );
        }
        parsed.ok()
    });
    Some(Probe::Dns(Dns {
        host: host?.value,
        record: record.unwrap_or_default(),
        answer: answer.into_iter().map(|at| at.value).collect(),
        resolver,
    }))
}

fn postgres(
    section: &mut Section<'_>,
    databases: &[DatabaseSpec],
    report: &mut Report<'_>,
) -> Option<Probe> {
    let database = section.text(report, "database");
    let is_named = database.is_some();
    let database = database.filter(|named| known_database(named, databases, report));
    let database = database.and_then(|named| {
        let mut specs = databases.iter();
        specs.find(|spec| spec.id.as_str() == named.value)
    });
    let (address, user, dbname) = match is_named {
        true => (
            section.text(report, "address"),
            section.text(report, "user"),
            section.text(report, "dbname"),
        ),
        false => (
            section.required(report, "address"),
            section.required(report, "user"),
            section.required(report, "dbname"),
        ),
    };
    let password = secret(section, report, "password_file");
    let query = section.required(report, "query");
    let value = section.text(report, "value").map(|at| at.value);
    let query = query?;
    let statement = query.value.trim().trim_end_matches(';');
    if statement.contains(';') {
        report.error(
            &query.at,
            "`query` is one statement; where a `;` must stand in it, make it a view",
        );
    }
    let mut connect =
        database.map_or_else(tokio_postgres::Config::new, |spec| spec.connect.clone());
    let place = match address {
        Some(given) if given.value.starts_with('/') => {
            let (folder, port) = given
                .value
                .rsplit_once(':')
                .unwrap_or((&given.value, "5432"));
            Place::Unix(PathBuf::from(folder).join(format!(".s.PGSQL.{port}")))
        }
        Some(given) => match Address::parse(&given.value) {
            Some(address) => Place::Tcp(address),
            None => {
                wrong_address(&given, report);
                return None;
            }
        },
        None => place_of(&connect)?,
    };
    if let Some(user) = &user {
        connect.user(user.value.as_str());
    }
    if let Some(dbname) = &dbname {
        connect.dbname(dbname.value.as_str());
    }
    if let Some(password) = password {
        connect.password(password.value);
    }
    Some(Probe::Postgres(Postgres {
        place,
        connect: Box::new(connect),
        query: statement.to_owned(),
        value,
    }))
}

/// Where a guarded database is.
fn place_of(connect: &tokio_postgres::Config) -> Option<Place> {
    let port = connect.get_ports().first().copied().unwrap_or(5432);
    match connect.get_hosts().first()? {
        Host::Tcp(host) => Some(Place::Tcp(Address {
            host: host.clone(),
            port,
        })),
        Host::Unix(folder) => Some(Place::Unix(folder.join(format!(".s.PGSQL.{port}")))),
    }
}

/// Whether all of it is on this host: its network may be gone and it answers.
fn is_local(probe: &Probe) -> bool {
    let local = |host: &str| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let ip = bare.parse::<std::net::IpAddr>();
        host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    };
    match probe {
        Probe::Journey(journey) => journey.steps.iter().all(|step| {
            let site = step.site();
            site.is_none_or(|site| site.host_str().is_some_and(local))
        }),
        Probe::Tcp(tcp) => local(&tcp.address.host),
        Probe::Tls(tls) => local(&tls.address.host),
        Probe::Smtp(smtp) => local(&smtp.address.host),
        Probe::Dns(dns) => dns
            .resolver
            .is_some_and(|resolver| resolver.ip().is_loopback()),
        Probe::Postgres(postgres) => match &postgres.place {
            Place::Unix(_) => true,
            Place::Tcp(address) => local(&address.host),
        },
    }
}
