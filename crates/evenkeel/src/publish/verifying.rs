//! Is a copy of the public page authentic, whole and current? For whoever reads it: nothing
//! is believed but the keys they bring.
//!
//! | question | how it is answered |
//! |---|---|
//! | authentic | the statement is signed by one of the keys |
//! | whole | every file that the statement names is there with the bytes it had; in a folder, where that can be seen, no page is there that it does not name |
//! | current | the reader's clock is between when it was made and its end |
//! | not played back | it is no older than the newest that this reader has seen ([`Remembered`]); without that, an older edition shows as one that has ended |
//!
//! A copy at an object store is renewed file by file. So where something does not fit, and
//! the statement is another one by then, it is looked at again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_core::{Timestamp, time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::places::{Place, ReadError};
use super::signing::{Key, NotSigned, SIGNATURE_MAX};
use super::statement::{
    Outside, PUBLIC_KEY, SIGNATURE, STATEMENT, STATEMENT_MAX, Statement, Untrusted, Voice,
};
use super::targets::FILE_MAX;

/// How often a copy that changes meanwhile is looked at.
const LOOKS: u32 = 4;

/// Between two looks: an object store takes an edition within some seconds.
const PAUSE: Duration = Duration::from_secs(2);

/// How long all of it may take.
const WITHIN: Duration = Duration::from_secs(300);

/// How far the clocks of keeper and reader may be apart before it is said.
const CLOCKS: Duration = Duration::from_secs(60);

/// The most files and folders that are looked at.
const ENTRIES_MAX: usize = 50_000;

/// The most names that are listed.
const NAMED_MAX: usize = 10;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Where.
    pub place: String,
    /// Whether it is authentic, whole and current, and not played back.
    pub good: bool,
    /// Whether one of the keys signed it.
    pub authentic: bool,
    /// Whether every file is there as it was signed; unknown where it is not authentic.
    pub whole: Option<bool>,
    /// Whether it speaks of now.
    pub current: Option<bool>,
    /// Whether it is older than one that was seen; unknown where nothing is remembered.
    pub played_back: Option<bool>,
    /// Who made it: `keeper` or `witness`.
    pub signed_by: Option<String>,
    /// The key that signed it.
    pub key: Option<String>,
    /// When it was made.
    pub made_at: Option<Timestamp>,
    /// Until when it speaks of now.
    pub valid_until: Option<Timestamp>,
    /// Files that were compared.
    pub files: usize,
    /// All of this in words, the answer first.
    pub said: Vec<String>,
}

/// The newest edition that was seen, by the key that signed it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered(pub BTreeMap<String, Timestamp>);

/// What does not fit.
#[derive(Debug, Default)]
struct Flaws {
    changed: Vec<String>,
    missing: Vec<String>,
    strange: Vec<String>,
}

impl Flaws {
    fn is_none(&self) -> bool {
        self.changed.is_empty() && self.missing.is_empty() && self.strange.is_empty()
    }
}

/// A copy with its statement, as far as it was found.
enum Copy {
    Unsigned,
    Untrusted(Untrusted),
    Signed(Box<Statement>, usize, Flaws),
}

/// Looks at the copy at `place`.
///
/// # Errors
/// It cannot be read.
pub async fn verify(
    place: &Place,
    keys: &[Key],
    remembered: Option<&mut Remembered>,
) -> Result<Found, ReadError> {
    let looked = tokio::time::timeout(WITHIN, look(place, keys)).await;
    let copy = looked.unwrap_or_else(|_| {
        Err(ReadError::Slow {
            address: place.shown(),
        })
    })?;
    Ok(judge(place, keys, copy, remembered, Timestamp::now()))
}

async fn look(place: &Place, keys: &[Key]) -> Result<Copy, ReadError> {
    let mut looks = 1;
    loop {
        let text = place.read(STATEMENT, STATEMENT_MAX).await?;
        let signature = place.read(SIGNATURE, SIGNATURE_MAX).await?;
        let (Some(text), Some(signature)) = (text, signature) else {
            return Ok(Copy::Unsigned);
        };
        let copy = match Statement::verified(&text, &signature, keys) {
            Err(Untrusted::Signature(NotSigned::AnotherKey)) => {
                return Ok(Copy::Untrusted(NotSigned::AnotherKey.into()));
            }
            Err(why) => Copy::Untrusted(why),
            Ok((statement, which)) => {
                let flaws = compare(place, &statement).await?;
                let is_whole = flaws.is_none();
                let copy = Copy::Signed(Box::new(statement), which, flaws);
                if is_whole {
                    return Ok(copy);
                }
                copy
            }
        };
        let is_same = place.read(STATEMENT, STATEMENT_MAX).await? == Some(text)
            && place.read(SIGNATURE, SIGNATURE_MAX).await? == Some(signature);
        // Where the statement comes last, files of the next edition are there before it.
        if looks == LOOKS || is_same && (looks > 1 || matches!(place, Place::Folder(_))) {
            return Ok(copy);
        }
        looks += 1;
        // waits: for whoever puts the files of the next edition there
        tokio::time::sleep(PAUSE).await;
    }
}

