//! The configuration: one TOML file, read whole before anything is done.
//!
//! Every problem is told at once, with its line and what to write instead, before a port
//! is bound or a database is asked. Defaults are safe: what ends something watches.
//! Secrets stand in files of their own and are named here.

mod acme;
mod banner;
mod brand;
mod calendar;
mod checks;
mod components;
mod databases;
mod edge;
mod guide;
mod heartbeats;
mod hotline;
mod jobs;
mod leaks;
mod listeners;
mod maintenance;
mod may;
mod names;
mod notices;
mod people;
mod pools;
mod program;
mod publish;
mod reader;
mod readiness;
mod recorder;
mod routes;
mod secrets;
pub mod settings;
mod subscribers;
#[cfg(test)]
mod tests;
mod volumes;
mod witness;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_core::action::ActionKind;
use evenkeel_core::authority::Mode;
use evenkeel_core::ids::{DatabaseId, PoolId};
use evenkeel_core::policy::Policy;
use evenkeel_edge::settings::{Pages, Settings};
use evenkeel_guards::checks::CheckSpec;
use evenkeel_guards::leaks::LeakSpec;
use evenkeel_guards::locks::DatabaseSpec;
use evenkeel_guards::readiness::ReadinessSpec;
use toml::de::DeTable;

use crate::almanac::Almanac;
use crate::publish::signing::Key;
use crate::quiet::QuietHours;
use crate::web::tls::TlsFiles;

pub use guide::{commented, reference};
pub use heartbeats::Pings;
pub use jobs::{Job, Launch};
pub(crate) use maintenance::REMINDERS;
pub use people::{Account, MailServer, MailTls, Person};
pub use reader::Problem;
pub(crate) use reader::duration;
use reader::{Report, Section};
pub use recorder::Recording;
use settings::Kind;
pub use witness::Witness;

/// The largest configuration that is read, bytes: ten thousand checks take two million.
const FILE_MAX: u64 = 8 << 20;

/// The file Evenkeel looks for where none is named.
pub const DEFAULT_FILE: &str = "evenkeel.toml";

/// A configuration in which everything fits together.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// Where journal, runs, evidence and the control socket are.
    pub data_dir: PathBuf,
    /// The public page.
    pub page: Page,
    /// Where copies of the public page are published.
    pub publish: crate::publish::Settings,
    /// What else is made from it.
    pub told: crate::web::public::settings::Settings,
    /// The telephone system that is told what its hotline says.
    pub hotline: Option<crate::hotline::Settings>,
    /// Whom this Evenkeel follows as a witness, where it is one.
    pub witness: Option<Witness>,
    /// The operator's pages.
    pub operator: Operator,
    /// Who is called.
    pub pager: Option<Pager>,
    /// How long entries of a kind stay in the journal.
    pub keep_for: BTreeMap<String, Duration>,
    /// What is kept for replay.
    pub recorder: Recording,
    /// Evenkeel's own log.
    pub log: Log,
    /// What deciding needs to know.
    pub policy: Policy,
    /// The databases under guard.
    pub databases: Vec<DatabaseSpec>,
    /// The jobs.
    pub jobs: Vec<Job>,
    /// The server that takes mail.
    pub mail: Option<MailServer>,
    /// Customers who are told where they are, and the operator's announcements.
    pub subscribers: crate::subscribers::Settings,
    /// People who are called; none: the pager, or the log.
    pub people: Vec<Person>,
    /// What must hold at a time of day.
    pub readiness: Vec<ReadinessSpec>,
    /// Where metrics are, where they are wanted.
    pub metrics_listen: Option<SocketAddr>,
    /// What is asked from outside.
    pub checks: Vec<CheckSpec>,
    /// Where heartbeats are pinged, where they are wanted.
    pub pings: Option<Pings>,
    /// What the edge serves, where there is one; its salt is not in this file.
    pub edge: Option<Settings>,
    /// What fills up, and how it is watched.
    pub leaks: LeakSpec,
    /// When little is done in a pool.
    pub quiet: Vec<(PoolId, QuietHours)>,
    /// When planned work and known peaks are.
    pub almanac: Almanac,
    /// What is odd and does not stand in the way.
    pub warnings: Vec<Problem>,
}

/// The public page.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The name of the service.
    pub name: String,
    /// Its address for customers.
    pub url: Option<String>,
    /// Its certificate, where it has one.
    pub tls: Option<TlsFiles>,
    /// How long a published copy speaks of now.
    pub copies_valid_for: Duration,
    /// How it looks as the vendor's own.
    pub brand: crate::web::public::brand::Brand,
    /// What a visitor's own browser asks.
    pub ask: Option<crate::web::public::settings::Ask>,
    /// Whose word is believed about when this host was out of reach.
    pub witness_key: Option<Key>,
}

/// The operator's pages.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Where they listen.
    pub listen: SocketAddr,
    /// Their address for operators.
    pub url: Option<String>,
    /// Their certificate, where they have one.
    pub tls: Option<TlsFiles>,
}

