//! Events as one line each, as a reviewer reads them.

use evenkeel_core::event::What;
use evenkeel_core::message::Body;

use super::script::epoch;

/// An event in one line, as a reviewer reads it.
pub(crate) fn say(what: &What) -> String {
    match what {
        What::FindingOpened { finding } => format!(
            "finding opened: {} [{:?}] {}{}",
            finding.key,
            finding.severity,
            finding.reason,
            harms(finding)
        ),
        What::FindingUpdated { finding } => {
            format!(
                "finding updated: {} {}{}",
                finding.key,
                finding.reason,
                harms(finding)
            )
        }
        What::FindingCleared { key, reason } => format!("finding cleared: {key}: {reason}"),
        What::IncidentOpened {
            incident,
            title,
            severity,
            ..
        } => {
            format!("incident opened: {incident} {title} [{severity:?}]")
        }
        What::IncidentUpdated {
            incident,
            title,
            finding,
            ..
        } => {
            let joined = finding
                .as_ref()
                .map(|key| format!(" + {key}"))
                .unwrap_or_default();
            format!("incident updated: {incident} {title}{joined}")
        }
        What::IncidentStatusChanged {
            incident,
            from,
            to,
            reason,
        } => {
            format!(
                "incident {incident}: {} -> {}: {reason}",
                from.as_str(),
                to.as_str()
            )
        }
        What::ComponentStatusChanged {
            component,
            from,
            to,
            ..
        } => {
            format!("component {component}: {from} -> {to}")
        }
        What::ActionRequested {
            action,
            approved_by,
        } => {
            let by = approved_by
                .as_ref()
                .map(|by| format!(", approved by {by}"))
                .unwrap_or_default();
            format!(
                "action requested{by}: {} {}: {}",
                action.id, action.task, action.reason
            )
        }
        What::ActionProposed { action, .. } => {
            format!(
                "action proposed: {} {}: {}",
                action.id, action.task, action.reason
            )
        }
        What::ActionWithheld { action, why } => {
            format!("action withheld, {why:?}: {} {}", action.id, action.task)
        }
        What::ActionEnded {
            action, outcome, ..
        } => format!("action ended: {action} {outcome:?}"),
        What::ActionClosed { action, reason, .. } => format!("action closed: {action}: {reason}"),
        What::ActionProven { action, reason } => format!("action proven: {action}: {reason}"),
        What::ActionUnproven {
            action,
            kind,
            scope,
            reason,
        } => {
            format!("action unproven: {action}: {reason}; {kind} stopped for {scope}")
        }
        What::MessageRequested { message } => match &message.body {
            Body::Operator {
                headline, details, ..
            } => {
                format!("page: {headline} | {}", details.join(" | "))
            }
            Body::Public {
                status, components, ..
            } => {
                let components: Vec<String> = components
                    .iter()
                    .map(|(id, status)| format!("{id} {status}"))
                    .collect();
                format!(
                    "public word: {}: {}",
                    status.as_str(),
                    components.join(", ")
                )
            }
            Body::Maintenance(word) => crate::maintenance::word(word),
        },
        What::RunStarted { run, attempt, .. } => format!("run started: {run} (attempt {attempt})"),
        What::RunEnded {
            run,
            exit,
            ended_by,
            ..
        } => {
            let by = ended_by.map(|id| format!(" by {id}")).unwrap_or_default();
            format!("run ended{by}: {run} {exit:?}")
        }
        What::SlotTaken { job, .. } => format!("slot taken: {job}"),
        What::SlotSkipped { job, reason, .. } => format!("slot skipped: {job}: {reason}"),
        What::ProductExpected { job, .. } => format!("product expected: {job}"),
        What::ProductDelivered { job, bytes, .. } => {
            format!("product delivered: {job} ({bytes} bytes)")
        }
        What::OutageLearned {
            incident,
            since,
            told_at,
            until,
            components,
        } => {
            let lasted = evenkeel_core::time::since(*since, *until).as_secs();
            let told = evenkeel_core::time::since(*since, *told_at).as_secs();
            format!("outage learned: {incident} for {lasted}s, told after {told}s: {components:?}")
        }
        What::Unobserved { since } => format!(
            "unobserved since @{}s",
            evenkeel_core::time::since(epoch(), *since).as_secs()
        ),
        What::ReadinessAsked {
            readiness,
            rehearsal,
            ..
        } => format!("readiness asked: {readiness}{}", rehearsed(*rehearsal)),
        What::ReadinessHeld {
            readiness,
            rehearsal,
            ..
        } => format!("readiness held: {readiness}{}", rehearsed(*rehearsal)),
        What::WordProposed {
            incident, status, ..
        } => {
            format!("word proposed: {incident} {}", status.as_str())
        }
        What::WordWithdrawn {
            incident, reason, ..
        } => {
            format!("word withdrawn: {incident}: {reason}")
        }
        What::PostmortemDrafted { incident, facts } => {
            let span = facts.recovered_at.duration_since(facts.hurt_from);
            let told = facts.first_word_at.map_or("never told".into(), |at| {
                format!("told after {:#}", at.duration_since(facts.hurt_from))
            });
            format!("post-mortem drafted: {incident} hurt for {span:#}, {told}")
        }
        other => crate::heartbeats::say(other)
            .or_else(|| crate::maintenance::say(other))
            .unwrap_or_else(|| other.kind().to_owned()),
    }
}

fn rehearsed(rehearsal: bool) -> &'static str {
    if rehearsal { " (rehearsal)" } else { "" }
}

fn harms(finding: &evenkeel_core::finding::Finding) -> String {
    finding
        .harms
        .iter()
        .map(|(id, status)| format!(" ({id}: {status})"))
        .collect()
}
