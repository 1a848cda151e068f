//! The drill and the demo as a newcomer meets them: started, watched, interrupted.
//!
//! They need the other programs beside them, which `cargo build --workspace --bins` makes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

struct Drill {
    child: Child,
    lines: Receiver<String>,
    /// Everything a drill makes is made in here.
    temporary: TempDir,
}

impl Drill {
    fn start(arguments: &[&str]) -> Self {
        let temporary = tempfile::tempdir().expect("a folder");
        // PostgreSQL runs as another user, who has to get in.
        use std::os::unix::fs::PermissionsExt;
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(temporary.path(), open).expect("open");
        let mut child = Command::new(env!("CARGO_BIN_EXE_evenkeel-drill"))
            .args(arguments)
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let (sender, lines) = channel();
        let out = child.stdout.take().expect("a pipe");
        let err = child.stderr.take().expect("a pipe");
        for reader in [
            Box::new(out) as Box<dyn std::io::Read + Send>,
            Box::new(err),
        ] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(reader).lines().map_while(Result::ok) {
                    let _nobody_listens = sender.send(line);
                }
            });
        }
        Self {
            child,
            lines,
            temporary,
        }
    }

    /// Waits for a line that has `words`; everything that was said so far.
    fn until(&self, words: &str, at_most: Duration) -> Vec<String> {
        let deadline = Instant::now() + at_most;
        let mut said = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let found = line.contains(words);
                    said.push(line);
                    if found {
                        return said;
                    }
                }
                Err(error) => panic!("no `{words}` ({error}) in {said:#?}"),
            }
        }
    }

    /// Nothing is left: no folder, and no process that was told of it.
    fn leaves_nothing(&self) {
        let folder = self.temporary.path().to_owned();
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let files: Vec<_> = std::fs::read_dir(&folder)
                .expect("the folder")
                .flatten()
                .map(|entry| entry.path())
                .collect();
            let processes = processes_of(&folder);
            if files.is_empty() && processes.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "left behind: {files:?} {processes:?}"
            );
            // waits: for processes that are ending; looked at again until the deadline above
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Drill {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Living processes that have the folder in their environment or their command.
fn processes_of(folder: &Path) -> Vec<String> {
    let needle = folder.display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.parse::<u32>().is_err() || name == std::process::id().to_string() {
            continue;
        }
        let read = |file: &str| {
            let bytes = std::fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let command = read("cmdline");
        if command.contains(&needle) || read("environ").contains(&needle) {
            found.push(format!("{name}: {command}"));
        }
    }
    found
}

#[test]
fn a_drill_that_is_interrupted_leaves_nothing_behind() {
    let mut drill = Drill::start(&["hung-export", "--short"]);
    drill.until("the upload stands still", Duration::from_secs(120));
    assert!(!processes_of(drill.temporary.path()).is_empty());
    let pid = Pid::from_raw(drill.child.id().cast_signed()).expect("a pid");
    kill_process(pid, Signal::INT).expect("a signal");
    let status = drill.child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130), "{status}");
    drill.leaves_nothing();
}

#[test]
fn a_drill_of_front_ends_that_is_interrupted_leaves_nothing_behind() {
    let mut drill = Drill::start(&["slow-leak", "--short", "--peers"]);
    drill.until("users work", Duration::from_secs(120));
    let running = processes_of(drill.temporary.path()).join("\n");
    for part in ["backoffice serve", "haproxy", "postgres"] {
        assert!(running.contains(part), "no {part} in {running}");
    }
    let pid = Pid::from_raw(drill.child.id().cast_signed()).expect("a pid");
    kill_process(pid, Signal::INT).expect("a signal");
    let status = drill.child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130), "{status}");
    drill.leaves_nothing();
}

#[test]
fn the_demo_tells_the_outage_to_its_end_and_leaves_nothing_behind() {
    let mut drill = Drill::start(&["demo", "--seconds", "40"]);
    let said = drill
        .until("Ctrl-C ends it", Duration::from_secs(150))
        .join("\n");
    for words in [
        "back office         http://127.0.0.1:",
        "public status page  http://127.0.0.1:",
        "operator's console  http://127.0.0.1:",
        "Users: logins do not come back",
        "Evenkeel: Found: Login is blocked.",
        "its session was ended",
        "The bureau has the whole dump",
        " 0 failed",
    ] {
        assert!(said.contains(words), "no `{words}` in\n{said}");
    }
    let status = drill.child.wait().expect("it ends");
    assert!(status.success(), "{status}");
    drill.leaves_nothing();
}
