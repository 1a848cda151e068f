//! The configuration: one TOML file, read whole before anything is done.
//!
//! Every problem is told at once, with its line and what to write instead, before a port
//! is bound or a database is asked. Defaults are safe: what ends something watches.
//! Secrets stand in files of their own and are named here.

mod databases;
mod guide;
mod jobs;
mod may;
mod reader;
pub mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_core::action::ActionKind;
use evenkeel_core::authority::Mode;
use evenkeel_core::event::What;
use evenkeel_core::ids::{ComponentId, DatabaseId};
use evenkeel_core::policy::{ComponentPolicy, IncidentPolicy, Policy};
use evenkeel_guards::locks::DatabaseSpec;
use toml::de::DeTable;

pub use guide::{commented, reference};
pub use jobs::{Job, Launch};
pub use reader::Problem;
use reader::{At, Report, Section};
use settings::Kind;

/// The largest configuration that is read, bytes.
const FILE_MAX: u64 = 1 << 20;

/// What is read of a file that holds a secret, bytes; the longest in use are some hundred.
const SECRET_MAX: u64 = 64 * 1024;

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
    /// Where the operator's pages listen.
    pub operator_listen: SocketAddr,
    /// Who is called.
    pub pager: Option<Pager>,
    /// How long entries of a kind stay in the journal.
    pub keep_for: BTreeMap<String, Duration>,
    /// Evenkeel's own log.
    pub log: Log,
    /// What deciding needs to know.
    pub policy: Policy,
    /// The databases under guard.
    pub databases: Vec<DatabaseSpec>,
    /// The jobs.
    pub jobs: Vec<Job>,
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
                "it is larger than 1 MiB, which no configuration is".into(),
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
    let page = page(&mut root, report);
    let operator_listen = operator(&mut root, report, page.listen);
    let pager = pager(&mut root, report);
    let incidents = incidents(&mut root, report);
    let keep_for = retention(&mut root, report);
    let log = log(&mut root, report);

    let mut policy = Policy {
        incidents,
        ..Policy::default()
    };
    let component_sections = root.many(report, "component", "[component]");
    let database_sections = root.many(report, "database", "[database]");
    let job_sections = root.many(report, "job", "[job]");
    root.finish(report);
    if component_sections.is_empty() {
        report.error(
            &(0..0),
            "there is no [[component]]: name at least one function that customers see, \
             or the status page has nothing to say",
        );
    }
    let (mut databases, acting) = databases::read(database_sections, &mut policy, report);
    let named = components(component_sections, &mut policy, &mut databases, report);
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
    let jobs = jobs::read(job_sections, &mut policy, &databases, report);
    unwatched(named, &policy, report);
    Config {
        file: file.to_owned(),
        data_dir,
        page,
        operator_listen,
        pager,
        keep_for,
        log,
        policy,
        databases,
        jobs,
        warnings: Vec::new(),
    }
}

fn address(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    default: ([u8; 4], u16),
) -> At<SocketAddr> {
    let default = At {
        value: SocketAddr::from(default),
        at: section.at.clone(),
    };
    let Some(text) = section.text_of(report, "listen", Kind::Address) else {
        return default;
    };
    match text.value.parse() {
        Ok(value) => At { value, at: text.at },
        Err(_) => {
            report.error(
                &text.at,
                format!(
                    "`{}` is no address with a port; write for example listen = \"{}\"",
                    text.value, default.value
                ),
            );
            default
        }
    }
}

fn page(root: &mut Section<'_>, report: &mut Report<'_>) -> Page {
    let mut section = root.below_root(report, "page");
    let listen = address(&mut section, report, ([127, 0, 0, 1], 8080)).value;
    let name = section.text(report, "name");
    let url = section.text(report, "url");
    if let Some(url) = &url
        && !url.value.starts_with("https://")
        && !url.value.starts_with("http://")
    {
        report.error(&url.at, "`url` has to begin with https:// or http://");
    }
    section.finish(report);
    Page {
        listen,
        name: name.map_or_else(|| "Service".into(), |at| at.value),
        url: url.map(|at| at.value),
    }
}

fn operator(root: &mut Section<'_>, report: &mut Report<'_>, page: SocketAddr) -> SocketAddr {
    let mut section = root.below_root(report, "operator");
    let listen = address(&mut section, report, ([127, 0, 0, 1], 8081));
    if !listen.value.ip().is_loopback() {
        report.error(
            &listen.at,
            format!(
                "the operator's pages show queries and evidence and listen on loopback only; write \
                 listen = \"127.0.0.1:{}\" and reach them through an SSH tunnel",
                listen.value.port()
            ),
        );
    }
    if listen.value.port() != 0
        && listen.value.port() == page.port()
        && (listen.value.ip() == page.ip() || page.ip().is_unspecified())
    {
        report.error(
            &listen.at,
            format!(
                "the operator's pages cannot listen on {}, where the public page is; write for \
                 example [operator] listen = \"127.0.0.1:{}\"",
                listen.value,
                listen.value.port().checked_add(1).unwrap_or(8081)
            ),
        );
    }
    section.finish(report);
    listen.value
}

