//! A throw-away PostgreSQL cluster on loopback.
//!
//! What always holds: its own folder, its own port, no socket file, nothing
//! left behind. Everyone on this machine may connect without a password
//! (`trust`, loopback only): it holds invented data and lives for minutes.
//!
//! PostgreSQL refuses to run as root. When we are root, it runs as the user
//! `postgres`, which owns its folder.
//!
//! `fsync` and `full_page_writes` are off: they protect against power loss, and
//! this cluster does not survive one anyway. What was committed still outlives
//! a crash of the server alone. A drill that needs them says so in [`Settings`]. `initdb` runs once
//! per program and is copied after that, which is some ten times faster.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio_postgres::{Client, Config, NoTls};

use crate::Scratch;
use crate::process::{Process, ProcessError};

/// Generous: five builds may share the machine's two cores.
const READY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(25);
/// Somebody else may take the free port between our look and the server's bind.
const PORT_TRIES: u32 = 5;

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No server programs on this machine.
    #[error(
        "PostgreSQL's server programs are neither in PATH nor in /usr/lib/postgresql/*/bin: \
         run `cargo xtask setup`, or `apt-get install postgresql`"
    )]
    NotInstalled,
    /// We are root and there is nobody to run it as.
    #[error(
        "PostgreSQL refuses to run as root and there is no user `postgres`: run as another user, or `apt-get install postgresql`"
    )]
    NoUser,
    /// A folder could not be made or handed over.
    #[error("cannot prepare the cluster's folder in {0}: check its permissions and space")]
    Folder(PathBuf, #[source] io::Error),
    /// `initdb` or the copy of its result failed.
    #[error("{program} failed: {said}")]
    Prepare {
        /// Which program.
        program: &'static str,
        /// What it wrote.
        said: String,
    },
    /// The server did not start, or did not answer in time.
    #[error("PostgreSQL did not get ready")]
    Start(#[source] ProcessError),
    /// A statement of the caller's, or a connection, failed.
    #[error("PostgreSQL refused: {0}")]
    Refused(#[source] tokio_postgres::Error),
}

/// What a cluster should be like. `Settings::default()` serves most.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    parameters: Vec<(String, String)>,
}

impl Settings {
    /// Sets a server parameter, as in `postgresql.conf`, over our own defaults.
    #[must_use]
    pub fn with(mut self, parameter: &str, value: impl ToString) -> Self {
        self.parameters
            .push((parameter.to_owned(), value.to_string()));
        self
    }
}

/// A running cluster. Superuser `postgres`, database `postgres`. Stopped and
/// removed on drop.
#[derive(Debug)]
pub struct Postgres {
    // Before `folder`: the server ends before its files go.
    server: Option<Process>,
    folder: Scratch,
    port: u16,
    programs: Programs,
    settings: Settings,
}

impl Postgres {
    /// Starts a cluster and waits until it answers.
    pub async fn start(settings: Settings) -> Result<Self, PostgresError> {
        let programs = Programs::find()?;
        let folder = programs.folder("postgres")?;
        let data = folder.join("data");
        let prepared = programs.clone();
        tokio::task::spawn_blocking(move || prepared.prepare(&data))
            .await
            .map_err(|stop| {
                PostgresError::Folder(folder.path().to_owned(), io::Error::other(stop))
            })??;
        let mut postgres = Self {
            server: None,
            folder,
            port: 0,
            programs,
            settings,
        };
        let mut tries = 0;
        loop {
            tries += 1;
            postgres.port = free_port()
                .map_err(|error| PostgresError::Folder(postgres.folder.path().to_owned(), error))?;
            match postgres.start_again().await {
                Err(PostgresError::Start(ProcessError::Ended { said, .. }))
                    if tries < PORT_TRIES && said.contains("Address already in use") => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(postgres),
            }
        }
    }

    /// Starts the server again, on the same port and data, after [`stop`](Self::stop)
    /// or [`crash`](Self::crash).
    pub async fn start_again(&mut self) -> Result<(), PostgresError> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            match self.start_once(deadline).await {
                // Backends outlive a crashed postmaster by the moment they take
                // to notice; the server rightly refuses to start beside them.
                Err(PostgresError::Start(ProcessError::Ended { said, .. }))
                    if said.contains("shared memory block") && Instant::now() < deadline =>
                {
                    tokio::time::sleep(POLL).await;
                }
                Ok(server) => {
                    self.server = Some(server);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn start_once(&self, deadline: Instant) -> Result<Process, PostgresError> {
        let mut command = self.programs.command("postgres");
        command.arg("-D").arg(self.folder.join("data"));
        let port = self.port.to_string();
        let ours = [
            ("listen_addresses", "127.0.0.1"),
            ("port", port.as_str()),
            ("unix_socket_directories", ""),
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("shared_buffers", "32MB"),
            ("max_wal_size", "256MB"),
            ("log_min_messages", "warning"),
            ("log_line_prefix", "%m [%p] %a "),
        ];
        for (name, value) in ours {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        for (name, value) in &self.settings.parameters {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let server = Process::start("postgres", command, self.folder.path())
            .map_err(PostgresError::Start)?
            .stopped_by(Signal::QUIT, Duration::from_secs(8));
        // Ours may have lost the port to another cluster, which would answer in
        // its place: `answers` asks for our own data folder.
        while !self.answers().await {
            if !server.is_running() || Instant::now() > deadline {
                return Err(PostgresError::Start(server.not_yet("answer", READY_WITHIN)));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(server)
    }

    async fn answers(&self) -> bool {
        let Ok(client) = self.connect("postgres", "postgres", "evenkeel-drill").await else {
            return false;
        };
        let Ok(row) = client
            .query_one("select current_setting('data_directory')", &[])
            .await
        else {
            return false;
        };
        Path::new(row.get::<_, &str>(0)) == self.folder.join("data")
    }

    /// Ends the server at once and in order (`immediate` shutdown); data stay.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Kills the postmaster with SIGKILL, as a kernel out of memory would.
    pub fn crash(&mut self) {
        if let Some(server) = self.server.take() {
            server.signal(Signal::KILL);
        }
    }

    /// The loopback port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The postmaster's pid, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Process::pid)
    }

    /// Where its files are; the data folder is `data` below.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What libpq and its relatives read from the environment.
    #[must_use]
    pub fn environment(&self, user: &str, database: &str) -> Vec<(String, String)> {
        [
            ("PGHOST", "127.0.0.1"),
            ("PGPORT", &self.port.to_string()),
            ("PGUSER", user),
            ("PGDATABASE", database),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// A connection string in libpq's key-value form.
    #[must_use]
    pub fn dsn(&self, user: &str, database: &str) -> String {
        format!(
            "host=127.0.0.1 port={} user={user} dbname={database}",
            self.port
        )
    }

    /// A connection of its own; its driver runs on the current runtime.
    pub async fn connect(
        &self,
        user: &str,
        database: &str,
        application_name: &str,
    ) -> Result<Client, PostgresError> {
        let (client, connection) = Config::new()
            .host("127.0.0.1")
            .port(self.port)
            .user(user)
            .dbname(database)
            .application_name(application_name)
            .connect_timeout(Duration::from_secs(5))
            .connect(NoTls)
            .await
            .map_err(PostgresError::Refused)?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Creates a role that may log in, and a database of the same name that it owns.
    pub async fn create(&self, name: &str) -> Result<(), PostgresError> {
        let client = self
            .connect("postgres", "postgres", "evenkeel-drill")
            .await?;
        for statement in [
            format!("create role \"{name}\" login"),
            format!("create database \"{name}\" owner \"{name}\""),
        ] {
            client
                .batch_execute(&statement)
                .await
                .map_err(PostgresError::Refused)?;
        }
        Ok(())
    }

    /// The end of the server's own log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.server.as_ref().map(Process::tail).unwrap_or_default()
    }
}

/// Where PostgreSQL's programs are, and as whom they run.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
    user: Option<(u32, u32)>,
}

impl Programs {
    /// Finds them: PATH first, then Debian's folders, newest version first.
    pub fn find() -> Result<Self, PostgresError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let mut debian: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let version = entry.file_name().to_str()?.parse().ok()?;
                Some((version, entry.path().join("bin")))
            })
            .collect();
        debian.sort();
        folders.extend(debian.into_iter().rev().map(|(_, folder)| folder));
        let folder = folders
            .into_iter()
            .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
            .ok_or(PostgresError::NotInstalled)?;
        let user = if rustix::process::geteuid().is_root() {
            Some(user_ids("postgres").ok_or(PostgresError::NoUser)?)
        } else {
            None
        };
        Ok(Self { folder, user })
    }

    /// A command for one of them (`pg_ctl`, `psql`, ...), as the right user.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        if let Some((uid, gid)) = self.user {
            // Its home and ours are not for it to read.
            command.uid(uid).gid(gid).current_dir("/");
        }
        command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        command
    }

    /// A temporary folder that the server's user owns.
    fn folder(&self, what: &str) -> Result<Scratch, PostgresError> {
        let folder = Scratch::new(what)
            .map_err(|error| PostgresError::Folder(std::env::temp_dir(), error))?;
        if let Some((uid, gid)) = self.user {
            chown(folder.path(), Some(uid), Some(gid))
                .map_err(|error| PostgresError::Folder(folder.path().to_owned(), error))?;
        }
        Ok(folder)
    }

    /// Fills `data` with a fresh cluster.
    fn prepare(&self, data: &Path) -> Result<(), PostgresError> {
        // Statics are not dropped: the watchdog removes this folder.
        static TEMPLATE: Mutex<Option<Scratch>> = Mutex::new(None);
        let mut template = TEMPLATE.lock().unwrap_or_else(PoisonError::into_inner);
        let template = match &mut *template {
            Some(template) => template,
            empty => {
                let folder = self.folder("postgres-template")?;
                let mut initdb = self.command("initdb");
                initdb
                    .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
                    .args(["--locale=C.UTF-8", "--no-sync", "--no-instructions", "-D"])
                    .arg(folder.join("data"));
                run("initdb", initdb)?;
                empty.insert(folder)
            }
        };
        let mut copy = Command::new("cp");
        copy.args(["-a", "--reflink=auto"])
            .arg(template.join("data"))
            .arg(data);
        run("cp", copy)
    }
}

fn run(program: &'static str, mut command: Command) -> Result<(), PostgresError> {
    let failed = |said: String| PostgresError::Prepare { program, said };
    let output = command
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// A user's uid and gid from `/etc/passwd`; a throw-away cluster needs no LDAP.
fn user_ids(name: &str) -> Option<(u32, u32)> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then_some(())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some((uid, gid))
    })
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}
