//! Takes what is due to its receivers: one engine for mail, webhooks and announcements.
//!
//! One task takes bites from the queue at the pace that is allowed, some lanes send, one task
//! writes down how it went, many rows in one change of the file. At most [`HELD`] rows for
//! each lane are taken and not written down: that, and not the number of subscribers, is
//! what memory holds, and what a crash may leave in doubt.
//!
//! | queue | bound | at the bound |
//! |---|---|---|
//! | rows to send | [`HELD`] for each lane | no further bite is taken |
//! | what is to be written down | the same | lanes wait |

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::time;
use evenkeel_guards::guard::BoxFuture;
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Subscribers;
use super::standing::Failure;
use super::store::Kind;
use super::store::queue::{Due, Pace, Verdict, Went};

/// Rows of one lane that are taken and not written down yet.
pub const HELD: usize = 4;

/// Rows that are looked at in one bite.
const LOOKED_AT: usize = 256;

/// How long nothing is asked of a queue that was found empty, unless somebody rings.
const IDLE: Duration = Duration::from_secs(5);

/// A lane without work lets go of its connection after this.
const LANE_IDLE: Duration = Duration::from_secs(3);

/// How long lanes may take to end what they are at when the program stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// How something went, as a lane sees it.
#[derive(Debug)]
pub(super) enum Sent {
    /// The receiver said so.
    Said(Verdict),
    /// The way there is broken: the receiver is not at fault.
    Broken(String),
}

/// One way of sending.
pub(super) trait Way: Send + Sync + 'static {
    /// Which.
    fn kind(&self) -> Kind;
    /// How much, how fast.
    fn bounds(&self) -> Bounds;
    /// Somebody who sends one after the other.
    fn lane(self: Arc<Self>) -> Box<dyn Lane>;
}

/// Sends one after the other.
pub(super) trait Lane: Send {
    /// Sends it; bounded in time.
    fn send<'a>(&'a mut self, due: &'a Due) -> BoxFuture<'a, Sent>;
    /// There is nothing to do for a while.
    fn rest(&mut self) -> BoxFuture<'_, ()>;
}

/// Sends each by itself, with nothing to keep open or to end in between.
pub(super) trait SendsEach: Send + Sync {
    /// Sends it; bounded in time.
    fn send<'a>(&'a self, due: &'a Due) -> BoxFuture<'a, Sent>;
}

/// A lane of a way that sends each by itself.
pub(super) struct EachLane<W>(pub(super) Arc<W>);

impl<W: SendsEach> Lane for EachLane<W> {
    fn send<'a>(&'a mut self, due: &'a Due) -> BoxFuture<'a, Sent> {
        self.0.send(due)
    }

    fn rest(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// How much is sent at once, and how fast.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) lanes: usize,
    pub(super) per_second: u32,
    pub(super) per_domain: u32,
}

/// Paces by domain: so many in a second; what comes on top is given a time of its own, once.
struct Paces {
    per_domain: u32,
    domains: HashMap<String, Domain>,
}

struct Domain {
    /// How many may go now, in thousandths.
    room: u64,
    refilled_at: Timestamp,
    /// The next time that nobody was given.
    free_at: Timestamp,
}

impl Paces {
    fn new(per_domain: u32) -> Self {
        Self {
            per_domain: per_domain.max(1),
            domains: HashMap::new(),
        }
    }

    fn of(&mut self, domain: &str, now: Timestamp) -> Pace {
        let full = u64::from(self.per_domain) * 1000;
        let one = self.domains.entry(domain.to_owned()).or_insert(Domain {
            room: full,
            refilled_at: now,
            free_at: now,
        });
        let passed = time::since(one.refilled_at, now).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        one.room = one
            .room
            .saturating_add(passed.saturating_mul(self.per_domain.into()))
            .min(full);
        one.refilled_at = now;
        if one.room >= 1000 {
            one.room -= 1000;
            return Pace::Now;
        }
        let apart = Duration::from_secs(1) / self.per_domain;
        one.free_at = time::after(one.free_at.max(now), apart);
        Pace::At(one.free_at)
    }

