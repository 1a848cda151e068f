//! The spool: one folder for each run, where its supervisor and the server meet.
//!
//! `<spool>/<run>/` holds `meta.json` (written first and only once: it is the claim to
//! the run), `output.log` and `output.tail` (bounded), `output.count`, `progress` (a line
//! for each explicit report) and `exit.json` (written last, durably). A supervisor needs
//! nothing but its folder, so a run goes on while the server is down and is reported when
//! it is back; and a run's start is requested twice without harm, because the claim can
//! be made only once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use evenkeel_core::Timestamp;
use evenkeel_core::ids::{JobId, RunId};
use evenkeel_core::observation::{Exit, Origin};
use serde::{Deserialize, Serialize};

use super::tree::ProcessId;

/// The longest file read back from a run's folder, bytes.
const READ_MAX: u64 = 64 * 1024;

/// Where the runs' folders are.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
}

/// What a supervisor says of its run when it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The run.
    pub run: RunId,
    /// Its job.
    pub job: JobId,
    /// Who started it.
    pub origin: Origin,
    /// When its command began.
    pub started_at: Timestamp,
    /// The supervisor.
    pub supervisor: ProcessId,
    /// The kernel's boot, without which process ids mean nothing.
    pub boot: String,
    /// The command, for people.
    pub command: Vec<String>,
}

/// What a supervisor says of its run when it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// When.
    pub ended_at: Timestamp,
    /// How.
    pub exit: Exit,
}

impl Spool {
    /// The spool in `folder`, which is made when the first run begins.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Where the runs' folders are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of one run. Names are our own; one that could lead elsewhere is refused.
    pub fn run_folder(&self, run: &RunId) -> Option<PathBuf> {
        let name = run.as_str();
        let plain = !name.is_empty()
            && !name.starts_with('.')
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || "-_.+:".contains(c));
        plain.then(|| self.folder.join(name))
    }

    /// Every run that has a folder.
    pub fn runs(&self) -> io::Result<Vec<RunId>> {
        let mut runs = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(runs),
            Err(error) => return Err(error),
        };
        for entry in entries {
            if let Ok(name) = entry?.file_name().into_string() {
                runs.push(RunId::from(name));
            }
        }
        Ok(runs)
    }

    /// Claims `meta.run`: false where somebody else has.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn claim(&self, meta: &Meta) -> io::Result<bool> {
        let folder = self
            .run_folder(&meta.run)
            .ok_or(io::ErrorKind::InvalidInput)?;
        fs::create_dir_all(&folder)?;
        let text = serde_json::to_vec(meta).map_err(io::Error::other)?;
        // A link is made whole or not at all, and only once: a half-written claim is
        // never seen.
        let draft = folder.join(format!("meta.{}", std::process::id()));
        write_durably(&draft, &text)?;
        let linked = fs::hard_link(&draft, folder.join("meta.json"));
        fs::remove_file(&draft)?;
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether somebody has claimed the run.
    pub fn is_claimed(&self, run: &RunId) -> bool {
        self.run_folder(run)
            .is_some_and(|folder| folder.join("meta.json").exists())
    }

    /// What the run's supervisor said when it began.
    pub fn meta(&self, run: &RunId) -> Option<Meta> {
        self.read(run, "meta.json")
    }

    /// What its supervisor said when it was over.
    pub fn ending(&self, run: &RunId) -> Option<Ending> {
        self.read(run, "exit.json")
    }

    /// Says that the run is over; what was said first stands.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn end(&self, run: &RunId, ending: &Ending) -> io::Result<()> {
        let folder = self.run_folder(run).ok_or(io::ErrorKind::InvalidInput)?;
        if folder.join("exit.json").exists() {
            return Ok(());
        }
        let text = serde_json::to_vec(ending).map_err(io::Error::other)?;
        let draft = folder.join(format!("exit.{}", std::process::id()));
        write_durably(&draft, &text)?;
        fs::rename(&draft, folder.join("exit.json"))?;
        File::open(&folder)?.sync_all()
    }

    /// Whether the run's end is known to be in the journal.
    pub fn is_reported(&self, run: &RunId) -> bool {
        self.run_folder(run)
            .is_some_and(|folder| folder.join("reported").exists())
    }

    /// Says that the run's end is in the journal, so that it is not told again when the
    /// record has forgotten it. Where this cannot be written, it is told again: once more
    /// is better than never.
    pub fn mark_reported(&self, run: &RunId) {
        if let Some(folder) = self.run_folder(run) {
            let _ = File::create(folder.join("reported"));
        }
    }

    /// Explicit progress reports so far: lines of `progress`.
    pub fn reports(&self, run: &RunId) -> u64 {
        // Its length serves as well as its lines: what matters is that it changes.
        let path = self.run_folder(run).map(|folder| folder.join("progress"));
        path.and_then(|path| fs::metadata(path).ok())
            .map_or(0, |meta| meta.len())
    }

    /// Bytes of output so far.
    pub fn output_bytes(&self, run: &RunId) -> u64 {
        let path = self
            .run_folder(run)
            .map(|folder| folder.join("output.count"));
        path.and_then(|path| fs::read_to_string(path).ok())
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or_default()
    }

    /// The end of the run's output, at most `bytes`.
    pub fn output_tail(&self, run: &RunId, bytes: usize) -> String {
        let Some(folder) = self.run_folder(run) else {
            return String::new();
        };
        let mut text = Vec::new();
        for name in ["output.log", "output.tail.old", "output.tail"] {
            text.extend(fs::read(folder.join(name)).unwrap_or_default());
        }
        let from = text.len().saturating_sub(bytes);
        String::from_utf8_lossy(&text[from..]).into_owned()
    }

    /// Forgets a run.
    ///
    /// # Errors
    /// The folder cannot be removed.
    pub fn remove(&self, run: &RunId) -> io::Result<()> {
        match self.run_folder(run) {
            Some(folder) => fs::remove_dir_all(folder),
            None => Ok(()),
        }
    }

    fn read<T: serde::de::DeserializeOwned>(&self, run: &RunId, name: &str) -> Option<T> {
        let path = self.run_folder(run)?.join(name);
        if fs::metadata(&path).ok()?.len() > READ_MAX {
            return None;
        }
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }
}

fn write_durably(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// The kernel's boot id.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}
