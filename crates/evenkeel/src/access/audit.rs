//! What people do, on its way into the journal.
//!
//! Failed logins are a stranger's to make, and the journal is for ever: at most
//! [`FAILED_EACH_MINUTE`] of them are kept a minute, and the next one says how many were
//! left out.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use evenkeel_core::observation::{Act, PersonAct, Seen};
use evenkeel_guards::outlet::Outlet;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::held;

/// Failed logins that are kept each minute.
pub const FAILED_EACH_MINUTE: u32 = 6;

/// The longest `about` that is kept, letters.
const ABOUT_MAX: usize = 1200;

/// What was done while no server ran, told at its next start: one JSON object a line.
const LATE_FILE: &str = "people.told-late";

/// The largest such file that is read, bytes.
const LATE_MAX: u64 = 256 << 10;

/// See the module.
pub struct Audit {
    outlet: Outlet,
    failed: Mutex<Failed>,
}

#[derive(Debug, Default)]
struct Failed {
    since: Option<Instant>,
    kept: u32,
    left_out: u64,
}

impl Failed {
    /// Whether this one is kept; then how many were left out before it.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let minute = Duration::from_secs(60);
        if self
            .since
            .is_none_or(|since| now.duration_since(since) >= minute)
        {
            self.since = Some(now);
            self.kept = 0;
        }
        if self.kept >= FAILED_EACH_MINUTE {
            self.left_out += 1;
            return None;
        }
        self.kept += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// What was done, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Who.
    pub by: String,
    /// What.
    pub act: Act,
    /// To what, or with what.
    pub about: String,
}

impl Audit {
    /// An audit that goes to the journal through `outlet`.
    pub fn new(outlet: Outlet) -> Self {
        Self {
            outlet,
            failed: Mutex::default(),
        }
    }

    /// Somebody did something.
    pub async fn note(&self, by: &str, act: Act, about: &str, from: &str) {
        let outlet = self.outlet.named(&format!("operator:{by}"));
        let _stopping = outlet.fact(seen(act, about, from)).await;
    }

    /// A login failed: of somebody on the list, or of a name nobody has.
    pub async fn login_failed(&self, name: Option<&str>, from: IpAddr) {
        let Some(left_out) = held(&self.failed).take(Instant::now()) else {
            return;
        };
        let about = match left_out {
            0 => String::new(),
            count => format!("and {count} more before, from anywhere"),
        };
        let by = match name {
            Some(name) => format!("operator:{name}"),
            None => "somebody not on the list".to_owned(),
        };
        let outlet = self.outlet.named(&by);
        let _stopping = outlet
            .fact(seen(Act::LoginFailed, &about, &from.to_string()))
            .await;
    }

    /// Tells what was done while no server ran.
    pub async fn tell_late(&self, data_dir: &Path) {
        for done in take_late(data_dir) {
            self.note(
                &done.by,
                done.act,
                &done.about,
                "the command line, while no server ran",
            )
            .await;
        }
    }
}

fn seen(act: Act, about: &str, from: &str) -> Seen {
    Seen::PersonAct(PersonAct {
        act,
        about: about.chars().take(ABOUT_MAX).collect(),
        from: from.to_owned(),
    })
}

/// Keeps what was done for the next start.
pub fn keep_late(data_dir: &Path, done: &Done) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    let mut file = options.open(data_dir.join(LATE_FILE))?;
    let line = serde_json::to_string(done).map_err(std::io::Error::other)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_all()
}

fn take_late(data_dir: &Path) -> Vec<Done> {
    use std::io::Read;
    let path = data_dir.join(LATE_FILE);
    let Ok(file) = std::fs::File::open(&path) else {
        return Vec::new();
    };
    let mut bytes = Vec::new();
    if let Err(error) = file.take(LATE_MAX).read_to_end(&mut bytes) {
        tracing::warn!(%error, path = %path.display(), "what was done while no server ran cannot be read");
        return Vec::new();
    }
    if let Err(error) = std::fs::remove_file(&path) {
        tracing::warn!(%error, path = %path.display(), "it will be told again at the next start");
    }
    String::from_utf8_lossy(&bytes)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_failed_logins_does_not_fill_the_journal() {
        let mut failed = Failed::default();
        let start = Instant::now();
        let kept = (0..10_000).filter(|_| failed.take(start).is_some()).count();
        assert_eq!(kept, FAILED_EACH_MINUTE as usize);
        assert_eq!(failed.take(start + Duration::from_secs(60)), Some(9_994));
        assert_eq!(failed.take(start + Duration::from_secs(60)), Some(0));
    }

    #[test]
    fn what_was_done_while_no_server_ran_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let done = Done {
            by: "root".into(),
            act: Act::PersonAdded,
            about: "ana, operator".into(),
        };
        keep_late(folder.path(), &done).unwrap();
        keep_late(folder.path(), &done).unwrap();
        assert_eq!(take_late(folder.path()), [done.clone(), done]);
        assert!(take_late(folder.path()).is_empty());
    }
}