    /// Forgets whom nothing went to for a while.
    fn forget(&mut self, now: Timestamp) {
        let long = Duration::from_secs(10);
        self.domains
            .retain(|_, one| one.free_at > now || time::since(one.refilled_at, now) < long);
    }
}

/// Sends until told to stop.
pub(super) async fn run(own: Subscribers, way: Arc<dyn Way>, mut stop: watch::Receiver<bool>) {
    let kind = way.kind();
    let bounds = way.bounds();
    let lanes = bounds.lanes.max(1);
    let (to_lanes, work) = mpsc::channel::<Due>(lanes * HELD);
    let (say, said) = mpsc::channel::<(Due, Sent)>(lanes * HELD);
    let work = Arc::new(Mutex::new(work));
    let held = Arc::new(Held::default());
    let mut tasks = JoinSet::new();
    for _ in 0..lanes {
        tasks.spawn(drive(way.clone().lane(), work.clone(), say.clone()));
    }
    drop(say);
    tasks.spawn(write_down(own.clone(), kind, said, held.clone()));
    let mut paces = Paces::new(bounds.per_domain);
    let apart = Duration::from_secs(1) / bounds.per_second.max(1);
    let mut next_at = Instant::now();
    while !*stop.borrow() {
        let pause = match own.standings().rests_until(kind) {
            Some(until) => Some(until),
            None => match bite(
                &own,
                kind,
                (lanes * HELD).saturating_sub(held.count()),
                &mut paces,
            )
            .await
            {
                Ok((_, taken)) if !taken.is_empty() => {
                    held.add(taken.len());
                    for due in taken {
                        tokio::time::sleep_until(next_at).await;
                        next_at =
                            (next_at + apart).max(Instant::now() - Duration::from_millis(100));
                        // Lanes go on as long as this is here.
                        let _sent = to_lanes.send(due).await;
                    }
                    None
                }
                Ok((looked_at, _)) if looked_at >= LOOKED_AT => None,
                // It waits for a lane, for the clock, or for somebody who rings.
                Ok(_) if held.count() >= lanes * HELD => {
                    tokio::select! { () = held.freed.notified() => {}, _ = stop.changed() => {} }
                    None
                }
                Ok(_) => {
                    paces.forget(Timestamp::now());
                    Some(Instant::now() + until_next(&own, kind).await)
                }
                Err(error) => {
                    let why = crate::pump::store::chain(&error);
                    if own.standings().broken(kind, &why) {
                        tracing::error!("nothing goes out to subscribers: {why}");
                    }
                    None
                }
            },
        };
        if let Some(until) = pause {
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                () = own.rung() => {}
                _ = stop.changed() => {}
            }
        }
    }
    drop(to_lanes);
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, ended).await.is_err() {
        tracing::warn!(
            kind = kind.as_str(),
            "what was under way to subscribers goes out again at the next start"
        );
    }
}

/// How many rows are taken and not written down.
#[derive(Default)]
struct Held {
    count: AtomicUsize,
    freed: Notify,
}

impl Held {
    fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    fn add(&self, more: usize) {
        self.count.fetch_add(more, Ordering::AcqRel);
    }

    fn free(&self, some: usize) {
        self.count.fetch_sub(some, Ordering::AcqRel);
        self.freed.notify_one();
    }
}

async fn bite(
    own: &Subscribers,
    kind: Kind,
    room: usize,
    paces: &mut Paces,
) -> Result<(usize, Vec<Due>), super::store::StoreError> {
    if room == 0 {
        return Ok((0, Vec::new()));
    }
    let now = Timestamp::now();
    let mut moved = std::mem::replace(paces, Paces::new(paces.per_domain));
    let (bite, back) = own
        .with(move |store| {
            let mut left = room;
            let bite = store.take(kind, now, LOOKED_AT, |domain| {
                if left == 0 {
                    return Pace::Full;
                }
                let pace = moved.of(domain, now);
                if pace == Pace::Now {
                    left -= 1;
                }
                pace
            })?;
            Ok((bite, moved))
        })
        .await?;
    *paces = back;
    Ok((bite.looked_at, bite.taken))
}

async fn until_next(own: &Subscribers, kind: Kind) -> Duration {
    let next = own
        .with(move |store| store.next_due(kind))
        .await
        .ok()
        .flatten();
    let wait = next.map(|at| time::since(Timestamp::now(), at));
    // What is due and was not taken waits behind an older word of the same reader.
    wait.unwrap_or(IDLE).clamp(Duration::from_millis(20), IDLE)
}

async fn drive(
    mut lane: Box<dyn Lane>,
    work: Arc<Mutex<mpsc::Receiver<Due>>>,
    say: mpsc::Sender<(Due, Sent)>,
) {
    loop {
        let next = tokio::time::timeout(LANE_IDLE, async { work.lock().await.recv().await }).await;
        match next {
            Ok(Some(due)) => {
                let sent = lane.send(&due).await;
                if say.send((due, sent)).await.is_err() {
                    return;
                }
            }
            Ok(None) => {
                lane.rest().await;
                return;
            }
            Err(_) => lane.rest().await,
        }
    }
}

