//! A throw-away PostgreSQL server for tests of guards, on a free loopback port.
//!
//! (The drills have a richer one; guards must not depend on drills.) It runs as user
//! `postgres` when the test runs as root, and dies with the thread that started it.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, Config, NoTls};

/// A running server.
pub(crate) struct Postgres {
    folder: tempfile::TempDir,
    server: Child,
    port: u16,
}

impl Postgres {
    /// Starts a server with `settings` (`name=value`); one database, `app`, and an ordinary
    /// role `app` that owns it.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        give_away(folder.path());
        let status = as_postgres(&program("initdb"))
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "-D",
            ])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .expect("initdb runs");
        assert!(status.success(), "initdb succeeds");
        let port = free_port();
        let mut command = as_postgres(&program("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(folder.path());
        for setting in [
            "fsync=off",
            "listen_addresses=127.0.0.1",
            "max_prepared_transactions=8",
        ]
        .iter()
        .chain(settings)
        {
            command.arg("-c").arg(setting);
        }
        let server = command
            .arg("-p")
            .arg(port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres runs");
        let this = Self {
            folder,
            server,
            port,
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        let admin = loop {
            match this.try_connect("postgres", "postgres", "test").await {
                Ok(client) => break client,
                Err(error) => assert!(Instant::now() < deadline, "postgres answers: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await; // waits: for the server to listen
        };
        for statement in [
            "create role app login",
            "create database app owner app",
            "create role watcher login in role pg_monitor, pg_signal_backend",
        ] {
            admin.batch_execute(statement).await.expect("setup");
        }
        this
    }

    pub(crate) fn config(&self, role: &str, database: &str) -> Config {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(role)
            .dbname(database);
        config
    }

    pub(crate) fn pid(&self) -> u32 {
        self.server.id()
    }

    /// A session under `application_name`.
    pub(crate) async fn connect(
        &self,
        role: &str,
        database: &str,
        application_name: &str,
    ) -> Client {
        self.try_connect(role, database, application_name)
            .await
            .expect("a session")
    }

    async fn try_connect(
        &self,
        role: &str,
        database: &str,
        application_name: &str,
    ) -> Result<Client, tokio_postgres::Error> {
        let mut config = self.config(role, database);
        let (client, connection) = config
            .application_name(application_name)
            .connect(NoTls)
            .await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Immediate shutdown: the folder goes as well.
        let pid = rustix::process::Pid::from_raw(self.server.id() as i32);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while !matches!(self.server.try_wait(), Ok(Some(_))) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20)); // waits: for the server to end
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = &self.folder;
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn program(name: &str) -> PathBuf {
    let in_path = std::env::var_os("PATH")
        .iter()
        .flat_map(std::env::split_paths)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file() && name != "postgres");
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin").join(name))
        .filter(|path| path.is_file())
        .max();
    debian
        .or(in_path)
        .expect("PostgreSQL's programs: run `cargo xtask setup`")
}

fn ids() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let passwd = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let line = passwd
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .expect("user postgres");
    let mut fields = line.split(':').skip(2);
    let mut id = || fields.next().and_then(|id| id.parse().ok()).expect("an id");
    Some((id(), id()))
}

fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = ids() {
        command.uid(uid).gid(gid).current_dir("/");
    }
    command
}

fn give_away(folder: &Path) {
    if let Some((uid, gid)) = ids() {
        std::os::unix::fs::chown(folder, Some(uid), Some(gid)).expect("a folder to give away");
    }
}
