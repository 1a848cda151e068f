//! Child processes that cannot outlive us.
//!
//! What always holds: a [`Process`] leads its own process group, so that a
//! Ctrl-C at the terminal reaches us and not it, and so that ending it ends its
//! children; its output goes to files, which stay readable after its end and
//! can never block it as a full pipe would. It is ended on drop, and by the
//! [watchdog] when we are gone without dropping anything.
//!
//! The group's leader is not reaped before the group has been ended: until then
//! the kernel keeps the number, and a signal cannot reach a stranger.

pub(crate) mod watchdog;

use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};

const POLL: Duration = Duration::from_millis(15);

/// Why a process could not be started, or did not do what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program could not be started at all.
    #[error("cannot start {name} ({program}): is it installed, and may we run it?")]
    Start {
        /// The name it was to have.
        name: String,
        /// The program as given.
        program: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Its log files could not be created.
    #[error(
        "cannot create the log of {name} at {path}: check that the folder exists and has space"
    )]
    Log {
        /// The name it was to have.
        name: String,
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// It ended before what was waited for happened.
    #[error("{name} ended ({status}) while we waited for {what}; it said: {said}")]
    Ended {
        /// Its name.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// What was waited for.
        what: String,
        /// The tail of its output.
        said: String,
    },
    /// It runs on, but what was waited for did not happen in time.
    #[error("{name}: no {what} within {waited:?}; it said: {said}")]
    Late {
        /// Its name.
        name: String,
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
        /// The tail of its output.
        said: String,
    },
}

/// A child process with its group and its logs; ended on drop.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    ended: Option<ExitStatus>,
    stop: Signal,
    grace: Duration,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command` in a group of its own, standard input empty, output in
    /// `NAME.out` and `NAME.err` in `logs`.
    pub fn start(name: &str, mut command: Command, logs: &Path) -> Result<Self, ProcessError> {
        let stdout = logs.join(format!("{name}.out"));
        let stderr = logs.join(format!("{name}.err"));
        let create = |path: &Path| {
            File::create(path).map_err(|source| ProcessError::Log {
                name: name.to_owned(),
                path: path.to_owned(),
                source,
            })
        };
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(create(&stdout)?)
            .stderr(create(&stderr)?)
            .env(watchdog::MARK, watchdog::mark());
        let child = command.spawn().map_err(|source| ProcessError::Start {
            name: name.to_owned(),
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        })?;
        let process = Self {
            name: name.to_owned(),
            child,
            ended: None,
            stop: Signal::KILL,
            grace: Duration::ZERO,
            stdout,
            stderr,
        };
        watchdog::end_later(process.pid(), Signal::TERM);
        Ok(process)
    }

    /// On drop send `signal` first and leave it `grace` to end by itself.
    /// Without this, drop kills at once.
    #[must_use]
    pub fn stopped_by(mut self, signal: Signal, grace: Duration) -> Self {
        self.stop = signal;
        self.grace = grace;
        watchdog::forget(self.pid());
        watchdog::end_later(self.pid(), signal);
        self
    }

    /// Its process id, which is also the id of its group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process itself (not its children) still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.ended.is_none()
            && matches!(
                waitid(
                    WaitId::Pid(self.raw_pid()),
                    WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT,
                ),
                Ok(None)
            )
    }

    /// Sends a signal to the process alone. An ended process is no error.
    pub fn signal(&self, signal: Signal) {
        if self.is_running() {
            let _ = kill_process(self.raw_pid(), signal);
        }
    }

    /// Sends a signal to the whole group. An ended group is no error.
    pub fn signal_group(&self, signal: Signal) {
        if self.ended.is_none() {
            let _ = kill_process_group(self.raw_pid(), signal);
        }
    }

    /// Waits for the process to end by itself; what is left of its group is
    /// killed then.
    pub async fn wait(&mut self, at_most: Duration) -> Result<ExitStatus, ProcessError> {
        let deadline = Instant::now() + at_most;
        while self.is_running() {
            if Instant::now() > deadline {
                return Err(self.not_yet("end", at_most));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(self.reap())
    }

    /// Waits for a line that starts with `prefix` on standard output and
    /// returns the rest of it.
    pub async fn wait_for_line(
        &self,
        prefix: &str,
        at_most: Duration,
    ) -> Result<String, ProcessError> {
        let deadline = Instant::now() + at_most;
        loop {
            // Asked before the file is read: what it wrote last is not missed.
            let running = self.is_running();
            let said = std::fs::read_to_string(&self.stdout).unwrap_or_default();
            let whole = said.rfind('\n').map_or("", |end| &said[..end]);
            if let Some(rest) = whole.lines().find_map(|line| line.strip_prefix(prefix)) {
                return Ok(rest.trim().to_owned());
            }
            if !running || Instant::now() > deadline {
                return Err(self.not_yet(&format!("line {prefix:?}"), at_most));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Everything it has written to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read_lossy(&self.stdout)
    }

    /// Everything it has written to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        read_lossy(&self.stderr)
    }

    /// Ends it now: its stop signal, its grace, then SIGKILL for the group.
    /// Returns how the leader ended.
    pub fn stop(&mut self) -> ExitStatus {
        if let Some(status) = self.ended {
            return status;
        }
        if !self.grace.is_zero() && self.is_running() {
            self.signal(self.stop);
            let deadline = Instant::now() + self.grace;
            while self.is_running() && Instant::now() < deadline {
                std::thread::sleep(POLL);
            }
        }
        self.reap()
    }

    fn reap(&mut self) -> ExitStatus {
        if let Some(status) = self.ended {
            return status;
        }
        self.signal_group(Signal::KILL);
        // Only we reap it, and it was killed: this ends unless the kernel
        // itself hangs.
        let status = self
            .child
            .wait()
            .unwrap_or_else(|_| ExitStatus::from_raw(9));
        self.ended = Some(status);
        watchdog::forget(self.pid());
        status
    }

    fn peek(&self) -> ExitStatus {
        if let Some(status) = self.ended {
            return status;
        }
        let found = waitid(
            WaitId::Pid(self.raw_pid()),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT,
        );
        match found {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => ExitStatus::from_raw(code << 8),
                (None, signal) => ExitStatus::from_raw(signal.unwrap_or(9)),
            },
            _ => ExitStatus::from_raw(0),
        }
    }

    /// The error for something that was waited for and is not there.
    pub(crate) fn not_yet(&self, what: &str, waited: Duration) -> ProcessError {
        let (name, what, said) = (self.name.clone(), what.to_owned(), self.tail());
        if self.is_running() {
            return ProcessError::Late {
                name,
                what,
                waited,
                said,
            };
        }
        ProcessError::Ended {
            name,
            status: self.peek(),
            what,
            said,
        }
    }

    /// The last lines of its output, for an error message.
    #[must_use]
    pub fn tail(&self) -> String {
        let both = format!("{}{}", self.stdout(), self.stderr());
        let lines: Vec<&str> = both.lines().collect();
        lines[lines.len().saturating_sub(12)..].join(" | ")
    }

    fn raw_pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

fn read_lossy(path: &Path) -> String {
    std::fs::read(path).map_or_else(
        |_| String::new(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}
