//! What happened, in one English sentence for operators: the log, the journal's tail and
//! an incident's time line all say it in these words.

use evenkeel_core::action::{ActionKind, Outcome};
use evenkeel_core::edge::EdgeOrder;
use evenkeel_core::event::{Reminder, What, Withheld};
use evenkeel_core::heartbeat::{Ping, Signal};
use evenkeel_core::ids::{MaintenanceId, MessageId, Observer};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::maintenance::Plan;
use evenkeel_core::message::Body;
use evenkeel_core::observation::{Act, Exit, Origin};
use evenkeel_core::record::Phase;
use evenkeel_core::telling::PersonWord;

/// An event as a sentence.
pub fn sentence(what: &What) -> String {
    match what {
        What::SlotTaken { job, scheduled_at } => {
            format!("Job {job} is due for its slot of {scheduled_at}.")
        }
        What::SlotSkipped {
            job,
            scheduled_at,
            reason,
        } => format!("Job {job}: the slot of {scheduled_at} is left out, because {reason}."),
        What::RunStarted {
            run,
            origin,
            attempt,
            ..
        } => {
            let by = match origin {
                Origin::Keeper => "",
                Origin::Wrapper => ", under another scheduler",
            };
            format!("Run {run} began (attempt {attempt}{by}).")
        }
        What::RunEnded {
            run,
            exit: ended,
            ended_by,
            ..
        } => {
            let by = ended_by.map_or_else(String::new, |id| format!(", ended by {id}"));
            format!("Run {run} ended: {}{by}.", exit(ended))
        }
        What::ProductDelivered {
            job, bytes, rows, ..
        } => {
            let rows = rows.map_or_else(String::new, |rows| format!(", {rows} rows"));
            format!("The product of job {job} is there: {bytes} bytes{rows}.")
        }
        What::ProductExpected { job, due_at, .. } => {
            format!("The product of job {job} is due at {due_at}.")
        }
        What::FindingOpened { finding } => {
            format!("Found: {}. {}", stripped(&finding.title), finding.reason)
        }
        What::FindingUpdated { finding } => format!(
            "Still so, and changed: {}. {}",
            stripped(&finding.title),
            finding.reason
        ),
        What::FindingCleared { key, reason } => {
            format!("No longer so: {key}, because {}.", stripped(reason))
        }
        What::IncidentOpened {
            incident,
            title,
            severity,
            ..
        } => format!(
            "Incident {incident} opened ({}): {}.",
            severity_word(*severity),
            stripped(title)
        ),
        What::IncidentUpdated {
            incident,
            title,
            severity,
            ..
        } => format!(
            "Incident {incident} grew ({}): {}.",
            severity_word(*severity),
            stripped(title)
        ),
        What::IncidentStatusChanged {
            incident,
            from,
            to,
            reason,
        } => format!(
            "Incident {incident} went from {} to {}: {}.",
            from.as_str(),
            to.as_str(),
            stripped(reason)
        ),
        What::IncidentAcknowledged { incident, by } => {
            format!("{by} looks after incident {incident}.")
        }
        What::ComponentStatusChanged {
            component,
            from,
            to,
            reason,
        } => format!(
            "Component {component} went from {} to {}: {}.",
            spaced(from.as_str()),
            spaced(to.as_str()),
            stripped(reason)
        ),
        What::ActionRequested {
            action,
            approved_by,
        } => {
            let by = approved_by
                .as_ref()
                .map_or_else(String::new, |by| format!(" (approved by {by})"));
            format!("{}: {}{by}. {}", action.id, action.task, action.reason)
        }
        What::ActionProposed { action, expires_at } => format!(
            "{} waits for your word until {expires_at}: {}. {}",
            action.id, action.task, action.reason
        ),
        What::ActionClosed { action, by, reason } => match by {
            Some(by) => format!("{action} was refused by {by}: {}.", stripped(reason)),
            None => format!("{action} came to nothing: {}.", stripped(reason)),
        },
        What::ActionWithheld { action, why } => format!(
            "Not done: {}. {} {}",
            action.task,
            withheld(action.task.kind(), why),
            action.reason
        ),
        What::ActionEnded {
            action,
            outcome: went,
            evidence,
        } => {
            let kept = evidence.as_ref().map_or_else(String::new, |kept| {
                format!(" {} items of evidence were kept before.", kept.items.len())
            });
            format!("{action} {}.{kept}", outcome(went))
        }
        What::ActionProven { action, reason } => {
            format!("{action} helped: {}.", stripped(reason))
        }
        What::ActionUnproven {
            action,
            kind,
            scope,
            reason,
        } => format!(
            "{action} did not help: {}. {kind} is stopped for {scope} until a person lifts it.",
            stripped(reason)
        ),
        What::StopLifted { kind, scope, by } => {
            format!("{by} lets {kind} be tried again for {scope}.")
        }
        What::ActionsHeld { by, reason } => {
            format!("All actions are held by {by}: {}.", stripped(reason))
        }
        What::ActionsReleased { by, reason } => {
            format!("Actions are released by {by}: {}.", stripped(reason))
        }
        What::MessageRequested { message } => match &message.body {
            Body::Operator { headline, .. } => {
                format!("{} to the operator: {}.", message.id, stripped(headline))
            }
            Body::Public {
                status,
                person,
                approved_by,
                ..
            } => told(message.id, *status, person.as_deref(), approved_by.as_ref()),
            Body::Maintenance(word) => format!(
                "{} to customers: maintenance {} {}.",
                message.id,
                word.maintenance,
                word.news.as_str()
            ),
        },
        What::MaintenancePlanned {
            maintenance,
            plan,
            by,
            reason,
            ..
        } => {
            let what = format!("is planned by {},", planner(by.as_ref()));
            planned(maintenance, &what, plan, reason.as_deref())
        }
        What::MaintenanceChanged {
            maintenance,
            plan,
            by,
            reason,
        } => {
            let what = format!("was changed by {}, now", planner(by.as_ref()));
            planned(maintenance, &what, plan, reason.as_deref())
        }
        What::MaintenanceTurned {
            maintenance,
            from,
            to,
            by,
            reason,
        } => {
            let by = by.as_ref();
            let by = by.map_or_else(String::new, |by| format!(" by {by}"));
            format!(
                "Maintenance {maintenance} went from {} to {}{by}: {}.",
                spaced(from.as_str()),
                spaced(to.as_str()),
                stripped(reason)
            )
        }
        What::MaintenanceReminded {
            maintenance,
            before,
        } => match before.as_secs() {
            0 => format!("Maintenance {maintenance} waits for a person to begin it."),
            seconds => format!(
                "Customers were reminded of maintenance {maintenance}, {} h before.",
                seconds / 3600
            ),
        },
        What::MaintenanceOverdue { maintenance } => {
            format!("Maintenance {maintenance} is overdue: it covers nothing any more.")
        }
        What::PeakDated { name, dates, .. } => match dates.first() {
            Some(next) => format!(
                "The peak {name} is next from {} to {}.",
                next.from, next.until
            ),
            None => format!("The peak {name} comes no more."),
        },
        What::WordProposed {
            incident,
            status,
            tells_at,
            ..
        } => match tells_at {
            Some(_) => format!(
                "Customers are to be told of {incident}: {}; it waits for a veto.",
                status.as_str()
            ),
            None => format!(
                "It is proposed to tell customers of {incident}: {}.",
                status.as_str()
            ),
        },
        What::WordWithdrawn {
            incident,
            by,
            reason,
        } => match by {
            Some(by) => format!(
                "{by} does not let customers be told of {incident}: {}.",
                stripped(reason)
            ),
            None => format!(
                "What was to be told of {incident} is not: {}.",
                stripped(reason)
            ),
        },
        What::PromiseMissed { incident, by, .. } => match by {
            Some(by) => format!("The word on {incident} that {by} promised is late."),
            None => format!("The promised word on {incident} is late."),
        },
        What::PostmortemDrafted { incident, facts } => format!(
            "What is known of {incident} was taken down for its post-mortem: customers were hurt from {} to {}.",
            facts.hurt_from, facts.recovered_at
        ),
        What::PostmortemWritten {
            incident,
            section,
            text,
            revision,
            by,
        } => {
            let section = section.as_str();
            match text {
                Some(text) => format!(
                    "{by} wrote `{section}` of the post-mortem of {incident}, revision {revision} ({}): \"{}\"",
                    text.language.tag(),
                    text.text
                ),
                None => format!(
                    "{by} took `{section}` out of the post-mortem of {incident}, revision {revision}."
                ),
            }
        }
        What::MeasureAdded {
            incident,
            measure,
            what,
            owner,
            due,
            by,
        } => format!(
            "{by} promised measure {measure} after {incident}, owner {owner}, due {}: \"{}\"",
            crate::postmortem::iso(*due),
            what.text
        ),
        What::MeasureChanged {
            incident,
            measure,
            state,
            due,
            reason,
            by,
        } => {
            let reason = reason.as_ref();
            let reason =
                reason.map_or(String::new(), |why| format!(", because: {}", stripped(why)));
            format!(
                "{by}: measure {measure} after {incident} is {}, due {}{reason}.",
                state.as_str(),
                crate::postmortem::iso(*due)
            )
        }
        What::PostmortemPublished {
            incident,
            edition,
            correction,
            by,
        } => match correction {
            None => format!("{by} published the post-mortem of {incident}."),
            Some(text) => format!(
                "{by} corrected the post-mortem of {incident} (edition {edition}): \"{}\"",
                text.text
            ),
        },
        What::Reminded { incident, of } => match of {
            Reminder::Measure { measure } => {
                format!("Somebody was reminded of measure {measure} after {incident}.")
            }
            Reminder::Notice { regime, step, .. } => format!(
                "Somebody was reminded of the {} of {} for {incident}.",
                regime.step_name(*step).unwrap_or_default(),
                regime.name()
            ),
        },
        What::NoticeClockStarted {
            incident,
            regime,
            because,
            by,
        } => match by {
            Some(by) => format!(
                "{by} started the clock of {} for {incident}, because: {}.",
                regime.name(),
                stripped(because)
            ),
            None => format!(
                "The clock of {} runs for {incident}, because {}.",
                regime.name(),
                stripped(because)
            ),
        },
        What::NoticeClockStopped {
            incident,
            regime,
            reason,
            by,
        } => format!(
            "{by} stopped the clock of {} for {incident}, because: {}.",
            regime.name(),
            stripped(reason)
        ),
        What::NoticeGiven {
            incident,
            regime,
            step,
            reference,
            by,
        } => format!(
            "{by} gave the {} of {} for {incident}: {}.",
            regime.step_name(*step).unwrap_or_default(),
            regime.name(),
            stripped(reference)
        ),
        What::PingReceived { ping, ignored, .. } => heard(ping, *ignored),
        What::HeartbeatCreated {
            heartbeat,
            spec,
            by,
        } => format!(
            "{by} made the heartbeat {} ({}).",
            spec.called(heartbeat),
            spec.expected
        ),
        What::HeartbeatUpdated {
            heartbeat,
            spec,
            by,
            ..
        } => format!(
            "{by} changed the heartbeat {} ({}).",
            spec.called(heartbeat),
            spec.expected
        ),
        What::HeartbeatDeleted { heartbeat, by } => {
            format!("{by} took the heartbeat {heartbeat} out.")
        }
        What::HeartbeatPaused { heartbeat, by } => {
            format!("{by} paused the heartbeat {heartbeat}.")
        }
        What::HeartbeatResumed { heartbeat, by } => {
            format!("{by} resumed the heartbeat {heartbeat}.")
        }
        What::HeartbeatScheduled {
            heartbeat,
            schedule,
            due_at,
        } => {
            let due = due_at.map_or_else(String::new, |at| format!(", next at {at}"));
            format!("The heartbeat {heartbeat} is expected {schedule}{due}.")
        }
        What::MessageEnded {
            message,
            outcome: went,
        } => format!("{message} {}.", outcome(went)),
        What::Unobserved { since } => {
            format!("Nobody looked since {since}: how components were until now is unknown.")
        }
        What::ReadinessAsked {
            readiness,
            due_at,
            rehearsal: true,
        } => format!("Readiness {readiness} is rehearsed: it must hold at {due_at}."),
        What::ReadinessAsked {
            readiness, due_at, ..
        } => format!("Readiness {readiness} must hold now, at {due_at}."),
        What::ReadinessHeld {
            readiness,
            due_at,
            rehearsal: true,
        } => format!("Readiness {readiness}, asked for {due_at}, already holds."),
        What::ReadinessHeld {
            readiness, due_at, ..
        } => format!("Readiness {readiness}, asked for {due_at}, holds."),
        What::OutageLearned {
            incident,
            since,
            told_at,
            until,
            ..
        } => format!(
            "A witness told customers, first at {told_at}, that the service could not be reached from {since} to {until}; that is {incident}."
        ),
        What::EdgeOrdered { change, by } => {
            format!("{by} ordered of the edge: {}.", edge_order(change))
        }
        What::PersonActed {
            by,
            act: done,
            about,
            from,
        } => format!("{by} {} ({from}).", act(*done, about)),
    }
}

