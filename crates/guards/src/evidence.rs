//! What is kept of a thing before it is ended.
//!
//! A hang leaves nothing behind once it is killed: what it waited for, who was at the
//! other end, which lock it held. So a folder is written first,
//! `<data_dir>/evidence/<action>/`, with one text file for each item and an `index.json`
//! that is written last. It is bounded in time, because customers wait meanwhile: what
//! cannot be had within [`PATIENCE`] is named as a gap, and the end goes ahead. It is
//! bounded in size, oldest first out. Words that look like secrets are blotted out before
//! they are written.

mod blot;
mod process;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::evidence::{EvidenceItem, EvidenceKind, KeptEvidence};
use evenkeel_core::ids::{ActionId, EvidenceId, RunId};
use serde::{Deserialize, Serialize};

pub use blot::{blotted, blotted_command};
pub(crate) use process::{wait_channel, write as write_processes};

use crate::guard::{BoxFuture, EvidenceKeeper, RunDatabase, RunProcesses};

/// The longest that keeping evidence may hold an end up. Reading `/proc` twice for the
/// deltas and asking the database take some 200 ms on a busy machine.
pub const PATIENCE: Duration = Duration::from_millis(600);

/// The largest item, bytes.
pub const ITEM_MAX: usize = 512 * 1024;

/// Folders kept; the oldest go first.
const KEPT_MAX: usize = 400;

/// The largest index read back, bytes.
const INDEX_MAX: u64 = 256 * 1024;

/// What stands in the index of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name.
    pub id: EvidenceId,
    /// The action it was kept for.
    pub action: ActionId,
    /// The run, where there is one.
    pub run: Option<RunId>,
    /// When.
    pub at: Timestamp,
    /// What is in it, in the order of the files.
    pub items: Vec<KeptItem>,
}

/// One file of kept evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptItem {
    /// Its file name, which is also how it is asked for.
    pub file: String,
    /// What it shows.
    #[serde(flatten)]
    pub item: EvidenceItem,
}

/// Evidence that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// There is none of this name.
    #[error("there is no evidence `{0}`; `evenkeel evidence` lists what there is")]
    Unknown(String),
    /// It is there and cannot be read.
    #[error("the evidence {path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The evidence directory.
#[derive(Clone)]
pub struct EvidenceStore {
    folder: PathBuf,
    processes: Option<Arc<dyn RunProcesses>>,
}

impl EvidenceStore {
    /// The store in `folder`, which is made when the first evidence is kept. `processes`
    /// tells what the machine knows of a run; a reader needs none.
    pub fn new(folder: impl Into<PathBuf>, processes: Option<Arc<dyn RunProcesses>>) -> Self {
        Self {
            folder: folder.into(),
            processes,
        }
    }

    /// Keeps `texts`, and what the machine and `database` know of `run`.
    pub(crate) async fn keep_all(
        &self,
        action: ActionId,
        run: Option<&RunId>,
        texts: Vec<(EvidenceKind, String)>,
        database: Option<&dyn RunDatabase>,
    ) -> Option<KeptEvidence> {
        let (id, folder) = match self.new_folder(action) {
            Ok(made) => made,
            Err(error) => {
                tracing::error!(%error, folder = %self.folder.display(), "no evidence could be kept");
                return None;
            }
        };
        let mut items = Vec::new();
        for (kind, text) in texts {
            items.push(write_item(&folder, kind, text));
        }
        if let Some(run) = run {
            let machine = async {
                match &self.processes {
                    Some(processes) => processes.keep_evidence(run, &folder).await,
                    None => Vec::new(),
                }
            };
            let sessions = async {
                match database {
                    Some(database) => database.keep_evidence(run, &folder).await,
                    None => Vec::new(),
                }
            };
            let gap = format!("was not to be had within {} ms", PATIENCE.as_millis());
            let (machine, sessions) = tokio::join!(
                tokio::time::timeout(PATIENCE, machine),
                tokio::time::timeout(PATIENCE, sessions)
            );
            items.extend(machine.unwrap_or_else(|_| vec![missing(EvidenceKind::Processes, &gap)]));
            items.extend(sessions.unwrap_or_else(|_| vec![missing(EvidenceKind::Backends, &gap)]));
        }
        let index = Kept {
            id: id.clone(),
            action,
            run: run.cloned(),
            at: Timestamp::now(),
            items: with_files(&folder, &items),
        };
        let written = serde_json::to_vec_pretty(&index)
            .map_err(io::Error::other)
            .and_then(|text| fs::write(folder.join("index.json"), text));
        if let Err(error) = written {
            tracing::error!(%error, evidence = %id, "the index of the evidence could not be written");
        }
        self.forget_oldest();
        Some(KeptEvidence { id, items })
    }

    /// Everything there is, newest first.
    pub fn list(&self) -> Vec<Kept> {
        let mut kept: Vec<Kept> = self
            .names()
            .into_iter()
            .filter_map(|name| self.index(&EvidenceId::from(name)).ok())
            .collect();
        kept.sort_by_key(|kept| std::cmp::Reverse(kept.at));
        kept
    }

