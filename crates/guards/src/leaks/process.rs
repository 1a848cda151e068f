//! Which process an instance is, for certain.
//!
//! A pid file is a rumour: the process it names may be gone and its number somebody
//! else's. So what it names must be there, must have begun before the file was written,
//! and must be neither ours nor the system's first process; else it is nobody. From then
//! on a process is its pid with its start time, as in [`ProcessId`].

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use evenkeel_core::Timestamp;
use jiff::SignedDuration;
use procfs::Current;

use super::systemd::State;
use crate::jobs::tree::ProcessId;
use crate::outlet::to_the_millisecond;

/// A pid file holds a number and perhaps a few more lines.
const PID_FILE_MAX: u64 = 4096;

/// File systems and `/proc` keep time differently; a pid comes round again only after
/// thousands of others.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

/// What `/proc/uptime` is exact to.
const TICK: Duration = Duration::from_millis(10);

/// The most starts kept before those of the dead are forgotten.
const STARTS_MAX: usize = 1024;

/// What is known of an instance's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// It is this one.
    Running(ProcessId),
    /// It does not run: how that is known.
    Stopped(String),
    /// Nobody can say: why, and what to do.
    Unknown(String),
}

/// The process that the file at `path` names.
pub(super) fn by_pid_file(path: &Path) -> Found {
    let shown = path.display();
    let opened = fs::File::open(path).and_then(|file| {
        let mut text = String::new();
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(std::io::Error::other("it is no plain file"));
        }
        file.take(PID_FILE_MAX).read_to_string(&mut text)?;
        Ok((text, about.modified()?))
    });
    let (text, written) = match opened {
        Ok(read) => read,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Found::Stopped(format!("there is no pid file {shown}"));
        }
        Err(error) => {
            return Found::Unknown(format!(
                "the pid file {shown} cannot be read ({error}); let Evenkeel read it"
            ));
        }
    };
    let line = text.lines().next().unwrap_or_default().trim();
    let pid = match line.parse::<i32>() {
        Ok(pid) if pid > 1 => pid,
        _ => {
            let line: String = line.chars().take(40).collect();
            return Found::Unknown(format!(
                "the pid file {shown} begins with `{line}`, which is no service's pid; name the \
                 file that holds it"
            ));
        }
    };
    if pid.cast_unsigned() == std::process::id() {
        return Found::Unknown(format!(
            "the pid file {shown} names Evenkeel itself (pid {pid}): it is stale, or the wrong one"
        ));
    }
    let Some(process) = living(pid) else {
        return Found::Stopped(format!("process {pid} of the pid file {shown} is gone"));
    };
    let written = Timestamp::try_from(written).unwrap_or(Timestamp::UNIX_EPOCH);
    match started_at(process) {
        Some(started) if started.duration_since(written) > SLACK => Found::Unknown(format!(
            "the pid file {shown} names process {pid}, which began after the file was written: \
             the file is stale and the pid somebody else's (if it is the right one and only the \
             clock was set, `touch {shown}`)"
        )),
        Some(_) => Found::Running(process),
        None => Found::Unknown("the time since boot cannot be read from /proc/uptime".into()),
    }
}

/// The main process of a unit.
pub(super) fn by_state(unit: &super::Unit, state: &Result<State, String>) -> Found {
    match state {
        Err(why) => Found::Unknown(why.clone()),
        Ok(state) if !state.is_loaded => Found::Unknown(format!(
            "systemd knows no unit {unit}; write its name as `systemctl list-units` shows it"
        )),
        Ok(state) => match state.main_pid.map(|pid| (pid, living(pid))) {
            Some((_, Some(process))) => Found::Running(process),
            Some((pid, None)) => Found::Stopped(format!("main process {pid} of {unit} is gone")),
            None => Found::Stopped(format!(
                "{unit} is {}: see `{}`",
                state.active,
                unit.typed("status")
            )),
        },
    }
}

/// The process that has `pid` now and is no corpse.
pub(super) fn living(pid: i32) -> Option<ProcessId> {
    let stat = procfs::process::Process::new(pid).ok()?.stat().ok()?;
    let lives = !matches!(stat.state, 'Z' | 'X' | 'x');
    lives.then_some(ProcessId {
        pid,
        start: stat.starttime,
    })
}

