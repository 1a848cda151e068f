//! Front ends of the back office, each a process at a port of its own under a small
//! supervisor, and what is seen of them from outside.
//!
//! The supervisor does what `Restart=always` of systemd does: one that has ended is started
//! again, by the same command line, a moment later. It restarts nothing that lives, however
//! ill. Where an arm says so it also ends one that has reached a limit of memory, as
//! `MemoryMax=` does. Whoever wants one restarted runs its restart command, which asks the
//! process to stop and returns when it has gone.

mod looks;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::task::JoinSet;

use super::outside::chain;
use super::scene::Books;
use crate::process::Process;

pub(super) use looks::{Look, own_bytes};

/// `RestartSec=` of systemd, as it is where nothing is said.
const RESTART_AFTER: Duration = Duration::from_millis(100);

const POLL: Duration = Duration::from_millis(40);

/// How long one may take to come up on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a front end is.
#[derive(Debug, Clone)]
pub(super) struct Form {
    pub(super) name: &'static str,
    /// Further arguments of `backoffice serve`.
    pub(super) arguments: Vec<String>,
    /// Its fault switches, JSON.
    pub(super) faults: String,
    /// Resident memory at which the supervisor ends it.
    pub(super) ended_at_bytes: Option<u64>,
}

/// One life of a front end, from start to end.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) pid: u32,
    pub(super) ended: Option<Instant>,
    /// Whether the supervisor ended it for its memory.
    pub(super) ended_for_memory: bool,
}

/// A front end, its supervisor, and somebody who looks at it.
pub(super) struct FrontEnd {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    pub(super) pid_file: PathBuf,
    /// The command that restarts it.
    pub(super) restart: PathBuf,
    kept: Arc<Kept>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Kept {
    lives: Mutex<Vec<Life>>,
    looks: Mutex<Vec<Look>>,
}

impl FrontEnd {
    /// Starts it and waits until it answers.
    pub(super) async fn start(books: &Books, form: Form) -> Result<Self, String> {
        let address = free_address()?;
        let pid_file = books.folder.join(format!("{}.pid", form.name));
        let restart = books.folder.join(format!("restart-{}", form.name));
        write_restart(&restart, &pid_file)?;
        let starting = Starting {
            name: form.name,
            command: {
                let listen = address.to_string();
                let mut command = books.command(&["serve", "--listen", &listen])?;
                command
                    .arg("--pid-file")
                    .arg(&pid_file)
                    .args(&form.arguments)
                    .env("BACKOFFICE_FAULTS", &form.faults);
                command
            },
            logs: books.folder.path().to_owned(),
            ended_at_bytes: form.ended_at_bytes,
        };
        let kept: Arc<Kept> = Arc::default();
        let first = starting.start(1, &kept)?;
        first
            .wait_for_line("listening on http://", PATIENCE)
            .await
            .map_err(|error| chain(&error))?;
        let mut tasks = JoinSet::new();
        tasks.spawn(supervise(starting, first, kept.clone()));
        tasks.spawn(looks::look(address, kept.clone()));
        Ok(Self {
            name: form.name,
            address,
            pid_file,
            restart,
            kept,
            _tasks: tasks,
        })
    }

    /// Its lives so far; the last one goes on.
    pub(super) fn lives(&self) -> Vec<Life> {
        self.kept.lives().clone()
    }

    /// What was seen of it so far.
    pub(super) fn looks(&self) -> Vec<Look> {
        self.kept.looks().clone()
    }

    /// Restarts it as an administrator's script would; returns when it answers again.
    pub(super) async fn restart(&self) -> Result<(), String> {
        let old = self.kept.lives().last().map(|life| life.pid);
        let mut command = tokio::process::Command::new(&self.restart);
        let ran = command.kill_on_drop(true).status().await;
        ran.map_err(|error| chain(&error))?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let last = self.kept.looks().last().copied();
            if last.is_some_and(|look| look.answers && Some(look.pid) != old) {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        Err(format!("{} does not come back", self.name))
    }
}

impl Kept {
    fn lives(&self) -> MutexGuard<'_, Vec<Life>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looks(&self) -> MutexGuard<'_, Vec<Look>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How it is started, every time.
struct Starting {
    name: &'static str,
    command: Command,
    logs: PathBuf,
    ended_at_bytes: Option<u64>,
}

impl Starting {
    fn start(&self, number: usize, kept: &Kept) -> Result<Process, String> {
        let mut command = Command::new(self.command.get_program());
        command.args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let name = format!("{}-{number}", self.name);
        let process = Process::start(&name, command, &self.logs).map_err(|error| chain(&error))?;
        kept.lives().push(Life {
            pid: process.pid(),
            ended: None,
            ended_for_memory: false,
        });
        Ok(process)
    }
}

async fn supervise(starting: Starting, first: Process, kept: Arc<Kept>) {
    let mut process = first;
    for number in 2_usize.. {
        let mut for_memory = false;
        while process.is_running() {
            tokio::time::sleep(POLL).await;
            let full = starting
                .ended_at_bytes
                .zip(own_bytes(process.pid()))
                .is_some_and(|(limit, own)| own >= limit);
            if full && !for_memory {
                for_memory = true;
                process.signal(Signal::KILL);
            }
        }
        if let Some(life) = kept.lives().last_mut() {
            life.ended = Some(Instant::now());
            life.ended_for_memory = for_memory;
        }
        process.stop();
        tokio::time::sleep(RESTART_AFTER).await;
        match starting.start(number, &kept) {
            Ok(next) => process = next,
            // The drill then sees that it is gone, which is what happened.
            Err(_) => return,
        }
    }
}

/// What an administrator would type, or `systemctl restart` does: ask the process to stop,
/// and wait until it has gone.
fn write_restart(path: &Path, pid_file: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let script = format!(
        "#!/bin/sh\nold=$(cat '{}') || exit 1\nkill -TERM \"$old\" || exit 1\n\
         while kill -0 \"$old\" 2>/dev/null; do sleep 0.05; done\n",
        pid_file.display()
    );
    std::fs::write(path, script).map_err(|error| chain(&error))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .map_err(|error| chain(&error))
}

/// A port that is free, below those that the kernel gives to outgoing connections: while a
/// front end is restarted nobody else is given its port.
pub(super) fn free_address() -> Result<SocketAddr, String> {
    for _ in 0..200 {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(18_000..31_000)));
        if std::net::TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err("no free port between 18000 and 31000: end what takes them".to_owned())
}
