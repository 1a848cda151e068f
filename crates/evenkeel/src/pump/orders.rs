//! What people order: taken into a step, answered when that step is durable.
//!
//! An order that cannot do anything is refused before it reaches the core, with what to
//! do instead: the core would pass over it in silence, since to it an order is one more
//! observation. The core still has the last word; what it did not obey is refused too.
//!
//! At the bound ([`WAITING_MAX`]) an order is refused at once.

pub(crate) mod aftermath;
mod edge;
mod maintenance;
pub(crate) mod telling;

use std::time::Duration;

use axum::http::StatusCode;
use evenkeel_core::Timestamp;
use evenkeel_core::event::{Event, What};
use evenkeel_core::ids::ActionId;
use evenkeel_core::observation::{Act, Observation, Order, PersonAct, Seen};
use evenkeel_core::policy::Policy;
use evenkeel_core::record::{Phase, Record};
use tokio::sync::{mpsc, oneshot};

use crate::web::account;

/// Orders that may wait. People do not type that fast; scripts are told to wait.
pub const WAITING_MAX: usize = 64;

/// How long whoever ordered waits for the answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest reason that is kept, bytes.
const REASON_MAX: usize = 1000;

/// The longest name of a person that is kept, bytes.
const NAME_MAX: usize = 100;

/// Why an order was not taken, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Whose turn it is.
    pub kind: RefusalKind,
    /// One sentence that ends in what to do.
    pub why: String,
}

/// What sort of refusal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The order itself is not in order.
    Malformed,
    /// It names something that is not there.
    NotFound,
    /// It cannot be done as things stand.
    Conflict,
    /// Evenkeel cannot take it now; try again.
    Unavailable,
}

impl RefusalKind {
    /// The status of an answer over HTTP.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Refusal {
    fn new(kind: RefusalKind, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { kind, why }
    }

    /// The step that took it was void.
    pub(super) fn not_kept() -> Self {
        Self::new(
            RefusalKind::Unavailable,
            "the journal had to be opened anew and the order was not kept: give it again",
        )
    }
}

/// The revision at which an order is durable.
pub type Answer = Result<u64, Refusal>;

/// An order on its way through the pump.
pub(super) struct Placed {
    by: String,
    from: Option<String>,
    order: Order,
    answer: oneshot::Sender<Answer>,
}

/// Where orders are given.
#[derive(Debug, Clone)]
pub struct OrderDesk(mpsc::Sender<Placed>);

impl std::fmt::Debug for Placed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} by {}", self.order, self.by)
    }
}

impl OrderDesk {
    pub(super) fn new() -> (Self, mpsc::Receiver<Placed>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self(sender), receiver)
    }

    /// A desk nobody sits at: every order is refused. For pages over made-up records.
    pub fn empty() -> Self {
        Self::new().0
    }

    /// Gives an order on behalf of `by` and waits until what it did is durable.
    pub async fn place(&self, by: &str, order: Order) -> Answer {
        self.place_from(by, None, order).await
    }

    /// The same, and the journal keeps from where it was given.
    pub async fn place_from(&self, by: &str, from: Option<String>, order: Order) -> Answer {
        check_words(by, &order)?;
        let (answer, answered) = oneshot::channel();
        let placed = Placed {
            by: format!("operator:{by}"),
            from,
            order,
            answer,
        };
        self.0.try_send(placed).map_err(|error| {
            let why = match error {
                mpsc::error::TrySendError::Full(_) => {
                    "too many orders are waiting: try again in a moment"
                }
                mpsc::error::TrySendError::Closed(_) => {
                    "Evenkeel is stopping: start it again, then give the order again"
                }
            };
            Refusal::new(RefusalKind::Unavailable, why)
        })?;
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Refusal::new(
                RefusalKind::Unavailable,
                "Evenkeel stopped before the order was kept: start it again, then give the order again",
            )),
            Err(_) => Err(Refusal::new(
                RefusalKind::Unavailable,
                "the order could not be written to the journal yet and is still waiting: look at `/healthz` and `evenkeel status` before giving it again",
            )),
        }
    }
}

/// What is said of a reason that is none.
const REASON_WRONG: &str =
    "`reason` has to say why, at most 1000 bytes on one line: it is kept in the journal";