async fn write_down(
    own: Subscribers,
    kind: Kind,
    mut said: mpsc::Receiver<(Due, Sent)>,
    held: Arc<Held>,
) {
    let mut some = Vec::new();
    while said.recv_many(&mut some, 256).await > 0 {
        let count = some.len();
        let all: Vec<Went> = some
            .drain(..)
            .map(|(due, sent)| went(&own, kind, &due, sent))
            .collect();
        let all = Arc::new(all);
        let paused = loop {
            let rows = all.clone();
            match own
                .with(move |store| store.went(kind, &rows, Timestamp::now()))
                .await
            {
                Ok(paused) => break paused,
                Err(error) => {
                    // It is known here only: nothing more is taken until it is written.
                    tracing::error!(
                        "what was sent to subscribers cannot be written down: {}",
                        crate::pump::store::chain(&error)
                    );
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        };
        for one in paused {
            tracing::warn!(
                subscriber = one.subscriber,
                kind = one.kind.as_str(),
                "a subscriber is told nothing more: {}; `evenkeel subscribers list --paused` shows whom",
                one.why
            );
            own.standings().failed(Failure {
                at: Timestamp::now(),
                kind,
                subscriber: one.subscriber,
                is_paused: true,
                why: one.why,
            });
        }
        held.free(count);
    }
}

/// What a receiver said, without the address it may have repeated: it is logged, and shown
/// to everybody who may look.
fn blotted(sent: Sent, address: &str) -> Sent {
    // The names of announcements are the operator's own.
    let is_private = address.contains(['@', '/']);
    let address = address.to_ascii_lowercase();
    let blot = |mut why: String| {
        // In lower case a text is as long as before, as only ASCII changes.
        while let Some(at) = why.to_ascii_lowercase().find(&address)
            && is_private
        {
            why.replace_range(at..at + address.len(), "(the address)");
        }
        why
    };
    match sent {
        Sent::Broken(why) => Sent::Broken(blot(why)),
        Sent::Said(Verdict::Later(why)) => Sent::Said(Verdict::Later(blot(why))),
        Sent::Said(Verdict::Refused(why)) => Sent::Said(Verdict::Refused(blot(why))),
        Sent::Said(Verdict::Gone(why)) => Sent::Said(Verdict::Gone(blot(why))),
        Sent::Said(said @ (Verdict::Taken | Verdict::Untried)) => Sent::Said(said),
    }
}

fn went(own: &Subscribers, kind: Kind, due: &Due, sent: Sent) -> Went {
    let standings = own.standings();
    let sent = blotted(sent, &due.address);
    let verdict = match sent {
        Sent::Said(verdict) => verdict,
        Sent::Broken(why) => {
            if standings.broken(kind, &why) {
                tracing::error!(
                    kind = kind.as_str(),
                    "nothing goes out to subscribers: {why}"
                );
            }
            Verdict::Untried
        }
    };
    match &verdict {
        Verdict::Taken => standings.taken(kind),
        Verdict::Untried => {}
        Verdict::Later(_) => standings.later(kind),
        Verdict::Refused(why) | Verdict::Gone(why) => {
            standings.refused(kind, why);
            standings.failed(Failure {
                at: Timestamp::now(),
                kind,
                subscriber: due.subscriber,
                is_paused: false,
                why: why.clone(),
            });
        }
    }
    Went {
        subscriber: due.subscriber,
        word: due.word,
        verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_repeats_of_an_address_is_not_told_on() {
        let said = Verdict::Refused("550 5.1.1 <ANA@example.com>: é ana@example.com".into());
        let Sent::Said(Verdict::Refused(why)) = blotted(Sent::Said(said), "ana@Example.com") else {
            panic!("it is still refused")
        };
        assert_eq!(why, "550 5.1.1 <(the address)>: é (the address)");
    }

    #[test]
    fn a_domain_is_sent_to_at_its_pace_and_what_waits_is_spread() {
        let now = Timestamp::from_second(1_795_000_000).unwrap();
        let mut paces = Paces::new(10);
        let all: Vec<Pace> = (0..30).map(|_| paces.of("example.com", now)).collect();
        assert_eq!(all.iter().filter(|pace| **pace == Pace::Now).count(), 10);
        let later: Vec<Timestamp> = all
            .iter()
            .filter_map(|pace| match pace {
                Pace::At(at) => Some(*at),
                _ => None,
            })
            .collect();
        assert_eq!(
            later.last().copied(),
            Some(time::after(now, Duration::from_secs(2)))
        );
        assert!(later.windows(2).all(|two| two[0] < two[1]));
        // Another domain does not wait for it.
        assert_eq!(paces.of("example.net", now), Pace::Now);
        // Who was given a time may go then.
        let then = time::after(now, Duration::from_millis(100));
        assert_eq!(paces.of("example.com", then), Pace::Now);
        paces.forget(time::after(now, Duration::from_secs(60)));
        assert!(paces.domains.is_empty());
    }
}
