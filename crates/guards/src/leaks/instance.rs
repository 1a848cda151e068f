//! Looking at one instance: its processes through `/proc`, and what it tells of itself.
//!
//! What `/proc` says counts before what the instance says, since it also says it of one
//! that no longer answers. The heap only the instance knows. Where one source is missing,
//! what the other one has is told, and the gap is named; where nothing is left, there is
//! no picture at all.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_core::Timestamp;
use evenkeel_core::observation::{Level, Levels, Resource};
use evenkeel_core::subject::Subject;
use procfs::process::{LimitValue, Process, Stat};

use super::cgroup::{self, Allowed};
use super::memory::Memory;
use super::metrics::Told;
use super::process::{Found, Starts, by_pid_file, by_state, living};
use super::systemd::State;
use super::{InstanceSpec, Looked, ProcessSource, Unit};
use crate::jobs::tree::{Look, ProcessId};

/// Limits may be changed while a process runs, and seldom are.
const LIMITS_FOR: Duration = Duration::from_secs(60);

/// A unit's main process stays its main process while it lives; a manager may still be
/// told otherwise (`MAINPID=`).
const UNIT_FOR: Duration = Duration::from_secs(300);

/// The most processes of one instance that are looked at.
const PROCESSES_MAX: usize = 256;

/// What one moment's look at the host is shared by all instances.
pub(super) struct World {
    /// Who is whose child.
    pub(super) processes: Look,
    /// Connections by local port, where the kernel tells.
    pub(super) ports: BTreeMap<u16, u64>,
}

/// The eyes on one instance, from look to look.
pub(super) struct Eyes {
    pub(super) spec: InstanceSpec,
    known: Option<Known>,
    starts: Arc<Starts>,
    memory: Memory,
    allowed: Option<(Instant, Allowed)>,
    files_max: BTreeMap<ProcessId, (Instant, Option<u64>)>,
}

/// The process that an instance is now.
#[derive(Debug, Clone, Copy)]
struct Known {
    process: ProcessId,
    confirmed: Instant,
}

impl Eyes {
    pub(super) fn new(spec: InstanceSpec, starts: Arc<Starts>) -> Self {
        Self {
            spec,
            starts,
            known: None,
            memory: Memory::default(),
            allowed: None,
            files_max: BTreeMap::new(),
        }
    }

    /// The unit whose main process has to be asked for before the next look.
    pub(super) fn asks_for(&self) -> Option<&Unit> {
        let ProcessSource::Unit(unit) = &self.spec.process else {
            return None;
        };
        let holds = self.known.is_some_and(|known| {
            known.confirmed.elapsed() < UNIT_FOR && living(known.process.pid) == Some(known.process)
        });
        (!holds).then_some(unit)
    }

    /// Looks. `state` is what the manager says of its unit, where it was asked; `told` what
    /// the instance says of itself, where it is asked.
    pub(super) fn look(
        &mut self,
        world: &World,
        state: Option<Result<State, String>>,
        told: Option<Result<Told, String>>,
    ) -> Looked {
        let mut gaps = Vec::new();
        let told = match told {
            Some(Ok(told)) => Some(told),
            Some(Err(why)) => {
                gaps.push(why);
                None
            }
            None => None,
        };
        let of = Subject::Instance(self.spec.id.clone());
        let seen = match self.find(state) {
            None => Ok((Vec::new(), None)),
            Some(Found::Running(process)) => self.of_process(process, world, &mut gaps),
            Some(Found::Stopped(why)) => Err(format!("it does not run: {why}")),
            Some(Found::Unknown(why)) => Err(why),
        };
        let (mut levels, started_at) = match seen {
            Ok(seen) => seen,
            Err(why) => {
                self.known = None;
                gaps.insert(0, why);
                return Looked {
                    of,
                    levels: None,
                    gaps,
                };
            }
        };
        let told = told.unwrap_or_default();
        levels.extend(self.of_told(&told, &levels));
        levels.extend(self.connections(world));
        levels.sort_by(|a, b| a.resource.cmp(&b.resource));
        if levels.is_empty() && gaps.is_empty() {
            let id = &self.spec.id;
            gaps.push(format!(
                "nothing is known of {id}: give pid_file, unit, user_unit or metrics"
            ));
        }
        let levels = (!levels.is_empty()).then(|| Levels {
            of: of.clone(),
            started_at: started_at.or(told.started_at),
            release: told.release,
            levels,
        });
        Looked { of, levels, gaps }
    }

