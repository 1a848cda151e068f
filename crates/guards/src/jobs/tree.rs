//! The processes of a run.
//!
//! A run's tree is everything below its supervisor: the supervisor is a subreaper, so a
//! daemon that detaches itself stays below it. Where the supervisor is gone, its
//! processes are known by the run's name in their environment. A process is identified
//! by pid and start time; a signal goes through a pidfd, which cannot name another.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::ids::RunId;
use procfs::process::{Process, Stat};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use super::spool::{Meta, boot_id};

/// The variable that carries a run's name to all its processes.
pub const RUN_VARIABLE: &str = "EVENKEEL_RUN_ID";

/// A process, identified so that it cannot be confused within one boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its pid.
    pub pid: i32,
    /// When it started, in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start: u64,
}

impl ProcessId {
    /// The process that has `pid` now.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = Process::new(pid).ok()?.stat().ok()?;
        Some(Self {
            pid,
            start: stat.starttime,
        })
    }

    /// Sends `signal`, if it is still the same process; false where it is gone.
    pub fn signal(self, signal: Signal) -> bool {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return false;
        };
        // The handle first, the check second: what is checked is what the handle names.
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            return false;
        };
        Self::of(self.pid) == Some(self) && pidfd_send_signal(handle, signal).is_ok()
    }
}

/// Every process of the machine at one moment: one look serves all runs.
pub struct Look {
    stats: BTreeMap<i32, Stat>,
    children: BTreeMap<i32, Vec<i32>>,
    boot: String,
}

impl Look {
    /// Looks at `/proc` once.
    pub fn take() -> Self {
        let mut stats = BTreeMap::new();
        let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for process in procfs::process::all_processes()
            .into_iter()
            .flatten()
            .flatten()
        {
            let Ok(stat) = process.stat() else {
                continue;
            };
            children.entry(stat.ppid).or_default().push(stat.pid);
            stats.insert(stat.pid, stat);
        }
        Self {
            stats,
            children,
            boot: boot_id(),
        }
    }

    /// The living processes of a run, its supervisor left out; zombies do not live.
    pub fn members(&self, meta: &Meta) -> Vec<&Stat> {
        if meta.boot != self.boot {
            return Vec::new();
        }
        if !self.supervisor_lives(meta) {
            return self.marked(&meta.run);
        }
        let mut found = BTreeSet::new();
        let mut open = vec![meta.supervisor.pid];
        while let Some(pid) = open.pop() {
            for child in self.children.get(&pid).into_iter().flatten() {
                if found.insert(*child) {
                    open.push(*child);
                }
            }
        }
        found
            .iter()
            .filter_map(|pid| self.stats.get(pid))
            .filter(|stat| lives(stat))
            .collect()
    }

    /// A process and everything below it, itself first; those that live.
    pub fn tree(&self, root: ProcessId) -> Vec<ProcessId> {
        let mut found = vec![root];
        let mut at = 0;
        while let Some(parent) = found.get(at) {
            at += 1;
            let children = self.children.get(&parent.pid).into_iter().flatten();
            let living = children
                .filter_map(|pid| self.stats.get(pid))
                .filter(|stat| lives(stat))
                .map(id);
            let new: Vec<ProcessId> = living.filter(|id| !found.contains(id)).collect();
            found.extend(new);
        }
        found
    }

    /// Whether the run's supervisor is there.
    pub fn supervisor_lives(&self, meta: &Meta) -> bool {
        meta.boot == self.boot
            && self
                .stats
                .get(&meta.supervisor.pid)
                .is_some_and(|stat| stat.starttime == meta.supervisor.start && lives(stat))
    }

    /// Processes that carry the run's name in their environment.
    fn marked(&self, run: &RunId) -> Vec<&Stat> {
        let mark = format!("{RUN_VARIABLE}={run}");
        self.stats
            .values()
            .filter(|stat| lives(stat) && stat.pid != std::process::id() as i32)
            .filter(|stat| {
                std::fs::read(format!("/proc/{}/environ", stat.pid)).is_ok_and(|environment| {
                    environment
                        .split(|byte| *byte == 0)
                        .any(|pair| pair == mark.as_bytes())
                })
            })
            .collect()
    }
}

fn lives(stat: &Stat) -> bool {
    !matches!(stat.state, 'Z' | 'X' | 'x')
}

/// CPU time of a process and its ended children, milliseconds.
pub fn cpu_ms(stat: &Stat) -> u64 {
    let children = u64::try_from(stat.cutime + stat.cstime).unwrap_or_default();
    (stat.utime + stat.stime + children) * 1000 / procfs::ticks_per_second()
}

/// Bytes a process has read and written; nothing where they cannot be read.
pub fn io_bytes(pid: i32) -> u64 {
    let io = Process::new(pid).and_then(|process| process.io());
    io.map_or(0, |io| io.rchar + io.wchar)
}

/// The identity of a member.
pub fn id(stat: &Stat) -> ProcessId {
    ProcessId {
        pid: stat.pid,
        start: stat.starttime,
    }
}
