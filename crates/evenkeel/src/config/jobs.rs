//! `[[job]]`.

use std::path::PathBuf;
use std::time::Duration;

use evenkeel_core::action::ActionKind;
use evenkeel_core::authority::Mode;
use evenkeel_core::ids::JobId;
use evenkeel_core::policy::{Concurrency, JobPolicy, Pattern, Policy, ProductPolicy, RetryPolicy};
use evenkeel_core::subject::Subject;
use evenkeel_guards::jobs::JobSpec;
use evenkeel_guards::jobs::clock::Due;
use evenkeel_guards::jobs::product::{Place, ProductSpec};
use evenkeel_guards::jobs::schedule::Schedule;
use evenkeel_guards::locks::DatabaseSpec;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::calendar::{name_of, of_day, zone};
use super::may::grant;
use super::names::{components, identity, known_database};
use super::reader::{At, Report, Section};
use super::secrets::{readable, secret_path};
use super::settings::Kind;

/// A run is looked at about this often; what is shorter ends every run at once.
const PATIENCE_MIN: Duration = Duration::from_secs(1);

/// A product takes its time to be looked at.
const FRESH_MIN: Duration = Duration::from_secs(60);

/// A job: what the guard needs, and what a supervisor needs.
#[derive(Debug, Clone)]
pub struct Job {
    /// When it is due, and what it must deliver.
    pub spec: JobSpec,
    /// How it is started.
    pub launch: Launch,
}

/// How a job is started.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// Program and arguments; empty where it is only started by others.
    pub command: Vec<String>,
    /// Environment, the database's PG* variables included.
    pub environment: Vec<(String, String)>,
    /// User.
    pub user: Option<String>,
    /// Group.
    pub group: Option<String>,
    /// Folder.
    pub working_dir: Option<PathBuf>,
    /// Added to the niceness.
    pub nice: Option<i32>,
    /// Arguments of `ionice`.
    pub ionice: Vec<String>,
}

pub(super) fn read(
    sections: Vec<Section<'_>>,
    policy: &mut Policy,
    databases: &[DatabaseSpec],
    report: &mut Report<'_>,
) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for mut section in sections {
        let at = section.at.clone();
        let Some((job, of_core)) = job(&mut section, policy, databases, report) else {
            section.finish(report);
            continue;
        };
        section.finish(report);
        let id = job.spec.id.clone();
        if policy.jobs.insert(id.clone(), of_core).is_some() {
            report.error(&at, format!("there are two jobs `{id}`"));
            continue;
        }
        jobs.push(job);
    }
    jobs
}

fn job(
    section: &mut Section<'_>,
    policy: &mut Policy,
    databases: &[DatabaseSpec],
    report: &mut Report<'_>,
) -> Option<(Job, JobPolicy)> {
    let id = identity(section, report, "job");
    let zone = zone(section, report);
    let schedule = section.text(report, "schedule").and_then(|cron| {
        match Schedule::parse(&cron.value, name_of(&zone)) {
            Ok(schedule) if schedule.next(Timestamp::now()).is_none() => {
                let what = format!("`{}` never comes: no such day exists", cron.value);
                report.error(&cron.at, what + "; write for example \"30 2 * * *\"");
                None
            }
            Ok(schedule) => Some(schedule),
            Err(error) => {
                report.error(&cron.at, error.to_string());
                None
            }
        }
    });
    let launch = launch(section, databases, report);
    if schedule.is_some() && launch.command.is_empty() {
        report.error(
            &section.at,
            "a job with a `schedule` needs a `command`; without a schedule others start it, through \
             `evenkeel run`",
        );
    }
    let deadline = section.duration_of(report, "deadline", PATIENCE_MIN);
    let stall = section.duration_of(report, "stall", PATIENCE_MIN);
    if let (Some(stall), Some(deadline)) = (&stall, &deadline)
        && stall.value >= deadline.value
    {
        report.warn(
            &stall.at,
            "`stall` is not shorter than `deadline`: a hang is only noticed at the deadline",
        );
    }
    let concurrency = section.word(report, "concurrency", CONCURRENCIES);
    let grace = section.duration(report, "grace");
    let components = components(section, policy, report);
    let retry = retry(section, report, launch.command.is_empty());
    let due = section.text_of(report, "due", Kind::Time);
    let product = product(section, report, zone.clone());
    let due = due.and_then(|due| match (of_day(&due, "due", report)?, &product) {
        (_, None) => {
            report.error(
                &due.at,
                "`due` says by when the product must be there, and there is no [job.product]",
            );
            None
        }
        (at, Some((_, _, fresh_within))) => Some(Due {
            at,
            zone: zone.clone(),
            fresh_within: *fresh_within,
        }),
    });
    let mut may = section.below(report, "may", "job.may");
    let grants: Vec<_> = [ActionKind::EndRun, ActionKind::StartRun]
        .into_iter()
        .filter_map(|kind| Some((kind, grant(&mut may, report, kind.as_str(), kind)?)))
        .collect();
    let may_end = grants
        .iter()
        .any(|(kind, grant)| *kind == ActionKind::EndRun && grant.mode > Mode::Watch);
    if may_end && stall.is_none() && deadline.is_none() {
        report.warn(
            &may.at,
            "no run is ever ended: the job has neither `stall` nor `deadline`",
        );
    }
    may.finish(report);
    let id = JobId::from(id?.value);
    for (kind, granted) in grants {
        let scope = Subject::Job(id.clone());
        policy.authority.grants.insert((kind, scope), granted);
    }
    let (spec, product) = match product {
        Some((spec, product, _)) => (Some(spec), Some(product)),
        None => (None, None),
    };
    let of_core = JobPolicy {
        deadline: deadline.map(|at| at.value),
        stall: stall.map(|at| at.value),
        concurrency: concurrency.unwrap_or_default(),
        retry,
        grace: grace.map_or(Duration::from_secs(10), |at| at.value),
        product,
        components,
    };
    let job = Job {
        spec: JobSpec {
            id,
            schedule,
            zone,
            due,
            product: spec,
            startable: !launch.command.is_empty(),
        },
        launch,
    };
    Some((job, of_core))
}

