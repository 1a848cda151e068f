//! A small but real multi-tenant back office: the service under guard in demo
//! and drills. It knows nothing of Evenkeel.
//!
//! `seed` invents businesses, `serve` serves their pages, `export` hands the
//! payroll to a bureau by FTP at night, `report` and `archive` are long honest
//! runs. All connect to where libpq's environment variables point (PGHOST,
//! PGPORT, PGUSER, PGDATABASE, PGPASSWORD, PGPASSFILE, PGOPTIONS, PGAPPNAME).
//!
//! It is written the way such services are: pleasant, correct by itself, and
//! careless about what its neighbours may do to it. Its ways to be ill on
//! purpose are in [`faults`].

mod database;
mod export;
mod faults;
mod functions;
mod memory;
mod money;
mod password;
mod runs;
mod scan;
mod seed;
mod session;
mod web;

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tokio::net::TcpListener;

use faults::{Faults, Switches};

#[derive(Parser)]
#[command(
    name = "backoffice",
    version,
    about = "A small multi-tenant back office."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the pages.
    Serve(ServeArguments),
    /// Create the tables and fill them with invented businesses.
    Seed(SeedArguments),
    /// Hand the payroll of all tenants to the bureau by FTP.
    Export(export::ExportArguments),
    /// Compute a long report; reads only.
    Report(runs::ReportArguments),
    /// Archive documents, slowly.
    Archive(runs::ArchiveArguments),
}

#[derive(Args)]
struct ServeArguments {
    /// Where to serve; port 0 takes a free one. The address is printed.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
    /// Where to serve the fault switches; loopback only makes sense.
    #[arg(long)]
    admin: Option<String>,
    /// Database connections.
    #[arg(long, default_value_t = 20)]
    pool: usize,
    /// Requests that are worked on at once; more wait, first in, first out [default: all].
    #[arg(long)]
    workers: Option<usize>,
    /// Where to write the process id.
    #[arg(long)]
    pid_file: Option<PathBuf>,
    /// Time it takes to warm up before it listens, milliseconds.
    #[arg(long, default_value_t = 0)]
    warm_up_ms: u64,
    /// Memory of its own at which it takes no further connection, bytes.
    #[arg(long)]
    memory_limit: Option<u64>,
}

#[derive(Args)]
struct SeedArguments {
    /// How many businesses.
    #[arg(long, default_value_t = 24)]
    tenants: usize,
    /// Same seed, same businesses.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The day the books are written on [default: today].
    #[arg(long)]
    today: Option<jiff::civil::Date>,
    /// Throw away what is there.
    #[arg(long)]
    replace: bool,
    /// Write a line `email,password` for each user to this file.
    #[arg(long)]
    users: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    match run(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", in_full(&*error));
            ExitCode::FAILURE
        }
    }
}

/// An error with everything that led to it, on one line.
fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

async fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Serve(arguments) => serve(arguments).await,
        Command::Seed(arguments) => seed(arguments).await,
        Command::Export(arguments) => Ok(export::export(&arguments).await.map(drop)?),
        Command::Report(arguments) => Ok(runs::report(&arguments).await?),
        Command::Archive(arguments) => Ok(runs::archive(&arguments).await?),
    }
}

async fn serve(arguments: ServeArguments) -> Result<(), Box<dyn Error>> {
    let switches: Switches = match std::env::var("BACKOFFICE_FAULTS") {
        Ok(json) => serde_json::from_str(&json)
            .map_err(|error| format!("BACKOFFICE_FAULTS cannot be read: {error}"))?,
        Err(_) => Switches::default(),
    };
    let state = web::AppState {
        pool: database::pool(arguments.pool)?,
        lock_pool: database::pool(arguments.pool)?,
        faults: Arc::new(Faults::new(switches)),
        workers: Arc::new(web::Workers::new(arguments.workers)),
    };
    if let Some(file) = &arguments.pid_file {
        std::fs::write(file, format!("{}\n", std::process::id()))
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    // What it reads at start stays for as long as it lives, as in services everywhere.
    let _caches = memory::warm_up(Duration::from_millis(arguments.warm_up_ms)).await;
    let listener = listen(&arguments.listen).await?;
    let mut out = std::io::stdout();
    let admin = match &arguments.admin {
        Some(address) => {
            let admin = listen(address).await?;
            writeln!(out, "faults on http://{}/faults", admin.local_addr()?)?;
            Some(admin)
        }
        None => None,
    };
    writeln!(out, "listening on http://{}", listener.local_addr()?)?;
    out.flush()?;
    Ok(web::serve(state, listener, admin, arguments.memory_limit).await?)
}

async fn listen(address: &str) -> Result<TcpListener, Box<dyn Error>> {
    let bound = TcpListener::bind(address).await;
    Ok(bound
        .map_err(|error| format!("cannot listen on {address}: {error}; choose another address"))?)
}

async fn seed(arguments: SeedArguments) -> Result<(), Box<dyn Error>> {
    let mut client = database::connect("backoffice-seed").await?;
    let plan = seed::Plan {
        tenants: arguments.tenants,
        seed: arguments.seed,
        today: arguments.today.unwrap_or_else(|| jiff::Zoned::now().date()),
        replace: arguments.replace,
        users_file: arguments.users.as_deref(),
    };
    let users = seed::seed(&mut client, &plan).await?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "seeded {} tenants with {users} users, all with the password {:?}",
        plan.tenants,
        password::SEEDED
    )?;
    Ok(())
}
