//! The keeper's side of the link to the edge: windows come in, the plan goes out.
//!
//! One connection to `edge.sock` in the data folder, lines of JSON both ways. The plan is
//! sent on each connect and whenever the record's has another revision; it is whole, so
//! that a lost one costs time and nothing else. Windows are pictures: they are passed on,
//! and the latest is remembered for whoever acts behind the edge ([`EdgeSight`]).
//!
//! When the edge does not answer, says nothing for [`SILENCE_MAX`], or says what cannot be
//! understood, its pools cannot be seen, and that is told with what to do. It is tried
//! again for ever: the edge may be started after the keeper, and restarted beside it.
//!
//! A line is bounded, and so is how long the edge may take to take one.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evenkeel_core::edge::{EdgePlan, EdgeWindow, InstanceState};
use evenkeel_core::ids::{InstanceId, PoolId};
use evenkeel_core::observation::{Seen, Sight};
use evenkeel_core::subject::Subject;
use evenkeel_guards::guard::{EdgeInstance, EdgeSight};
use evenkeel_guards::outlet::Outlet;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::pump::published::Published;

/// The longest line that is read: two hundred tenants, a thousand routes and as many
/// instances, each with a full histogram.
const LINE_MAX: usize = 4 << 20;

/// A window comes every second; after this time without one nothing is known.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How old a window may be and still say how an instance is: the guards' own bound.
const FRESH_FOR: Duration = Duration::from_secs(3);

/// How long the edge may take to take a plan.
const TAKES_MAX: Duration = Duration::from_secs(5);

/// The first pause after a connection ended; doubled up to the other.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What the keeper says.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum ToEdge<'a> {
    Plan(&'a EdgePlan),
}

/// What the edge says.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum FromEdge {
    Window(EdgeWindow),
}

/// See the module.
#[derive(Debug)]
pub struct Link {
    socket: PathBuf,
    pools: Vec<PoolId>,
    latest: Mutex<Option<Latest>>,
}

/// What was last heard, and what had been sent by then.
#[derive(Debug)]
struct Latest {
    at: Instant,
    window: EdgeWindow,
    sent: Option<EdgePlan>,
}

impl Link {
    /// A link to the edge that serves `pools` and listens on `socket`.
    pub fn new(socket: PathBuf, pools: Vec<PoolId>) -> Arc<Self> {
        Arc::new(Self {
            socket,
            pools,
            latest: Mutex::default(),
        })
    }

    /// Keeps the link, until the future is dropped.
    pub async fn keep(
        self: Arc<Self>,
        mut published: watch::Receiver<Arc<Published>>,
        outlet: Outlet,
    ) {
        let mut told = Told::new(&self.pools, outlet);
        let mut pause = PAUSE;
        loop {
            let why = match UnixStream::connect(&self.socket).await {
                Ok(stream) => {
                    let talk = self.talk(stream, &mut published, &mut told).await;
                    if talk.heard_any {
                        pause = PAUSE;
                    }
                    talk.why
                }
                Err(error) => unreachable(&self.socket, &error),
            };
            self.forget();
            told.is_blind(Some(why)).await;
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn talk(
        &self,
        stream: UnixStream,
        published: &mut watch::Receiver<Arc<Published>>,
        told: &mut Told,
    ) -> Talk {
        let (read, mut write) = stream.into_split();
        let mut ears = Ears {
            reader: BufReader::new(read),
            line: Vec::new(),
        };
        let mut sent: Option<EdgePlan> = None;
        let mut heard_any = false;
        let mut silent_from = Instant::now();
        published.mark_changed();
        let why = loop {
            tokio::select! {
                line = ears.next() => match line.and_then(|line| understood(&line)) {
                    Ok(FromEdge::Window(window)) => {
                        silent_from = Instant::now();
                        heard_any = true;
                        told.is_blind(None).await;
                        self.remember(window.clone(), sent.clone());
                        told.outlet.picture(Seen::EdgeWindow(window));
                    }
                    Err(why) => break why,
                },
                changed = published.changed() => {
                    if changed.is_err() {
                        break "Evenkeel is stopping".to_owned();
                    }
                    let plan = published.borrow_and_update().record.edge_plan();
                    if sent.as_ref().is_none_or(|sent| sent.revision != plan.revision) {
                        if let Err(why) = send(&mut write, &plan).await {
                            break why;
                        }
                        tracing::info!(revision = plan.revision, "the edge has the plan");
                        sent = Some(plan);
                    }
                }
                () = tokio::time::sleep_until(silent_from + SILENCE_MAX) => break format!(
                    "the edge has said nothing for {} s: look at its log, and restart it with `evenkeel edge`",
                    SILENCE_MAX.as_secs()
                ),
            }
        };
        Talk { why, heard_any }
    }

    fn remember(&self, window: EdgeWindow, sent: Option<EdgePlan>) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = Some(Latest {
            at: Instant::now(),
            window,
            sent,
        });
    }

    fn forget(&self) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl EdgeSight for Link {
    fn instance(&self, pool: &PoolId, instance: &InstanceId) -> Option<EdgeInstance> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = latest
            .as_ref()
            .filter(|known| known.at.elapsed() <= FRESH_FOR)?;
        let instances = &latest.window.pools.get(pool)?.instances;
        let of = instances.get(instance)?;
        // One that is down as well is shown as that, and drains all the same.
        let in_force = latest.sent.as_ref();
        let in_force = in_force.filter(|plan| plan.revision == latest.window.plan);
        let by_plan = in_force.is_some_and(|plan| plan.drains(pool, instance));
        let in_use = |state| matches!(state, InstanceState::InUse | InstanceState::SlowStart);
        let others = instances.iter().filter(|(id, _)| *id != instance);
        let others_in_use = others.filter(|(_, other)| in_use(other.state)).count();
        Some(EdgeInstance {
            plan_revision: latest.window.plan,
            draining: by_plan || of.state == InstanceState::Draining,
            under_way: of.under_way,
            others_in_use: u32::try_from(others_in_use).unwrap_or(u32::MAX),
        })
    }
}

/// How a connection went.
struct Talk {
    why: String,
    heard_any: bool,
}

/// What was last told of whether the pools can be seen; said again only when it changed.
struct Told {
    pools: Vec<PoolId>,
    outlet: Outlet,
    blind: Option<Option<String>>,
}

impl Told {
    fn new(pools: &[PoolId], outlet: Outlet) -> Self {
        Self {
            pools: pools.to_vec(),
            outlet,
            blind: None,
        }
    }