/// Who is called.
#[derive(Debug, Clone)]
pub struct Pager {
    /// The webhook.
    pub url: hyper::Uri,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<String>,
}

/// Evenkeel's own log.
#[derive(Debug, Clone)]
pub struct Log {
    /// The least level that is written.
    pub level: tracing::Level,
    /// Whether each line is JSON.
    pub json: bool,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{} cannot be read: {source}; {}", file.display(), advice(source))]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{}", listing(file, problems))]
    Wrong {
        /// The file.
        file: PathBuf,
        /// All of it, warnings included, in the order of the file.
        problems: Vec<Problem>,
    },
}

fn advice(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::NotFound => {
            "write one with `evenkeel init`, or name it with --config FILE"
        }
        std::io::ErrorKind::IsADirectory => "name the file in it with --config",
        std::io::ErrorKind::InvalidData => "save it as UTF-8",
        std::io::ErrorKind::FileTooLarge => "name the right file with --config",
        _ => "check who may read it",
    }
}

fn listing(file: &Path, problems: &[Problem]) -> String {
    let lines = problems.iter();
    let lines: Vec<String> = lines.map(|p| format!("{}:{p}", file.display())).collect();
    lines.join("\n")
}

impl Config {
    /// Reads `file` and checks it.
    ///
    /// # Errors
    /// It cannot be read, or all that is wrong in it.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            file: file.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        let reader = std::fs::File::open(file).map_err(unreadable)?;
        reader
            .take(FILE_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        let refused = |kind, why: String| unreadable(std::io::Error::new(kind, why));
        if bytes.len() as u64 > FILE_MAX {
            return Err(refused(
                std::io::ErrorKind::FileTooLarge,
                "it is larger than 8 MiB, which no configuration is".into(),
            ));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let lines = error.as_bytes()[..good].iter().filter(|b| **b == b'\n');
            let why = format!("line {} is not UTF-8 text", lines.count() + 1);
            refused(std::io::ErrorKind::InvalidData, why)
        })?;
        Self::read(&text, file)
    }

    /// Checks the text of `file`; what it names is looked for beside `file`.
    ///
    /// # Errors
    /// All that is wrong in it.
    pub fn read(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        // Everything that is started later gets these paths, and may run elsewhere.
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        let mut report = Report::new(text, &folder);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let at = error.span().unwrap_or(0..0);
            report.error(&at, format!("this is not TOML: {}", error.message()));
        }
        let made = if errors.is_empty() {
            let root = Section::new("", Some(document.get_ref()), 0..0);
            Some(build(root, &mut report, file))
        } else {
            None
        };
        let mut problems = report.problems;
        problems.sort();
        match made {
            Some(mut config) if problems.iter().all(|problem| problem.is_warning) => {
                config.warnings = problems;
                Ok(config)
            }
            _ => Err(ConfigError::Wrong {
                file: file.to_owned(),
                problems,
            }),
        }
    }

    /// Where the journal is.
    pub fn journal_file(&self) -> PathBuf {
        self.data_dir.join("journal.sqlite")
    }

    /// Where the runs' folders are.
    pub fn runs_folder(&self) -> PathBuf {
        self.data_dir.join("runs")
    }

    /// Where evidence is kept.
    pub fn evidence_folder(&self) -> PathBuf {
        self.data_dir.join("evidence")
    }

    /// Where the flight recorder's ring is.
    pub fn recorder_folder(&self) -> PathBuf {
        self.data_dir.join("recorder")
    }

    /// Where the edge listens for the keeper.
    pub fn edge_socket(&self) -> PathBuf {
        self.data_dir.join("edge.sock")
    }

    /// Where the server listens for the command line.
    pub fn control_socket(&self) -> PathBuf {
        self.data_dir.join("control.sock")
    }

    /// Whether Evenkeel may, or may propose to, end sessions of a database.
    pub fn may_end_sessions(&self, database: &DatabaseId) -> bool {
        let scope = evenkeel_core::subject::Subject::Database(database.clone());
        let grant = self.policy.authority.grant(ActionKind::EndBackend, &scope);
        grant.mode > Mode::Watch
    }
}

