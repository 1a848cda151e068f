//! `[[database]]` and the sessions of components.

use std::time::Duration;

use evenkeel_core::action::ActionKind;
use evenkeel_core::authority::Mode;
use evenkeel_core::ids::{ComponentId, DatabaseId};
use evenkeel_core::policy::{DatabasePolicy, LeakPolicy, LockPolicy, Pattern, Policy};
use evenkeel_core::subject::Subject;
use evenkeel_guards::locks::{ComponentSessions, DatabaseSpec, grants};

use super::may::grant;
use super::names::{identity, known_database};
use super::reader::{At, Report, Section};
use super::secrets::secret;

/// Below this every session would be reported that is between two statements.
const AGE_MIN: Duration = Duration::from_secs(1);

/// The databases; and those whose sessions may be ended, with where the file says so.
pub(super) fn read(
    sections: Vec<Section<'_>>,
    policy: &mut Policy,
    report: &mut Report<'_>,
) -> (Vec<DatabaseSpec>, Vec<At<DatabaseId>>) {
    let (mut databases, mut acting) = (Vec::new(), Vec::new());
    for mut section in sections {
        let at = section.at.clone();
        let id = identity(&mut section, report, "database");
        let text = |at: Option<At<String>>, default: &str| {
            at.map_or_else(|| default.to_owned(), |at| at.value)
        };
        let host = text(section.text(report, "host"), "127.0.0.1");
        let port = section.number(report, "port", 1..=65535);
        let port = port
            .and_then(|at| u16::try_from(at.value).ok())
            .unwrap_or(5432);
        let user = text(section.text(report, "user"), "evenkeel");
        let dbname = section.required(report, "dbname");
        let password = secret(&mut section, report, "password_file");
        let connections_pct = section.number(report, "connections_pct", 1..=100);
        let idle = section.duration_of(report, "idle_in_transaction", AGE_MIN);
        let age = section.duration_of(report, "transaction_age", AGE_MIN);
        let locks = section.below(report, "locks", "database.locks");
        let locks = lock_policy(locks, report);
        let mut may = section.below(report, "may", "database.may");
        let granted = grant(&mut may, report, "end_backend", ActionKind::EndBackend);
        let may_at = may.at.clone();
        may.finish(report);
        let may_end = granted
            .as_ref()
            .is_some_and(|grant| grant.mode > Mode::Watch);
        let nobody = !locks.end_runs && locks.end_roles.is_empty();
        if may_end && nobody && locks.end_applications.is_empty() {
            report.warn(
                &may_at,
                "nobody at the root of a lock chain may be ended: [database.locks] names no role and no application, and \
                 `end_runs` is false",
            );
        }
        section.finish(report);
        let (Some(id), Some(dbname)) = (id, dbname) else {
            continue;
        };
        let id = DatabaseId::from(id.value);
        if may_end {
            acting.push(At {
                value: id.clone(),
                at: may_at,
            });
        }
        if let Some(granted) = granted {
            let scope = Subject::Database(id.clone());
            let key = (ActionKind::EndBackend, scope);
            policy.authority.grants.insert(key, granted);
        }
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let of_core = DatabasePolicy {
            locks,
            idle_in_transaction: Some(idle.map_or(minutes(5), |at| at.value)),
            connections_pct: Some(
                connections_pct
                    .and_then(|at| u8::try_from(at.value).ok())
                    .unwrap_or(80),
            ),
            transaction_age: Some(age.map_or(minutes(120), |at| at.value)),
            leaks: LeakPolicy::default(),
        };
        if policy.databases.insert(id.clone(), of_core).is_some() {
            report.error(&at, format!("there are two databases `{id}`"));
        }
        let password = password.map(|at| at.value);
        let connect = grants::connect(&host, port, &user, password.as_deref(), &dbname.value);
        databases.push(DatabaseSpec::new(id, connect));
    }
    (databases, acting)
}

fn lock_policy(mut section: Section<'_>, report: &mut Report<'_>) -> LockPolicy {
    let default = LockPolicy::default();
    let waiters = section.number(report, "waiters_min", 1..=10_000);
    let waiting = section.duration(report, "waiting_min");
    if let Some(waiting) = &waiting
        && waiting.value.is_zero()
    {
        report.error(
            &waiting.at,
            "a wait of nothing is every wait: whoever holds a lock for a moment would be ended; \
             write at least \"200ms\"",
        );
    }
    let drain = section.duration(report, "drain");
    if let Some(drain) = &drain
        && drain.value < Duration::from_secs(1)
    {
        report.error(
            &drain.at,
            "waiters need a moment to move; write at least \"1s\"",
        );
    }
    let policy = LockPolicy {
        waiters_min: waiters
            .and_then(|at| u32::try_from(at.value).ok())
            .unwrap_or(default.waiters_min),
        waiting_min: waiting.map_or(default.waiting_min, |at| at.value),
        end_runs: section
            .yes_no(report, "end_runs")
            .unwrap_or(default.end_runs),
        end_roles: whom(&mut section, report, "end_roles"),
        end_applications: whom(&mut section, report, "end_applications"),
        end_queued_ddl: section
            .yes_no(report, "end_queued_ddl")
            .unwrap_or(default.end_queued_ddl),
        drain: drain.map_or(default.drain, |at| at.value),
    };
    section.finish(report);
    policy
}

/// Whose sessions may be ended; a customer's are among `*`.
fn whom(section: &mut Section<'_>, report: &mut Report<'_>, key: &'static str) -> Vec<Pattern> {
    let list = section.list(report, key);
    for named in &list {
        let said = match named.value.trim_matches('*') {
            "" if named.value.is_empty() => "fits only sessions without a name",
            "" => "fits everyone, those who work for customers too",
            _ => continue,
        };
        report.warn(
            &named.at,
            format!("`{}` in `{key}` {said}; name whom you mean", named.value),
        );
    }
    list.into_iter().map(|at| Pattern::new(&at.value)).collect()
}

/// `[[component.sessions]]`.
pub(super) fn sessions(
    mut section: Section<'_>,
    component: &ComponentId,
    databases: &mut [DatabaseSpec],
    report: &mut Report<'_>,
) {
    let database = section.required(report, "database");
    let mut pattern = |key| {
        let text = section.text(report, key);
        text.map(|at| Pattern::new(&at.value))
    };
    let of = ComponentSessions {
        component: component.clone(),
        application_name: pattern("application_name"),
        role: pattern("role"),
        query: pattern("query"),
    };
    section.finish(report);
    let Some(database) = database.filter(|named| known_database(named, databases, report)) else {
        return;
    };
    for spec in databases {
        if spec.id.as_str() == database.value {
            spec.components.push(of.clone());
        }
    }
}
