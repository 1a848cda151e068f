//! What is kept of an instance before it is restarted: a leak is gone with its process, and
//! what leaked is the developers' first question.
//!
//! Bounded in time and size; what cannot be had is left out, and never stops the restart.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use evenkeel_core::evidence::EvidenceKind;
use evenkeel_core::observation::Levels;
use hyper::Method;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::WebAddress;
use super::web::{Ask, exchange};
use crate::evidence::blotted_command;
use crate::jobs::tree::{Look, ProcessId};

/// How long everything may take: the instance is drained and waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most processes written down.
const PROCESSES_MAX: usize = 32;

/// The most descriptors looked at of one process.
const FILES_MAX: usize = 20_000;

/// The most different targets of descriptors written down of one process.
const TARGETS_MAX: usize = 100;

/// The most of its metrics, bytes.
const METRICS_MAX: usize = 256 * 1024;

/// What can be kept.
pub(super) async fn of(
    process: Option<ProcessId>,
    metrics: Option<&WebAddress>,
    last: Option<&Levels>,
) -> Vec<(EvidenceKind, String)> {
    let mut texts = Vec::new();
    if let Some(last) = last.and_then(|last| serde_json::to_string_pretty(last).ok()) {
        texts.push((EvidenceKind::Levels, last));
    }
    let machine = async {
        let process = process?;
        let reading = spawn_blocking(move || of_processes(process));
        timeout(PATIENCE, reading).await.ok()?.ok()
    };
    let told = async { of_metrics(metrics?).await };
    let (machine, told) = tokio::join!(machine, told);
    texts.extend(machine.into_iter().flatten());
    texts.extend(told.map(|text| (EvidenceKind::Metrics, text)));
    texts
}

fn of_processes(process: ProcessId) -> Vec<(EvidenceKind, String)> {
    let (mut processes, mut memory, mut files) = (String::new(), String::new(), String::new());
    let tree = Look::take().tree(process);
    for id in tree.iter().take(PROCESSES_MAX) {
        let folder = format!("/proc/{}", id.pid);
        let read = |file: &str| fs::read_to_string(format!("{folder}/{file}"));
        let command = read("cmdline").unwrap_or_default();
        let words: Vec<String> = command.split_terminator('\0').map(str::to_owned).collect();
        let command: String = blotted_command(&words).join(" ");
        let command: String = command.chars().take(400).collect();
        let _ = writeln!(processes, "pid {}: {command}", id.pid);
        let status = read("status").unwrap_or_default();
        for line in status.lines().filter(|line| {
            ["State", "PPid", "Threads", "FDSize", "Vm", "Rss"]
                .iter()
                .any(|name| line.starts_with(name))
        }) {
            let _ = writeln!(processes, "  {line}");
        }
        let _ = writeln!(memory, "pid {}", id.pid);
        match read("smaps_rollup") {
            Ok(text) => memory.push_str(&text),
            Err(error) => drop(writeln!(memory, "smaps_rollup cannot be read: {error}")),
        }
        let _ = writeln!(files, "pid {}", id.pid);
        of_files(Path::new(&format!("{folder}/fd")), &mut files);
    }
    if tree.len() > PROCESSES_MAX {
        let _ = writeln!(processes, "and {} more", tree.len() - PROCESSES_MAX);
    }
    vec![
        (EvidenceKind::Processes, processes),
        (EvidenceKind::Memory, memory),
        (EvidenceKind::Files, files),
    ]
}

/// Descriptors by what they lead to, the most frequent first: what leaks stands on top.
fn of_files(folder: &Path, text: &mut String) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let _ = writeln!(text, "descriptors cannot be read: {error}");
            return;
        }
    };
    let mut targets: BTreeMap<String, u64> = BTreeMap::new();
    for entry in entries.flatten().take(FILES_MAX) {
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        let target = target.display().to_string();
        // `socket:[12345]`: the number tells nothing.
        let kind = match target.split_once(":[") {
            Some((kind, _)) => kind.to_owned(),
            None => target,
        };
        *targets.entry(kind).or_default() += 1;
    }
    let mut sorted: Vec<_> = targets.into_iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (target, count) in sorted.iter().take(TARGETS_MAX) {
        let _ = writeln!(text, "{count:>8}  {target}");
    }
    if sorted.len() > TARGETS_MAX {
        let _ = writeln!(text, "and {} other targets", sorted.len() - TARGETS_MAX);
    }
}

async fn of_metrics(address: &WebAddress) -> Option<String> {
    let mut body = Vec::new();
    let ask = Ask {
        method: Method::GET,
        host: address.host(),
        port: address.port(),
        authority: address.authority(),
        path: address.path(),
        patience: PATIENCE,
        body_max: METRICS_MAX,
    };
    let answer = exchange(&ask, |piece| body.extend_from_slice(piece)).await;
    answer.ok().filter(|answer| answer.status == 200)?;
    Some(String::from_utf8_lossy(&body).into_owned())
}
