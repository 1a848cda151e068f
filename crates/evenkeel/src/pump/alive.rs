//! When Evenkeel was last there: a small file, written anew every few seconds.
//!
//! After a crash or a power failure the journal says what was last decided, which may be
//! days ago on a quiet service; this says until when somebody looked. What lies between
//! then and the next start was not observed, and the history of components says so.
//!
//! It is a hint: a file that is missing or unreadable costs that stretch of the history
//! its honesty and nothing else, and a disk that does not take it stops nothing.

use std::path::PathBuf;
use std::time::Duration;

use evenkeel_core::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often it is written: the longest time between two steps.
const EVERY: Duration = Duration::from_secs(5);

/// A time as text is shorter than this.
const BYTES_MAX: u64 = 64;

/// See the module.
pub(super) struct Alive {
    file: PathBuf,
    due: Instant,
    writing: Option<JoinHandle<()>>,
}

impl Alive {
    pub(super) fn new(file: PathBuf) -> Self {
        Self {
            file,
            due: Instant::now(),
            writing: None,
        }
    }

    /// When Evenkeel was last there, as far as it is known.
    pub(super) fn last(&self) -> Option<Timestamp> {
        use std::io::Read;
        let mut text = String::new();
        let file = std::fs::File::open(&self.file).ok()?;
        file.take(BYTES_MAX).read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }

    /// A step at `now` is durable. Writes now and then, one at a time, and waits for
    /// nothing.
    pub(super) fn stepped(&mut self, now: Timestamp) {
        let is_writing = self
            .writing
            .as_ref()
            .is_some_and(|writing| !writing.is_finished());
        if is_writing || Instant::now() < self.due {
            return;
        }
        self.due = Instant::now() + EVERY;
        let file = self.file.clone();
        self.writing = Some(tokio::task::spawn_blocking(move || {
            let fresh = file.with_extension("new");
            let written = std::fs::write(&fresh, format!("{now}\n"))
                .and_then(|()| std::fs::rename(&fresh, &file));
            if let Err(error) = written {
                tracing::debug!(%error, path = %file.display(), "the time of the last step was not noted");
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_written_is_read_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alive");
        let mut alive = Alive::new(file.clone());
        assert_eq!(alive.last(), None);
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        alive.stepped(now);
        alive.writing.take().unwrap().await.unwrap();
        assert_eq!(Alive::new(file).last(), Some(now));
    }

    #[test]
    fn a_file_that_is_no_time_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alive");
        for text in ["", "yesterday", "2026-", "\u{fffd}"] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(Alive::new(file.clone()).last(), None, "{text}");
        }
    }
}