    /// What there is under a name.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn index(&self, id: &EvidenceId) -> Result<Kept, EvidenceError> {
        let path = self.path(id, "index.json")?;
        let text = read_bounded(&path, INDEX_MAX)?;
        serde_json::from_str(&text).map_err(|error| EvidenceError::Unreadable {
            path,
            source: io::Error::other(error),
        })
    }

    /// The text of one item.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn read(&self, id: &EvidenceId, file: &str) -> Result<String, EvidenceError> {
        read_bounded(&self.path(id, file)?, 2 * ITEM_MAX as u64)
    }

    fn path(&self, id: &EvidenceId, file: &str) -> Result<PathBuf, EvidenceError> {
        // Names of our own making only: nothing that leads elsewhere.
        let plain = |name: &str| {
            !name.is_empty()
                && !name.starts_with('.')
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        let path = self.folder.join(id.as_str()).join(file);
        if plain(id.as_str()) && plain(file) && path.is_file() {
            Ok(path)
        } else {
            Err(EvidenceError::Unknown(format!("{id}/{file}")))
        }
    }

    /// A folder named after the action: `A-12`, or `A-12.2` where the action is
    /// performed a second time after a crash.
    fn new_folder(&self, action: ActionId) -> io::Result<(EvidenceId, PathBuf)> {
        fs::create_dir_all(&self.folder)?;
        for time in 1..100 {
            let name = match time {
                1 => action.to_string(),
                _ => format!("{action}.{time}"),
            };
            let folder = self.folder.join(&name);
            match fs::create_dir(&folder) {
                Ok(()) => return Ok((name.into(), folder)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }

    fn forget_oldest(&self) {
        let mut names = self.names();
        if names.len() <= KEPT_MAX {
            return;
        }
        // By the action's number, which only grows.
        names.sort_by_key(|name| {
            let number = name.trim_start_matches("A-").split('.').next();
            number.and_then(|number| number.parse::<u64>().ok())
        });
        for name in &names[..names.len() - KEPT_MAX] {
            if let Err(error) = fs::remove_dir_all(self.folder.join(name)) {
                tracing::warn!(%error, evidence = name, "old evidence could not be removed");
            }
        }
    }
}

impl EvidenceKeeper for EvidenceStore {
    fn keep<'a>(
        &'a self,
        action: ActionId,
        run: Option<&'a RunId>,
        texts: Vec<(EvidenceKind, String)>,
    ) -> BoxFuture<'a, Option<KeptEvidence>> {
        Box::pin(self.keep_all(action, run, texts, None))
    }
}

impl std::fmt::Debug for EvidenceStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvidenceStore")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Writes one item of `kind` into `folder`, cut to [`ITEM_MAX`].
pub(crate) fn write_item(folder: &Path, kind: EvidenceKind, mut text: String) -> EvidenceItem {
    let mut gap = None;
    if text.len() > ITEM_MAX {
        gap = Some(format!("cut from {} bytes", text.len()));
        let mut end = ITEM_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    match fs::write(folder.join(file_name(kind)), &text) {
        Ok(()) => EvidenceItem {
            kind,
            bytes: text.len() as u64,
            gap,
        },
        Err(error) => missing(kind, &format!("could not be written: {error}")),
    }
}

/// An item that is not there, and why.
pub(crate) fn missing(kind: EvidenceKind, gap: &str) -> EvidenceItem {
    EvidenceItem {
        kind,
        bytes: 0,
        gap: Some(gap.to_owned()),
    }
}

fn file_name(kind: EvidenceKind) -> String {
    let name = serde_json::to_value(kind).ok();
    let name = name.as_ref().and_then(|name| name.as_str());
    format!("{}.txt", name.unwrap_or("item"))
}

/// The items with the files that hold them: databases write one file each
/// (`backends-main.txt`), everyone else one for each kind.
fn with_files(folder: &Path, items: &[EvidenceItem]) -> Vec<KeptItem> {
    let mut files: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    files.sort();
    items
        .iter()
        .map(|item| {
            let name = file_name(item.kind);
            let stem = name.trim_end_matches(".txt");
            let found = files.iter().position(|file| {
                file.strip_suffix(".txt")
                    .is_some_and(|file| file.split('-').next() == Some(stem))
            });
            let file = match (found, item.bytes) {
                (Some(at), 1..) => files.remove(at),
                _ => name,
            };
            KeptItem {
                file,
                item: item.clone(),
            }
        })
        .collect()
}

fn read_bounded(path: &Path, most: u64) -> Result<String, EvidenceError> {
    use std::io::Read as _;
    let read = || {
        let mut text = Vec::new();
        fs::File::open(path)?.take(most).read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    read().map_err(|source| EvidenceError::Unreadable {
        path: path.to_owned(),
        source,
    })
}