fn pager(root: &mut Section<'_>, report: &mut Report<'_>) -> Option<Pager> {
    let mut section = root.below_root(report, "pager");
    let url = section.text(report, "url");
    let url_file = secret(&mut section, report, "url_file");
    let token = secret(&mut section, report, "token_file").map(|at| at.value);
    if let (Some(_), Some(second)) = (&url, &url_file) {
        report.error(&second.at, "give `url` or `url_file`, not both");
    }
    let is_there = section.is_there();
    let at = section.at.clone();
    section.finish(report);
    let is_inline = url.is_some();
    let Some(url) = url.or(url_file) else {
        if is_there {
            report.warn(&at, "[pager] names no `url`: pages stand in the log only");
        }
        return None;
    };
    let known = url.value.starts_with("https://") || url.value.starts_with("http://");
    if is_inline && url.value.parse().is_ok_and(|uri| has_password(&uri)) {
        report.error(
            &url.at,
            "a password does not belong into this file; put the whole address into a file of its \
             own and name it in `url_file`, or the token in `token_file`",
        );
        return None;
    }
    match url.value.parse::<hyper::Uri>() {
        Ok(uri) if known && uri.host().is_some() => Some(Pager { url: uri, token }),
        _ => {
            report.error(
                &url.at,
                "the webhook is no address; write for example url = \"https://pager.example.com/hook\"",
            );
            None
        }
    }
}

fn has_password(uri: &hyper::Uri) -> bool {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    authority
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.contains(':'))
}

fn incidents(root: &mut Section<'_>, report: &mut Report<'_>) -> IncidentPolicy {
    let mut section = root.below_root(report, "incidents");
    let default = IncidentPolicy::default();
    let mut take = |key, least: u64, default: Duration| {
        let given = section.duration_of(report, key, Duration::from_secs(least));
        given.map_or(default, |at| at.value)
    };
    let policy = IncidentPolicy {
        settle: take("settle", 1, default.settle),
        reopen_within: take("reopen_within", 0, default.reopen_within),
        next_update_after: take("next_update_after", 1, default.next_update_after),
    };
    section.finish(report);
    policy
}

/// Entry kinds that may go, by the setting that says when.
fn retention(root: &mut Section<'_>, report: &mut Report<'_>) -> BTreeMap<String, Duration> {
    let mut section = root.below_root(report, "retention");
    let default = Duration::from_secs(400 * 24 * 3600);
    let mut keep_for = BTreeMap::new();
    for (key, prefixes) in [
        ("findings", &["finding_"] as &[&str]),
        ("runs", &["slot_", "run_", "product_"]),
    ] {
        let given = section.duration(report, key);
        if let Some(given) = &given
            && given.value < Duration::from_secs(24 * 3600)
        {
            report.error(
                &given.at,
                "less than a day would lose what is still going on; write at least \"1d\"",
            );
        }
        let keep = given.map_or(default, |at| at.value);
        for kind in What::KINDS {
            let name = kind.0;
            if prefixes.iter().any(|prefix| name.starts_with(prefix)) {
                keep_for.insert(name.to_owned(), keep);
            }
        }
    }
    section.finish(report);
    keep_for
}

fn log(root: &mut Section<'_>, report: &mut Report<'_>) -> Log {
    let mut section = root.below_root(report, "log");
    let mut log = Log {
        level: tracing::Level::INFO,
        json: false,
    };
    if let Some(level) = section.text(report, "level") {
        match level.value.parse() {
            Ok(level) => log.level = level,
            Err(_) => report.error(
                &level.at,
                format!(
                    "`{}` is no level; write error, warn, info, debug or trace",
                    level.value
                ),
            ),
        }
    }
    if let Some(format) = section.text(report, "format") {
        match format.value.as_str() {
            "json" => log.json = true,
            "text" => {}
            other => report.error(
                &format.at,
                format!("`{other}` is no format; write text or json"),
            ),
        }
    }
    section.finish(report);
    log
}