fn launch(
    section: &mut Section<'_>,
    databases: &[DatabaseSpec],
    report: &mut Report<'_>,
) -> Launch {
    let command = section.list(report, "command");
    if let Some(program) = command.first().filter(|program| program.value.is_empty()) {
        report.error(
            &program.at,
            "the program has no name; write for example command = [\"/usr/bin/export\"]",
        );
    }
    let command = command.into_iter().map(|at| at.value).collect();
    let mut environment = environment(section, report);
    let database = section.text(report, "database");
    let replica = section.text(report, "replica");
    let wanted = [replica, database]
        .into_iter()
        .flatten()
        .filter(|named| known_database(named, databases, report))
        .collect::<Vec<_>>();
    let spec = wanted.first().and_then(|named| {
        databases
            .iter()
            .find(|spec| spec.id.as_str() == named.value)
    });
    for (name, value) in spec.into_iter().flat_map(connection) {
        // What the operator wrote stands.
        if !environment.iter().any(|(known, _)| *known == name) {
            environment.push((name, value));
        }
    }
    let nice = section.number(report, "nice", -20..=19);
    let (user, group) = people(section, report);
    Launch {
        command,
        environment,
        user,
        group,
        working_dir: section
            .path(report, "working_dir", Kind::Folder)
            .map(|at| at.value),
        nice: nice.and_then(|at| i32::try_from(at.value).ok()),
        ionice: ionice(section, report),
    }
}

/// What cannot be a variable would stop every run at its start.
fn environment(section: &mut Section<'_>, report: &mut Report<'_>) -> Vec<(String, String)> {
    let given = section.map(report, "env");
    let Some(given) = given else {
        return Vec::new();
    };
    for (name, value) in &given.value {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            report.error(
                &given.at,
                format!(
                    "`{name}` cannot be a variable; write for example env = {{ LANG = \"C\" }}"
                ),
            );
        }
    }
    given.value
}

/// User and group. They may live on another host than the one that checks: a warning.
fn people(section: &mut Section<'_>, report: &mut Report<'_>) -> (Option<String>, Option<String>) {
    let user = section.text(report, "user");
    let group = section.text(report, "group");
    let mut missing = |named: &At<String>, what: &str| {
        report.warn(
            &named.at,
            format!(
                "there is no {what} `{}` on this host: runs will not start here",
                named.value
            ),
        );
    };
    if let Some(user) = &user
        && matches!(nix::unistd::User::from_name(&user.value), Ok(None))
    {
        missing(user, "user");
    }
    if let Some(group) = &group
        && matches!(nix::unistd::Group::from_name(&group.value), Ok(None))
    {
        missing(group, "group");
    }
    if let (Some(group), None) = (&group, &user) {
        report.error(
            &group.at,
            "`group` goes with a `user`; without one the job runs as who runs Evenkeel",
        );
    }
    (user.map(|at| at.value), group.map(|at| at.value))
}

