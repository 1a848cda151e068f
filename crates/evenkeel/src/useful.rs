//! Was this useful? What readers of incidents' pages answered, counted.
//!
//! Nobody is asked who they are: no cookie, no address is kept, and whoever answers twice
//! counts twice. So it is a hint and no figure, and can cost nothing however often it is
//! answered: [`PER_MINUTE`] are counted, more are thanked; so many incidents are kept, the
//! newest.
//!
//! Kept in a file of the data folder, which appears under its name whole.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use evenkeel_core::ids::IncidentId;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// The file in the data folder.
const NAME: &str = "useful.json";

/// Answers that are counted in a minute: more than readers of one page give by themselves.
const PER_MINUTE: u32 = 60;

/// Incidents that are kept; each takes some 40 bytes.
const INCIDENTS_MAX: usize = 500;

/// The largest file that is read, bytes.
const FILE_MAX: u64 = 256 << 10;

/// What readers answered about one incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Answers {
    /// It was useful.
    pub yes: u32,
    /// It was not.
    pub no: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Useful {
    /// Where it is kept; nowhere in tests.
    file: Option<PathBuf>,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    answers: BTreeMap<String, Answers>,
    /// Since when the minute runs, and what was counted in it.
    minute: Option<(Instant, u32)>,
}

impl Useful {
    /// What a data folder has; nothing where it has none, or none that can be read.
    pub fn of(data_dir: &Path) -> Self {
        let file = data_dir.join(NAME);
        let answers = match read(&file) {
            Ok(answers) => answers,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                tracing::warn!(
                    "{} cannot be read: {error}; answers are counted anew",
                    file.display()
                );
                BTreeMap::new()
            }
        };
        Self {
            file: Some(file),
            counted: Mutex::new(Counted {
                answers,
                minute: None,
            }),
        }
    }

    /// What readers of an incident answered.
    pub fn answers(&self, incident: IncidentId) -> Answers {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = counted.answers.get(&incident.to_string());
        answers.copied().unwrap_or_default()
    }

    /// Counts an answer, unless there were too many in this minute.
    pub fn count(&self, incident: IncidentId, is_useful: bool) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if !counted.has_room(Instant::now()) {
            return;
        }
        let answers = counted.answers.entry(incident.to_string()).or_default();
        let of = match is_useful {
            true => &mut answers.yes,
            false => &mut answers.no,
        };
        *of = of.saturating_add(1);
        counted.forget();
        // Under the lock: the newest count is the one that stays.
        if let Some(file) = &self.file
            && let Err(error) = write(file, &counted.answers)
        {
            tracing::warn!("{} cannot be written: {error}", file.display());
        }
    }
}

impl Counted {
    fn has_room(&mut self, now: Instant) -> bool {
        let minute = Duration::from_secs(60);
        let (since, count) = match self.minute {
            Some((since, count)) if now.duration_since(since) < minute => (since, count),
            _ => (now, 0),
        };
        self.minute = Some((since, count.saturating_add(1)));
        count < PER_MINUTE
    }

    /// Forgets the oldest incidents beyond those that are kept.
    fn forget(&mut self) {
        while self.answers.len() > INCIDENTS_MAX {
            let number = |id: &String| id.parse().map_or(0, |IncidentId(number)| number);
            let oldest = self.answers.keys().min_by_key(|id| number(id)).cloned();
            let Some(oldest) = oldest else {
                return;
            };
            self.answers.remove(&oldest);
        }
    }
}

fn read(file: &Path) -> io::Result<BTreeMap<String, Answers>> {
    let mut text = String::new();
    std::fs::File::open(file)?
        .take(FILE_MAX)
        .read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(io::Error::other)
}

fn write(file: &Path, answers: &BTreeMap<String, Answers>) -> io::Result<()> {
    let draft = file.with_extension("new");
    let mut written = std::fs::File::create(&draft)?;
    written.write_all(&serde_json::to_vec(answers).map_err(io::Error::other)?)?;
    std::fs::rename(&draft, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_and_survive_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let useful = Useful::of(folder.path());
        useful.count(IncidentId(3), true);
        useful.count(IncidentId(3), true);
        useful.count(IncidentId(3), false);
        let expected = Answers { yes: 2, no: 1 };
        assert_eq!(useful.answers(IncidentId(3)), expected);
        let again = Useful::of(folder.path());
        assert_eq!(again.answers(IncidentId(3)), expected);
        assert_eq!(again.answers(IncidentId(4)), Answers::default());
        let entries = std::fs::read_dir(folder.path()).expect("read");
        assert_eq!(entries.count(), 1, "no draft is left");
    }

    #[test]
    fn a_flood_is_counted_up_to_a_bound() {
        let useful = Useful::default();
        for _ in 0..10 * PER_MINUTE {
            useful.count(IncidentId(1), true);
        }
        assert_eq!(useful.answers(IncidentId(1)).yes, PER_MINUTE);
        let mut counted = Counted::default();
        let now = Instant::now();
        for n in 0..2 * PER_MINUTE {
            assert_eq!(counted.has_room(now), n < PER_MINUTE);
        }
        assert!(counted.has_room(now + Duration::from_secs(60)));
    }

    #[test]
    fn the_newest_incidents_are_kept() {
        let mut counted = Counted::default();
        for number in 1..=INCIDENTS_MAX as u64 + 7 {
            let id = IncidentId(number).to_string();
            counted.answers.insert(id, Answers::default());
            counted.forget();
        }
        assert_eq!(counted.answers.len(), INCIDENTS_MAX);
        assert!(!counted.answers.contains_key("I-7"));
        assert!(counted.answers.contains_key("I-8"));
    }

    #[test]
    fn what_is_not_ours_is_counted_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(NAME), "[1, 2").expect("written");
        let useful = Useful::of(folder.path());
        assert_eq!(useful.answers(IncidentId(1)), Answers::default());
        useful.count(IncidentId(1), false);
        assert_eq!(Useful::of(folder.path()).answers(IncidentId(1)).no, 1);
    }
}
