//! The edge serves: a reverse proxy in front of the service, with the reflexes that have
//! to work within a request, and the controls that slower decisions need.
//!
//! One thread serves. Fairness needs one queue, a hold needs one order, a limit needs one
//! count; a thread of its own for each core would need locks on the path of every request,
//! or give every tenant its share once for each thread. One core carries some tens of
//! thousands of requests a second, which is a hundred times what the services ask for that
//! this is made for. Certificates that an authority issues are ordered on a second one.
//!
//! It takes [`settings::Settings`], which the program has checked, and an
//! [`EdgePlan`](evenkeel_core::edge::EdgePlan) at any time; it gives an
//! [`EdgeWindow`](evenkeel_core::edge::EdgeWindow) a second. It decides nothing that
//! outlives a request, knows no journal and no guard, and serves on with the last plan when
//! nobody speaks to it.

pub mod languages;
pub mod settings;
pub mod traffic;

mod access_log;
mod acme;
mod banner;
mod checks;
mod client;
mod clock;
mod forwarded;
#[cfg(test)]
mod fuzz;
mod h1;
mod h2;
mod handover;
pub mod keeper;
mod listen;
mod pages;
mod proxy;
mod proxy_protocol;
mod shared;
mod tls;
mod trace;
mod upstream;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc as blocking;
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::edge::{EdgePlan, EdgeWindow};
use tokio::net::UnixListener;
use tokio::runtime::LocalOptions;
use tokio::sync::{mpsc, oneshot, watch};

use crate::settings::Settings;
use crate::shared::Shared;
pub use crate::traffic::OlderPlan;

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
    let begun = match begin(settings) {
        Ok(begun) => begun,
        Err(error) => {
            let _nobody_waits = tell.send(Err(error));
            return;
        }
    };
    let Begun {
        shared,
        listeners,
        sockets,
        mut started,
        offered,
        certificates,
    } = begun;
    let state_dir = shared.settings.state_dir.clone();
    let ordering = acme::start(&state_dir, certificates.wanted, certificates.challenges);
    let ordering = ordering.unwrap_or_else(|error| {
        let problem = format!("no certificate is ordered: {error}; check the system's limits");
        started.problems.push(problem);
        None
    });
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| tokio::task::spawn_local(listener.accept(shared.clone())))
        .collect();
    let windows = keeper::windows();
    let speaking = keeper::listen(shared.clone(), sockets.keeper, windows.clone());
    let keeping = [
        tokio::task::spawn_local(shared.clock.clone().keep()),
        tokio::task::spawn_local(keep_lines(shared.clone())),
        tokio::task::spawn_local(keeper::keep_windows(shared.clone(), windows)),
    ];
    let speaking = tokio::task::spawn_local(speaking);
    checks::start(&shared);
    if let Some(log) = &shared.access_log {
        tokio::task::spawn_local(log.clone().keep());
    }
    if let Some(taken) = sockets.taken {
        taken.ready();
    }
    let _nobody_waits = tell.send(Ok(started));
    let mut taken_over = Box::pin(handover::offer(sockets.handover, Rc::new(offered)));
    let is_taken_over = loop {
        let order = tokio::select! {
            order = orders.recv() => order,
            () = &mut taken_over => break true,
        };
        match order {
            Some(Command::Apply(plan, tell)) => {
                let _nobody_waits = tell.send(shared.apply(*plan));
            }
            Some(Command::Window(from, tell)) => {
                let _nobody_waits = tell.send(shared.window(from));
            }
            Some(Command::Stop) | None => break false,
        }
    };
    // Who serves from now on orders, too.
    drop(ordering);
    // With it go its copies of the listeners.
    drop(taken_over);
    for place in sockets.places {
        place.leave();
    }
    tracing::info!(is_taken_over, "the edge takes no further connection");
    speaking.abort();
    for accepting in accepting {
        accepting.abort();
    }
    shared.is_stopping.set(true);
    shared.clock.wake_all();
    let max = shared.settings.shutdown_max;
    let _cut_off = tokio::time::timeout(max, shared.connections.none()).await;
    for keeping in keeping {
        keeping.abort();
    }
    if let Some(log) = &shared.access_log {
        log.write().await;
    }
}

/// An edge that is about to serve.
struct Begun {
    shared: Rc<Shared>,
    listeners: Vec<listen::Listener>,
    sockets: Sockets,
    started: Started,
    /// Copies of the listeners, for who takes over.
    offered: Vec<(SocketAddr, OwnedFd)>,
    certificates: listen::Ordered,
}

/// The sockets in the state folder.
struct Sockets {
    keeper: UnixListener,
    handover: UnixListener,
    places: [keeper::Place; 2],
    taken: Option<handover::Taken>,
}

fn begin(settings: Settings) -> Result<Begun, StartError> {
    let state_dir = settings.state_dir.clone();
    let at = |name: &str| {
        let path = state_dir.join(name);
        move |source| StartError::StateDir { path, source }
    };
    let handover = state_dir.join(handover::SOCKET);
    let mut taken = handover::take(&handover).unwrap_or_else(|error| {
        tracing::warn!(%error, "the listeners of the edge before cannot be taken over");
        None
    });
    let plan = keeper::read_plan(&state_dir);
    let shared = Shared::new(settings, plan);
    let listen::Bound {
        listeners,
        started,
        certificates,
    } = listen::bind(&shared, &mut taken);
    if listeners.is_empty() {
        return Err(StartError::NoListener(started.problems));
    }
    // Only who listens takes the sockets' place: another edge may be serving.
    let speaking = state_dir.join(keeper::SOCKET);
    let (speaking, first) = keeper::bind(&speaking).map_err(at(keeper::SOCKET))?;
    let (handover, second) = keeper::bind(&handover).map_err(at(handover::SOCKET))?;
    let sockets = Sockets {
        keeper: speaking,
        handover,
        places: [first, second],
        taken,
    };
    let copy = |listener: &listen::Listener| {
        let socket = listener.socket.as_fd().try_clone_to_owned()?;
        Ok((listener.address, socket))
    };
    let offered = listeners.iter().map(copy).collect::<io::Result<_>>();
    Ok(Begun {
        offered: offered?,
        shared,
        listeners,
        sockets,
        started,
        certificates,
    })
}

/// Closes connections to instances that nobody needs any more, and wakes who still uses
/// one of an instance whose time is over.
async fn keep_lines(shared: Rc<Shared>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        shared.lines.prune();
        if shared.lines.take_cut() {
            shared.clock.wake_all();
        }
    }
}