fn build(mut root: Section<'_>, report: &mut Report<'_>, file: &Path) -> Config {
    let data_dir = root
        .path(report, "data_dir", Kind::Folder)
        .map_or_else(|| report.folder.join("evenkeel-data"), |at| at.value);
    let page = program::page(&mut root, report);
    let (callers, hotline) = hotline::read(&mut root, report);
    let told = crate::web::public::settings::Settings {
        hotline: callers,
        banner: banner::read(&mut root, report),
        brand: page.brand.clone(),
        ask: page.ask.clone(),
    };
    let operator = program::operator(&mut root, report, page.listen);
    let pager = program::pager(&mut root, report);
    let incidents = program::incidents(&mut root, report);
    let telling = program::telling(&mut root, report);
    let notices = notices::notices(&mut root, report);
    let keep_for = program::retention(&mut root, report);
    let recorder = recorder::read(&mut root, report);
    let log = program::log(&mut root, report);
    let witness = witness::read(&mut root, report);
    let has_mail = root.has("mail");
    let mail = people::mail(&mut root, report);
    let mut subscribers = subscribers::read(&mut root, (&page, mail.as_ref()), report);
    let escalation = people::escalation(&mut root, report);
    let metrics_listen = listeners::metrics(&mut root, report);
    let pings = heartbeats::pings(&mut root, report);
    let front = edge::read(&mut root, report);
    let (leak_spec, leak_policy) = leaks::read(&mut root, report);

    let mut policy = Policy {
        incidents,
        telling,
        notices,
        ..Policy::default()
    };
    let person_sections = root.many(report, "person", "[person]");
    if let (Some(first), Some(_)) = (person_sections.first(), &pager) {
        report.warn(
            &first.at,
            "[pager] is not used where there are people: give its webhook to one of them",
        );
    }
    let (people, calling) = people::people(person_sections, has_mail, escalation, report);
    policy.calling = calling;
    let component_sections = root.many(report, "component", "[component]");
    let database_sections = root.many(report, "database", "[database]");
    let job_sections = root.many(report, "job", "[job]");
    let check_sections = root.many(report, "check", "[check]");
    let readiness_sections = root.many(report, "readiness", "[readiness]");
    let heartbeat_sections = root.many(report, "heartbeat", "[heartbeat]");
    let pool_sections = root.many(report, "pool", "[pool]");
    let route_sections = root.many(report, "route", "[route]");
    let volume_sections = root.many(report, "volume", "[volume]");
    let publish_sections = root.many(report, "publish", "[publish]");
    let announce_sections = root.many(report, "announce", "[announce]");
    let maintenance_sections = root.many(report, "maintenance", "[maintenance]");
    let peak_sections = root.many(report, "peak", "[peak]");
    root.finish(report);
    if component_sections.is_empty() {
        report.error(
            &(0..0),
            "there is no [[component]]: name at least one function that customers see, \
             or the status page has nothing to say",
        );
    }
    let (mut databases, acting) = databases::read(database_sections, &mut policy, report);
    let named = components::read(component_sections, &mut policy, &mut databases, report);
    for at in acting {
        let spec = databases.iter().find(|spec| spec.id == at.value);
        if spec.is_some_and(|spec| spec.components.is_empty()) {
            report.warn(
                &at.at,
                format!(
                    "no lock chain will count as harm: no [[component.sessions]] names `{}`, so that \
                     no waiting session is a customer's",
                    at.value
                ),
            );
        }
    }
    subscribers.announcements =
        subscribers::announcements(announce_sections, &policy, &page, report);
    let jobs = jobs::read(job_sections, &mut policy, &databases, report);
    let checks = checks::read(check_sections, &mut policy, &databases, report);
    let almanac = maintenance::read(maintenance_sections, peak_sections, &mut policy, report);
    let readiness = readiness::read(readiness_sections, &mut policy, report);
    heartbeats::read(heartbeat_sections, pings.as_ref(), &mut policy, report);
    components::unwatched(named, &policy, report);
    let publish = crate::publish::Settings {
        valid_for: page.copies_valid_for,
        targets: publish::read(publish_sections, &mut policy, report),
    };
    if let Some(witness) = &witness {
        witness::checked(witness, &policy, &publish, report);
    }
    let witness = witness.map(|at| at.value);
    let pools = pools::read(pool_sections, report);
    let routes = routes::read(route_sections, &policy, &pools, report);
    let volumes = volumes::read(volume_sections, &leak_policy, &mut policy, report);
    pools::of_core(&pools, &routes, &leak_policy, &mut policy);
    for database in policy.databases.values_mut() {
        database.leaks = leak_policy.clone();
    }
    let quiet = pools.iter().filter_map(|pool| {
        let hours = pool.value.quiet.clone()?;
        Some((pool.value.pool.id.clone(), hours))
    });
    let quiet = quiet.collect();
    let taken = [
        (Some(page.listen), "the public page"),
        (Some(operator.listen), "the operator's pages"),
        (metrics_listen, "metrics"),
        (pings.as_ref().map(|pings| pings.listen), "pings"),
    ];
    let pages = Pages {
        service: page.name.clone(),
        status_page: page.url.clone(),
    };
    let (edge, pools) = edge::settings(front, (pools, routes), &taken, (pages, &data_dir), report);
    let leaks = LeakSpec {
        pools,
        volumes,
        databases: databases.clone(),
        ..leak_spec
    };
    Config {
        file: file.to_owned(),
        data_dir,
        page,
        publish,
        told,
        hotline,
        witness,
        operator,
        pager,
        keep_for,
        recorder,
        log,
        policy,
        databases,
        jobs,
        mail,
        subscribers,
        people,
        checks,
        readiness,
        metrics_listen,
        pings,
        edge,
        leaks,
        quiet,
        almanac,
        warnings: Vec::new(),
    }
}
