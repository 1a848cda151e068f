//! How much memory a tree of processes has of its own.
//!
//! That is PSS: what workers share after a fork is counted once, in parts. With it counts
//! what has been swapped out, since a leak does not end at the swap. PSS is dear: the
//! kernel walks every page (some 10 ms a GiB) and holds the process's map meanwhile. So
//! it is asked the more seldom the longer it takes, and in between it is what it was plus
//! what the resident set, which is a counter, has grown since: a leak is in both.
//!
//! Where another user's process does not show its PSS, its resident set stands for it,
//! with what is swapped out; shared pages are then counted in every process that has them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use procfs::WithCurrentSystemInfo;
use procfs::process::Stat;

use crate::jobs::tree::{ProcessId, id};

/// Fifty processes may take a tenth of a percent of a core, all in all.
const SHARE: u32 = 50_000;

/// What is remembered of one process.
#[derive(Debug)]
struct Known {
    pss: u64,
    rss: u64,
    read: Instant,
    took: Duration,
}

/// The memory of one instance, from look to look.
#[derive(Debug, Default)]
pub(super) struct Memory {
    known: BTreeMap<ProcessId, Known>,
    /// Whether the processes keep their PSS to themselves.
    hidden: bool,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) bytes: u64,
    /// Whether shared pages are counted more than once.
    pub(super) is_resident: bool,
}

impl Memory {
    /// How much the processes of `tree` use, the instance's own first.
    pub(super) fn used(&mut self, tree: &[Stat]) -> Used {
        self.known
            .retain(|known, _| tree.iter().any(|stat| id(stat) == *known));
        let mut bytes = 0_u64;
        for (at, stat) in tree.iter().enumerate() {
            match self.of(stat) {
                Ok(used) => bytes = bytes.saturating_add(used),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    self.hidden = true;
                    return self.resident(tree);
                }
                // A worker that has just gone uses nothing.
                Err(_) if at > 0 => {}
                Err(_) => return self.resident(tree),
            }
        }
        self.hidden = false;
        Used {
            bytes,
            is_resident: false,
        }
    }

    fn of(&mut self, stat: &Stat) -> io::Result<u64> {
        let rss = stat.rss_bytes().get();
        if let Some(known) = self.known.get(&id(stat))
            && known.read.elapsed() < known.took * SHARE
        {
            return Ok(known.pss.saturating_add(rss).saturating_sub(known.rss));
        }
        let began = Instant::now();
        let pss = pss(stat.pid)?;
        let known = Known {
            pss,
            rss,
            read: began,
            took: began.elapsed(),
        };
        self.known.insert(id(stat), known);
        Ok(pss)
    }

    fn resident(&self, tree: &[Stat]) -> Used {
        let one = |stat: &Stat| stat.rss_bytes().get() + swapped(stat.pid);
        Used {
            bytes: tree.iter().map(one).sum(),
            is_resident: true,
        }
    }
}

/// PSS of a process with its part of what is swapped out, bytes.
fn pss(pid: i32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    pss_in(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn pss_in(text: &str) -> Option<u64> {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let number = line.split_whitespace().next()?;
        number.parse::<u64>().ok()?.checked_mul(1024)
    };
    value("Pss:")?.checked_add(value("SwapPss:").unwrap_or_default())
}

fn swapped(pid: i32) -> u64 {
    let status = procfs::process::Process::new(pid).and_then(|process| process.status());
    let swap = status.ok().and_then(|status| status.vmswap);
    swap.unwrap_or_default().saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pss_and_swap_are_read() {
        let text = "55d0-7ffc ---p 00000000 00:00 0 [rollup]\nRss: 1024 kB\nPss:  900 kB\n\
                    Pss_Anon: 800 kB\nSwap: 64 kB\nSwapPss:  32 kB\n";
        assert_eq!(pss_in(text), Some(932 * 1024));
        assert_eq!(pss_in("Pss: 5 kB"), Some(5 * 1024));
        assert_eq!(pss_in("Pss: many kB"), None);
        assert_eq!(pss_in(""), None);
    }

    #[test]
    fn growth_is_seen_between_two_readings_of_pss() {
        let own = || {
            let stat = procfs::process::Process::myself().and_then(|me| me.stat());
            vec![stat.expect("our own")]
        };
        let mut memory = Memory::default();
        let before = memory.used(&own());
        assert!(!before.is_resident && before.bytes > 100_000, "{before:?}");
        // However long the first reading took, the second is not due.
        for known in memory.known.values_mut() {
            known.took = Duration::from_secs(3600);
        }
        let leak = vec![1_u8; 64 << 20];
        let after = memory.used(&own());
        std::hint::black_box(&leak);
        let grown = after.bytes.saturating_sub(before.bytes);
        assert!(grown > 48 << 20, "{before:?} {after:?}");
    }

    #[test]
    fn what_cannot_be_read_at_all_counts_by_its_resident_set() {
        let mut stat = procfs::process::Process::myself()
            .and_then(|me| me.stat())
            .expect("our own");
        stat.pid = i32::MAX;
        let used = Memory::default().used(&[stat]);
        assert!(used.is_resident && used.bytes > 0);
    }
}
