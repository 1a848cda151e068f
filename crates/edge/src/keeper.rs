//! The keeper's line: a socket in the state folder over which plans come and windows go,
//! one JSON object a line.
//!
//! ```text
//! keeper -> {"plan": EdgePlan}
//! edge   -> {"window": EdgeWindow}     once a second
//! ```
//!
//! Who may speak is who runs as the same user, or as root. A plan that is taken is written
//! to the state folder before the next window confirms its revision, so that an edge that
//! starts again serves as it did before. What cannot be understood costs the speaker its
//! connection, and nobody else anything.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::edge::{EdgePlan, EdgeWindow};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;

use crate::shared::Shared;

/// The socket's name in the state folder.
pub const SOCKET: &str = "edge.sock";

/// The plan in force, in the state folder.
const PLAN: &str = "edge-plan.json";

/// The longest line, bytes: some thousand instances with weights.
const LINE_MAX: u64 = 4 << 20;

/// Keepers at once: one, and the one that takes its place.
const KEEPERS_MAX: usize = 4;

/// Windows that a slow keeper may be behind.
const BEHIND_MAX: usize = 16;

/// How often a window ends.
const WINDOW: Duration = Duration::from_secs(1);

/// What the keeper says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Serve by this from now on.
    Plan(EdgePlan),
}

/// What the edge says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// What was seen in a second.
    Window(EdgeWindow),
}

/// Where windows are handed out.
pub(crate) type Windows = broadcast::Sender<Rc<str>>;

/// The plan that was in force; an empty one where there is none that can be read.
pub(crate) fn read_plan(state_dir: &Path) -> EdgePlan {
    let path = state_dir.join(PLAN);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return EdgePlan::default(),
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "the plan in force cannot be read; served as configured until the keeper speaks");
            return EdgePlan::default();
        }
    };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::error!(path = %path.display(), %error, "the plan in force is damaged; served as configured until the keeper speaks");
        EdgePlan::default()
    })
}

/// Writes the plan in force: whole or not at all.
async fn write_plan(state_dir: PathBuf, plan: &EdgePlan) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(plan)?;
    let written = tokio::task::spawn_blocking(move || {
        let (path, fresh) = (state_dir.join(PLAN), state_dir.join("edge-plan.json.new"));
        let mut file = std::fs::File::create(&fresh)?;
        io::Write::write_all(&mut file, &text)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &path)
    });
    written.await?
}

/// A socket's place in the file system: left only while it is still ours.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    inode: u64,
}

impl Place {
    /// Removes the socket, unless somebody else's is there by now.
    pub(crate) fn leave(self) {
        let is_ours = std::fs::metadata(&self.path).is_ok_and(|own| own.ino() == self.inode);
        if is_ours {
            let _gone = std::fs::remove_file(&self.path);
        }
    }
}

/// Takes the socket's place from whoever had it.
pub(crate) fn bind(path: &Path) -> io::Result<(UnixListener, Place)> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    let place = Place {
        path: path.to_owned(),
        inode: std::fs::metadata(path)?.ino(),
    };
    Ok((listener, place))
}

/// Whether the one at the other end may give orders.
pub(crate) fn may_speak(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let uid = stream.peer_cred().map(|cred| cred.uid());
    matches!(uid, Ok(uid) if uid == own || uid == 0)
}

/// Ends a window a second, for whoever listens.
pub(crate) async fn keep_windows(shared: Rc<Shared>, windows: Windows) {
    let mut from = Timestamp::now();
    let start = tokio::time::Instant::now() + WINDOW;
    let mut tick = tokio::time::interval_at(start, WINDOW);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_stale = false;
    loop {
        tick.tick().await;
        if windows.receiver_count() == 0 {
            is_stale = true;
            continue;
        }
        let window = shared.window(from);
        from = Timestamp::now();
        if std::mem::take(&mut is_stale) {
            // It tells of all the time that nobody listened.
            continue;
        }
        if let Ok(line) = serde_json::to_string(&Told::Window(window)) {
            let line: Rc<str> = (line + "\n").into();
            let _nobody_listens = windows.send(line);
        }
    }
}

/// A way to hand out windows.
pub(crate) fn windows() -> Windows {
    broadcast::Sender::new(BEHIND_MAX)
}

/// Listens to keepers, for ever.
pub(crate) async fn listen(shared: Rc<Shared>, listener: UnixListener, windows: Windows) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(WINDOW).await;
            continue;
        };
        if !may_speak(&stream) || windows.receiver_count() >= KEEPERS_MAX {
            tracing::warn!("somebody who may not speak to the edge was sent away");
            continue;
        }
        let (shared, told) = (shared.clone(), windows.subscribe());
        tokio::task::spawn_local(async move {
            if let Err(error) = speak(&shared, stream, told).await {
                tracing::warn!(%error, "the keeper's line ended");
            }
        });
    }
}

async fn speak(
    shared: &Shared,
    stream: UnixStream,
    mut told: broadcast::Receiver<Rc<str>>,
) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let hearing = async {
        let mut read = BufReader::new(read);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut bounded = (&mut read).take(LINE_MAX);
            if bounded.read_until(b'\n', &mut line).await? == 0 {
                return Ok(());
            }
            if line.last() != Some(&b'\n') {
                let why = "a line is too long, or not whole";
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            let Said::Plan(plan) = serde_json::from_slice(&line)?;
            take(shared, plan).await;
        }
    };
    let telling = async {
        loop {
            match told.recv().await {
                Ok(line) => write.write_all(line.as_bytes()).await?,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            }
        }
    };
    tokio::select! {
        ended = hearing => ended,
        ended = telling => ended,
    }
}

/// Puts a plan in force, and keeps it.
pub(crate) async fn take(shared: &Shared, plan: EdgePlan) {
    let (before, revision) = (shared.traffic.plan().revision, plan.revision);
    // Written first: what a window confirms is kept.
    if revision > before
        && let Err(error) = write_plan(shared.settings.state_dir.clone(), &plan).await
    {
        tracing::error!(%error, "the plan in force cannot be written; it holds until the edge ends");
    }
    match shared.apply(plan) {
        Ok(()) if revision > before => tracing::info!(revision, "plan in force"),
        Ok(()) => {}
        Err(older) => tracing::warn!("{older}"),
    }
}
