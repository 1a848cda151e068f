//! What the lines of a case mean.
//!
//! ```text
//! # The guarantee.
//! component login needs=main          configuration, before the first time
//! database main waiters_min=2 end_runs=true end_roles=batch,report
//! job export stall=60s deadline=2h retries=2 backoff=1s product=100 concurrency=queue
//! may end_run job:export act budget=3
//! @1s due export                      at one second, the slot of export comes due
//! @2s start export                    its newest run begins
//! @3s progress export cpu=10 io=5     a picture of it
//! @4s waits main 100:export <- 7:login 8:login
//! check login interval=30s components=login harm=major_outage failures=2
//! @5s fails login step=log_in why=500 from=eu
//! @5s                                 a step although nothing was seen
//! @5s..9s/1s progress export          the same line again and again
//! heartbeat backup every=1h grace=10m, ping backup start rid=a   see `heartbeats.rs`
//! pool web instances=web-1, levels web-1 memory=100+2t/512       see `levels.rs`
//! pool web instances=web-1,web-2, edge web web-1 web-2:down      see `edge.rs`
//! maintenance night components=login, plan login 10m..40m        see `maintenance.rs`
//! target cdn
//! @6s copy cdn until=5m why=refused   its copy is valid until five minutes
//! ```
//! `export` where a run is meant is the newest run of the job; a session is `PID:WHO`,
//! where WHO is a job (its newest run), a component, or `role=R`, `superuser`,
//! `type=walsender`, `elsewhere`.

use std::fmt::Write as _;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::{ActionKind, Outcome};
use evenkeel_core::authority::{Grant, Mode};
use evenkeel_core::event::{Event, What};
use evenkeel_core::ids::{JobId, RunId};
use evenkeel_core::observation::*;
use evenkeel_core::policy::{
    CheckPolicy, ComponentPolicy, Concurrency, DatabasePolicy, JobPolicy, Pattern, Policy,
    ProductPolicy, ReadinessPolicy,
};
use evenkeel_core::record::Record;
use evenkeel_core::status::Status;
use evenkeel_core::step::{State, step};
use evenkeel_core::subject::{Backend, Subject};

use super::say::say;

/// A parsed case.
pub(crate) struct Script {
    policy: Policy,
    steps: Vec<(Timestamp, Vec<String>)>,
}

/// What the core decided.
pub(crate) struct Decided {
    pub(crate) text: String,
    pub(crate) events: Vec<What>,
}

pub(crate) fn epoch() -> Timestamp {
    Timestamp::from_second(1_767_225_600).expect("2026-01-01")
}

pub(crate) fn at(span: Duration) -> Timestamp {
    evenkeel_core::time::after(epoch(), span)
}

pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| c.is_alphabetic())
        .ok_or(format!("no unit in `{text}`"))?;
    let number: u64 = text[..split]
        .parse()
        .map_err(|_| format!("no number in `{text}`"))?;
    let ms = match &text[split..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        unit => return Err(format!("no such unit: {unit}")),
    };
    Ok(Duration::from_millis(number * ms))
}

pub(crate) fn option<'a>(words: &'a [&str], name: &str) -> Option<&'a str> {
    words
        .iter()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

pub(crate) fn span_option(words: &[&str], name: &str) -> Result<Option<Duration>, String> {
    option(words, name).map(span).transpose()
}

fn number<T: std::str::FromStr>(words: &[&str], name: &str) -> Result<Option<T>, String> {
    option(words, name)
        .map(|text| {
            text.parse()
                .map_err(|_| format!("{name} is no number: {text}"))
        })
        .transpose()
}

fn patterns(text: Option<&str>) -> Vec<Pattern> {
    text.into_iter()
        .flat_map(|text| text.split(','))
        .map(Pattern::new)
        .collect()
}

