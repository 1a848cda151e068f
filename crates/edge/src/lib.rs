//! The edge serves: a reverse proxy in front of the service, with the reflexes that have
//! to work within a request, and the controls that slower decisions need.
//!
//! One thread serves. Fairness needs one queue, a hold needs one order, a limit needs one
//! count; a thread of its own for each core would need locks on the path of every request,
//! or give every tenant its share once for each thread. One core carries some tens of
//! thousands of requests a second, which is a hundred times what the services ask for that
//! this is made for.
//!
//! It takes [`settings::Settings`], which the program has checked, and an
//! [`EdgePlan`](evenkeel_core::edge::EdgePlan) at any time; it gives an
//! [`EdgeWindow`](evenkeel_core::edge::EdgeWindow) a second. It decides nothing that
//! outlives a request, knows no journal and no guard, and serves on with the last plan when
//! nobody speaks to it.

pub mod settings;
pub mod traffic;

mod client;
mod clock;
mod forwarded;
mod h1;
mod listen;
mod pages;
mod proxy;
mod shared;
mod standin;
mod upstream;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc as blocking;
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::edge::{EdgePlan, EdgeWindow};
use tokio::runtime::LocalOptions;
use tokio::sync::{mpsc, oneshot, watch};

use crate::settings::Settings;
use crate::shared::Shared;

/// A running edge. Dropping it stops it as [`stop`](Self::stop) does, and does not wait.
#[derive(Debug)]
pub struct Edge {
    thread: Option<JoinHandle<()>>,
    commands: mpsc::UnboundedSender<Command>,
    ended: watch::Receiver<bool>,
    started: Started,
}

/// What listens, and what does not.
#[derive(Debug, Clone, Default)]
pub struct Started {
    /// The addresses of the listeners that serve, in the order of the settings.
    pub addresses: Vec<SocketAddr>,
    /// Those that do not, with what to do; the others serve nevertheless.
    pub problems: Vec<String>,
}

/// An edge that does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No listener can be used.
    #[error("no listener can be used: {}", .0.join("; "))]
    NoListener(Vec<String>),
    /// The folder for plan and sockets cannot be used.
    #[error("{path} cannot be used: {source}; check that it exists and who may write there")]
    StateDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gives no thread or no event queue.
    #[error("the system gives the edge no thread: {0}; check its limits")]
    System(#[from] io::Error),
}

/// A plan that is older than the one in force: it is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the plan of revision {given} is older than the one in force, {in_force}")]
pub struct OlderPlan {
    /// The revision of the one in force.
    pub in_force: u64,
    /// The revision of the one given.
    pub given: u64,
}

enum Command {
    Apply(Box<EdgePlan>, oneshot::Sender<Result<(), OlderPlan>>),
    Window(Timestamp, oneshot::Sender<EdgeWindow>),
    Stop,
}

impl Edge {
    /// Starts serving, on a thread of its own.
    ///
    /// # Errors
    /// No listener can be used, or the system gives too little.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let (commands, orders) = mpsc::unbounded_channel();
        let (has_ended, ended) = watch::channel(false);
        let (tell, told) = blocking::sync_channel(1);
        let thread = std::thread::Builder::new().name("edge".into());
        let thread = thread.spawn(move || {
            run(settings, orders, &tell);
            let _nobody_waits = has_ended.send(true);
        })?;
        let gone = || StartError::System(io::ErrorKind::BrokenPipe.into());
        let started = told.recv().map_err(|_| gone())??;
        Ok(Self {
            thread: Some(thread),
            commands,
            ended,
            started,
        })
    }

    /// What listens, and what does not.
    pub fn started(&self) -> &Started {
        &self.started
    }

    /// Has a plan applied; an older one than that in force is refused.
    ///
    /// # Errors
    /// It is older.
    pub async fn apply(&self, plan: EdgePlan) -> Result<(), OlderPlan> {
        let (tell, told) = oneshot::channel();
        let order = Command::Apply(Box::new(plan), tell);
        match self.commands.send(order) {
            // An edge that has ended has nothing to apply a plan to.
            Err(_) => Ok(()),
            Ok(()) => told.await.unwrap_or(Ok(())),
        }
    }

    /// What was seen since this was asked last, or the keeper was told; `from` is when that
    /// was. `None`: it has ended.
    pub async fn window(&self, from: Timestamp) -> Option<EdgeWindow> {
        let (tell, told) = oneshot::channel();
        self.commands.send(Command::Window(from, tell)).ok()?;
        told.await.ok()
    }

    /// Takes no further connection, ends what is under way within `shutdown_max`.
    pub fn stop(&self) {
        // One that has ended is stopped.
        let _ended = self.commands.send(Command::Stop);
    }

    /// Waits until it has ended: after [`stop`](Self::stop), or after another process took
    /// its listeners over.
    pub async fn ended(&self) {
        // Without a sender it has ended, too.
        let mut ended = self.ended.clone();
        let _ended = ended.wait_for(|ended| *ended).await;
    }

    /// Stops, and blocks until it has ended.
    pub fn join(mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // A panic over there has been written already.
            let _panicked = thread.join();
        }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(
    settings: Settings,
    orders: mpsc::UnboundedReceiver<Command>,
    tell: &blocking::SyncSender<Result<Started, StartError>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _nobody_waits = tell.send(Err(error.into()));
            return;
        }
    };
    runtime.block_on(serve(settings, orders, tell));
}

/// Serves until it is told to stop and what was under way has ended.
async fn serve(
    settings: Settings,
    mut orders: mpsc::UnboundedReceiver<Command>,
    tell: &blocking::SyncSender<Result<Started, StartError>>,
) {
    let shared = Shared::new(settings, EdgePlan::default());
    let (listeners, started) = listen::bind(&shared);
    if listeners.is_empty() {
        let _nobody_waits = tell.send(Err(StartError::NoListener(started.problems)));
        return;
    }
    tokio::task::spawn_local(shared.clock.clone().keep());
    tokio::task::spawn_local(keep_lines(shared.clone()));
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| tokio::task::spawn_local(listener.accept(shared.clone())))
        .collect();
    let _nobody_waits = tell.send(Ok(started));
    loop {
        match orders.recv().await {
            Some(Command::Apply(plan, tell)) => {
                let _nobody_waits = tell.send(shared.apply(*plan));
            }
            Some(Command::Window(from, tell)) => {
                let _nobody_waits = tell.send(shared.window(from));
            }
            Some(Command::Stop) | None => break,
        }
    }
    for accepting in accepting {
        accepting.abort();
    }
    shared.is_stopping.set(true);
    shared.clock.wake_all();
    let max = shared.settings.shutdown_max;
    let _cut_off = tokio::time::timeout(max, shared.connections.none()).await;
}

/// Closes connections to instances that nobody needs any more.
async fn keep_lines(shared: Rc<Shared>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        shared.lines.prune();
    }
}
