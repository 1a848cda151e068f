//! Running a program that manages the service: bounded in time and output, without a shell.
//!
//! It leads a process group of its own, so that a Ctrl-C at our terminal is not for it, and
//! so that what hangs is ended whole. It is not ended when we are: half a restart is worse
//! than a whole one. Its output is read on until everyone who has it has closed it: a
//! service that inherits it must not break on its next line.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The output that is kept, bytes: `systemctl show` of a hundred units is some 10 KiB.
const OUTPUT_MAX: usize = 64 * 1024;

/// After its end, what it said is here within this time; whoever inherited its output may
/// say more for ever.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// The beginning of its standard output.
    pub(super) output: String,
    /// The beginning of its standard error.
    pub(super) errors: String,
}

impl Ended {
    /// What it said for itself, in one line of a length one can read.
    pub(super) fn said(&self) -> String {
        let text = match self.errors.trim() {
            "" => self.output.trim(),
            errors => errors,
        };
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.is_empty() {
            true => "it said nothing".into(),
            false => format!("it said: {}", line.chars().take(300).collect::<String>()),
        }
    }
}

/// Runs `program` and waits for its end.
///
/// # Errors
/// It could not be started, or did not end in time; then it is gone with its children.
pub(super) async fn run(
    program: &Path,
    arguments: &[&str],
    patience: Duration,
) -> Result<Ended, String> {
    let shown = program.display();
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = command.spawn().map_err(|error| {
        format!("{shown} cannot be started ({error}); is it installed, and may Evenkeel run it?")
    })?;
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let output = Listening::begin(child.stdout.take());
    let errors = Listening::begin(child.stderr.take());
    match tokio::time::timeout(patience, child.wait()).await {
        Ok(Ok(status)) => Ok(Ended {
            status,
            output: output.heard().await,
            errors: errors.heard().await,
        }),
        Ok(Err(error)) => Err(format!("the end of {shown} cannot be waited for: {error}")),
        Err(_) => {
            // Not reaped yet, so the number is still its own.
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait().await;
            Err(format!(
                "{shown} did not end within {} s and was killed with its children",
                patience.as_secs()
            ))
        }
    }
}

/// Somebody who listens until everyone has stopped talking, and keeps the beginning.
struct Listening {
    heard: Arc<Mutex<Vec<u8>>>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Listening {
    fn begin<R: AsyncRead + Unpin + Send + 'static>(from: Option<R>) -> Self {
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let kept = heard.clone();
        let task = from.map(|mut from| {
            tokio::spawn(async move {
                let mut piece = [0; 4096];
                while let Ok(size @ 1..) = from.read(&mut piece).await {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    let room = OUTPUT_MAX - kept.len();
                    kept.extend_from_slice(&piece[..size.min(room)]);
                }
            })
        });
        Self { heard, task }
    }

    async fn heard(self) -> String {
        if let Some(mut task) = self.task {
            let _ = tokio::time::timeout(LAST_WORDS, &mut task).await;
        }
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&heard).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str, patience: Duration) -> Result<Ended, String> {
        run(Path::new("/bin/sh"), &["-c", script], patience).await
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn tells_how_it_ended_and_what_it_said() {
        let ended = shell("echo out; echo no such unit >&2; exit 4", LONG).await;
        let ended = ended.expect("it ran");
        assert_eq!(ended.status.code(), Some(4));
        assert_eq!(ended.output, "out\n");
        assert_eq!(ended.said(), "it said: no such unit");
    }

    #[tokio::test]
    async fn endless_output_is_cut_and_holds_nobody_up() {
        let ended = shell("yes | head -c 10000000", LONG).await.expect("it ran");
        assert_eq!(ended.output.len(), OUTPUT_MAX);
    }

    #[tokio::test]
    async fn what_it_leaves_behind_is_not_waited_for_and_may_go_on_talking() {
        let ended = shell("sleep 60 & echo $!", LONG).await.expect("it ran");
        let left: i32 = ended.output.trim().parse().expect("a pid");
        let left = Pid::from_raw(left).expect("a pid");
        rustix::process::kill_process(left, Signal::KILL).expect("it is still there");
    }

    #[tokio::test]
    async fn what_hangs_is_killed_with_its_children() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
        let told = shell(&script, Duration::from_secs(1)).await.unwrap_err();
        assert!(told.contains("did not end within 1 s"), "{told}");
        let child = std::fs::read_to_string(&file).expect("it had begun");
        let child = child.trim().parse().expect("a pid");
        let state = || {
            Some(
                procfs::process::Process::new(child)
                    .ok()?
                    .stat()
                    .ok()?
                    .state,
            )
        };
        let gone = async {
            while !matches!(state(), None | Some('Z' | 'X')) {
                // waits: for the kernel to end what was killed; bounded below
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let ended = tokio::time::timeout(LONG, gone).await;
        assert!(ended.is_ok(), "{:?}", state());
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let told = run(Path::new("/nowhere/at/all"), &[], LONG).await;
        assert!(told.unwrap_err().contains("/nowhere/at/all"));
    }
}