fn printable(text: &str) -> bool {
    !text.trim().is_empty() && !text.chars().any(char::is_control)
}

fn check_words(by: &str, order: &Order) -> Result<(), Refusal> {
    let malformed = |why: &str| Err(Refusal::new(RefusalKind::Malformed, why));
    if by.len() > NAME_MAX || !printable(by) {
        return malformed("`by` has to be your name, at most 100 bytes on one line");
    }
    if let Order::Edge(change) = order
        && let Some(why) = edge::malformed(change)
    {
        return malformed(why);
    }
    if let Order::Maintenance(order) = order
        && let Some(why) = maintenance::malformed(order)
    {
        return malformed(why);
    }
    if let Some(why) = telling::malformed(order).or_else(|| aftermath::malformed(order)) {
        return malformed(why);
    }
    let (Order::Refuse { reason, .. }
    | Order::RefuseWord { reason, .. }
    | Order::HoldActions { reason }
    | Order::ReleaseActions { reason }) = order
    else {
        return Ok(());
    };
    if reason.len() > REASON_MAX || !printable(reason) {
        return malformed(REASON_WRONG);
    }
    Ok(())
}

/// Why an order to tell customers something would be refused now; `None` where it would not.
pub(crate) fn doubt(
    by: &str,
    order: &Order,
    record: &Record,
    policy: &Policy,
    now: Timestamp,
) -> Option<Refusal> {
    let words = check_words(by, order).err();
    words.or_else(|| telling::objection(order, record, policy, now))
}

/// An order as one would type it.
pub fn in_words(order: &Order) -> String {
    match order {
        Order::Approve { action } => format!("approve {action}"),
        Order::Refuse { action, reason } => format!("refuse {action}, because: {reason}"),
        Order::HoldActions { reason } => format!("hold-actions, because: {reason}"),
        Order::ReleaseActions { reason } => format!("release-actions, because: {reason}"),
        Order::Acknowledge { incident } => format!("acknowledge {incident}"),
        Order::StartJob { job } => format!("start {job}"),
        Order::LiftStop { kind, scope } => format!("approve --lift {kind} {scope}"),
        Order::Edge(change) => account::edge_order(change),
        Order::Maintenance(order) => maintenance::in_words(order),
        Order::Tell(_)
        | Order::Correct(_)
        | Order::ApproveWord { .. }
        | Order::RefuseWord { .. } => telling::in_words(order).unwrap_or_default(),
        Order::Postmortem { .. } | Order::Notice { .. } => {
            aftermath::in_words(order).unwrap_or_default()
        }
    }
}

impl Placed {
    /// What the core is told of it: that it was given, and the order itself.
    pub(super) fn observations(&self, now: Timestamp) -> impl Iterator<Item = Observation> {
        let given = self.from.clone().map(|from| {
            Seen::PersonAct(PersonAct {
                act: Act::Ordered,
                about: in_words(&self.order),
                from,
            })
        });
        let by = self.by.clone();
        let seen = given.into_iter().chain([Seen::Order(self.order.clone())]);
        seen.map(move |seen| Observation {
            at: now,
            by: by.as_str().into(),
            seen,
        })
    }

    pub(super) fn answer(self, answer: Answer) {
        // Whoever asked may have gone; what was ordered is done all the same.
        let _gone = self.answer.send(answer);
    }

    /// Answers once the step that took it is durable.
    pub(super) fn conclude(self, events: &[Event], revision: u64) {
        let answer = if was_obeyed(&self.order, events) {
            Ok(revision)
        } else {
            Err(Refusal::new(
                RefusalKind::Conflict,
                "the order changed nothing: things have moved on; look at `evenkeel status`",
            ))
        };
        self.answer(answer);
    }