impl Script {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut script = Self {
            policy: Policy::default(),
            steps: Vec::new(),
        };
        for line in text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            match line.strip_prefix('@') {
                Some(seen) => script.add_step(seen)?,
                None => script
                    .configure(line)
                    .map_err(|error| format!("{line}: {error}"))?,
            }
        }
        Ok(script)
    }

    fn add_step(&mut self, line: &str) -> Result<(), String> {
        let (when, seen) = line.split_once(' ').unwrap_or((line, ""));
        let times: Vec<Timestamp> = match when.split_once("..") {
            None => vec![at(span(when)?)],
            Some((from, rest)) => {
                let (to, every) = rest.split_once('/').ok_or("a range needs /INTERVAL")?;
                let (from, to, every) = (span(from)?, span(to)?, span(every)?);
                let count = (to - from).as_millis() / every.as_millis();
                (0..=count as u32).map(|n| at(from + every * n)).collect()
            }
        };
        for time in times {
            let seen: Vec<String> = seen
                .split(" & ")
                .filter(|s| !s.trim().is_empty())
                .map(Into::into)
                .collect();
            match self.steps.last_mut() {
                Some((last, list)) if *last == time => list.extend(seen),
                _ => self.steps.push((time, seen)),
            }
        }
        self.steps.sort_by_key(|(time, _)| *time);
        Ok(())
    }

    fn configure(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [what, id, options @ ..] = &words[..] else {
            return Err("two words at least".into());
        };
        match *what {
            "component" => {
                let needs = option(options, "needs")
                    .into_iter()
                    .map(Into::into)
                    .collect();
                let position = self.policy.components.len() as u32;
                let policy = ComponentPolicy {
                    name: capital(id),
                    position,
                    needs,
                };
                self.policy.components.insert((*id).into(), policy);
            }
            "database" => {
                let mut policy = DatabasePolicy {
                    idle_in_transaction: span_option(options, "idle_in_transaction")?,
                    connections_pct: number(options, "connections_pct")?,
                    transaction_age: span_option(options, "transaction_age")?,
                    ..Default::default()
                };
                let locks = &mut policy.locks;
                locks.waiters_min = number(options, "waiters_min")?.unwrap_or(locks.waiters_min);
                locks.end_runs = option(options, "end_runs") != Some("false");
                locks.end_queued_ddl = option(options, "end_queued_ddl") == Some("true");
                locks.end_roles = patterns(option(options, "end_roles"));
                locks.end_applications = patterns(option(options, "end_applications"));
                self.policy.databases.insert((*id).into(), policy);
            }
            "job" => {
                let defaults = JobPolicy::default();
                let mut retry = defaults.retry.clone();
                retry.budget = number(options, "retries")?.unwrap_or(0);
                retry.backoff = span_option(options, "backoff")?.unwrap_or(retry.backoff);
                let policy = JobPolicy {
                    stall: span_option(options, "stall")?,
                    deadline: span_option(options, "deadline")?,
                    concurrency: match option(options, "concurrency") {
                        None | Some("forbid") => Concurrency::Forbid,
                        Some("queue") => Concurrency::Queue,
                        Some("replace") => Concurrency::Replace,
                        Some(other) => return Err(format!("no such concurrency: {other}")),
                    },
                    retry,
                    product: number(options, "product")?.map(|bytes_min| ProductPolicy {
                        bytes_min,
                        rows_min: None,
                    }),
                    components: option(options, "components")
                        .into_iter()
                        .map(Into::into)
                        .collect(),
                    ..defaults
                };
                self.policy.jobs.insert((*id).into(), policy);
            }
            "check" => {
                let defaults = CheckPolicy::default();
                let list = |name| -> Vec<&str> {
                    option(options, name)
                        .into_iter()
                        .flat_map(|l| l.split(','))
                        .collect()
                };
                let policy = CheckPolicy {
                    name: capital(id),
                    components: list("components").into_iter().map(Into::into).collect(),
                    harm: match option(options, "harm") {
                        None | Some("partial_outage") => Status::PartialOutage,
                        Some("major_outage") => Status::MajorOutage,
                        Some(other) => return Err(format!("no such harm: {other}")),
                    },
                    failures: number(options, "failures")?.unwrap_or(defaults.failures),
                    interval: span_option(options, "interval")?.unwrap_or(defaults.interval),
                    slow_after: span_option(options, "slow_after")?,
                    quorum: number(options, "quorum")?.unwrap_or(defaults.quorum),
                    ..defaults
                };
                if options.contains(&"reference") {
                    self.policy.references.insert((*id).into());
                }
                self.policy.checks.insert((*id).into(), policy);
            }
            "readiness" => {
                let list = |name| -> Vec<&str> {
                    option(options, name)
                        .into_iter()
                        .flat_map(|l| l.split(','))
                        .collect()
                };
                let policy = ReadinessPolicy {
                    name: capital(id),
                    checks: list("checks").into_iter().map(Into::into).collect(),
                    products: list("products").into_iter().map(Into::into).collect(),
                };
                self.policy.readiness.insert((*id).into(), policy);
            }
            "may" => {
                let [scope, mode, options @ ..] = options else {
                    return Err("may KIND SCOPE MODE".into());
                };
                let kind = action_kind(id)?;
                let mut grant = Grant::default_for(kind);
                grant.mode = match *mode {
                    "watch" => Mode::Watch,
                    "propose" => Mode::Propose,
                    "act" => Mode::Act,
                    other => return Err(format!("no such mode: {other}")),
                };
                grant.budget = number(options, "budget")?.unwrap_or(grant.budget);
                grant.interval_min =
                    span_option(options, "interval")?.unwrap_or(grant.interval_min);
                self.policy
                    .authority
                    .grants
                    .insert((kind, subject(scope)?), grant);
            }
            "heartbeat" => {
                let spec = crate::heartbeats::spec(id, options)?;
                self.policy.heartbeats.insert((*id).into(), spec);
            }
            "target" => {
                self.policy.targets.insert((*id).into());
            }
            "route" => crate::edge::route(&mut self.policy, id, options)?,
            "maintenance" | "peak" => {
                crate::maintenance::configure(what, id, options, &mut self.policy)?;
            }
            other => {
                if !crate::levels::configure(other, id, options, &mut self.policy)? {
                    return Err(format!("no such section: {other}"));
                }
                crate::edge::pool(&mut self.policy, id, options)?;
            }
        }
        Ok(())
    }

    pub(crate) fn run(&self) -> Result<Decided, String> {
        let mut state = State::default();
        let mut journal: Vec<Event> = Vec::new();
        let mut decided = Decided {
            text: String::new(),
            events: Vec::new(),
        };
        for (now, seen) in &self.steps {
            let mut inputs = Vec::new();
            for line in seen {
                if line == "restart" {
                    state = State::after_restart(state.record.clone());
                    continue;
                }
                let by = line
                    .split_whitespace()
                    .find_map(|word| word.strip_prefix("from="));
                let heartbeat = crate::heartbeats::see(line, &self.policy, &state.record, *now);
                let levels = crate::levels::see(line, &self.policy, *now);
                let planned = crate::maintenance::see(line);
                let known = heartbeat.transpose().or(levels.transpose());
                let seen = match known.or(planned.transpose()) {
                    Some(seen) => seen,
                    None => match crate::edge::see(line, *now).transpose() {
                        Some(seen) => seen,
                        None => see(line, &state.record, *now),
                    },
                };
                let seen = seen.map_err(|e| format!("{line}: {e}"))?;
                inputs.push(Observation {
                    at: *now,
                    by: by.unwrap_or("case").into(),
                    seen,
                });
            }
            crate::heartbeats::number(&mut inputs, &state.record);
            let events = step(&mut state, &self.policy, &inputs, *now);
            let again = step(&mut state, &self.policy, &inputs, *now);
            if !again.is_empty() {
                return Err(format!("running {seen:?} again decides anew: {again:?}"));
            }
            journal.extend(events.iter().cloned());
            let mut folded = Record::default();
            journal.iter().for_each(|event| folded.apply(event));
            if folded != state.record {
                return Err(format!("after {seen:?} the folded record differs"));
            }
            state.memory = read_back(&state.memory).map_err(|e| format!("memory: {e}"))?;
            if read_back(&inputs).map_err(|e| format!("observations: {e}"))? != inputs {
                return Err(format!("{seen:?} comes back otherwise than it was written"));
            }
            if !events.is_empty() {
                let ms = evenkeel_core::time::since(epoch(), *now).as_millis();
                writeln!(
                    decided.text,
                    "@{}.{:03}s {}",
                    ms / 1000,
                    ms % 1000,
                    seen.join(" & ")
                )
                .map_err(|e| e.to_string())?;
            }
            for event in events {
                writeln!(decided.text, "  {}", say(&event.what)).map_err(|e| e.to_string())?;
                decided.events.push(event.what);
            }
        }
        Ok(decided)
    }
}