    /// The instance's process; none where nobody says which.
    fn find(&mut self, state: Option<Result<State, String>>) -> Option<Found> {
        match (&self.spec.process, state, self.known) {
            (ProcessSource::Elsewhere, ..) => None,
            (ProcessSource::PidFile(path), ..) => Some(by_pid_file(path)),
            (ProcessSource::Unit(unit), Some(state), _) => Some(by_state(unit, &state)),
            (ProcessSource::Unit(_), None, Some(known)) => Some(Found::Running(known.process)),
            (ProcessSource::Unit(unit), None, None) => {
                Some(Found::Unknown(format!("{unit} has not been asked for")))
            }
        }
    }

    fn of_process(
        &mut self,
        process: ProcessId,
        world: &World,
        gaps: &mut Vec<String>,
    ) -> Result<(Vec<Level>, Option<Timestamp>), String> {
        if self.known.is_none_or(|known| known.process != process) {
            self.allowed = None;
            self.known = Some(Known {
                process,
                confirmed: Instant::now(),
            });
        }
        let tree = world.processes.tree(process);
        if tree.len() > PROCESSES_MAX {
            let id = &self.spec.id;
            gaps.push(format!(
                "{id} has {} processes; the first {PROCESSES_MAX} are looked at",
                tree.len()
            ));
        }
        let tree: Vec<Stat> = tree
            .into_iter()
            .take(PROCESSES_MAX)
            .filter_map(now)
            .collect();
        if tree.first().map(|stat| stat.pid) != Some(process.pid) {
            return Err(format!("it does not run: process {} is gone", process.pid));
        }
        let allowed = self.allowed(process.pid);
        let mut levels = vec![self.of_memory(&tree, allowed, gaps)];
        match self.open_files(&tree) {
            Ok(files) => levels.push(files),
            Err(error) => gaps.push(format!(
                "the open files of {} (pid {}) cannot be counted: {error}; run Evenkeel as the \
                 same user, give it CAP_SYS_PTRACE, or let the instance tell process_open_fds",
                self.spec.id, process.pid
            )),
        }
        let threads = tree.iter().map(|stat| stat.num_threads);
        levels.push(Level {
            resource: Resource::Threads,
            used: threads.filter_map(|count| u64::try_from(count).ok()).sum(),
            limit: allowed.tasks,
        });
        Ok((levels, self.starts.of(process)))
    }

    fn of_memory(&mut self, tree: &[Stat], allowed: Allowed, gaps: &mut Vec<String>) -> Level {
        let used = self.memory.used(tree);
        let id = &self.spec.id;
        if used.is_resident && tree.len() > 1 {
            gaps.push(format!(
                "the memory of {id} is counted by resident sets, pages its {} processes share \
                 several times: its smaps cannot be read; run Evenkeel as the same user or give \
                 it CAP_SYS_PTRACE",
                tree.len()
            ));
        }
        let limit = allowed
            .memory
            .into_iter()
            .chain(self.spec.memory_limit)
            .min();
        if limit.is_none() {
            gaps.push(format!(
                "nothing limits the memory of {id}: when it will run out cannot be said; set \
                 MemoryMax= in its unit, or memory_limit"
            ));
        }
        Level {
            resource: Resource::Memory,
            used: used.bytes,
            limit,
        }
    }

