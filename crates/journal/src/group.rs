//! Many writers, one `fsync`.
//!
//! An append costs an `fsync`, whatever it holds. A thread of its own takes all
//! appends that are waiting, writes them as one transaction, and answers each when
//! it is durable; while the disk works, the next group gathers by itself. No timer
//! holds an append back: a lone one is as quick as without.
//!
//! The contract stays: appends with a condition are judged in the order in which
//! they came, against what stands before them in the group; one that conflicts is
//! left out and told so, the others go on. If the write fails, all of the group
//! fail alike, and none was kept.
//!
//! **At the bound** ([`Bounds::waiting`]): [`Journal::append`] and the other calls
//! of a [`Writer`] wait for room, which slows the caller to the speed of the disk;
//! [`Writer::try_append_any`] answers [`AppendError::QueueFull`] at once, for what
//! may rather be dropped than waited for.

use std::{
    sync::mpsc::{self, Receiver, SyncSender, TrySendError},
    thread::JoinHandle,
};

use crate::{
    chain::Verification,
    entry::{BATCH_BYTES_MAX, BATCH_DRAFTS_MAX, Draft, Entry, Head, Revision, Snapshot},
    error::{AppendError, ReadError, RetainError, SnapshotError},
    journal::Journal,
    retention::{Retained, Retention},
};

/// How much may wait, and how much is written in one go.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Requests that may wait. 1024 is a second's worth on a slow disk.
    pub waiting: usize,
    /// Drafts in one group; larger ones only make the first of them wait longer.
    pub group_drafts: usize,
    /// Bytes of kinds and bodies in one group.
    pub group_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            waiting: 1024,
            group_drafts: 2048,
            group_bytes: 4 << 20,
        }
    }
}

/// Where an append came to stand. Empty when there were no drafts: then `last` is
/// the journal's revision and `first` the one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The revision of its first entry.
    pub first: Revision,
    /// The revision of its last entry.
    pub last: Revision,
}

type Answer = SyncSender<Result<Span, AppendError>>;

type Call = Box<dyn FnOnce(&mut dyn Journal) + Send>;

enum Request {
    Append {
        expected: Option<Revision>,
        drafts: Vec<Draft>,
        answer: Answer,
    },
    Call(Call),
    Close,
}

/// The thread that writes, and the journal in it.
pub struct GroupCommit {
    writer: Writer,
    thread: Option<JoinHandle<Box<dyn Journal>>>,
}

impl GroupCommit {
    /// Starts the thread.
    pub fn start(journal: Box<dyn Journal>, bounds: Bounds) -> std::io::Result<GroupCommit> {
        let (queue, requests) = mpsc::sync_channel(bounds.waiting);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || Commits { journal, bounds }.run(&requests))?;
        let writer = Writer {
            queue,
            waiting: bounds.waiting,
        };
        Ok(GroupCommit {
            writer,
            thread: Some(thread),
        })
    }

    /// A handle for one more writer.
    #[must_use]
    pub fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// Finishes what is waiting, ends the thread and gives the journal back.
    /// Writers that are left get [`AppendError::Closed`]. `None` if the thread
    /// ended by a mistake of ours.
    #[must_use]
    pub fn close(mut self) -> Option<Box<dyn Journal>> {
        self.end()
    }

    fn end(&mut self) -> Option<Box<dyn Journal>> {
        let thread = self.thread.take()?;
        // An error means that the thread has ended already.
        let _ended = self.writer.queue.send(Request::Close);
        thread.join().ok()
    }
}

impl Drop for GroupCommit {
    fn drop(&mut self) {
        self.end();
    }
}

/// A handle that many threads may have. Itself a [`Journal`]: what it appends
/// shares an `fsync` with the others.
#[derive(Clone)]
pub struct Writer {
    queue: SyncSender<Request>,
    waiting: usize,
}

impl Writer {
    /// Appends wherever the journal is by then. Waits for room in the queue.
    pub fn append_any(&self, drafts: Vec<Draft>) -> Result<Span, AppendError> {
        self.begin(None, drafts)?.wait()
    }

    /// As [`Writer::append_any`], but does not wait for room.
    pub fn try_append_any(&self, drafts: Vec<Draft>) -> Result<Span, AppendError> {
        let (request, pending) = request(None, drafts)?;
        self.queue.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => AppendError::QueueFull {
                waiting: self.waiting,
            },
            TrySendError::Disconnected(_) => AppendError::Closed,
        })?;
        pending.wait()
    }

    /// Puts an append into the queue, waiting for room in it, and leaves waiting
    /// for the answer to the caller. With `expected` it is conditional.
    pub fn begin(
        &self,
        expected: Option<Revision>,
        drafts: Vec<Draft>,
    ) -> Result<Pending, AppendError> {
        let (request, pending) = request(expected, drafts)?;
        self.queue.send(request).map_err(|_| AppendError::Closed)?;
        Ok(pending)
    }

    /// Runs something on the journal, between two groups. `None` if it was closed.
    pub fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut dyn Journal) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = mpsc::sync_channel(1);
        let call = move |journal: &mut dyn Journal| {
            // The caller may have gone; the call counts all the same.
            let _gone = answer.send(call(journal));
        };
        self.queue.send(Request::Call(Box::new(call))).ok()?;
        answered.recv().ok()
    }
}

/// An append on its way.
pub struct Pending {
    answered: Receiver<Result<Span, AppendError>>,
}

impl Pending {
    /// Waits until it is durable, or known to have failed.
    pub fn wait(self) -> Result<Span, AppendError> {
        self.answered.recv().unwrap_or(Err(AppendError::Closed))
    }
}