/// As the flight recorder has it: written down and read again.
fn read_back<T>(value: &T) -> Result<T, String>
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq,
{
    let text = serde_json::to_string(value).map_err(|e| e.to_string())?;
    let read: T = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    if read != *value {
        return Err(format!("what was read is not what was written: {text}"));
    }
    Ok(read)
}

fn capital(id: &str) -> String {
    let mut chars = id.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

fn action_kind(name: &str) -> Result<ActionKind, String> {
    ActionKind::ALL
        .iter()
        .find(|kind| kind.as_str() == name)
        .copied()
        .ok_or(format!("no such action: {name}"))
}

fn subject(text: &str) -> Result<Subject, String> {
    match text.split_once(':') {
        Some(("job", id)) => Ok(Subject::Job(id.into())),
        Some(("database", id)) => Ok(Subject::Database(id.into())),
        Some(("pool", id)) => Ok(Subject::Pool(id.into())),
        _ => Err(format!("no such subject: {text}")),
    }
}

fn newest_run(record: &Record, job: &str) -> Result<RunId, String> {
    record
        .runs
        .iter()
        .filter(|(_, state)| state.job.as_str() == job)
        .max_by_key(|(_, state)| (state.ended.is_none(), state.scheduled_at, state.attempt))
        .map(|(run, _)| run.clone())
        .ok_or(format!("{job} has no run"))
}

fn see(line: &str, record: &Record, now: Timestamp) -> Result<Seen, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [verb, about, rest @ ..] = &words[..] else {
        return Err("two words at least".into());
    };
    let job = || JobId::from(*about);
    Ok(match *verb {
        "due" => Seen::ScheduleDue(ScheduleDue {
            job: job(),
            scheduled_at: now,
        }),
        "start" => Seen::RunStart(RunStart {
            run: newest_run(record, about)?,
            job: job(),
            started_at: now,
            origin: Origin::Keeper,
        }),
        "wrapped" => Seen::RunStart(RunStart {
            run: format!("{about}-wrapped").into(),
            job: job(),
            started_at: now,
            origin: Origin::Wrapper,
        }),
        "progress" => Seen::RunProgress(RunProgress {
            run: newest_run(record, about)?,
            cpu_ms: number(rest, "cpu")?.unwrap_or(0),
            io_bytes: number(rest, "io")?.unwrap_or(0),
            output_bytes: number(rest, "output")?.unwrap_or(0),
            reports: number(rest, "reports")?.unwrap_or(0),
            processes: number(rest, "processes")?.unwrap_or(1),
        }),
        "exit" => {
            let exit = match rest.first().copied() {
                Some("lost") => Exit::Lost,
                Some(text) => match text.strip_prefix("signal=") {
                    Some(signal) => Exit::Signal(signal.parse().map_err(|_| "a signal")?),
                    None => Exit::Code(text.parse().map_err(|_| "an exit status")?),
                },
                None => return Err("exit JOB STATUS".into()),
            };
            Seen::RunExit(RunExit {
                run: newest_run(record, about)?,
                job: job(),
                ended_at: now,
                exit,
            })
        }
        "expect" => Seen::ProductDue(ProductDue {
            job: job(),
            due_at: now,
            fresh_since: at(span_option(rest, "fresh_since")?.unwrap_or_default()),
        }),
        "product" => {
            let state = match rest.first().copied() {
                Some("absent") => ProductState::Absent,
                Some("unreachable") => ProductState::Unreachable("it does not answer".into()),
                _ => ProductState::Present {
                    bytes: number(rest, "bytes")?.ok_or("bytes=N")?,
                    modified_at: span_option(rest, "modified")?.map_or(now, at),
                    complete: option(rest, "complete").map(|text| text == "true"),
                    rows: number(rest, "rows")?,
                },
            };
            Seen::ProductReport(ProductReport { job: job(), state })
        }
        "waits" => Seen::LockWaits(LockWaits {
            database: (*about).into(),
            chains: rest
                .split(|word| *word == "|")
                .filter(|chain| !chain.is_empty())
                .map(|chain| lock_chain(chain, about, record))
                .collect::<Result<_, _>>()?,
            left_out: 0,
        }),
        "backends" => Seen::RunBackends(RunBackends {
            database: (*about).into(),
            sessions: rest
                .iter()
                .map(|word| session(word, about, record))
                .collect::<Result<_, _>>()?,
        }),
        "load" => {
            let used = number(rest, "used")?.unwrap_or(1);
            let idle = option(rest, "idle")
                .map(|word| session(word, about, record))
                .transpose()?;
            let idle = idle.map(|session| Session {
                state: SessionState::IdleInTransaction,
                ..session
            });
            Seen::DatabaseLoad(DatabaseLoad {
                database: (*about).into(),
                connections_used: used,
                connections_max: 100,
                oldest_transaction: option(rest, "oldest")
                    .map(|word| session(word, about, record))
                    .transpose()?,
                idle_in_transaction: idle.into_iter().collect(),
                prepared: Vec::new(),
            })
        }
        "blind" => sight(about, Some("it does not answer".into())),
        "sees" => sight(about, None),
        "done" | "failed" | "refused" => {
            let text = rest.join(" ");
            let outcome = match *verb {
                "done" => Outcome::Done(text),
                "failed" => Outcome::Failed(text),
                _ => Outcome::Refused(text),
            };
            let action = about.parse().map_err(|e| format!("{e}"))?;
            Seen::ActionOutcome(ActionOutcome {
                action,
                outcome,
                evidence: None,
            })
        }
        "approve" => Seen::Order(Order::Approve {
            action: about.parse().map_err(|e| format!("{e}"))?,
        }),
        "refuse" => Seen::Order(Order::Refuse {
            action: about.parse().map_err(|e| format!("{e}"))?,
            reason: rest.join(" "),
        }),
        "hold" => Seen::Order(Order::HoldActions {
            reason: (*about).into(),
        }),
        "release" => Seen::Order(Order::ReleaseActions {
            reason: (*about).into(),
        }),
        "lift" => Seen::Order(Order::LiftStop {
            kind: action_kind(about)?,
            scope: subject(rest.first().ok_or("lift KIND SCOPE")?)?,
        }),
        "passes" | "fails" | "unmade" => Seen::CheckResult(CheckResult {
            check: (*about).into(),
            outcome: match *verb {
                "passes" => CheckOutcome::Passed,
                "fails" => CheckOutcome::Failed {
                    why: option(rest, "why").unwrap_or("no answer").replace('_', " "),
                    step: option(rest, "step").map(Into::into),
                },
                _ => CheckOutcome::NotMade {
                    why: "no file descriptors are left".into(),
                },
            },
            took_ms: span_option(rest, "took")?.map_or(20, |took| took.as_millis() as u32),
            certificate_expires_at: span_option(rest, "certificate")?
                .map(|left| evenkeel_core::time::after(now, left)),
        }),
        "copy" => Seen::CopyReport(CopyReport {
            target: (*about).into(),
            valid_until: at(span_option(rest, "until")?.ok_or("until=SPAN")?),
            trouble: option(rest, "why").map(|why| why.replace('_', " ")),
        }),
        "outside" => Seen::OutsideWord(OutsideWord {
            since: at(span_option(rest, "since")?.ok_or("since=SPAN")?),
            told_at: at(span_option(rest, "told")?.ok_or("told=SPAN")?),
            until: now,
            components: about
                .split(',')
                .map(|id| (id.into(), Status::MajorOutage))
                .collect(),
        }),
        "absent" => Seen::Absence(Absence {
            since: at(span(about)?),
        }),
        "ready" | "rehearse" => Seen::ReadinessDue(ReadinessDue {
            readiness: (*about).into(),
            due_at: span_option(rest, "at")?.map_or(now, at),
            rehearsal: *verb == "rehearse",
        }),
        "order" => Seen::Order(Order::StartJob { job: job() }),
        other => return Err(format!("no such observation: {other}")),
    })
}

