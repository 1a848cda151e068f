//! The access log: one JSON object a line, of every request that did not go well, and of
//! one in so many that did.
//!
//! Lines are gathered in memory and written once a second by another thread, which opens
//! the file anew each time: it may be moved away at any moment. A disk that is slow or full
//! costs lines, which are counted and told, never a request its time. No query is written,
//! no header, no cookie: tenants and sessions appear as hashes.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use serde::Serialize;

use crate::settings::AccessLog as Settings;

/// Bytes that wait to be written; what comes on top is lost, and counted.
const WAITING_MAX: usize = 8 << 20;

/// How often they are written.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct AccessLog {
    settings: Settings,
    waiting: RefCell<Vec<u8>>,
    lost: Cell<u64>,
    turn: Cell<u32>,
}

/// A line.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    pub(crate) at: Timestamp,
    pub(crate) client: IpAddr,
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    /// What became of it: `answered`, `failed`, `shed`, `off`, `gone`, `refused`, `no_route`.
    pub(crate) what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instance: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// Until the answer's head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) head_us: Option<u64>,
    /// Until the end.
    pub(crate) total_us: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) retried: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<&'a str>,
}

impl AccessLog {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            waiting: RefCell::default(),
            lost: Cell::default(),
            turn: Cell::default(),
        }
    }

    /// Whether a request that went well is logged: one in so many is.
    pub(crate) fn samples(&self) -> bool {
        let turn = self.turn.get();
        self.turn.set((turn + 1) % self.settings.sample.max(1));
        turn == 0
    }

    /// Adds a line.
    pub(crate) fn add(&self, line: &Line<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        let before = waiting.len();
        let is_written = before < WAITING_MAX && serde_json::to_writer(&mut *waiting, line).is_ok();
        match is_written {
            true => waiting.push(b'\n'),
            false => {
                waiting.truncate(before);
                self.lost.set(self.lost.get() + 1);
            }
        }
    }

    /// Writes what waits, for ever.
    pub(crate) async fn keep(self: Rc<Self>) {
        let mut tick = tokio::time::interval(WRITE_EVERY);
        loop {
            tick.tick().await;
            self.write().await;
        }
    }

    /// Writes what waits.
    pub(crate) async fn write(&self) {
        let text = self.waiting.take();
        if text.is_empty() {
            return;
        }
        let lines = memchr::memchr_iter(b'\n', &text).count() as u64;
        let file = self.settings.file.clone();
        let written = tokio::task::spawn_blocking(move || append(file, &text)).await;
        if !matches!(written, Ok(Ok(()))) {
            self.lost.set(self.lost.get() + lines);
        }
        let lost = self.lost.take();
        if lost > 0 {
            tracing::error!(
                lost,
                "lines of the access log are lost; see whether its disk is full"
            );
        }
    }
}

fn append(file: Option<PathBuf>, text: &[u8]) -> io::Result<()> {
    match file {
        None => io::stdout().lock().write_all(text),
        Some(path) => {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.append(true).create(true).open(path)?;
            file.write_all(text)
        }
    }
}