/// Where a database is, as libpq's variables. Who connects, and with which password, is
/// the job's own affair: Evenkeel's role is for watching.
fn connection(spec: &DatabaseSpec) -> Vec<(String, String)> {
    use tokio_postgres::config::Host;
    let connect = &spec.connect;
    let host = connect.get_hosts().first().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    });
    [
        ("PGHOST", host),
        ("PGPORT", connect.get_ports().first().map(u16::to_string)),
        ("PGDATABASE", connect.get_dbname().map(str::to_owned)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect()
}

fn ionice(section: &mut Section<'_>, report: &mut Report<'_>) -> Vec<String> {
    let Some(given) = section.text(report, "ionice") else {
        return Vec::new();
    };
    let level = given.value.strip_prefix("best-effort:");
    match (given.value.as_str(), level) {
        ("idle", _) => vec!["-c3".into()],
        (_, Some(level @ ("0" | "1" | "2" | "3" | "4" | "5" | "6" | "7"))) => {
            vec!["-c2".into(), format!("-n{level}")]
        }
        _ => {
            report.error(
                &given.at,
                format!(
                    "`{}` is no I/O priority; write \"idle\", or \"best-effort:0\" to \"best-effort:7\"",
                    given.value
                ),
            );
            Vec::new()
        }
    }
}

const CONCURRENCIES: &[(&str, Concurrency)] = &[
    ("forbid", Concurrency::Forbid),
    ("queue", Concurrency::Queue),
    ("replace", Concurrency::Replace),
];

fn retry(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    started_by_others: bool,
) -> RetryPolicy {
    let mut section = section.below(report, "retry", "job.retry");
    let default = RetryPolicy::default();
    let budget = section.number(report, "budget", 0..=100);
    let backoff = section.duration(report, "backoff");
    if let Some(backoff) = &backoff
        && backoff.value < Duration::from_secs(1)
    {
        report.error(
            &backoff.at,
            "a failed job must not fire in a tight loop; write at least \"1s\"",
        );
    }
    let backoff_max = section.duration(report, "backoff_max");
    if let (Some(backoff), Some(most)) = (&backoff, &backoff_max)
        && most.value < backoff.value
    {
        report.error(
            &most.at,
            "`backoff_max` is the longest wait and cannot be shorter than `backoff`, the first",
        );
    }
    if let Some(budget) = budget.as_ref().filter(|budget| budget.value > 0)
        && started_by_others
    {
        report.warn(
            &budget.at,
            "a job without a `command` is started by others, and never again by Evenkeel",
        );
    }
    let policy = RetryPolicy {
        budget: budget
            .and_then(|at| u32::try_from(at.value).ok())
            .unwrap_or(default.budget),
        backoff: backoff.map_or(default.backoff, |at| at.value),
        backoff_max: backoff_max.map_or(default.backoff_max, |at| at.value),
    };
    section.finish(report);
    policy
}

fn product(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    zone: TimeZone,
) -> Option<(ProductSpec, ProductPolicy, SignedDuration)> {
    let mut section = section.below(report, "product", "job.product");
    if !section.is_there() {
        return None;
    }
    let url = section.required(report, "url");
    let password_file = secret_path(&mut section, report, "password_file");
    let identity_file = section.path(report, "identity_file", Kind::Folder);
    let ssh_config = section.path(report, "ssh_config", Kind::Folder);
    for (file, is_secret) in [
        (&password_file, true),
        (&identity_file, true),
        (&ssh_config, false),
    ] {
        if let Some(file) = file {
            readable(file, is_secret, report);
        }
    }
    let bytes_min = section.number(report, "bytes_min", 0..=i64::MAX);
    let rows_min = section.number(report, "rows_min", 1..=i64::MAX);
    let rows_min = rows_min.and_then(|at| u64::try_from(at.value).ok());
    let marker = section.text(report, "marker");
    let fresh_within = section.duration_of(report, "fresh_within", FRESH_MIN);
    section.finish(report);
    let url = url?;
    let secret = password_file.or(identity_file).map(|at| at.value);
    let checked = Place::parse(&url.value, secret).and_then(|place| {
        place.at(jiff::Timestamp::UNIX_EPOCH, &zone)?;
        Ok(place)
    });
    let place = match checked {
        Ok(Place::Sftp(mut remote)) => {
            remote.ssh_config = ssh_config.map(|at| at.value);
            Place::Sftp(remote)
        }
        // A path stands beside the configuration, wherever Evenkeel is started.
        Ok(Place::File(path)) => Place::File(report.folder.join(path)),
        Ok(place) => place,
        Err(error) => {
            report.error(&url.at, error.to_string());
            return None;
        }
    };
    let spec = ProductSpec {
        place,
        marker: marker.map(|at| Pattern::new(&at.value)),
        counts_rows: rows_min.is_some(),
    };
    let policy = ProductPolicy {
        bytes_min: bytes_min
            .and_then(|at| u64::try_from(at.value).ok())
            .unwrap_or(1),
        rows_min,
    };
    let fresh_within = fresh_within.map_or(Duration::from_secs(20 * 3600), |at| at.value);
    let fresh_within = SignedDuration::try_from(fresh_within).unwrap_or(SignedDuration::MAX);
    Some((spec, policy, fresh_within))
}