fn named<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn planner(by: Option<&Observer>) -> &str {
    by.map_or("the configuration", Observer::as_str)
}

fn planned(maintenance: &MaintenanceId, what: &str, plan: &Plan, reason: Option<&str>) -> String {
    format!(
        "Maintenance {maintenance} of {} {what} from {} to {}.{}",
        named(plan.components.iter().map(|id| id.as_str())),
        plan.when.from,
        plan.when.until,
        because(reason)
    )
}

fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |why| format!(" Because: {}.", stripped(why)))
}

/// What a person ordered of the edge, as an imperative.
pub fn edge_order(change: &EdgeOrder) -> String {
    match change {
        EdgeOrder::Drain { pool, instance } => format!("drain {instance} of pool {pool}"),
        EdgeOrder::Admit { pool, instance } => format!("admit {instance} of pool {pool}"),
        EdgeOrder::Hold { pool, reason } => {
            format!("hold pool {pool}, because: {}", stripped(reason))
        }
        EdgeOrder::Release { pool } => format!("release pool {pool}"),
        EdgeOrder::SwitchOff {
            component, reason, ..
        } => format!("switch {component} off, because: {}", stripped(reason)),
        EdgeOrder::SwitchOn { component } => format!("switch {component} on"),
        EdgeOrder::ShowBanner { texts, .. } => {
            let languages: Vec<&str> = texts.keys().map(String::as_str).collect();
            let text = texts.get("en").or_else(|| texts.values().next());
            let text = text.map_or("", String::as_str);
            format!(
                "show a banner ({}): {}",
                languages.join(", "),
                stripped(text)
            )
        }
        EdgeOrder::HideBanner => "hide the banner".into(),
        EdgeOrder::CapTenant {
            tenant,
            requests_per_s_max: Some(most),
        } => format!("cap tenant {tenant} at {most} requests a second"),
        EdgeOrder::CapTenant { tenant, .. } => format!("lift the cap of tenant {tenant}"),
    }
}

