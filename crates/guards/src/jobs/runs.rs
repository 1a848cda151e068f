//! The runs that are alive on this host, as their folders and the machine tell it.
//!
//! Shared between the jobs guard, which looks often, and whoever needs to know which run
//! a process or a connection belongs to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_core::evidence::{EvidenceItem, EvidenceKind};
use evenkeel_core::ids::RunId;
use procfs::process::{FDTarget, Process};

use super::spool::{Meta, Spool};
use super::tree::Look;
use crate::evidence::{missing, write_processes};
use crate::guard::{BoxFuture, RunProcesses};

/// The end of the output that is kept as evidence, bytes.
const OUTPUT_TAIL: usize = 32 * 1024;

/// How long a look at who holds which connection serves.
const CONNECTIONS_FRESH: Duration = Duration::from_millis(200);

/// The living runs.
#[derive(Debug)]
pub struct Runs {
    spool: Spool,
    alive: Mutex<BTreeMap<RunId, Meta>>,
    connections: Mutex<Option<(Instant, Arc<Connections>)>>,
}

/// Which run holds the near end of which TCP connection: by local and remote port.
type Connections = BTreeMap<(u16, u16), RunId>;

impl Runs {
    /// The runs of `spool`.
    pub fn new(spool: Spool) -> Self {
        Self {
            spool,
            alive: Mutex::default(),
            connections: Mutex::default(),
        }
    }

    /// Where their folders are.
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    pub(super) fn set_alive(&self, runs: BTreeMap<RunId, Meta>) {
        *self.alive.lock().unwrap_or_else(PoisonError::into_inner) = runs;
    }

    fn alive(&self) -> BTreeMap<RunId, Meta> {
        let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        alive.clone()
    }

    /// Looks for the sockets of all living runs, at most every [`CONNECTIONS_FRESH`].
    fn connections(&self) -> Arc<Connections> {
        let mut kept = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((at, connections)) = kept.as_ref()
            && at.elapsed() < CONNECTIONS_FRESH
        {
            return connections.clone();
        }
        let fresh = Arc::new(look_for_connections(&self.alive()));
        *kept = Some((Instant::now(), fresh.clone()));
        fresh
    }
}

fn look_for_connections(alive: &BTreeMap<RunId, Meta>) -> Connections {
    let mut inodes: BTreeMap<u64, RunId> = BTreeMap::new();
    if !alive.is_empty() {
        let look = Look::take();
        for (run, meta) in alive {
            for stat in look.members(meta) {
                let files = Process::new(stat.pid).and_then(|process| process.fd());
                for file in files.into_iter().flatten().flatten() {
                    if let FDTarget::Socket(inode) = file.target {
                        inodes.insert(inode, run.clone());
                    }
                }
            }
        }
    }
    if inodes.is_empty() {
        return BTreeMap::new();
    }
    [procfs::net::tcp().ok(), procfs::net::tcp6().ok()]
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|tcp| {
            let run = inodes.get(&tcp.inode)?.clone();
            Some(((tcp.local_address.port(), tcp.remote_address.port()), run))
        })
        .collect()
}

impl RunProcesses for Runs {
    fn keep_evidence<'a>(
        &'a self,
        run: &'a RunId,
        folder: &'a Path,
    ) -> BoxFuture<'a, Vec<EvidenceItem>> {
        Box::pin(async move {
            let Some(meta) = self.spool.meta(run) else {
                let gap = "the run has no supervisor on this host";
                return vec![missing(EvidenceKind::Processes, gap)];
            };
            let tail = self.spool.output_tail(run, OUTPUT_TAIL);
            let folder = folder.to_owned();
            tokio::task::spawn_blocking(move || write_processes(&meta, &tail, &folder))
                .await
                .unwrap_or_else(|error| vec![missing(EvidenceKind::Processes, &error.to_string())])
        })
    }

    fn run_of_connection(&self, client_port: u16, server_port: u16) -> Option<RunId> {
        let connections = self.connections();
        connections.get(&(client_port, server_port)).cloned()
    }
}