    async fn is_blind(&mut self, why: Option<String>) {
        if self.blind.as_ref() == Some(&why) {
            return;
        }
        match &why {
            Some(why) => tracing::warn!("the edge cannot be seen: {why}"),
            None => tracing::info!("the edge can be seen"),
        }
        for pool in &self.pools {
            let of = Subject::Pool(pool.clone());
            let blind = why.clone();
            self.outlet.fact(Seen::Sight(Sight { of, blind })).await;
        }
        self.blind = Some(why);
    }
}

fn unreachable(socket: &std::path::Path, error: &io::Error) -> String {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    match error.kind() {
        NotFound | ConnectionRefused => {
            "no edge runs on this data folder: start it with `evenkeel edge`".to_owned()
        }
        _ => format!(
            "{} cannot be used: {error}; run the edge as the user who runs `evenkeel serve`",
            socket.display()
        ),
    }
}

fn understood(line: &[u8]) -> Result<FromEdge, String> {
    serde_json::from_slice(line).map_err(|error| {
        format!(
            "the edge says what cannot be understood ({error}): restart it with `evenkeel edge` of \
             this version"
        )
    })
}

async fn send(write: &mut OwnedWriteHalf, plan: &EdgePlan) -> Result<(), String> {
    let line = serde_json::to_vec(&ToEdge::Plan(plan));
    let mut line = line.map_err(|error| format!("a plan cannot be written: {error}"))?;
    line.push(b'\n');
    match timeout(TAKES_MAX, write.write_all(&line)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("the edge took no plan: {error}; look at its log")),
        Err(_) => Err("the edge took no plan in time: look at its log".to_owned()),
    }
}

/// Reads lines; giving up in the middle of one loses nothing of it.
struct Ears {
    reader: BufReader<OwnedReadHalf>,
    line: Vec<u8>,
}

impl Ears {
    async fn next(&mut self) -> Result<Vec<u8>, String> {
        next_line(&mut self.reader, &mut self.line).await
    }
}

async fn next_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> Result<Vec<u8>, String> {
    loop {
        let read = reader.fill_buf().await;
        let read = read.map_err(|error| format!("the edge cannot be heard: {error}"))?;
        if read.is_empty() {
            return Err("the edge has gone: start it with `evenkeel edge`".to_owned());
        }
        let end = read.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(read.len());
        if line.len() + taken > LINE_MAX {
            return Err(format!(
                "the edge says more than {LINE_MAX} bytes at once: restart it with `evenkeel edge` of \
                 this version"
            ));
        }
        line.extend_from_slice(&read[..taken]);
        let consumed = taken + usize::from(end.is_some());
        reader.consume(consumed);
        if end.is_some() {
            return Ok(std::mem::take(line));
        }
    }
}

#[cfg(test)]
mod tests;