/// What a person did, after their name.
pub fn act(act: Act, about: &str) -> String {
    let said = match act {
        Act::LoggedIn => "logged in",
        Act::LoginFailed => "was not let in",
        Act::LoggedOut => "logged out",
        Act::Ordered => "ordered",
        Act::PersonAdded => "let in",
        Act::PersonRemoved => "shut out",
        Act::PasswordSet => "set the password of",
        Act::Unlocked => "ended the waiting time of",
        Act::TokenCreated => "made the token",
        Act::TokenRevoked => "took back the token",
    };
    match (about, act) {
        ("", _) => said.into(),
        (about, Act::LoggedIn | Act::LoginFailed | Act::LoggedOut | Act::Ordered) => {
            format!("{said}: {about}")
        }
        (about, _) => format!("{said} {about}"),
    }
}

/// A public word as a sentence.
fn told(
    id: MessageId,
    status: IncidentStatus,
    person: Option<&PersonWord>,
    approved_by: Option<&Observer>,
) -> String {
    let status = status.as_str();
    match (person, approved_by) {
        (None, None) => format!("{id} to customers: {status}."),
        (None, Some(by)) => format!("{id} to customers, approved by {by}: {status}."),
        (Some(word), _) => {
            let text = word.text.as_ref();
            let text = text.map_or(String::new(), |free| {
                format!(" ({}) \"{}\"", free.language.tag(), free.text)
            });
            let reason = word.reason.as_ref();
            let reason = reason.map_or(String::new(), |why| {
                format!(" Against what is seen, because: {}.", stripped(why))
            });
            match word.corrects {
                Some(wrong) => format!(
                    "{id} to customers by {}: corrects {wrong}.{text}{reason}",
                    word.by
                ),
                None => format!("{id} to customers by {}: {status}.{text}{reason}", word.by),
            }
        }
    }
}

