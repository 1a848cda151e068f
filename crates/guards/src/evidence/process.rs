//! What the machine knows of a run: its processes and what they wait for, what they have
//! open, who is at the other end, what they use, and what they last said.
//!
//! Everything comes from `/proc`, read twice a moment apart for what it moves. What
//! another user's process hides is left out line by line, not as a whole.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use evenkeel_core::evidence::{EvidenceItem, EvidenceKind};
use procfs::WithCurrentSystemInfo;
use procfs::process::{FDTarget, Process, Stat};

use super::{blotted_command, missing, write_item};
use crate::jobs::spool::Meta;
use crate::jobs::tree::{Look, cpu_ms, io_bytes};

/// Between the two looks at what the processes use.
const STRETCH: Duration = Duration::from_millis(150);
/// The most processes written down.
const PROCESSES_MAX: usize = 128;
/// The most threads of one process.
const THREADS_MAX: usize = 32;
/// The most files and sockets of one process.
const FILES_MAX: usize = 256;
/// The end of the output, bytes.
const OUTPUT_MAX: usize = 32 * 1024;

/// Writes five items of the run into `folder`. Blocks for [`STRETCH`] and the reading.
pub(crate) fn write(meta: &Meta, output_tail: &str, folder: &Path) -> Vec<EvidenceItem> {
    let look = Look::take();
    let members = look.members(meta);
    let left_out = members.len().saturating_sub(PROCESSES_MAX);
    let members = &members[..members.len().min(PROCESSES_MAX)];
    let before: Vec<Usage> = members.iter().map(|stat| Usage::of(stat)).collect();
    let mut items = if members.is_empty() {
        let gap = "the run has no living process on this host";
        [
            EvidenceKind::Processes,
            EvidenceKind::Files,
            EvidenceKind::Sockets,
        ]
        .map(|kind| missing(kind, gap))
        .to_vec()
    } else {
        let (files, sockets) = files_and_sockets(members);
        vec![
            write_item(
                folder,
                EvidenceKind::Processes,
                tree(meta, members, left_out),
            ),
            write_item(folder, EvidenceKind::Files, files),
            write_item(folder, EvidenceKind::Sockets, sockets),
        ]
    };
    items.push(if members.is_empty() {
        missing(EvidenceKind::Activity, "nothing of the run is running")
    } else {
        std::thread::sleep(STRETCH);
        write_item(folder, EvidenceKind::Activity, activity(members, &before))
    });
    let tail_from = output_tail.len().saturating_sub(OUTPUT_MAX);
    let tail_from = (tail_from..output_tail.len())
        .find(|at| output_tail.is_char_boundary(*at))
        .unwrap_or(output_tail.len());
    items.push(if output_tail.is_empty() {
        missing(EvidenceKind::Output, "the run has written no output")
    } else {
        write_item(
            folder,
            EvidenceKind::Output,
            output_tail[tail_from..].to_owned(),
        )
    });
    items
}

fn tree(meta: &Meta, members: &[&Stat], left_out: usize) -> String {
    let mut text = format!(
        "run {} of job {}, started {}, supervised by pid {}\n\n\
         pid      parent   state                 threads  resident   waits in               command\n",
        meta.run, meta.job, meta.started_at, meta.supervisor.pid
    );
    for stat in members {
        let process = Process::new(stat.pid).ok();
        let command = process
            .as_ref()
            .and_then(|process| process.cmdline().ok())
            .filter(|words| !words.is_empty())
            .map_or_else(
                || format!("[{}]", stat.comm),
                |words| blotted_command(&words).join(" "),
            );
        let _ = writeln!(
            text,
            "{:<8} {:<8} {:<21} {:>7}  {:>6} MB  {:<22} {}",
            stat.pid,
            stat.ppid,
            state(stat.state),
            stat.num_threads,
            stat.rss_bytes().get() / 1_000_000,
            wait_channel(&format!("/proc/{}/wchan", stat.pid)),
            command.chars().take(400).collect::<String>(),
        );
        let tasks = process.as_ref().and_then(|process| process.tasks().ok());
        for task in tasks
            .into_iter()
            .flatten()
            .flatten()
            .filter(|task| task.tid != stat.pid)
            .take(THREADS_MAX)
        {
            let Ok(stat) = task.stat() else {
                continue;
            };
            let _ = writeln!(
                text,
                "  thread {:<8} {:<21}                     {:<22} {}",
                task.tid,
                state(stat.state),
                wait_channel(&format!("/proc/{}/task/{}/wchan", task.pid, task.tid)),
                stat.comm,
            );
        }
    }
    if left_out > 0 {
        let _ = writeln!(text, "and {left_out} more processes");
    }
    text
}

