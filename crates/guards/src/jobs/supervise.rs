//! The supervisor of one run: a small process of its own, the same binary.
//!
//! It starts the command, keeps everything the command starts below itself (it is a
//! subreaper), keeps its output within bounds, and writes down how it ended. It does not
//! talk to the server: it writes into the run's folder ([`super::spool`]), so that a
//! server that is restarted, or not there at all, changes nothing for the run. If even
//! the folder cannot be written, the command runs all the same: a watcher must never be
//! the reason that the night's work is not done.
//!
//! The run is over when its last process is, not when the command is: what a command
//! leaves behind still works under its name, and must not be started over.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::{JobId, RunId};
use evenkeel_core::observation::{Exit, Origin};
use rustix::process::{Pid, Signal, WaitOptions, set_child_subreaper};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};

use super::spool::{Ending, Meta, Spool, boot_id};
use super::tree::{ProcessId, RUN_VARIABLE};
use crate::guard::session_tag;

/// Output kept from the beginning of a run, bytes.
const HEAD_MAX: u64 = 512 * 1024;

/// Output kept of its end: between one and two of these.
const TAIL_MAX: u64 = 256 * 1024;

/// How often the counters are written and leftovers looked for.
const TICK: Duration = Duration::from_millis(250);

/// What is to be supervised.
#[derive(Debug, Clone)]
pub struct Supervise {
    /// The run.
    pub run: RunId,
    /// Its job.
    pub job: JobId,
    /// Who starts it.
    pub origin: Origin,
    /// Where the runs' folders are; `None` runs without being reported.
    pub spool: Option<Spool>,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Environment beyond what is inherited.
    pub environment: Vec<(String, String)>,
    /// User and group to run as.
    pub user: Option<(u32, u32)>,
    /// Where to run.
    pub working_dir: Option<PathBuf>,
    /// Added to the niceness.
    pub nice: Option<i32>,
    /// `ionice` class and level: `["-c3"]`.
    pub ionice: Vec<String>,
    /// Whether output also goes to our own standard output and error, and input comes
    /// from our own.
    pub passes_output: bool,
}

/// Runs the command to its end; the exit status a shell would show (128 + n for signal n,
/// 127 where it could not be started).
///
/// # Errors
/// The runtime or the signal handlers could not be set up; nothing was started.
pub fn supervise(what: &Supervise) -> io::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(what))
}

async fn run(what: &Supervise) -> io::Result<u8> {
    // Daemons of the command become our children when they let go of it.
    set_child_subreaper(Pid::from_raw(std::process::id() as i32)).map_err(io::Error::from)?;
    let mut died = signal(SignalKind::child())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;

    let spool = match claim(what) {
        Claim::Ours(spool) => Some(spool),
        Claim::Unreported => None,
        Claim::Taken => return Ok(0),
    };
    let folder = spool.as_ref().and_then(|spool| spool.run_folder(&what.run));
    let end = |exit: Exit| {
        let ending = Ending {
            ended_at: Timestamp::now(),
            exit,
        };
        if let Some(Err(error)) = spool.as_ref().map(|spool| spool.end(&what.run, &ending)) {
            tracing::error!(%error, run = %what.run, "the run's end could not be written down");
        }
    };

    let output = Arc::new(Mutex::new(Output::new(
        folder.as_deref(),
        what.passes_output,
    )));
    let mut command = command(what, folder.as_deref());
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let program = what.command.first().map_or("", String::as_str);
            end(Exit::NotStarted(format!("{program}: {error}")));
            tracing::error!(%error, program, "the command could not be started");
            return Ok(if error.kind() == io::ErrorKind::NotFound {
                127
            } else {
                126
            });
        }
    };
    let command_pid = Pid::from_child(&child);
    let mut readers = Vec::new();
    for (pipe, is_error) in [
        (child.stdout.map(OwnedFd::from), false),
        (child.stderr.map(OwnedFd::from), true),
    ] {
        if let Some(pipe) = pipe {
            readers.push(tokio::spawn(read(pipe, is_error, output.clone())));
        }
    }

    let mut status = None;
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            _ = died.recv() => {}
            _ = tick.tick() => with(&output, Output::save_count),
            _ = terminate.recv() => forward(command_pid, Signal::TERM),
            _ = interrupt.recv() => forward(command_pid, Signal::INT),
            _ = hang_up.recv() => forward(command_pid, Signal::HUP),
        }
        if reap(command_pid, &mut status) {
            break;
        }
    }
    // The pipes are closed with the last process; what is in them is still read.
    for reader in readers {
        let _ = tokio::time::timeout(Duration::from_secs(1), reader).await;
    }
    with(&output, Output::save_count);
    let status = status.unwrap_or_else(|| std::process::ExitStatus::from_raw(0));
    let (exit, code) = match (status.code(), status.signal()) {
        (Some(code), _) => (Exit::Code(code), u8::try_from(code).unwrap_or(1)),
        (None, Some(signal)) => (
            Exit::Signal(signal),
            128 + u8::try_from(signal).unwrap_or(0),
        ),
        (None, None) => (Exit::Lost, 1),
    };
    end(exit);
    Ok(code)
}

enum Claim {
    /// The run is ours.
    Ours(Spool),
    /// The run is ours, and nobody will hear of it.
    Unreported,
    /// Another supervisor has it.
    Taken,
}

