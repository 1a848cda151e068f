//! An incident's post-mortem with its evidence, as a folder to hand over: all versions, the
//! stretch of the journal it rests on, the proof that nothing in the journal was edited, and
//! what was kept before anything was ended.
//!
//! The stretch is whole, entry by entry, because only then does its chain prove anything; it
//! begins a quarter of an hour before the first sign. Bounded: [`ENTRIES_MAX`] entries.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::IncidentId;
use evenkeel_core::policy::Policy;
use evenkeel_core::record::Record;
use evenkeel_core::time;
use evenkeel_guards::evidence::EvidenceStore;
use evenkeel_journal::{Entry, Journal, ReadError, Revision};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Format, NO_ADVICE, Version, file_name, report, written};
use crate::public::words::Language;
use crate::report::Shown;

/// Entries in a bundle: some 60 MB.
pub const ENTRIES_MAX: usize = 100_000;

/// How long before the first sign the stretch begins.
const BEFORE: Duration = Duration::from_secs(15 * 60);

/// A bundle that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// There is no such post-mortem.
    #[error("{0} has no post-mortem; `evenkeel postmortem list` lists them")]
    NotThere(IncidentId),
    /// Something is there already.
    #[error("{0} is there already; name a folder that is not")]
    Taken(PathBuf),
    /// The folder cannot be written.
    #[error("{path} cannot be written; name another folder with --to, or make room")]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The journal cannot be read.
    #[error("the journal cannot be read; `evenkeel journal verify` says more")]
    Read(#[from] ReadError),
}

/// Writes a file of this name.
type Put<'a> = dyn FnMut(&str, &[u8]) -> Result<(), BundleError> + 'a;

/// What a bundle came to.
#[derive(Debug, Clone, Serialize)]
pub struct Bundled {
    /// Where it is.
    pub folder: PathBuf,
    /// Files in it.
    pub files: usize,
    /// Entries of the journal.
    pub entries: usize,
    /// Whether the stretch goes on behind the last of them.
    pub cut: bool,
    /// Whether the chain of the whole journal holds.
    pub chain_holds: bool,
}

#[derive(Serialize)]
struct Proof {
    incident: IncidentId,
    made_at: Timestamp,
    chain_holds: bool,
    misfit: Option<String>,
    journal_entries: u64,
    journal_removed_by_retention: u64,
    journal_head: String,
    first_revision: Option<u64>,
    hash_before_first: Option<String>,
    last_revision: Option<u64>,
    hash_of_last: Option<String>,
    cut: bool,
}

/// What bundles are made from.
pub struct Bundle<'a> {
    /// The journal.
    pub journal: &'a dyn Journal,
    /// Its fold.
    pub record: &'a Record,
    /// What the configuration says.
    pub policy: &'a Policy,
    /// The service's name.
    pub service: &'a str,
    /// Where evidence is kept.
    pub evidence: &'a Path,
}

