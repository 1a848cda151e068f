//! Watches the runs' folders, the runs' processes, and the products.
//!
//! Cheap while nothing runs: one `readdir` four times a second. While a run is open its
//! processes are looked at once a second, all runs in one look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::{JobId, RunId};
use evenkeel_core::observation::{
    Exit, ProductReport, ProductState, RunExit, RunProgress, RunStart, Seen,
};
use jiff::SignedDuration;
use procfs::process::{FDTarget, Process};
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::spool::{Ending, Meta};
use super::tree::{Look, cpu_ms, io_bytes};
use super::{Jobs, product, sockets};
use crate::guard::Watchlist;
use crate::outlet::Outlet;

/// How often the folders are looked at: a run's end is known at most so late.
const FOLDERS: Duration = Duration::from_millis(250);
/// How often the processes of open runs are looked at.
const PROCESSES: Duration = Duration::from_secs(1);
/// Folders of ended runs that are kept for looking back.
const KEPT: usize = 500;
/// A run of the record without any folder is lost after so long: its folder was removed,
/// or its start was never performed.
const LOST_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// Between two looks at a product that is not yet as it should be, once it is due.
const PRODUCT_SOON: Duration = Duration::from_secs(20);
/// Between two looks at any product.
const PRODUCT_CALM: Duration = Duration::from_secs(300);
/// How often it is asked whether a product should be looked at.
const PRODUCT_TICK: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Watched {
    meta: Option<Meta>,
    told_start: bool,
    told_end: bool,
    /// Looks in a row that found neither supervisor nor process.
    gone: u8,
}

/// Tells starts, progress and ends of runs; returns when nobody listens any more.
pub(super) async fn runs(jobs: Arc<Jobs>, outlet: Outlet, watchlist: Receiver<Arc<Watchlist>>) {
    let spool = jobs.runs.spool().clone();
    let mut finished: BTreeSet<RunId> = BTreeSet::new();
    let mut watched: BTreeMap<RunId, Watched> = BTreeMap::new();
    let mut next_look = Instant::now();
    let mut trouble = None;
    let mut tick = interval(FOLDERS);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let found = match spool.runs() {
            Ok(found) => {
                trouble = None;
                found
            }
            Err(error) => {
                let error = error.to_string();
                if trouble.as_ref() != Some(&error) {
                    tracing::error!(%error, folder = %spool.folder().display(), "the runs' folder cannot be read");
                    trouble = Some(error);
                }
                continue;
            }
        };
        let list = watchlist.borrow().clone();
        for run in &found {
            if finished.contains(run) {
                continue;
            }
            let entry = match watched.get_mut(run) {
                Some(entry) => entry,
                None if spool.is_reported(run) => {
                    finished.insert(run.clone());
                    continue;
                }
                None => watched.entry(run.clone()).or_default(),
            };
            if entry.meta.is_none() {
                entry.meta = spool.meta(run);
            }
            let Some(meta) = &entry.meta else {
                continue;
            };
            if !jobs.jobs.contains_key(&meta.job) {
                // Of a job that is no longer configured: its end is still awaited, so that
                // its folder does not stay for ever.
                if spool.ending(run).is_some() {
                    spool.mark_reported(run);
                    finished.insert(run.clone());
                }
                continue;
            }
            if !std::mem::replace(&mut entry.told_start, true) {
                let start = RunStart {
                    run: run.clone(),
                    job: meta.job.clone(),
                    started_at: meta.started_at,
                    origin: meta.origin,
                };
                if !outlet.fact(Seen::RunStart(start)).await {
                    return;
                }
            }
            let Some(ending) = spool.ending(run) else {
                continue;
            };
            if !std::mem::replace(&mut entry.told_end, true) {
                let exit = RunExit {
                    run: run.clone(),
                    job: meta.job.clone(),
                    ended_at: ending.ended_at,
                    exit: ending.exit,
                };
                if !outlet.fact(Seen::RunExit(exit)).await {
                    return;
                }
            }
            // Only what the journal knows is never told again.
            if list.ended_runs.contains_key(run) {
                spool.mark_reported(run);
                finished.insert(run.clone());
            }
        }
        watched.retain(|run, _| !finished.contains(run));
        let alive: BTreeMap<RunId, Meta> = watched
            .iter()
            .filter(|(_, entry)| !entry.told_end)
            .filter_map(|(run, entry)| Some((run.clone(), entry.meta.clone()?)))
            .collect();
        jobs.runs.set_alive(alive.clone());
        if Instant::now() >= next_look {
            next_look = Instant::now() + PROCESSES;
            if !alive.is_empty() {
                look_at(&jobs, alive, &mut watched, &outlet).await;
            }
            for (run, job) in without_folder(&list, &found) {
                let exit = RunExit {
                    run,
                    job,
                    ended_at: Timestamp::now(),
                    exit: Exit::Lost,
                };
                if !outlet.fact(Seen::RunExit(exit)).await {
                    return;
                }
            }
            if finished.len() > KEPT + KEPT / 10 {
                prune(&jobs, &mut finished).await;
            }
        }
    }
}

/// Runs of the record that nothing on this host knows of.
fn without_folder(list: &Watchlist, found: &[RunId]) -> Vec<(RunId, JobId)> {
    let now = Timestamp::now();
    list.open_runs
        .iter()
        .filter(|(run, (_, since))| now.duration_since(*since) > LOST_AFTER && !found.contains(run))
        .map(|(run, (job, _))| (run.clone(), job.clone()))
        .collect()
}

