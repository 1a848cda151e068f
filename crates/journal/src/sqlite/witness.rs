//! Remembers, outside the database, how far the journal had come.
//!
//! SQLite drops what it finds torn at the end of its write-ahead log, and says
//! nothing: right for a torn write that nobody was told of, wrong for entries that
//! were acknowledged and that a bad disk or a stray copy took. So after every
//! durable append the new head is written to `<journal>.head`. At the next start
//! the journal must hold at least that revision, with that hash.
//!
//! The file is a lower bound, never ahead of the journal: it is written after the
//! append is durable, and not itself synced each time, which would double the cost
//! of an append. If a process dies, it is exact. If the machine loses power, it may
//! lag by what the kernel had not yet written (some thirty seconds); a log damaged
//! in just those seconds loses them unnoticed. That is the one gap, and it is stated
//! here rather than hidden.
//!
//! Two slots are written in turn, each in its own sector and with a checksum, so
//! that a torn write costs one step and not the memory.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use sha2::{Digest, Sha256};

use super::beside;
use crate::entry::{Hash, Head, Revision};

const SLOT_BYTES: usize = 512;
const MAGIC: &str = "evenkeel-head-1";

#[derive(Debug)]
pub(super) struct Witness {
    file: File,
    slot: u64,
}

/// What the file says at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Testimony {
    /// There is no such file: a new journal, or a copy without it.
    Absent,
    /// There is one, but neither slot can be read.
    Unreadable,
    /// The journal had come at least this far.
    AtLeast(Head),
}

impl Witness {
    /// Opens the file, without changing what it says; makes it if need be.
    pub(super) fn open(journal: &Path) -> io::Result<(Witness, Testimony)> {
        let path = beside(journal, ".head");
        let absent = !path.try_exists()?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let heads = read_slots(&file)?;
        let best = later(heads);
        let testimony = match best {
            Some(head) => Testimony::AtLeast(head),
            None if absent || file.metadata()?.len() == 0 => Testimony::Absent,
            None => Testimony::Unreadable,
        };
        let slot = u64::from(best.is_some() && heads[0] == best);
        Ok((Witness { file, slot }, testimony))
    }

    /// What the file says, without making it; for readers beside the writer.
    pub(super) fn look(journal: &Path) -> Option<Head> {
        let file = File::open(beside(journal, ".head")).ok()?;
        later(read_slots(&file).ok()?)
    }

    /// Notes a head that is durable in the journal.
    pub(super) fn note(&mut self, head: Head) -> io::Result<()> {
        self.file
            .write_all_at(&render(head), self.slot * SLOT_BYTES as u64)?;
        self.slot ^= 1;
        Ok(())
    }

    /// Forgets all else: the journal now ends here.
    pub(super) fn reset(&mut self, head: Head) -> io::Result<()> {
        self.note(head)?;
        self.note(head)?;
        self.sync()
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn read_slots(file: &File) -> io::Result<[Option<Head>; 2]> {
    let mut bytes = [0; 2 * SLOT_BYTES];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok([parse(&bytes[..SLOT_BYTES]), parse(&bytes[SLOT_BYTES..])])
}

fn later(heads: [Option<Head>; 2]) -> Option<Head> {
    heads.into_iter().flatten().max_by_key(|head| head.revision)
}

fn checksum(text: &str) -> String {
    Hash(Sha256::digest(text.as_bytes()).into()).to_string()[..16].to_owned()
}

fn render(head: Head) -> [u8; SLOT_BYTES] {
    let text = format!("{MAGIC} {} {}", head.revision, head.hash);
    let line = format!("{text} {}", checksum(&text));
    let mut slot = [b' '; SLOT_BYTES];
    slot[..line.len()].copy_from_slice(line.as_bytes());
    slot[SLOT_BYTES - 1] = b'\n';
    slot
}

fn parse(slot: &[u8]) -> Option<Head> {
    let line = std::str::from_utf8(slot).ok()?.trim_end();
    let (text, sum) = line.rsplit_once(' ')?;
    if checksum(text) != sum {
        return None;
    }
    let mut words = text.split(' ');
    if words.next()? != MAGIC {
        return None;
    }
    let revision = Revision(words.next()?.parse().ok()?);
    Some(Head {
        revision,
        hash: Hash::from_hex(words.next()?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(revision: u64) -> Head {
        Head {
            revision: Revision(revision),
            hash: Hash([7; 32]),
        }
    }

    #[test]
    fn remembers_the_latest_head() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.db");
        let (mut witness, first) = Witness::open(&journal).unwrap();
        assert_eq!(first, Testimony::Absent);
        for revision in 1..=5 {
            witness.note(head(revision)).unwrap();
            let (again, said) = Witness::open(&journal).unwrap();
            assert_eq!(said, Testimony::AtLeast(head(revision)));
            witness = again;
        }
    }

    #[test]
    fn a_damaged_slot_costs_one_step_and_is_never_believed() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.db");
        let (mut witness, _) = Witness::open(&journal).unwrap();
        witness.note(head(8)).unwrap();
        witness.note(head(9)).unwrap();
        let path = beside(&journal, ".head");
        let whole = std::fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x15;
            std::fs::write(&path, &bytes).unwrap();
            let (_, said) = Witness::open(&journal).unwrap();
            let believed = [8, 9].map(|revision| Testimony::AtLeast(head(revision)));
            assert!(believed.contains(&said), "byte {place}: {said:?}");
        }
        std::fs::write(&path, b"nonsense").unwrap();
        assert_eq!(Witness::open(&journal).unwrap().1, Testimony::Unreadable);
    }

    #[test]
    fn a_reset_forgets_a_later_head() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.db");
        let (mut witness, _) = Witness::open(&journal).unwrap();
        witness.note(head(9)).unwrap();
        witness.reset(head(4)).unwrap();
        assert_eq!(
            Witness::open(&journal).unwrap().1,
            Testimony::AtLeast(head(4))
        );
    }
}