    fn allowed(&mut self, pid: i32) -> Allowed {
        match self.allowed {
            Some((asked, allowed)) if asked.elapsed() < LIMITS_FOR => allowed,
            _ => {
                let allowed = cgroup::allowed(pid);
                self.allowed = Some((Instant::now(), allowed));
                allowed
            }
        }
    }

    /// Open files of the process that is nearest to its own limit: each has one for itself,
    /// and the fullest fails first.
    fn open_files(&mut self, tree: &[Stat]) -> io::Result<Level> {
        let ids: Vec<ProcessId> = tree.iter().map(crate::jobs::tree::id).collect();
        self.files_max.retain(|known, _| ids.contains(known));
        let mut fullest: Option<(u64, Option<u64>)> = None;
        let share = |(used, most): (u64, Option<u64>)| {
            // Parts of a million; without a limit the number itself decides.
            most.map_or(used, |most| used.saturating_mul(1_000_000) / most.max(1))
        };
        for (at, id) in ids.into_iter().enumerate() {
            let used = match open_files(id.pid) {
                Ok(used) => used,
                // A worker that has just gone has none.
                Err(error) if at > 0 && error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let found = (used, self.files_max(id));
            if fullest.is_none_or(|known| share(found) > share(known)) {
                fullest = Some(found);
            }
        }
        let (used, limit) = fullest.ok_or(io::ErrorKind::NotFound)?;
        Ok(Level {
            resource: Resource::OpenFiles,
            used,
            limit,
        })
    }

    fn files_max(&mut self, process: ProcessId) -> Option<u64> {
        if let Some((asked, most)) = self.files_max.get(&process)
            && asked.elapsed() < LIMITS_FOR
        {
            return *most;
        }
        let limits = Process::new(process.pid).and_then(|process| process.limits());
        let most = limits
            .ok()
            .and_then(|limits| match limits.max_open_files.soft_limit {
                LimitValue::Value(most) => Some(most),
                LimitValue::Unlimited => None,
            });
        self.files_max.insert(process, (Instant::now(), most));
        most
    }

    /// What the instance itself tells and `/proc` has not.
    fn of_told(&self, told: &Told, known: &[Level]) -> Vec<Level> {
        let is_new = |resource: &Resource| known.iter().all(|level| level.resource != *resource);
        let level = |resource, used: Option<u64>, limit| {
            let used = used.filter(|_| is_new(&resource))?;
            Some(Level {
                resource,
                used,
                limit,
            })
        };
        let is_elsewhere = self.spec.process == ProcessSource::Elsewhere;
        let memory = told.resident.filter(|_| is_elsewhere);
        [
            level(Resource::Memory, memory, self.spec.memory_limit),
            told.heap(),
            level(Resource::OpenFiles, told.open_files, told.open_files_max),
            level(Resource::Threads, told.threads, None),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Connections it serves, where it is on this host for certain.
    fn connections(&self, world: &World) -> Option<Level> {
        let is_here =
            self.spec.process != ProcessSource::Elsewhere || self.spec.address.ip().is_loopback();
        let used = world.ports.get(&self.spec.address.port());
        Some(Level {
            resource: Resource::Connections,
            used: *used.filter(|_| is_here)?,
            limit: None,
        })
    }
}

/// A process as it is now, if it is still the same and lives.
fn now(process: ProcessId) -> Option<Stat> {
    let stat = Process::new(process.pid).ok()?.stat().ok()?;
    let is_it = stat.starttime == process.start && !matches!(stat.state, 'Z' | 'X' | 'x');
    is_it.then_some(stat)
}

/// How many files a process has open. Since Linux 6.2 that is the size of its folder of
/// descriptors, for anybody to see.
fn open_files(pid: i32) -> io::Result<u64> {
    let folder = format!("/proc/{pid}/fd");
    match fs::metadata(&folder)?.len() {
        0 => Ok(fs::read_dir(&folder)?.count() as u64),
        count => Ok(count),
    }
}