impl Bundle<'_> {
    /// Writes the bundle of an incident into `folder`, which is not there yet.
    ///
    /// # Errors
    /// See [`BundleError`]; what was written by then stays, and is no bundle without its
    /// `SHA256SUMS`.
    pub fn write(
        &self,
        id: IncidentId,
        folder: &Path,
        now: Timestamp,
    ) -> Result<Bundled, BundleError> {
        let report = report(self.record, id, now).ok_or(BundleError::NotThere(id))?;
        let facts = &report.postmortem.facts;
        if folder.exists() {
            return Err(BundleError::Taken(folder.to_owned()));
        }
        let failed = |path: &Path, source| BundleError::Write {
            path: path.to_owned(),
            source,
        };
        std::fs::create_dir_all(folder.join("evidence")).map_err(|error| failed(folder, error))?;
        let mut sums: Vec<(String, String)> = Vec::new();
        let mut put = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            std::fs::write(&path, bytes).map_err(|error| failed(&path, error))?;
            sums.push((hex(&Sha256::digest(bytes)), name.to_owned()));
            Ok::<(), BundleError>(())
        };
        let customers = Language::ALL.map(Version::Customers);
        for version in customers.into_iter().chain([Version::Technical]) {
            for format in [Format::Markdown, Format::Html] {
                let as_asked = (version, format);
                let text = written(self.record, self.policy, self.service, id, as_asked, now);
                put(
                    &file_name(version, format),
                    text.unwrap_or_default().as_bytes(),
                )?;
            }
        }
        put("postmortem.json", &pretty(&report))?;
        let from = time::before(facts.first_symptom_at, BEFORE);
        let (entries, cut, before) = self.stretch(from)?;
        let mut lines = Vec::new();
        for entry in &entries {
            // Into memory, where it cannot fail.
            let _written = serde_json::to_writer(&mut lines, &Shown::of(entry));
            lines.push(b'\n');
        }
        put("journal.jsonl", &lines)?;
        let proof = self.journal.verify(&[])?;
        let ends = (entries.first(), entries.last());
        let proof = Proof {
            incident: id,
            made_at: now,
            chain_holds: proof.misfit.is_none(),
            misfit: proof.misfit.as_ref().map(ToString::to_string),
            journal_entries: proof.entries,
            journal_removed_by_retention: proof.sealed_entries,
            journal_head: proof.head.to_string(),
            first_revision: ends.0.map(|entry| entry.revision.0),
            hash_before_first: before.map(|entry| entry.hash.to_string()),
            last_revision: ends.1.map(|entry| entry.revision.0),
            hash_of_last: ends.1.map(|entry| entry.hash.to_string()),
            cut,
        };
        put("proof.json", &pretty(&proof))?;
        put("README.txt", readme(id, &proof).as_bytes())?;
        self.copy_evidence(&facts.evidence, &mut put)?;
        let list: String = sums
            .iter()
            .map(|(sum, name)| format!("{sum}  {name}\n"))
            .collect();
        let path = folder.join("SHA256SUMS");
        let mut file = std::fs::File::create_new(&path).map_err(|error| failed(&path, error))?;
        let kept = file
            .write_all(list.as_bytes())
            .and_then(|()| file.sync_all());
        kept.map_err(|error| failed(&path, error))?;
        Ok(Bundled {
            folder: folder.to_owned(),
            files: sums.len() + 1,
            entries: entries.len(),
            cut,
            chain_holds: proof.chain_holds,
        })
    }

    fn copy_evidence(
        &self,
        kept: &[evenkeel_core::ids::EvidenceId],
        put: &mut Put<'_>,
    ) -> Result<(), BundleError> {
        let store = EvidenceStore::new(self.evidence.to_owned(), None);
        for id in kept {
            let Ok(index) = store.index(id) else {
                let name = format!("evidence/{id}.missing.txt");
                put(&name, b"It is no longer kept.\n")?;
                continue;
            };
            for item in &index.items {
                if let Ok(text) = store.read(id, &item.file) {
                    put(&format!("evidence/{id}-{}", item.file), text.as_bytes())?;
                }
            }
        }
        Ok(())
    }

    /// Entries from a time on, whether there are more, and the entry before them.
    fn stretch(&self, from: Timestamp) -> Result<(Vec<Entry>, bool, Option<Entry>), ReadError> {
        let newest = self.journal.revision()?;
        let first = first_from(self.journal, from, newest.0.saturating_add(1))?;
        let mut after = Revision(first.saturating_sub(1));
        let before = match after.0 {
            0 => None,
            _ => {
                let entry = self.journal.read(Revision(after.0 - 1), 1)?.pop();
                entry.filter(|entry| entry.revision == after)
            }
        };
        let mut entries: Vec<Entry> = Vec::new();
        while after < newest && entries.len() < ENTRIES_MAX {
            let page = self.journal.read(after, ENTRIES_MAX - entries.len())?;
            let Some(last) = page.last() else {
                break;
            };
            after = last.revision;
            entries.extend(page);
        }
        Ok((entries, after < newest, before))
    }
}

/// The first revision at or after a time.
fn first_from(journal: &dyn Journal, from: Timestamp, newest: u64) -> Result<u64, ReadError> {
    let (mut low, mut high) = (0, newest);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        match journal.read(Revision(middle - 1), 1)?.first() {
            Some(entry) if entry.at < from => low = entry.revision.0.max(middle),
            _ => high = middle,
        }
    }
    Ok(low + 1)
}

fn pretty(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn readme(id: IncidentId, proof: &Proof) -> String {
    let holds = match proof.chain_holds {
        true => "The chain of the whole journal held when this was made.",
        false => "THE CHAIN OF THE JOURNAL DID NOT HOLD when this was made: see proof.json.",
    };
    let cut = match proof.cut {
        true => "The stretch is cut: the journal goes on behind its last entry.\n",
        false => "",
    };
    format!(
        "Post-mortem of {id} with its evidence, made by Evenkeel at {made}.\n\n\
         customers-*.md, .html  what customers read, in five languages\n\
         technical.md, .html    for colleagues: names of machines, jobs and people\n\
         postmortem.json        the same for programs, with the clocks of legal notices\n\
         journal.jsonl          the stretch of the journal it rests on, an entry a line\n\
         proof.json             where the stretch lies in the journal's chain of hashes\n\
         evidence/              what was kept before anything was ended\n\
         SHA256SUMS             `sha256sum -c SHA256SUMS`\n\n\
         {holds}\n{cut}\
         To prove it again, on the host: `evenkeel journal verify`, with --noted {last}:{hash}\n\n\
         {NO_ADVICE}\n",
        made = proof.made_at,
        last = proof.last_revision.unwrap_or_default(),
        hash = proof.hash_of_last.as_deref().unwrap_or("none"),
    )
}
