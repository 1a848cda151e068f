//! Starting other programs: to read an answer, or to watch one at work.
//!
//! A watched program's output passes through as it comes, and is read on the way
//! for the counts in it. A program that outlives its limit is ended with
//! everything it started, so that a hang in a test is a failure and not a silence.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// What a command says on its standard output; its complaint where it fails.
pub(crate) fn output_of(command: &mut Command) -> Result<String, String> {
    let name = described(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{name}: {e}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "{name}: {}\n{}",
            output.status,
            complaint.trim_end()
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command to its end with its output shown; true if it succeeded.
pub(crate) fn shown(command: &mut Command, limit: Duration) -> Result<bool, String> {
    watched(command, limit, |_| {})
}

/// The same, and every line of its standard output is also handed over.
pub(crate) fn watched(
    command: &mut Command,
    limit: Duration,
    mut line_read: impl FnMut(&str),
) -> Result<bool, String> {
    let name = described(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{name}: {e}"))?;
    let output = child
        .stdout
        .take()
        .ok_or_else(|| format!("{name}: no output to read"))?;
    let (ended, watch) = mpsc::channel::<()>();
    let pid = child.id();
    let guard = std::thread::spawn(move || match watch.recv_timeout(limit) {
        Err(mpsc::RecvTimeoutError::Timeout) => {
            end_tree(pid);
            true
        }
        _ => false,
    });

    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let mut terminal = std::io::stdout().lock();
        // A closed terminal is no reason to stop counting.
        let _ = terminal.write_all(&line).and_then(|()| terminal.flush());
        line_read(String::from_utf8_lossy(&line).trim_end());
    }
    let status = child.wait().map_err(|e| format!("{name}: {e}"))?;
    drop(ended);
    if guard.join().unwrap_or(false) {
        println!(
            "{name}: ended, because it had not finished after {} s",
            limit.as_secs()
        );
        return Ok(false);
    }
    Ok(status.success())
}

/// The first of these names that is a file on PATH.
pub(crate) fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|candidate| candidate.is_file())
}

fn described(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .take(3)
            .map(|a| a.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

/// Ends a process and its descendants, children before parents get a chance to
/// start more: parents first, as read from /proc in one pass.
fn end_tree(root: u32) {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        if let Some(parent) = parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut tree = vec![root];
    let mut next = 0;
    while next < tree.len() {
        tree.extend(children.remove(&tree[next]).unwrap_or_default());
        next += 1;
    }
    let pids = tree.iter().map(u32::to_string);
    let _ = Command::new("kill")
        .arg("-KILL")
        .args(pids)
        .stderr(Stdio::null())
        .status();
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may itself hold spaces and parentheses.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_handed_over_line_by_line() {
        let mut lines = Vec::new();
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo one; echo two; exit 3"]);
        let succeeded = watched(&mut shell, Duration::from_secs(30), |line| {
            lines.push(line.to_owned())
        });
        assert_eq!(succeeded, Ok(false));
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn a_program_past_its_limit_is_ended_with_what_it_started() {
        let mut lines = Vec::new();
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 600 & echo $!; wait"]);
        let succeeded = watched(&mut shell, Duration::from_millis(300), |line| {
            lines.push(line.to_owned())
        });
        assert_eq!(succeeded, Ok(false));
        let grandchild: u32 = lines[0].parse().expect("a pid");
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            let state =
                std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            if state.is_empty() || state.contains(") Z") {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "still there: {state}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_missing_program_is_an_error_with_its_name() {
        let problem =
            output_of(&mut Command::new("evenkeel-no-such-program")).expect_err("missing");
        assert!(problem.contains("evenkeel-no-such-program"), "{problem}");
    }
}
