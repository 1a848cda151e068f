//! The journal as the pump uses it: appends that are tried again, state that can be had
//! anew, snapshots and retention.
//!
//! The journal blocks; it lives on blocking threads and is lent to one at a time.
//!
//! A failed append is one of two things. Either it can help to try again (disk full, file
//! busy): then the batch is kept and tried until it works, which stops the pump on
//! purpose, since a decision that cannot be written down must not be acted on. Or the
//! journal's state is in doubt (another writer, a write error): then the file is opened
//! again and folded anew, and what was decided on the old state is void.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::event::Event;
use evenkeel_core::record::Record;
use evenkeel_journal::codec::{self, FoldError, Folded};
use evenkeel_journal::{
    AppendError, BATCH_DRAFTS_MAX, Draft, Journal, OpenError, Retention, Revision, SqliteJournal,
};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Pace;

/// After a snapshot the pump goes on for so many times as long as it took: ten thousand
/// heartbeats that ping all the time make it large, and every few thousand events come often.
const SNAPSHOT_REST: u32 = 50;

/// How the journal is come by: at the start, again after a failure, and for reading
/// beside the pump.
pub trait OpenJournal: Send + Sync + 'static {
    /// Opens it to append; says in the log what was found.
    fn open(&self) -> Result<Box<dyn Journal>, OpenError>;

    /// Opens it for reading while the pump has it.
    fn open_to_read(&self) -> Result<Box<dyn Journal>, OpenError>;
}

/// The journal in a file.
#[derive(Debug, Clone)]
pub struct SqliteFile(
    /// Where it is.
    pub PathBuf,
);

impl OpenJournal for SqliteFile {
    fn open(&self) -> Result<Box<dyn Journal>, OpenError> {
        let (journal, opened) = SqliteJournal::open(&self.0)?;
        if let Some(set_aside) = &opened.set_aside {
            tracing::error!(
                path = %self.0.display(),
                ?set_aside,
                "the journal's end was torn and was set aside in a file; what was before it is whole. Look at the disk, and keep that file"
            );
        }
        if !opened.end_was_witnessed && !opened.created {
            tracing::warn!(
                path = %self.0.display(),
                "the file beside the journal that says how far it had come is missing: entries lost at its end would not have been noticed"
            );
        }
        tracing::info!(
            path = %self.0.display(),
            head = %opened.head,
            created = opened.created,
            entries_checked = opened.entries_checked,
            "journal opened"
        );
        Ok(Box::new(journal))
    }

    fn open_to_read(&self) -> Result<Box<dyn Journal>, OpenError> {
        Ok(Box::new(SqliteJournal::open_read_only(&self.0)?))
    }
}

