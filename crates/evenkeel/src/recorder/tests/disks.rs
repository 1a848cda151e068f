//! Full, slow and small disks.

use std::fs::File;
use std::sync::{Condvar, PoisonError};

use super::ring::SegmentFile;
use super::*;

/// A disk with so much room, that writes only while its gate is open.
#[derive(Debug)]
struct Poor {
    room: AtomicU64,
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Poor {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            room: AtomicU64::new(u64::MAX),
            is_open: Mutex::new(true),
            opened: Condvar::new(),
        })
    }

    fn set_room(&self, bytes: u64) {
        self.room.store(bytes, Ordering::SeqCst);
    }

    fn set_open(&self, open: bool) {
        *self.is_open.lock().unwrap() = open;
        self.opened.notify_all();
    }
}

#[derive(Debug)]
struct OnPoor(Arc<Poor>);

impl Disk for OnPoor {
    fn create(&self, path: &Path) -> std::io::Result<Box<dyn SegmentFile>> {
        let file = File::options().write(true).create_new(true).open(path)?;
        Ok(Box::new(PoorFile(self.0.clone(), file)))
    }

    fn free(&self, _folder: &Path) -> Option<u64> {
        None
    }
}

struct PoorFile(Arc<Poor>, File);

impl SegmentFile for PoorFile {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let is_open = self
            .0
            .is_open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        drop(self.0.opened.wait_while(is_open, |open| !*open));
        let room = self.0.room.load(Ordering::SeqCst);
        let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        self.1.append(&bytes[..fits])?;
        if fits < bytes.len() {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn cut(&mut self, bytes: u64) -> std::io::Result<()> {
        self.1.cut(bytes)
    }
}

fn poor(folder: &Path) -> (Arc<Poor>, Settings) {
    let disk = Poor::new();
    let settings = Settings {
        disk: Arc::new(OnPoor(disk.clone())),
        ..settings(folder)
    };
    (disk, settings)
}

#[test]
fn a_full_disk_stops_recording_says_so_and_it_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, settings) = poor(folder.path());
    let mut pump = Pump::start(settings.clone());
    pump.turn();
    pump.turn();
    until(|| said(&pieces(&settings)) == "started 0 1");
    let recording = pump.recorder.recording();
    assert_eq!(recording.trouble(), None);

    disk.set_room(7);
    pump.turn();
    until(|| recording.trouble().is_some());
    let (_, why) = recording.trouble().unwrap();
    assert!(why.contains("recorder"), "{why}");
    assert_eq!(
        said(&pieces(&settings)),
        "started 0 1",
        "the torn block is cut off"
    );

    disk.set_room(u64::MAX);
    until(|| pump.shared().given_up.load(Ordering::Acquire) > 0);
    pump.turn();
    until(|| recording.trouble().is_none());
    pump.turn();
    pump.stop();
    assert_eq!(said(&pieces(&settings)), "started 0 1 gap(2) 4");
}

#[test]
fn a_disk_that_stands_still_does_not_hold_the_pump_up() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, settings) = poor(folder.path());
    let mut pump = Pump::start(settings.clone());
    pump.turn();
    until(|| said(&pieces(&settings)) == "started 0");
    disk.set_open(false);
    // More than may wait: the test would never end if one of them were waited for.
    for _ in 0..STEPS_WAITING_MAX + 100 {
        pump.turn();
    }
    let recording = pump.recorder.recording();
    let (_, why) = recording.trouble().unwrap();
    assert!(why.contains("takes longer"), "{why}");
    disk.set_open(true);
    pump.settle();
    while recording.trouble().is_some() {
        pump.turn();
        pump.settle();
    }
    pump.turn();
    let last = pump.revision - 1;
    pump.stop();
    let said = said(&pieces(&settings));
    let (before, after) = said.split_once(" gap(").unwrap();
    assert!(
        before.starts_with("started 0 1 2 3 "),
        "what waited is there"
    );
    assert!(after.ends_with(&format!(" {last}")), "{after}");
}

#[test]
fn what_waits_is_bounded_in_bytes_too() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, settings) = poor(folder.path());
    let mut pump = Pump::start(settings);
    pump.turn_and_settle();
    disk.set_open(false);
    let crowd: Vec<Observation> = (0..1024).map(|n| progress(0, n, n)).collect();
    for _ in 0..200 {
        let mut step = step_at(pump.revision);
        pump.revision += 1;
        step.inputs = crowd.clone();
        pump.recorder.turned(step, &pump.state, Arc::default);
    }
    let waiting = pump.shared().waiting.load(Ordering::Relaxed);
    assert!(waiting <= BYTES_WAITING_MAX, "{waiting}");
    assert!(pump.recorder.recording().trouble().is_some());
    disk.set_open(true);
    pump.stop();
}

#[test]
fn the_oldest_go_when_the_ring_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        bytes_max: 4000,
        ..settings(folder.path())
    };
    fill_segments(&settings, 20);
    let left = ring::segments(&settings.folder).unwrap();
    let total: u64 = left.iter().map(|segment| segment.bytes).sum();
    assert!(total <= 4000 && left.len() > 1, "{total}");
    let said = said(&pieces(&settings));
    assert!(
        said.starts_with("continued ") && said.contains(" 39"),
        "{said}"
    );
}

#[test]
fn the_oldest_go_when_their_time_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        keep_for: Duration::from_secs(5),
        ..settings(folder.path())
    };
    fill_segments(&settings, 10);
    let left = ring::segments(&settings.folder).unwrap();
    // A segment is two seconds; the one that reaches back to the limit stays whole.
    assert!((3..=5).contains(&left.len()), "{}", left.len());
}

#[test]
fn what_is_in_the_folder_and_not_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        bytes_max: 4000,
        ..settings(folder.path())
    };
    std::fs::create_dir_all(&settings.folder).unwrap();
    let note = settings.folder.join("note.txt");
    std::fs::write(&note, [0; 10_000]).unwrap();
    fill_segments(&settings, 10);
    assert!(note.exists());
}