/// A ping as a sentence.
fn heard(ping: &Ping, ignored: bool) -> String {
    let said = match ping.signal {
        Signal::Success => "success".to_owned(),
        Signal::Start => "that a run began".to_owned(),
        Signal::Fail => "that a run failed".to_owned(),
        Signal::Log => "that a run is at work".to_owned(),
        Signal::Exit(status) => format!("that a run ended with exit status {status}"),
    };
    let run = ping
        .rid
        .as_ref()
        .map_or_else(String::new, |rid| format!(" (run {rid})"));
    let ignored = if ignored { "; it does not count" } else { "" };
    format!("Heartbeat {} said {said}{run}{ignored}.", ping.heartbeat)
}

/// How a run ended.
pub fn exit(exit: &Exit) -> String {
    match exit {
        Exit::Code(0) => "it succeeded".into(),
        Exit::Code(code) => format!("it failed with exit status {code}"),
        Exit::Signal(signal) => format!("it was ended by signal {signal}"),
        Exit::NotStarted(why) => format!("it was not started, because {}", stripped(why)),
        Exit::Lost => "nobody saw how".into(),
    }
}

/// How an action or a message went.
pub fn outcome(outcome: &Outcome) -> String {
    let text = stripped(outcome.text());
    match outcome {
        Outcome::Done(_) => format!("was done: {text}"),
        Outcome::NothingToDo(_) => format!("found nothing left to do: {text}"),
        Outcome::Refused(_) => format!("was refused by a last check: {text}"),
        Outcome::Failed(_) => format!("failed: {text}"),
    }
}

