//! The scene of the outage, the same in every arm: PostgreSQL, the back office with its
//! businesses and users, and the payroll bureau's FTP server.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tokio_postgres::Client;

use crate::Scratch;
use crate::browser::Login;
use crate::ftp::FtpServer;
use crate::postgres::{Postgres, Settings};
use crate::process::Process;

/// How long a part may take to come up on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The database of the back office, and the role that owns it.
pub(super) const DATABASE: &str = "backoffice";

/// The role Evenkeel watches with.
pub(super) const WATCHER: &str = "evenkeel";

/// The delivered file.
pub(super) const DELIVERED: &str = "payroll.csv";

/// Businesses of the payroll bureau.
const TENANTS: usize = 24;

/// What the back office's export makes of a payslip.
const LINES_PER_PAYSLIP: u32 = 24;

/// A PostgreSQL with the books of invented businesses.
pub(super) struct Books {
    // In the order in which they end: the server before its folder.
    pub(super) users: Vec<Login>,
    pub(super) postgres: Postgres,
    pub(super) folder: Scratch,
}

impl Books {
    /// Starts it and has the back office fill it.
    pub(super) async fn set_up(seed: u64, tenants: usize) -> Result<Self, String> {
        let text = |error: &dyn std::error::Error| super::outside::chain(error);
        let folder = Scratch::new("drill").map_err(|error| text(&error))?;
        // A default PostgreSQL: nothing of it is tuned for the outage.
        let settings = Settings::default().with("max_connections", 100);
        let postgres = Postgres::start(settings).await;
        let postgres = postgres.map_err(|error| text(&error))?;
        postgres
            .create(DATABASE)
            .await
            .map_err(|error| text(&error))?;
        let users = folder.join("users.csv");
        let (seed, tenants) = (seed.to_string(), tenants.to_string());
        let arguments = ["seed", "--seed", &seed, "--tenants", &tenants, "--users"];
        let mut command = backoffice(&postgres, &arguments)?;
        command.arg(&users);
        let mut seeding =
            Process::start("seed", command, folder.path()).map_err(|error| text(&error))?;
        let status = seeding.wait(PATIENCE).await.map_err(|error| text(&error))?;
        if !status.success() {
            return Err(format!(
                "the back office was not seeded: {}",
                seeding.tail()
            ));
        }
        let users = std::fs::read_to_string(users).map_err(|error| text(&error))?;
        Ok(Self {
            users: Login::list(&users),
            postgres,
            folder,
        })
    }

    /// A front end's or another command of the back office, on these books.
    pub(super) fn command(&self, arguments: &[&str]) -> Result<Command, String> {
        backoffice(&self.postgres, arguments)
    }
}

pub(super) struct Scene {
    // In the order in which they end: clients before servers, folders last.
    _office: Process,
    pub(super) address: SocketAddr,
    pub(super) users: Vec<Login>,
    pub(super) ftp: FtpServer,
    pub(super) postgres: Postgres,
    pub(super) folder: Scratch,
}

impl Scene {
    /// Sets it up. `web` is added to the environment of the back office: what an arm
    /// sets for its sessions.
    pub(super) async fn set_up(seed: u64, web: &[(&str, &str)]) -> Result<Self, String> {
        let text = |error: &dyn std::error::Error| super::outside::chain(error);
        let (books, ftp) = tokio::join!(Books::set_up(seed, TENANTS), FtpServer::start(0));
        let ftp = ftp.map_err(|error| text(&error))?;
        let Books {
            users,
            postgres,
            folder,
        } = books?;
        let admin = postgres
            .connect("postgres", DATABASE, "drill")
            .await
            .map_err(|error| text(&error))?;
        // What `evenkeel check` asks for, and no more.
        let grants = format!(
            "create role {WATCHER} login connection limit 5; \
             grant pg_monitor to {WATCHER}; grant pg_signal_backend to {WATCHER}"
        );
        admin
            .batch_execute(&grants)
            .await
            .map_err(|error| text(&error))?;

        let mut command = backoffice(&postgres, &["serve", "--listen", "127.0.0.1:0"])?;
        command.arg("--pid-file").arg(folder.join("office.pid"));
        command.envs(web.iter().copied());
        let office = Process::start("office", command, folder.path())
            .map_err(|error| text(&error))?
            .stopped_by(Signal::TERM, Duration::from_secs(2));
        let address = office
            .wait_for_line("listening on http://", PATIENCE)
            .await
            .map_err(|error| text(&error))?;
        let address = address
            .parse()
            .map_err(|_| format!("the back office listens on `{address}`, which is no address"))?;
        Ok(Self {
            _office: office,
            address,
            users,
            ftp,
            postgres,
            folder,
        })
    }