async fn compare(place: &Place, statement: &Statement) -> Result<Flaws, ReadError> {
    let mut flaws = Flaws::default();
    for (name, hash) in &statement.files {
        match place.read(name, FILE_MAX).await {
            Ok(None) => flaws.missing.push(name.clone()),
            Ok(Some(bytes)) if Sha256::digest(&bytes)[..] == *hash => {}
            Ok(Some(_)) | Err(ReadError::Large { .. }) => flaws.changed.push(name.clone()),
            Err(error) => return Err(error),
        }
    }
    if let Place::Folder(folder) = place {
        let (root, known) = (folder.clone(), statement.clone());
        let strange = tokio::task::spawn_blocking(move || strangers(&root, &known));
        flaws.strange = strange.await.unwrap_or_default();
    }
    Ok(flaws)
}

/// Files in a folder that its statement does not name, bounded.
fn strangers(root: &Path, statement: &Statement) -> Vec<String> {
    let mut strange = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    let mut left = ENTRIES_MAX;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            left -= 1;
            if left == 0 {
                strange.push(format!("more than {ENTRIES_MAX} files"));
                return strange;
            }
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap_or(&path);
            let name = name.to_string_lossy().into_owned();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if !statement.files.contains_key(&name)
                && ![STATEMENT, SIGNATURE].contains(&name.as_str())
            {
                strange.push(name);
            }
            if strange.len() > NAMED_MAX {
                return strange;
            }
        }
    }
    strange
}

fn judge(
    place: &Place,
    keys: &[Key],
    copy: Copy,
    remembered: Option<&mut Remembered>,
    now: Timestamp,
) -> Found {
    let mut found = Found {
        place: place.shown(),
        good: false,
        authentic: false,
        whole: None,
        current: None,
        played_back: None,
        signed_by: None,
        key: None,
        made_at: None,
        valid_until: None,
        files: 0,
        said: Vec::new(),
    };
    let (statement, which, flaws) = match copy {
        Copy::Unsigned => {
            found.said = vec![format!(
                "Nobody signed this: there is no {STATEMENT} with its signature. It is no copy \
                 that Evenkeel published, or somebody took them away."
            )];
            return found;
        }
        Copy::Untrusted(why) => {
            let advice = match &why {
                Untrusted::Signature(NotSigned::AnotherKey) => format!(
                    "; compare the key you have with what `evenkeel signing-key` prints where the \
                     page is made. What the copy itself says in {PUBLIC_KEY} proves nothing"
                ),
                _ => String::new(),
            };
            found.said = vec![format!("This is not authentic: {why}{advice}.")];
            return found;
        }
        Copy::Signed(statement, which, flaws) => (statement, which, flaws),
    };
    let (made_at, until) = (statement.stamp.made_at, statement.stamp.valid_until);
    let key = keys[which].to_string();
    let who = statement.by.as_str();
    let whole = flaws.is_none();
    // A clock that is somewhat slow is no reason for doubt.
    let is_early = now < time::before(made_at, CLOCKS);
    let current = now < until && !is_early;
    let newest = remembered.as_ref().map(|known| known.0.get(&key).copied());
    let played_back = newest.map(|newest| newest.is_some_and(|newest| made_at < newest));
    let good = whole && current && played_back != Some(true);
    if let Some(known) = remembered.filter(|_| whole) {
        let newest = known.0.entry(key.clone()).or_insert(made_at);
        *newest = made_at.max(*newest);
    }
    let mut said = vec![match (good, whole) {
        (true, _) => format!(
            "This copy is authentic, whole and current: made by the {who} at {}, it speaks of \
             now until {}.",
            clock(made_at),
            clock(until)
        ),
        (false, true) => format!(
            "This copy is authentic and whole, made by the {who} at {}; it does not speak of \
             now.",
            clock(made_at)
        ),
        (false, false) => format!(
            "This copy is not what the {who} published at {}.",
            clock(made_at)
        ),
    }];
    for (files, what) in [
        (&flaws.changed, "changed"),
        (&flaws.missing, "missing"),
        (&flaws.strange, "there and not signed"),
    ] {
        if !files.is_empty() {
            said.push(format!("{}: {}.", capital(what), listed(files)));
        }
    }
    if is_early {
        said.push(format!(
            "It was made at {}, which lies ahead of this host's clock ({}): set the clock.",
            clock(made_at),
            clock(now)
        ));
    } else if now >= until {
        said.push(format!(
            "It ended at {}: it was not renewed, or somebody put an older edition back.",
            clock(until)
        ));
    }
    if let (Some(true), Some(Some(newest))) = (played_back, newest) {
        said.push(format!(
            "An older edition was put back: one made at {} was seen before.",
            clock(newest)
        ));
    }
    if let Voice::Witness(Outside { gap, .. }) = &statement.by {
        said.push(format!(
            "The witness says: the keeper is silent since {}; the service, seen from outside: {}.",
            clock(gap.since),
            gap.service.as_str()
        ));
    }
    Found {
        good,
        authentic: true,
        whole: Some(whole),
        current: Some(current),
        played_back,
        signed_by: Some(who.to_owned()),
        key: Some(key),
        made_at: Some(made_at),
        valid_until: Some(until),
        files: statement.files.len(),
        said,
        ..found
    }
}

fn listed(files: &[String]) -> String {
    let named = files.iter().take(NAMED_MAX).cloned();
    let named = named.collect::<Vec<_>>().join(", ");
    match files.len().checked_sub(NAMED_MAX) {
        Some(more @ 1..) => format!("{named} and {more} more"),
        _ => named,
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests;