/// How far an action is, in a few words.
pub fn phase(phase: &Phase) -> String {
    match phase {
        Phase::Proposed { expires_at } => {
            let until = expires_at.strftime("%-d %b %H:%M UTC");
            format!("waits for your word until {until}")
        }
        Phase::Requested { .. } => "is being done".into(),
        Phase::Performed { outcome: went, .. } => {
            format!("{}; whether it helped is not seen yet", outcome(went))
        }
        Phase::Proven { reason, .. } => format!("helped: {}", stripped(reason)),
        Phase::Unproven { reason, .. } => format!("did not help: {}", stripped(reason)),
        Phase::Failed { outcome: went, .. } => outcome(went),
        Phase::Closed { reason, .. } => format!("came to nothing: {}", stripped(reason)),
        Phase::Withheld { why, .. } => format!("was not done: {}", withheld_word(why)),
    }
}

/// Why something was not done, as a sentence.
fn withheld(kind: ActionKind, why: &Withheld) -> String {
    match why {
        Withheld::Watching => format!("Evenkeel only watches here ({kind} is set to watch)."),
        Withheld::Held => "Actions are held.".into(),
        Withheld::BudgetSpent => format!("The budget for {kind} is spent."),
        Withheld::TooSoon => "The last one was too short a time ago.".into(),
        Withheld::Stopped => format!("{kind} is stopped, because it did not help before."),
        Withheld::NotOurs(rule) => format!("It is not ours to do: {}.", stripped(rule)),
        Withheld::Expired => "It was approved too late.".into(),
    }
}

/// Why something was not done, in a few words.
pub fn withheld_word(why: &Withheld) -> String {
    match why {
        Withheld::Watching => "the mode is watch".into(),
        Withheld::Held => "actions are held".into(),
        Withheld::BudgetSpent => "the budget is spent".into(),
        Withheld::TooSoon => "the last one was too short a time ago".into(),
        Withheld::Stopped => "it did not help before".into(),
        Withheld::NotOurs(rule) => stripped(rule).into(),
        Withheld::Expired => "it was approved too late".into(),
    }
}

fn severity_word(severity: evenkeel_core::finding::Severity) -> &'static str {
    use evenkeel_core::finding::Severity;
    match severity {
        Severity::Notice => "notice",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

/// Without the full stop that a sentence around it brings itself.
pub(crate) fn stripped(text: &str) -> &str {
    text.trim_end_matches('.')
}