    /// A superuser's connection to the back office's database, for what the drill itself
    /// has to know.
    pub(super) async fn database(&self) -> Result<Client, String> {
        self.postgres
            .connect("postgres", DATABASE, "drill")
            .await
            .map_err(|error| super::outside::chain(&error))
    }

    /// Rows a whole dump has, each known by its payslip and its line: as the export itself
    /// would write them, by a query of the drill's own.
    pub(super) async fn rows_expected(&self) -> Result<BTreeSet<(i64, u32)>, String> {
        let client = self.database().await?;
        let rows = client.query("select id from payslips", &[]).await;
        let rows = rows.map_err(|error| super::outside::chain(&error))?;
        let ids = rows.iter().map(|row| row.get::<_, i64>(0));
        Ok(ids
            .flat_map(|id| (1..=LINES_PER_PAYSLIP).map(move |line| (id, line)))
            .collect())
    }

    /// Rows of the delivered file, known in the same way; none where it is not there.
    pub(super) fn rows_there(&self) -> BTreeSet<(i64, u32)> {
        let text = std::fs::read_to_string(self.ftp.root().join(DELIVERED)).unwrap_or_default();
        let rows = text.lines().filter_map(|line| {
            // tenant, payslip, employee, iban, period, line, ...
            let mut fields = line.split(',');
            let payslip = fields.nth(1)?.parse().ok()?;
            let line = fields.nth(3)?.parse().ok()?;
            Some((payslip, line))
        });
        rows.collect()
    }

    /// Rows of the file the bureau has got, if it is there under its name.
    pub(super) fn rows_delivered(&self) -> Option<u64> {
        let delivery = self.ftp.delivery(DELIVERED)?;
        delivery.is_whole().then_some(delivery.rows_count)
    }

    /// The command line of the export.
    pub(super) fn export(&self) -> Result<Vec<String>, String> {
        let program = sibling("backoffice")?.display().to_string();
        let address = self.ftp.address();
        let words = [&program, "export", "--ftp", &address, "--name", DELIVERED];
        Ok(words.iter().map(|word| (*word).to_owned()).collect())
    }

    /// The command lines of the two innocent runs: a long one that computes, reads and
    /// blocks nobody, and one that makes little but steady progress.
    pub(super) fn innocents(
        &self,
        seconds: u64,
    ) -> Result<[(&'static str, Vec<String>); 2], String> {
        let program = sibling("backoffice")?.display().to_string();
        let seconds = seconds.to_string();
        let folder = self.folder.join("archive").display().to_string();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Ok([
            (
                "report",
                words(&[&program, "report", "--seconds", &seconds]),
            ),
            (
                "archive",
                words(&[
                    &program,
                    "archive",
                    "--seconds",
                    &seconds,
                    "--folder",
                    &folder,
                    "--every-ms",
                    "1000",
                ]),
            ),
        ])
    }

    /// What libpq and its relatives need to reach the back office's database.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        self.postgres.environment(DATABASE, DATABASE)
    }

    pub(super) fn logs(&self) -> &Path {
        self.folder.path()
    }
}

fn backoffice(postgres: &Postgres, arguments: &[&str]) -> Result<Command, String> {
    let mut command = Command::new(sibling("backoffice")?);
    command
        .args(arguments)
        .envs(postgres.environment(DATABASE, DATABASE));
    Ok(command)
}

/// A program that was built beside this one.
pub(super) fn sibling(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    // Tests run from a folder below the programs'.
    let mut folders = own.ancestors().skip(1).take(2);
    folders
        .find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
        .ok_or_else(|| {
            format!("{name} is not built beside this program; build all with `cargo build --workspace --bins`")
        })
}