/// A pump that did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal was not opened.
    #[error("the journal was not opened")]
    Open(#[from] OpenError),
    /// The journal was not folded.
    #[error("the journal could not be folded into a record")]
    Fold(#[from] FoldError),
    /// A mistake of ours.
    #[error("the journal's thread failed by a mistake in Evenkeel; please report it with the log")]
    Thread,
}

/// What became of a batch.
pub(super) enum Appended {
    /// It is durable; the journal's revision now.
    Durable(Revision),
    /// It is void: the record as the journal has it.
    Rebuilt(Box<Record>),
    /// It was being tried when it was time to stop; it may come to be decided again.
    Stopped,
}

/// See the module.
pub(super) struct Store {
    opener: Arc<dyn OpenJournal>,
    /// `None` while it is lent out, and after it was lost.
    journal: Option<Box<dyn Journal>>,
    revision: Revision,
    keep_for: BTreeMap<String, Duration>,
    pace: Pace,
    snapshot_at: Revision,
    /// No snapshot before: a large record is written down less often.
    snapshot_rest: Instant,
    retain_at: Instant,
    retaining: bool,
    rebuilds: u32,
}

impl Store {
    pub(super) async fn open(
        opener: Arc<dyn OpenJournal>,
        keep_for: BTreeMap<String, Duration>,
        pace: &Pace,
    ) -> Result<(Self, Record), StartError> {
        let (journal, folded) = open_and_fold(opener.clone()).await?;
        tracing::info!(
            revision = folded.record.revision,
            snapshot = folded.snapshot.0,
            entries = folded.entries,
            "record folded"
        );
        let store = Self {
            opener,
            journal: Some(journal),
            revision: Revision(folded.record.revision),
            keep_for,
            pace: pace.clone(),
            snapshot_at: folded.snapshot,
            snapshot_rest: Instant::now(),
            // Not at once: a start is busy enough.
            retain_at: Instant::now() + pace.retain_every.min(Duration::from_secs(600)),
            retaining: false,
            rebuilds: 0,
        };
        Ok((store, folded.record))
    }

    pub(super) fn rebuilds_in_a_row(&self) -> u32 {
        self.rebuilds
    }

    /// Makes events durable. Says trouble when it begins and when it ends.
    pub(super) async fn append(
        &mut self,
        events: &[Event],
        trouble: impl Fn(Option<&str>),
        stop: &mut watch::Receiver<bool>,
    ) -> Appended {
        let mut drafts: Vec<Draft> = events.iter().map(codec::encode).collect();
        let mut backoff = self.pace.backoff;
        let mut failing = false;
        let mut give_up_at = None;
        while !drafts.is_empty() {
            let later = drafts.split_off(drafts.len().min(BATCH_DRAFTS_MAX));
            let (batch, answer) = self.try_append(drafts).await;
            match answer {
                Ok(revision) => {
                    self.revision = revision;
                    drafts = later;
                    continue;
                }
                Err(Some(
                    error @ (AppendError::Full(_)
                    | AppendError::Busy(_)
                    | AppendError::QueueFull { .. }),
                )) => {
                    let why = chain(&error);
                    tracing::error!(
                        waiting = batch.len(),
                        "{why}. Nothing is done until it can be written down; it is tried again"
                    );
                    trouble(Some(&why));
                    failing = true;
                    drafts = batch;
                    drafts.extend(later);
                }
                Err(error) => {
                    let why = match error {
                        Some(error) => chain(&error),
                        None => "the journal's thread failed by a mistake in Evenkeel".to_owned(),
                    };
                    tracing::error!(
                        "{why}. What was decided is void; the journal is opened and folded anew"
                    );
                    trouble(Some(&why));
                    return self.rebuild(trouble, stop).await;
                }
            }
            if *stop.borrow() {
                let at = *give_up_at.get_or_insert_with(|| Instant::now() + self.pace.farewell);
                if Instant::now() >= at {
                    return Appended::Stopped;
                }
                tokio::time::sleep(backoff).await;
            } else {
                tokio::select! {
                    () = tokio::time::sleep(backoff) => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            }
            backoff = (backoff * 2).min(self.pace.tick);
        }
        if failing {
            tracing::info!("the journal takes entries again");
        }
        trouble(None);
        self.rebuilds = 0;
        Appended::Durable(self.revision)
    }

    async fn try_append(
        &mut self,
        drafts: Vec<Draft>,
    ) -> (Vec<Draft>, Result<Revision, Option<AppendError>>) {
        let expected = self.revision;
        let kept = Arc::new(drafts);
        let lent = kept.clone();
        let answer = self
            .lend(move |journal| journal.append(expected, &lent))
            .await;
        let drafts = Arc::try_unwrap(kept).unwrap_or_else(|shared| (*shared).clone());
        match answer {
            Some(Ok(revision)) => (drafts, Ok(revision)),
            Some(Err(error)) => (drafts, Err(Some(error))),
            None => (drafts, Err(None)),
        }
    }

    async fn rebuild(
        &mut self,
        trouble: impl Fn(Option<&str>),
        stop: &mut watch::Receiver<bool>,
    ) -> Appended {
        self.rebuilds += 1;
        // Let go of the lock before it is taken again.
        if let Some(journal) = self.journal.take() {
            let _closed = tokio::task::spawn_blocking(move || drop(journal)).await;
        }
        let mut backoff = self.pace.backoff;
        loop {
            if *stop.borrow() {
                return Appended::Stopped;
            }
            match open_and_fold(self.opener.clone()).await {
                Ok((journal, folded)) => {
                    self.journal = Some(journal);
                    self.revision = Revision(folded.record.revision);
                    self.snapshot_at = folded.snapshot;
                    trouble(None);
                    return Appended::Rebuilt(Box::new(folded.record));
                }
                Err(error) => {
                    let why = chain(&error);
                    tracing::error!("{why}. It is tried again");
                    trouble(Some(&why));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
            backoff = (backoff * 2).min(self.pace.tick);
        }
    }

    /// Whether it is time for a snapshot or for a removal of old entries.
    pub(super) fn wants_upkeep(&self) -> bool {
        (self.revision.0 - self.snapshot_at.0 >= self.pace.snapshot_every
            && Instant::now() >= self.snapshot_rest)
            || (!self.keep_for.is_empty() && (self.retaining || Instant::now() >= self.retain_at))
    }

    /// One bounded piece of upkeep. `live` takes the revision of what a removal appends.
    pub(super) async fn keep_up(&mut self, live: &mut Record, published: Arc<Record>) {
        self.save_snapshot(published).await;
        if self.keep_for.is_empty() || (!self.retaining && Instant::now() < self.retain_at) {
            return;
        }
        let rules = Retention {
            keep_for: self.keep_for.clone(),
            up_to: self.snapshot_at,
        };
        let (expected, now) = (self.revision, Timestamp::now());
        let answer = self
            .lend(move |journal| journal.retain(expected, &rules, now))
            .await;
        match answer {
            Some(Ok(retained)) => {
                if retained.removed > 0 {
                    tracing::info!(removed = retained.removed, "old entries removed");
                }
                self.revision = retained.revision;
                live.revision = retained.revision.0;
                self.retaining = retained.more;
            }
            Some(Err(error)) => {
                tracing::error!("{}", chain(&error));
                // A conflict or a broken handle shows at the next append, which rebuilds.
                self.retaining = false;
            }
            None => self.retaining = false,
        }
        if !self.retaining {
            self.retain_at = Instant::now() + self.pace.retain_every;
        }
    }

    /// Keeps a snapshot of what is published, which is what is durable.
    async fn save_snapshot(&mut self, record: Arc<Record>) {
        let revision = Revision(record.revision);
        if revision <= self.snapshot_at {
            return;
        }
        let began = Instant::now();
        let saved = self
            .lend(move |journal| {
                let snapshot = codec::snapshot(&record).map_err(|error| error.to_string())?;
                journal
                    .save_snapshot(&snapshot)
                    .map_err(|error| chain(&error))
            })
            .await;
        match saved {
            Some(Ok(())) => {}
            Some(Err(why)) => {
                tracing::warn!("{why}. The next start takes longer; nothing is lost");
            }
            None => {}
        }
        // Tried once for each stretch, whether or not it worked.
        self.snapshot_at = revision;
        self.snapshot_rest = Instant::now() + began.elapsed() * SNAPSHOT_REST;
    }

    /// Keeps a last snapshot and lets go of the journal.
    pub(super) async fn close(mut self, record: Arc<Record>) {
        self.save_snapshot(record).await;
        if let Some(journal) = self.journal.take() {
            let _closed = tokio::task::spawn_blocking(move || drop(journal)).await;
        }
    }

    /// Lends the journal to a blocking thread. `None` where it is lost: the thread
    /// panicked, now or before.
    async fn lend<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut dyn Journal) -> T + Send + 'static,
    ) -> Option<T> {
        let mut journal = self.journal.take()?;
        let lent = tokio::task::spawn_blocking(move || {
            let answer = work(&mut *journal);
            (journal, answer)
        });
        let (journal, answer) = lent.await.ok()?;
        self.journal = Some(journal);
        Some(answer)
    }
}

async fn open_and_fold(
    opener: Arc<dyn OpenJournal>,
) -> Result<(Box<dyn Journal>, Folded), StartError> {
    let work = move || {
        let journal = opener.open()?;
        let folded = codec::fold(&*journal)?;
        Ok((journal, folded))
    };
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(StartError::Thread))
}

/// An error and what caused it, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