fn claim(what: &Supervise) -> Claim {
    let Some(spool) = &what.spool else {
        return Claim::Unreported;
    };
    let Some(supervisor) = ProcessId::of(std::process::id() as i32) else {
        return Claim::Unreported;
    };
    let meta = Meta {
        run: what.run.clone(),
        job: what.job.clone(),
        origin: what.origin,
        started_at: Timestamp::now(),
        supervisor,
        boot: boot_id(),
        command: crate::evidence::blotted_command(&what.command),
    };
    match spool.claim(&meta) {
        Ok(true) => Claim::Ours(spool.clone()),
        Ok(false) => Claim::Taken,
        Err(error) => {
            tracing::error!(%error, spool = %spool.folder().display(),
                "the run cannot be reported; the command runs all the same");
            Claim::Unreported
        }
    }
}

fn command(what: &Supervise, folder: Option<&Path>) -> Command {
    let (program, arguments) = match (what.ionice.is_empty(), what.command.split_first()) {
        (true, Some((program, arguments))) => (program.clone(), arguments.to_vec()),
        (false, Some(_)) => (
            "ionice".to_owned(),
            [what.ionice.clone(), what.command.clone()].concat(),
        ),
        (_, None) => (String::new(), Vec::new()),
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(what.environment.iter().cloned())
        .env(RUN_VARIABLE, what.run.as_str())
        .env("EVENKEEL_JOB", what.job.as_str())
        .env("PGAPPNAME", session_tag(&what.run))
        .stdin(if what.passes_output {
            // Under another scheduler, or in a pipe, its input is its own.
            Stdio::inherit()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(folder) = folder {
        let progress = folder.join("progress");
        let made = File::create(&progress);
        if let (Ok(_), Some((uid, gid))) = (&made, what.user) {
            let _ = std::os::unix::fs::chown(&progress, Some(uid), Some(gid));
        }
        command.env("EVENKEEL_PROGRESS", progress);
    }
    if let Some(folder) = &what.working_dir {
        command.current_dir(folder);
    }
    if let Some(nice) = what.nice {
        // On ourselves, before the command exists: it inherits it from its first moment.
        if let Err(error) = rustix::process::nice(nice) {
            tracing::warn!(%error, nice, "the niceness could not be set");
        }
    }
    if let Some((uid, gid)) = what.user {
        command.gid(gid).uid(uid);
    }
    command
}

fn forward(command: Pid, signal: Signal) {
    // Its process group: what it started in the foreground hears it too.
    if rustix::process::kill_process_group(command, signal).is_err() {
        let _ = rustix::process::kill_process(command, signal);
    }
}

/// Takes note of everyone who died; true when nobody is left.
fn reap(command: Pid, status: &mut Option<std::process::ExitStatus>) -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, ended))) if pid == command => {
                *status = Some(std::process::ExitStatus::from_raw(ended.as_raw()));
            }
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return true,
        }
    }
}

async fn read(pipe: OwnedFd, is_error: bool, output: Arc<Mutex<Output>>) {
    let Ok(mut pipe) = pipe::Receiver::from_owned_fd(pipe) else {
        return;
    };
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        with(&output, |output| output.take(&buffer[..count], is_error));
    }
}

fn with<T>(output: &Mutex<Output>, act: impl FnOnce(&mut Output) -> T) -> T {
    act(&mut output.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The output of a run: its beginning, and a window on its end.
struct Output {
    folder: Option<PathBuf>,
    head: Option<File>,
    head_bytes: u64,
    tail: Option<File>,
    tail_bytes: u64,
    count: u64,
    saved_count: u64,
    passes: bool,
}

impl Output {
    fn new(folder: Option<&Path>, passes: bool) -> Self {
        let open = |folder: &Path| {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(folder.join("output.log"))
                .ok()
        };
        Self {
            head: folder.and_then(open),
            folder: folder.map(Path::to_owned),
            head_bytes: 0,
            tail: None,
            tail_bytes: 0,
            count: 0,
            saved_count: 0,
            passes,
        }
    }

    fn take(&mut self, bytes: &[u8], is_error: bool) {
        self.count += bytes.len() as u64;
        if self.passes {
            // A reader that went away is no reason to end the command.
            let _ = if is_error {
                io::stderr().write_all(bytes)
            } else {
                io::stdout()
                    .write_all(bytes)
                    .and_then(|()| io::stdout().flush())
            };
        }
        if self.head_bytes < HEAD_MAX {
            self.head_bytes += bytes.len() as u64;
            if let Some(head) = &mut self.head {
                let _ = head.write_all(bytes);
            }
            return;
        }
        if self.tail.is_none() || self.tail_bytes >= TAIL_MAX {
            self.turn_tail();
        }
        self.tail_bytes += bytes.len() as u64;
        if let Some(tail) = &mut self.tail {
            let _ = tail.write_all(bytes);
        }
    }

    fn turn_tail(&mut self) {
        let Some(folder) = &self.folder else {
            return;
        };
        let tail = folder.join("output.tail");
        let _ = std::fs::rename(&tail, folder.join("output.tail.old"));
        self.tail = File::create(&tail).ok();
        self.tail_bytes = 0;
    }

    fn save_count(&mut self) {
        let Some(folder) = self
            .folder
            .as_ref()
            .filter(|_| self.count != self.saved_count)
        else {
            return;
        };
        if std::fs::write(folder.join("output.count"), self.count.to_string()).is_ok() {
            self.saved_count = self.count;
        }
    }
}
