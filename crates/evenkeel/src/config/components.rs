//! `[[component]]`.

use evenkeel_core::ids::ComponentId;
use evenkeel_core::policy::{ComponentPolicy, Policy};
use evenkeel_guards::locks::DatabaseSpec;

use super::databases;
use super::names::{identity, known_database};
use super::reader::{At, Report, Section};

pub(super) fn read(
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
pub(super) fn unwatched(named: Vec<At<ComponentId>>, policy: &Policy, report: &mut Report<'_>) {
    for named in named {
        let id = &named.value;
        let needs = policy.components.get(id).map(|component| &component.needs);
        let by_a_job = policy.jobs.values().any(|job| job.components.contains(id));
        let checks = policy.checks.values();
        let by_a_check = checks
            .flat_map(|check| &check.components)
            .any(|of| of == id);
        let heartbeats = policy.heartbeats.values();
        let by_a_heartbeat = heartbeats
            .flat_map(|heartbeat| &heartbeat.components)
            .any(|of| of == id);
        let seen = by_a_job || by_a_check || by_a_heartbeat;
        if needs.is_some_and(Vec::is_empty) && !seen {
            report.warn(
                &named.at,
                format!(
                    "nothing tells how `{id}` is, and the page will say so: name its databases in \
                     `needs`, or `{id}` in the `components` of a check or a job"
                ),
            );
        }
    }
}