/// Of a database, or with `instance:` before its name of an instance.
fn sight(about: &str, blind: Option<String>) -> Seen {
    let of = match about.strip_prefix("instance:") {
        Some(instance) => Subject::Instance(instance.into()),
        None => Subject::Database(about.into()),
    };
    Seen::Sight(Sight { of, blind })
}

fn lock_chain(words: &[&str], database: &str, record: &Record) -> Result<LockChain, String> {
    let [root, "<-", waiters @ ..] = words else {
        return Err("ROOT <- WAITER ...".into());
    };
    let root_pid = root
        .split(':')
        .next()
        .and_then(|pid| pid.parse().ok())
        .unwrap_or(0);
    let root = match root.strip_prefix("prepared:") {
        Some(gid) => LockRoot::Prepared {
            gid: gid.into(),
            owner: "backoffice".into(),
            prepared_at: epoch(),
        },
        None => LockRoot::Session(session(root, database, record)?),
    };
    let waiters = waiters
        .iter()
        .map(|word| {
            let (who, behind) = word
                .split_once('>')
                .map_or((*word, root_pid), |(who, behind)| {
                    (who, behind.parse().unwrap_or(root_pid))
                });
            Ok(LockWaiter {
                session: Session {
                    state: SessionState::Active,
                    waits_for: "Lock/transactionid".into(),
                    ..session(who, database, record)?
                },
                waits_for_pids: vec![behind],
                since: epoch(),
                wants: "ShareLock on transaction".into(),
            })
        })
        .collect::<Result<_, String>>()?;
    Ok(LockChain { root, waiters })
}

