//! One shell process that outlives us by a moment and cleans up.
//!
//! A parent-death signal (`PR_SET_PDEATHSIG`) is not enough: it fires when the
//! starting *thread* ends, which in a program with a thread pool is at some
//! point of no meaning; it is lost across a change of user, and grandchildren
//! never have it. A pipe has none of these holes: the kernel closes it when we
//! are gone, however we went. The shell holds its read end, ignores the
//! terminal's signals, and at end of file ends the process groups it was told
//! about, then everything that carries our mark in its environment, then
//! removes our folders.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use rustix::process::Signal;

/// Name of the variable by which the watchdog knows our processes.
pub(crate) const MARK: &str = "EVENKEEL_DRILL_MARK";

struct Watchdog {
    mark: String,
    // None when the shell could not be started: drop still cleans up then.
    pipe: Option<Mutex<ChildStdin>>,
}

static WATCHDOG: OnceLock<Watchdog> = OnceLock::new();

fn watchdog() -> &'static Watchdog {
    WATCHDOG.get_or_init(|| {
        let mark = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
        let pipe = Command::new("/bin/sh")
            .args([
                "-c",
                include_str!("watchdog.sh"),
                "evenkeel-drill-watchdog",
                &mark,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A drill may be a child of a test: that one's watchdog must not end ours.
            .env_remove(MARK)
            .process_group(0)
            .spawn()
            .ok()
            .and_then(|mut child| child.stdin.take())
            .map(Mutex::new);
        Watchdog { mark, pipe }
    })
}

/// The value every process of ours carries in [`MARK`].
pub(crate) fn mark() -> &'static str {
    &watchdog().mark
}

/// The watchdog will end this process group when we are gone, first with `signal`.
pub(crate) fn end_later(group: u32, signal: Signal) {
    let signal = match signal {
        Signal::QUIT => "QUIT",
        Signal::INT => "INT",
        Signal::KILL => "KILL",
        _ => "TERM",
    };
    let start = start_time(group).unwrap_or_default();
    tell(&format!("group {group} {start} {signal}\n"));
}

/// This process group has ended.
pub(crate) fn forget(group: u32) {
    tell(&format!("forget {group}\n"));
}

/// The watchdog will remove this folder when we are gone.
pub(crate) fn remove_later(folder: &Path) {
    tell(&format!("remove {}\n", folder.display()));
}

fn tell(line: &str) {
    if let Some(pipe) = &watchdog().pipe
        && let Ok(mut pipe) = pipe.lock()
    {
        // A watchdog that was killed by somebody leaves us with drop alone.
        drop(pipe.write_all(line.as_bytes()));
    }
}

/// Kernel's start time of a process in clock ticks: with the pid, its identity.
fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Child;

    use super::*;

    /// Runs a watchdog over `lines` and our end.
    fn watch(mark: &str, lines: &str) {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", include_str!("watchdog.sh"), "watchdog", mark])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = shell.stdin.take().unwrap();
        pipe.write_all(lines.as_bytes()).unwrap();
        drop(pipe);
        assert!(shell.wait().unwrap().success());
    }

    fn sleeper(mark: &str) -> Child {
        let mut command = Command::new("sleep");
        command.arg("600").env(MARK, mark).process_group(0);
        command.spawn().unwrap()
    }

    #[test]
    fn ends_a_group_and_whoever_left_it() {
        let mark = format!("test-{:x}", fastrand::u64(..));
        let mut told = sleeper("another");
        let mut left = sleeper(&mark);
        let start = start_time(told.id()).unwrap();
        let group = told.id();
        // Reaped at once, as init would: a zombie still counts as a group.
        let told = std::thread::spawn(move || told.wait());
        watch(&mark, &format!("group {group} {start} TERM\n"));
        assert_eq!(told.join().unwrap().unwrap().signal(), Some(15));
        assert_eq!(left.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn leaves_a_stranger_alone_who_has_the_number_now() {
        let mut stranger = sleeper("another");
        let start = start_time(stranger.id()).unwrap() + 1;
        let id = stranger.id();
        watch("nobody", &format!("group {id} {start} TERM\n"));
        watch(
            "nobody",
            &format!("group {id} {} TERM\nforget {id}\n", start - 1),
        );
        assert!(stranger.try_wait().unwrap().is_none());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