fn state(letter: char) -> &'static str {
    match letter {
        'R' => "running",
        'S' => "sleeping",
        'D' => "uninterruptible wait",
        'T' | 't' => "stopped",
        'I' => "idle",
        _ => "other",
    }
}

/// The kernel function a task sleeps in; `-` where it runs or the kernel does not say.
pub(crate) fn wait_channel(path: &str) -> String {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() && text.trim() != "0" => text.trim().to_owned(),
        _ => "-".into(),
    }
}

fn files_and_sockets(members: &[&Stat]) -> (String, String) {
    let connections: BTreeMap<u64, procfs::net::TcpNetEntry> =
        [procfs::net::tcp().ok(), procfs::net::tcp6().ok()]
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| (entry.inode, entry))
            .collect();
    let mut files = String::from("pid      fd    position      file\n");
    let mut sockets = String::from(
        "pid      fd    local                   peer                    state         to send  to read (bytes)\n",
    );
    for stat in members {
        let Ok(open) = Process::new(stat.pid).and_then(|process| process.fd()) else {
            let _ = writeln!(files, "{:<8} cannot be read", stat.pid);
            continue;
        };
        for file in open.flatten().take(FILES_MAX) {
            match &file.target {
                FDTarget::Socket(inode) => {
                    let line = connections.get(inode).map_or_else(
                        || format!("a local or other socket ({inode})"),
                        |tcp| {
                            format!(
                                "{:<23} {:<23} {:<13} {:>7}  {:>7}",
                                tcp.local_address.to_string(),
                                tcp.remote_address.to_string(),
                                format!("{:?}", tcp.state),
                                tcp.tx_queue,
                                tcp.rx_queue
                            )
                        },
                    );
                    let _ = writeln!(sockets, "{:<8} {:<5} {line}", stat.pid, file.fd);
                }
                target => {
                    let name = match target {
                        FDTarget::Path(path) => path.display().to_string(),
                        other => format!("{other:?}"),
                    };
                    let _ = writeln!(
                        files,
                        "{:<8} {:<5} {:>12}  {name}",
                        stat.pid,
                        file.fd,
                        position(stat.pid, file.fd)
                    );
                }
            }
        }
    }
    (files, sockets)
}

fn position(pid: i32, fd: i32) -> String {
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).unwrap_or_default();
    let position = info.lines().find_map(|line| line.strip_prefix("pos:"));
    position.map_or_else(|| "-".into(), |text| text.trim().to_owned())
}

struct Usage {
    cpu_ms: u64,
    io_bytes: u64,
    switches: u64,
}

impl Usage {
    fn of(stat: &Stat) -> Self {
        let status = Process::new(stat.pid).and_then(|process| process.status());
        Self {
            cpu_ms: cpu_ms(stat),
            io_bytes: io_bytes(stat.pid),
            switches: status
                .ok()
                .and_then(|status| status.voluntary_ctxt_switches)
                .unwrap_or_default(),
        }
    }
}

fn activity(members: &[&Stat], before: &[Usage]) -> String {
    let mut text = format!(
        "over {} ms\n\npid      cpu ms (in all)      bytes read and written (in all)    times it slept   command\n",
        STRETCH.as_millis()
    );
    for (stat, before) in members.iter().zip(before) {
        let Ok(now) = Process::new(stat.pid).and_then(|process| process.stat()) else {
            let _ = writeln!(text, "{:<8} ended meanwhile", stat.pid);
            continue;
        };
        let now = Usage::of(&now);
        let _ = writeln!(
            text,
            "{:<8} {:>6} {:>12}   {:>12} {:>18}   {:>16}   {}",
            stat.pid,
            now.cpu_ms.saturating_sub(before.cpu_ms),
            format!("({})", now.cpu_ms),
            now.io_bytes.saturating_sub(before.io_bytes),
            format!("({})", now.io_bytes),
            now.switches.saturating_sub(before.switches),
            stat.comm,
        );
    }
    text
}
