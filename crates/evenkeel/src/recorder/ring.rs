//! The ring on disk: a folder of segments, oldest first out.
//!
//! A segment is one file, named by its number and when it began. What is in the folder and
//! is not named so is not ours, and left alone.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_core::Timestamp;

use super::block::FILE_HEAD;

/// One segment on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Counted up for ever.
    pub number: u64,
    /// When it began.
    pub began: Timestamp,
    /// Where it is.
    pub path: PathBuf,
    /// Its size, bytes.
    pub bytes: u64,
}

/// The segments in a folder, oldest first. A folder that is not there has none.
///
/// # Errors
/// It cannot be read.
pub fn segments(folder: &Path) -> io::Result<Vec<Segment>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Some((number, began)) = entry.file_name().to_str().and_then(parse) else {
            continue;
        };
        // One that was removed meanwhile has no size, and is no segment any more.
        if let Ok(metadata) = entry.metadata() {
            found.push(Segment {
                number,
                began,
                path: entry.path(),
                bytes: metadata.len(),
            });
        }
    }
    found.sort_by_key(|segment| segment.number);
    Ok(found)
}

/// `0000000042-20261121T021407Z.ring`
fn name(number: u64, began: Timestamp) -> String {
    format!("{number:010}-{}.ring", began.strftime("%Y%m%dT%H%M%SZ"))
}

fn parse(name: &str) -> Option<(u64, Timestamp)> {
    let (number, began) = name.strip_suffix(".ring")?.split_once('-')?;
    let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", began).ok()?;
    let began = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some((number.parse().ok()?, began))
}

/// A segment that is being written.
pub trait SegmentFile: Send {
    /// Appends; whole or an error.
    ///
    /// # Errors
    /// The disk is full, or fails.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes durable what was appended.
    ///
    /// # Errors
    /// The disk fails.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file to a length: what was appended in part goes.
    ///
    /// # Errors
    /// The disk fails.
    fn cut(&mut self, bytes: u64) -> io::Result<()>;
}

/// Where segments are written: the disk, or in tests one that is full or slow.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Makes a new file that only its owner reads.
    ///
    /// # Errors
    /// It cannot be made.
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;

    /// Bytes an ordinary user may still write beside `folder`; `None` where nobody knows.
    fn free(&self, folder: &Path) -> Option<u64>;
}

/// The disk.
#[derive(Debug, Clone, Copy)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Box::new(file))
    }

    fn free(&self, folder: &Path) -> Option<u64> {
        let room = rustix::fs::statvfs(folder).ok()?;
        room.f_bavail.checked_mul(room.f_frsize)
    }
}

impl SegmentFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        use std::io::Seek;
        self.set_len(bytes)?;
        self.seek(io::SeekFrom::Start(bytes)).map(|_| ())
    }
}

/// The ring, being written.
pub(super) struct Ring {
    folder: PathBuf,
    keep_for: Duration,
    bytes_max: u64,
    /// Free space that is left alone: the journal on the same disk needs it more.
    spare: u64,
    disk: std::sync::Arc<dyn Disk>,
    /// Oldest first; the last one is `file`'s where there is one.
    segments: Vec<Segment>,
    file: Option<Box<dyn SegmentFile>>,
    next: u64,
}

impl Ring {
    pub(super) fn new(settings: &super::Settings) -> Self {
        Self {
            folder: settings.folder.clone(),
            keep_for: settings.keep_for,
            bytes_max: settings.bytes_max,
            spare: settings.spare,
            disk: settings.disk.clone(),
            segments: Vec::new(),
            file: None,
            next: 0,
        }
    }

    /// Begins a segment with its first block.
    pub(super) fn begin(&mut self, at: Timestamp, framed: &[u8]) -> io::Result<()> {
        self.end();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        self.segments = segments(&self.folder)?;
        let newest = self.segments.last().map_or(0, |segment| segment.number);
        self.next = self.next.max(newest) + 1;
        self.let_go_of_old(at);
        let path = self.folder.join(name(self.next, at));
        self.make_room(FILE_HEAD.len() + framed.len())?;
        let file = self.disk.create(&path)?;
        self.segments.push(Segment {
            number: self.next,
            began: at,
            path,
            bytes: 0,
        });
        self.file = Some(file);
        self.append(FILE_HEAD)?;
        self.append(framed)
    }

    /// Appends one block, durably.
    pub(super) fn append(&mut self, framed: &[u8]) -> io::Result<()> {
        self.make_room(framed.len())?;
        let (Some(file), Some(segment)) = (&mut self.file, self.segments.last_mut()) else {
            return Err(io::Error::other("no segment was begun"));
        };
        let written = file.append(framed).and_then(|()| file.sync());
        match written {
            Ok(()) => {
                segment.bytes += framed.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Half a block is passed over by readers; without it there is more room.
                let _torn = file.cut(segment.bytes);
                self.end();
                Err(error)
            }
        }
    }

    /// Ends the segment; the next one begins another file.
    pub(super) fn end(&mut self) {
        self.file = None;
        // One that never got as far as its first block is nothing.
        if let Some(last) = self.segments.last()
            && last.bytes <= FILE_HEAD.len() as u64
            && last.number == self.next
        {
            let _gone = std::fs::remove_file(&last.path);
            self.segments.pop();
        }
    }

    /// The size of the segment that is being written.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.bytes)
    }

    fn total(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// A segment is over when the next one began.
    fn let_go_of_old(&mut self, now: Timestamp) {
        let limit = evenkeel_core::time::before(now, self.keep_for);
        while self.segments.len() >= 2 && self.segments[1].began < limit {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self.segments.remove(0);
        if let Err(error) = std::fs::remove_file(&oldest.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %oldest.path.display(), %error, "an old recording cannot be removed");
        }
    }

    fn make_room(&mut self, bytes: usize) -> io::Result<()> {
        let current = usize::from(self.file.is_some());
        while self.total() + bytes as u64 > self.bytes_max && self.segments.len() > current {
            self.drop_oldest();
        }
        if self.total() + bytes as u64 > self.bytes_max {
            return Err(io::Error::other(
                "one segment alone is larger than size_max_mib of [recorder]; write a larger number",
            ));
        }
        match self.disk.free(&self.folder) {
            Some(free) if free < self.spare.saturating_add(bytes as u64) => Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!(
                    "only {} MiB are free on its disk, and the last {} MiB are left to the journal",
                    free >> 20,
                    self.spare >> 20
                ),
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_others_are_left_alone() {
        let began: Timestamp = "2026-11-21T02:14:07Z".parse().unwrap();
        let name = name(42, began);
        assert_eq!(name, "0000000042-20261121T021407Z.ring");
        assert_eq!(parse(&name), Some((42, began)));
        for other in ["notes.txt", "1-x.ring", "x-20261121T021407Z.ring", ".ring"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
