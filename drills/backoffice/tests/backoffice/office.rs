use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use evenkeel_drill::Scratch;
use evenkeel_drill::browser::{Browser, Login};
use evenkeel_drill::postgres::{Postgres, Settings};
use evenkeel_drill::process::Process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_postgres::Client;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A seeded back office that serves from a database of its own, in a cluster
/// that all tests share.
pub(crate) struct Office {
    pub(crate) users: Vec<Login>,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    server: Process,
    folder: Scratch,
    postgres: &'static Postgres,
    database: String,
}

impl Office {
    pub(crate) async fn open() -> Self {
        static CLUSTER: OnceCell<Postgres> = OnceCell::const_new();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let postgres = CLUSTER
            .get_or_init(async || {
                Postgres::start(Settings::default().with("max_connections", 300))
                    .await
                    .unwrap()
            })
            .await;
        let database = format!("office{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        postgres.create(&database).await.unwrap();
        let folder = Scratch::new("office").unwrap();

        let mut seed = command(
            postgres,
            &database,
            &["seed", "--tenants", "3", "--today", "2026-03-31", "--users"],
        );
        seed.arg(folder.join("users.csv"));
        let mut seed = Process::start("seed", seed, folder.path()).unwrap();
        assert!(
            seed.wait(PATIENCE).await.unwrap().success(),
            "{}",
            seed.tail()
        );
        let users = std::fs::read_to_string(folder.join("users.csv")).unwrap();

        let serve = ["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let server =
            Process::start("serve", command(postgres, &database, &serve), folder.path()).unwrap();
        let address = server
            .wait_for_line("listening on http://", PATIENCE)
            .await
            .unwrap();
        let admin = server
            .wait_for_line("faults on http://", PATIENCE)
            .await
            .unwrap();
        Self {
            users: Login::list(&users),
            address: address.parse().unwrap(),
            admin: admin.trim_end_matches("/faults").parse().unwrap(),
            server,
            folder,
            postgres,
            database,
        }
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.address)
    }

    /// A superuser's connection to the office's database.
    pub(crate) async fn database(&self) -> Client {
        self.postgres
            .connect("postgres", &self.database, "test")
            .await
            .unwrap()
    }

    /// Starts another subcommand.
    pub(crate) fn run(
        &self,
        name: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Process {
        let mut command = command(self.postgres, &self.database, arguments);
        command.envs(environment.iter().copied());
        Process::start(name, command, self.folder.path()).unwrap()
    }

    pub(crate) fn folder(&self) -> &Scratch {
        &self.folder
    }

    /// Replaces the fault switches.
    pub(crate) async fn faults(&self, json: &str) {
        let mut stream = TcpStream::connect(self.admin).await.unwrap();
        let request = format!(
            "PUT /faults HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{json}",
            json.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Resident memory of the serving process.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

fn command(postgres: &Postgres, database: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backoffice"));
    command
        .args(arguments)
        .envs(postgres.environment(database, database));
    command
}

/// Polls until it holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        // waits: for another process; looked at again until the deadline above
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