    /// Why it cannot do anything, where that can be seen beforehand.
    pub(super) fn objection(
        &self,
        record: &Record,
        policy: &Policy,
        now: Timestamp,
    ) -> Option<Refusal> {
        let not_found = |why| Some(Refusal::new(RefusalKind::NotFound, why));
        let conflict = |why| Some(Refusal::new(RefusalKind::Conflict, why));
        match &self.order {
            Order::Approve { action } => match (unproposed(record, *action), &record.held) {
                (Some(refusal), _) => Some(refusal),
                (None, Some(held)) => conflict(format!(
                    "actions are held by {} ({}): release them first with `evenkeel release-actions --reason WHY`",
                    held.by, held.reason
                )),
                (None, None) => match record.actions.get(action).map(|state| &state.phase) {
                    Some(Phase::Proposed { expires_at }) if *expires_at <= now => {
                        conflict(format!(
                            "{action} expired at {expires_at}: if its cause is still there it is proposed anew"
                        ))
                    }
                    _ => None,
                },
            },
            Order::Refuse { action, .. } => unproposed(record, *action),
            Order::HoldActions { .. } | Order::ReleaseActions { .. } => None,
            Order::Acknowledge { incident } => {
                if record.incidents.contains_key(incident) {
                    return None;
                }
                not_found(format!(
                    "there is no incident {incident}: `evenkeel incidents` lists them"
                ))
            }
            Order::Tell(_) | Order::Correct(_) => {
                telling::objection(&self.order, record, policy, now)
            }
            Order::ApproveWord { incident } | Order::RefuseWord { incident, .. } => {
                telling::not_waiting(*incident, record)
            }
            Order::Postmortem { .. } | Order::Notice { .. } => {
                aftermath::objection(&self.order, record, policy)
            }
            Order::StartJob { job } => {
                if !policy.jobs.contains_key(job) {
                    let known: Vec<&str> = policy.jobs.keys().map(|job| job.as_str()).collect();
                    return not_found(format!(
                        "there is no job {job} in the configuration (there is: {})",
                        known.join(", ")
                    ));
                }
                let open = record.jobs.get(job)?.open_runs.first()?;
                conflict(format!(
                    "run {open} of job {job} is still there: wait for it, or end it"
                ))
            }
            Order::Edge(change) => edge::objection(change, record, policy),
            Order::Maintenance(order) => maintenance::objection(order, record, policy, now),
            Order::LiftStop { kind, scope } => {
                if record.stops.contains_key(&(*kind, scope.clone())) {
                    return None;
                }
                conflict(format!(
                    "{kind} is not stopped for {scope}: nothing to lift"
                ))
            }
        }
    }
}

fn unproposed(record: &Record, id: ActionId) -> Option<Refusal> {
    let Some(state) = record.actions.get(&id) else {
        return Some(Refusal::new(
            RefusalKind::NotFound,
            format!("there is no action {id}: `evenkeel status` lists what waits for your word"),
        ));
    };
    if matches!(state.phase, Phase::Proposed { .. }) {
        return None;
    }
    Some(Refusal::new(
        RefusalKind::Conflict,
        format!(
            "{id} does not wait for your word ({}): `evenkeel status` lists what does",
            account::phase(&state.phase)
        ),
    ))
}

fn was_obeyed(order: &Order, events: &[Event]) -> bool {
    let any = |test: &dyn Fn(&What) -> bool| events.iter().any(|event| test(&event.what));
    match order {
        Order::Approve { action: id } => any(
            &|what| matches!(what, What::ActionRequested { action, approved_by: Some(_) } if action.id == *id),
        ),
        Order::Refuse { action: id, .. } => any(
            &|what| matches!(what, What::ActionClosed { action, by: Some(_), .. } if action == id),
        ),
        // Held already, or released already, is what was wanted; and what the edge does already.
        Order::HoldActions { .. } | Order::ReleaseActions { .. } | Order::Edge(_) => true,
        Order::Maintenance(order) => maintenance::was_obeyed(order, events),
        Order::Acknowledge { incident: id } => any(
            &|what| matches!(what, What::IncidentAcknowledged { incident, .. } if incident == id),
        ),
        Order::Tell(_)
        | Order::Correct(_)
        | Order::ApproveWord { .. }
        | Order::RefuseWord { .. } => telling::was_obeyed(order, events).unwrap_or_default(),
        Order::Postmortem { .. } | Order::Notice { .. } => {
            aftermath::was_obeyed(order, events).unwrap_or_default()
        }
        Order::StartJob { job: id } => {
            any(&|what| matches!(what, What::SlotTaken { job, .. } if job == id))
        }
        Order::LiftStop {
            kind: stopped,
            scope: id,
        } => any(
            &|what| matches!(what, What::StopLifted { kind, scope, .. } if kind == stopped && scope == id),
        ),
    }
}