/// A bad draft is turned away here: in a group it would take others with it.
fn request(
    expected: Option<Revision>,
    drafts: Vec<Draft>,
) -> Result<(Request, Pending), AppendError> {
    Draft::check(&drafts)?;
    let (answer, answered) = mpsc::sync_channel(1);
    Ok((
        Request::Append {
            expected,
            drafts,
            answer,
        },
        Pending { answered },
    ))
}

impl Journal for Writer {
    fn head(&self) -> Result<Head, ReadError> {
        self.call(|journal| journal.head())
            .unwrap_or(Err(ReadError::Closed))
    }

    fn append(&mut self, expected: Revision, drafts: &[Draft]) -> Result<Revision, AppendError> {
        Ok(self.begin(Some(expected), drafts.to_vec())?.wait()?.last)
    }

    fn read(&self, after: Revision, limit: usize) -> Result<Vec<Entry>, ReadError> {
        self.call(move |journal| journal.read(after, limit))
            .unwrap_or(Err(ReadError::Closed))
    }

    fn latest_snapshot(&self, format: u32) -> Result<Option<Snapshot>, ReadError> {
        self.call(move |journal| journal.latest_snapshot(format))
            .unwrap_or(Err(ReadError::Closed))
    }

    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let snapshot = snapshot.clone();
        self.call(move |journal| journal.save_snapshot(&snapshot))
            .unwrap_or(Err(SnapshotError::Write(AppendError::Closed)))
    }

    fn retain(
        &mut self,
        expected: Revision,
        rules: &Retention,
        now: jiff::Timestamp,
    ) -> Result<Retained, RetainError> {
        let rules = rules.clone();
        self.call(move |journal| journal.retain(expected, &rules, now))
            .unwrap_or(Err(RetainError::Write(AppendError::Closed)))
    }

    fn verify(&self, known: &[Head]) -> Result<Verification, ReadError> {
        let known = known.to_vec();
        self.call(move |journal| journal.verify(&known))
            .unwrap_or(Err(ReadError::Closed))
    }
}

/// What one writer in a group is to be told once the group is durable.
struct Member {
    answer: Answer,
    verdict: Verdict,
}

enum Verdict {
    Appended(Span),
    Conflict {
        expected: Revision,
        actual: Revision,
    },
}

struct Commits {
    journal: Box<dyn Journal>,
    bounds: Bounds,
}

impl Commits {
    fn run(mut self, requests: &Receiver<Request>) -> Box<dyn Journal> {
        let mut carried = None;
        loop {
            let request = match carried.take() {
                Some(request) => request,
                None => match requests.recv() {
                    Ok(request) => request,
                    Err(_) => return self.journal,
                },
            };
            match request {
                Request::Append {
                    expected,
                    drafts,
                    answer,
                } => {
                    carried = self.commit((expected, drafts, answer), requests);
                }
                Request::Call(call) => call(&mut *self.journal),
                Request::Close => return self.journal,
            }
        }
    }

    /// Commits a group that begins with one append and takes in what is waiting.
    /// Returns the request that ended the group, if one did.
    fn commit(
        &mut self,
        first: (Option<Revision>, Vec<Draft>, Answer),
        requests: &Receiver<Request>,
    ) -> Option<Request> {
        let start = match self.journal.revision() {
            Ok(revision) => revision,
            Err(error) => {
                let cause = crate::error::Cause::new(error);
                let _gone = first.2.send(Err(AppendError::Storage(cause)));
                return None;
            }
        };
        let mut group: Vec<Draft> = Vec::new();
        let mut bytes = 0;
        let mut members = Vec::new();
        let mut next = Some(first);
        let mut carried = None;
        while let Some((expected, mut drafts, answer)) = next.take() {
            let actual = Revision(start.0 + group.len() as u64);
            let verdict = match expected {
                Some(expected) if expected != actual => Verdict::Conflict { expected, actual },
                _ => {
                    bytes += drafts.iter().map(Draft::bytes).sum::<usize>();
                    group.append(&mut drafts);
                    let last = Revision(start.0 + group.len() as u64);
                    Verdict::Appended(Span {
                        first: actual.next(),
                        last,
                    })
                }
            };
            members.push(Member { answer, verdict });
            if group.len() >= self.bounds.group_drafts || bytes >= self.bounds.group_bytes {
                break;
            }
            match requests.try_recv() {
                Ok(Request::Append {
                    expected,
                    drafts,
                    answer,
                }) => {
                    let drafts_after = group.len() + drafts.len();
                    let bytes_after = bytes + drafts.iter().map(Draft::bytes).sum::<usize>();
                    if drafts_after > BATCH_DRAFTS_MAX || bytes_after > BATCH_BYTES_MAX {
                        carried = Some(Request::Append {
                            expected,
                            drafts,
                            answer,
                        });
                    } else {
                        next = Some((expected, drafts, answer));
                    }
                }
                Ok(other) => carried = Some(other),
                Err(_) => {}
            }
        }

        // A group of nothing but conflicts has nothing to write.
        let outcome = if group.is_empty() {
            Ok(start)
        } else {
            self.journal.append(start, &group)
        };
        for member in members {
            let answer = match (&outcome, member.verdict) {
                (Ok(_), Verdict::Appended(span)) => Ok(span),
                (Ok(_), Verdict::Conflict { expected, actual }) => {
                    Err(AppendError::Conflict { expected, actual })
                }
                // What it conflicted with may not be there after all.
                (Err(error), _) => Err(error.clone()),
            };
            // Who no longer waits finds the append in the journal.
            let _gone = member.answer.send(answer);
        }
        carried
    }
}