fn session(word: &str, database: &str, record: &Record) -> Result<Session, String> {
    let mut parts = word.split(':');
    let pid = parts
        .next()
        .and_then(|pid| pid.parse().ok())
        .ok_or(format!("no pid in {word}"))?;
    let mut session = Session {
        backend: Backend {
            database: database.into(),
            pid,
            backend_start: epoch(),
        },
        xact_start: Some(epoch()),
        role: "backoffice".into(),
        superuser: false,
        backend_type: "client backend".into(),
        datname: "backoffice".into(),
        in_scope: true,
        application_name: "backoffice".into(),
        state: SessionState::IdleInTransaction,
        state_since: Some(epoch()),
        waits_for: "Client/ClientRead".into(),
        query: "update users".into(),
        run: None,
        component: None,
    };
    for part in parts {
        match part.split_once('=') {
            Some(("role", role)) => session.role = role.into(),
            Some(("app", name)) => session.application_name = name.into(),
            Some(("type", kind)) => session.backend_type = kind.replace('_', " "),
            Some(("xact", text)) => session.xact_start = Some(at(span(text)?)),
            Some(("run", run)) => session.run = Some(run.into()),
            None if part == "superuser" => session.superuser = true,
            None if part == "elsewhere" => {
                session.in_scope = false;
                session.datname = "other".into();
            }
            None if part == "active" => {
                session.state = SessionState::Active;
                session.waits_for = String::new();
            }
            None if part == "ddl" => session.query = "alter table users".into(),
            None => match newest_run(record, part) {
                Ok(run) => {
                    session.application_name = format!("evenkeel/{run}");
                    session.run = Some(run);
                }
                Err(_) => session.component = Some(part.into()),
            },
            _ => return Err(format!("no such attribute: {part}")),
        }
    }
    Ok(session)
}