/// When a process began, by the clock of now.
pub(super) fn started_at(process: ProcessId) -> Option<Timestamp> {
    let start = process.start.checked_mul(1000)? / procfs::ticks_per_second();
    let up = || Some(procfs::Uptime::current().ok()?.uptime_duration());
    // Both clocks at one moment, unless something came between for ever.
    let (mut before, mut tries) = (up()?, 0);
    loop {
        let (now, after) = (Timestamp::now(), up()?);
        tries += 1;
        if after.saturating_sub(before) <= TICK || tries >= 10 {
            let age = before.saturating_sub(Duration::from_millis(start));
            return Some(to_the_millisecond(now.checked_sub(age).ok()?));
        }
        before = after;
    }
}

/// When processes began, each reckoned once: the clock may be set while they run, and what
/// the core was told must be what the hand compares with.
#[derive(Debug, Default)]
pub(super) struct Starts(Mutex<BTreeMap<ProcessId, Timestamp>>);

impl Starts {
    /// When `process` began.
    pub(super) fn of(&self, process: ProcessId) -> Option<Timestamp> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = known.get(&process) {
            return Some(*at);
        }
        if known.len() >= STARTS_MAX {
            known.retain(|process, _| living(process.pid) == Some(*process));
        }
        let at = started_at(process)?;
        known.insert(process, at);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    /// A process that is not ours, and its end.
    struct Child(std::process::Child);

    impl Child {
        fn start() -> Self {
            let child = std::process::Command::new("sleep").arg("1000").spawn();
            Self(child.unwrap())
        }
    }

    impl Drop for Child {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_pid_file_names_a_process_that_was_there_when_it_was_written() {
        let child = Child::start();
        let pid = child.0.id().cast_signed();
        let named = file(&format!(" {pid}\nmore\n"));
        let Found::Running(found) = by_pid_file(named.path()) else {
            panic!("{:?}", by_pid_file(named.path()));
        };
        assert_eq!(Some(found), ProcessId::of(pid));
        // The same number, in a file from before: somebody else's by now.
        let before = std::time::SystemTime::now() - Duration::from_secs(3600);
        let open = fs::File::options().write(true).open(named.path()).unwrap();
        open.set_modified(before).unwrap();
        let Found::Unknown(why) = by_pid_file(named.path()) else {
            panic!("a reused pid is believed");
        };
        assert!(why.contains("stale"), "{why}");
    }

    #[test]
    fn a_process_that_is_gone_is_stopped_and_so_is_a_missing_file() {
        let mut child = Child::start();
        let named = file(&child.0.id().to_string());
        child.0.kill().unwrap();
        // A corpse is gone, too, whoever has not buried it.
        let mut found = by_pid_file(named.path());
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while matches!(found, Found::Running(_)) && std::time::Instant::now() < until {
            found = by_pid_file(named.path());
        }
        assert!(
            matches!(&found, Found::Stopped(why) if why.contains("gone")),
            "{found:?}"
        );
        child.0.wait().unwrap();
        assert!(matches!(by_pid_file(named.path()), Found::Stopped(_)));
        let nowhere = by_pid_file(Path::new("/nowhere/at.pid"));
        assert!(matches!(nowhere, Found::Stopped(_)), "{nowhere:?}");
    }

    #[test]
    fn what_is_no_service_s_pid_is_nobody() {
        let own = std::process::id().to_string();
        for text in ["", "web", "0", "-5", "1", "99999999999", "12abc", &own] {
            let named = file(text);
            let found = by_pid_file(named.path());
            assert!(matches!(found, Found::Unknown(_)), "{text}: {found:?}");
        }
        let found = by_pid_file(Path::new("/tmp"));
        assert!(matches!(found, Found::Unknown(_)), "{found:?}");
    }

    #[test]
    fn processes_began_before_now_and_after_the_boot() {
        let child = Child::start();
        let id = ProcessId::of(child.0.id().cast_signed()).unwrap();
        let (now, began) = (Timestamp::now(), started_at(id).unwrap());
        let age = now.duration_since(began);
        assert!(age > SignedDuration::from_millis(-50), "{age:?}");
        assert!(age < SignedDuration::from_mins(10), "{age:?}");
    }
}