fn components(
    sections: Vec<Section<'_>>,
    policy: &mut Policy,
    databases: &mut [DatabaseSpec],
    report: &mut Report<'_>,
) -> Vec<At<ComponentId>> {
    let mut named = Vec::new();
    for (section, position) in sections.into_iter().zip(0..) {
        let mut section = section;
        let id = identity(&mut section, report, "component");
        let name = section.required(report, "name");
        let needs = section.list(report, "needs");
        let needs = needs
            .into_iter()
            .filter(|need| known_database(need, databases, report))
            .map(|need| need.value.into())
            .collect();
        let sessions = section.many(report, "sessions", "[component.sessions]");
        let at = section.at.clone();
        section.finish(report);
        let Some(id) = id else {
            continue;
        };
        let id = ComponentId::from(id.value);
        for sessions in sessions {
            databases::sessions(sessions, &id, databases, report);
        }
        let component = ComponentPolicy {
            name: name.map_or_else(|| id.to_string(), |at| at.value),
            position,
            needs,
        };
        if policy.components.insert(id.clone(), component).is_some() {
            report.error(&at, format!("there are two components `{id}`"));
        } else {
            named.push(At { value: id, at });
        }
    }
    named
}

/// Components that nothing tells anything of: the page says "unknown" of them for ever,
/// which is true, and not what was wanted.
fn unwatched(named: Vec<At<ComponentId>>, policy: &Policy, report: &mut Report<'_>) {
    for named in named {
        let id = &named.value;
        let needs = policy.components.get(id).map(|component| &component.needs);
        let by_a_job = policy.jobs.values().any(|job| job.components.contains(id));
        if needs.is_some_and(Vec::is_empty) && !by_a_job {
            report.warn(
                &named.at,
                format!(
                    "nothing tells how `{id}` is, and the page will say so: name its databases in \
                     `needs`, or `{id}` in the `components` of a job"
                ),
            );
        }
    }
}

/// Whether `named` is a database of the file; says so where it is not.
fn known_database(named: &At<String>, databases: &[DatabaseSpec], report: &mut Report<'_>) -> bool {
    let known = databases.iter().any(|spec| spec.id.as_str() == named.value);
    if !known {
        let names: Vec<&str> = databases.iter().map(|spec| spec.id.as_str()).collect();
        report.error(
            &named.at,
            format!("there is no database `{}`{}", named.value, those(&names)),
        );
    }
    known
}

fn those(names: &[&str]) -> String {
    match names {
        [] => "; there is none at all".into(),
        names => format!("; there is {}", names.join(", ")),
    }
}

/// An `id` that is a name: letters, digits, `-` and `_`.
fn identity(section: &mut Section<'_>, report: &mut Report<'_>, of: &str) -> Option<At<String>> {
    let id = section.required(report, "id")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let good = id.value.len() <= 64
        && id.value.chars().all(plain)
        && id.value.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !good {
        report.error(
            &id.at,
            format!(
                "`{}` cannot be the id of a {of}: it has to be at most 64 letters, digits, `-` and \
                 `_`, and begin with a letter or digit",
                id.value
            ),
        );
        return None;
    }
    Some(id)
}

/// The first line of a file that holds a secret.
fn secret(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    key: &'static str,
) -> Option<At<String>> {
    let path = secret_path(section, report, key)?;
    let file = readable(&path, true, report)?;
    let mut text = String::new();
    match file.take(SECRET_MAX).read_to_string(&mut text) {
        Err(error) => {
            let what = format!("{} cannot be read: {error}", path.value.display());
            report.error(&path.at, what + "; it has to hold one line of text");
            None
        }
        Ok(_) => {
            let line = text.lines().next().unwrap_or_default().trim().to_owned();
            if line.is_empty() {
                let what = format!("{} is empty", path.value.display());
                report.error(&path.at, what + "; write the secret on its first line");
                return None;
            }
            Some(At {
                value: line,
                at: path.at,
            })
        }
    }
}

/// A file that is named and must be there; `is_secret` from others on this host.
fn readable(path: &At<PathBuf>, is_secret: bool, report: &mut Report<'_>) -> Option<std::fs::File> {
    use std::os::unix::fs::PermissionsExt;
    let shown = path.value.display();
    // A folder can be opened, and cannot be read.
    if path.value.is_dir() {
        let what = format!("{shown} is a folder; name a file");
        report.error(&path.at, what);
        return None;
    }
    let opened = std::fs::File::open(&path.value).and_then(|file| {
        let mode = file.metadata()?.permissions().mode();
        Ok((file, mode))
    });
    match opened {
        Err(error) => {
            let what = format!(
                "{shown} cannot be read: {error}; make the file, and let only the user who runs \
                 Evenkeel read it"
            );
            report.error(&path.at, what);
            None
        }
        Ok((file, mode)) => {
            if is_secret && mode & 0o004 != 0 {
                let what = format!("everyone on this host can read {shown}; chmod 600 it");
                report.warn(&path.at, what);
            }
            Some(file)
        }
    }
}

fn secret_path(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    key: &'static str,
) -> Option<At<PathBuf>> {
    section.path(report, key, Kind::Secret)
}