async fn look_at(
    jobs: &Arc<Jobs>,
    alive: BTreeMap<RunId, Meta>,
    watched: &mut BTreeMap<RunId, Watched>,
    outlet: &Outlet,
) {
    let spool = jobs.runs.spool().clone();
    let looked = tokio::task::spawn_blocking(move || {
        let look = Look::take();
        let moved = sockets::moved().unwrap_or_default();
        alive
            .into_iter()
            .map(|(run, meta)| {
                let progress = progress(&run, &meta, &look, &moved, &spool);
                let gone = progress.processes == 0 && !look.supervisor_lives(&meta);
                (run, progress, gone)
            })
            .collect::<Vec<_>>()
    });
    let Ok(looked) = looked.await else {
        return;
    };
    for (run, progress, gone) in looked {
        let Some(entry) = watched.get_mut(&run) else {
            continue;
        };
        entry.gone = if gone { entry.gone + 1 } else { 0 };
        if entry.gone >= 2 {
            // Twice, because a supervisor writes its last word and is gone a moment later.
            let ending = Ending {
                ended_at: Timestamp::now(),
                exit: Exit::Lost,
            };
            if let Err(error) = jobs.runs.spool().end(&run, &ending) {
                tracing::error!(%error, %run, "the run's end could not be written down");
            }
            entry.gone = 0;
        } else if !gone {
            outlet.picture(Seen::RunProgress(progress));
        }
    }
}

fn progress(
    run: &RunId,
    meta: &Meta,
    look: &Look,
    moved: &BTreeMap<u64, u64>,
    spool: &super::spool::Spool,
) -> RunProgress {
    let members = look.members(meta);
    let mut progress = RunProgress {
        run: run.clone(),
        cpu_ms: 0,
        io_bytes: 0,
        output_bytes: spool.output_bytes(run),
        reports: spool.reports(run),
        processes: u32::try_from(members.len()).unwrap_or(u32::MAX),
    };
    for stat in members {
        progress.cpu_ms += cpu_ms(stat);
        progress.io_bytes += io_bytes(stat.pid);
        let files = Process::new(stat.pid).and_then(|process| process.fd());
        for file in files.into_iter().flatten().flatten() {
            if let FDTarget::Socket(inode) = file.target {
                progress.io_bytes += moved.get(&inode).copied().unwrap_or_default();
            }
        }
    }
    progress
}

/// Forgets the oldest folders of ended runs; names sort by job and time, so the time is
/// asked of the folder.
async fn prune(jobs: &Arc<Jobs>, finished: &mut BTreeSet<RunId>) {
    let spool = jobs.runs.spool().clone();
    let runs = finished.clone();
    let removed = tokio::task::spawn_blocking(move || {
        let mut aged: Vec<_> = runs
            .into_iter()
            .map(|run| (spool.ending(&run).map(|ending| ending.ended_at), run))
            .collect();
        aged.sort();
        aged.truncate(aged.len().saturating_sub(KEPT));
        aged.into_iter()
            .filter(|(_, run)| match spool.remove(run) {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!(%error, %run, "the folder of an old run cannot be removed");
                    false
                }
            })
            .map(|(_, run)| run)
            .collect::<Vec<_>>()
    });
    for run in removed.await.unwrap_or_default() {
        finished.remove(&run);
    }
}

struct Looked {
    at: Instant,
    /// The end of a run, or the due time, that the last look came after.
    after: (Option<RunId>, Option<Timestamp>),
    as_it_should_be: bool,
}

/// Looks at products: after each run, when they are due, and now and then.
pub(super) async fn products(jobs: Arc<Jobs>, outlet: Outlet, watchlist: Receiver<Arc<Watchlist>>) {
    let mut looked: BTreeMap<JobId, Looked> = BTreeMap::new();
    let mut tick = interval(PRODUCT_TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let with_product: Vec<_> = jobs
        .jobs
        .values()
        .filter(|job| job.product.is_some())
        .cloned()
        .collect();
    loop {
        tick.tick().await;
        let list = watchlist.borrow().clone();
        for job in &with_product {
            let Some(spec) = &job.product else {
                continue;
            };
            let ended = list.ended_runs.iter().filter(|(_, of)| **of == job.id);
            let after = (
                ended.map(|(run, _)| run.clone()).max(),
                list.last_due.get(&job.id).copied(),
            );
            let soon = looked.get(&job.id).is_none_or(|last| {
                let wait = if last.as_it_should_be || after.1.is_none() {
                    PRODUCT_CALM
                } else {
                    PRODUCT_SOON
                };
                last.after != after || last.at.elapsed() >= wait
            });
            if !soon {
                continue;
            }
            let slot = product::slot_for(list.last_slots.get(&job.id).copied(), Timestamp::now());
            let state = product::look(spec, slot, &job.zone).await;
            let as_it_should_be = matches!(
                state,
                ProductState::Present {
                    bytes: 1..,
                    complete: None | Some(true),
                    ..
                }
            );
            looked.insert(
                job.id.clone(),
                Looked {
                    at: Instant::now(),
                    after,
                    as_it_should_be,
                },
            );
            let job = job.id.clone();
            if !outlet
                .fact(Seen::ProductReport(ProductReport { job, state }))
                .await
            {
                return;
            }
        }
    }
}
