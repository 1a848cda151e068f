//! What a finding is about and what an action is done to.

use alloc::string::{String, ToString};
use core::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{
    CheckId, ComponentId, DatabaseId, HeartbeatId, InstanceId, JobId, MaintenanceId, PoolId,
    ReadinessId, RouteId, RunId, TargetId, VolumeId,
};

/// One database backend, identified so that it cannot be confused.
///
/// PostgreSQL reuses pids, so a pid alone may name somebody else a second later. The
/// statement that ends a backend checks all three again
/// (`pg_stat_activity.pid, backend_start, xact_start`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Backend {
    /// The database of the configuration whose server it runs on.
    pub database: DatabaseId,
    /// `pg_stat_activity.pid`.
    pub pid: i32,
    /// `pg_stat_activity.backend_start`, microseconds.
    pub backend_start: Timestamp,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "backend {} of database {}", self.pid, self.database)
    }
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "type", content = "id", rename_all = "snake_case")]
pub enum Subject {
    /// A function customers see.
    Component(ComponentId),
    /// A job of the configuration.
    Job(JobId),
    /// One run of a job.
    Run(RunId),
    /// A guarded database server.
    Database(DatabaseId),
    /// One session of a guarded database server.
    Backend(Backend),
    /// A prepared transaction: it has no process, only a global identifier.
    PreparedTransaction {
        /// The database it was prepared in, as the configuration names it.
        database: DatabaseId,
        /// `pg_prepared_xacts.gid`.
        gid: String,
    },
    /// An instance of the service under guard.
    Instance(InstanceId),
    /// A pool of instances that do the same.
    Pool(PoolId),
    /// A route of the edge.
    Route(RouteId),
    /// A file system that is watched.
    Volume(VolumeId),
    /// A check of the configuration.
    Check(CheckId),
    /// A heartbeat, of the configuration or made through the API.
    Heartbeat(HeartbeatId),
    /// What must hold at a time of day.
    Readiness(ReadinessId),
    /// A place where copies of the public page are published.
    Target(TargetId),
    /// A maintenance.
    Maintenance(MaintenanceId),
    /// Evenkeel itself.
    Evenkeel,
}

impl Subject {
    /// The subject in the form `job:nightly-export` that CLI and configuration use.
    pub fn key(&self) -> String {
        self.to_string()
    }

    /// The guarded database it lives on, if it lives on one.
    pub fn database(&self) -> Option<&DatabaseId> {
        match self {
            Self::Database(database) | Self::PreparedTransaction { database, .. } => Some(database),
            Self::Backend(backend) => Some(&backend.database),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component(id) => write!(f, "component:{id}"),
            Self::Job(id) => write!(f, "job:{id}"),
            Self::Run(id) => write!(f, "run:{id}"),
            Self::Database(id) => write!(f, "database:{id}"),
            Self::Backend(backend) => write!(f, "backend:{}/{}", backend.database, backend.pid),
            Self::PreparedTransaction { database, gid } => {
                write!(f, "prepared_transaction:{database}/{gid}")
            }
            Self::Instance(id) => write!(f, "instance:{id}"),
            Self::Pool(id) => write!(f, "pool:{id}"),
            Self::Route(id) => write!(f, "route:{id}"),
            Self::Volume(id) => write!(f, "volume:{id}"),
            Self::Check(id) => write!(f, "check:{id}"),
            Self::Heartbeat(id) => write!(f, "heartbeat:{id}"),
            Self::Readiness(id) => write!(f, "readiness:{id}"),
            Self::Target(id) => write!(f, "target:{id}"),
            Self::Maintenance(id) => write!(f, "maintenance:{id}"),
            Self::Evenkeel => f.write_str("evenkeel"),
        }
    }
}
