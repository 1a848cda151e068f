//! `evenkeel-drill`: replays outages with real parts on loopback.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use evenkeel_drill::drill::{Arm, DRILLS, Drill, Options, Replay, demo, side_by_side};
use evenkeel_drill::ftp::FtpServer;
use evenkeel_drill::postgres::{Postgres, Settings};
use evenkeel_drill::say::{aloud, aside};
use tokio::signal::unix::{SignalKind, signal};

/// Replays outages with real parts on loopback, and measures them from outside.
#[derive(Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 every limit held; 1 one did not; 2 it could not run, and why."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A nightly export hangs without ending and keeps the rows that login updates.
    HungExport(DrillArguments),
    /// Two front ends leak, and would both stop taking connections on the busiest day.
    SlowLeak(DrillArguments),
    /// One of 50 tenants sends 20 times its share, half of it to a slow function.
    NoisyTenant(DrillArguments),
    /// The network of the host is lost: service, Evenkeel and its page at once.
    HostLost(DrillArguments),
    /// Every drill there is.
    All(DrillArguments),
    /// The hung export with Evenkeel, told while it happens; stays up until Ctrl-C.
    Demo {
        /// Same seed, same businesses.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// End by itself after so many seconds.
        #[arg(long, hide = true)]
        seconds: Option<u64>,
    },
    /// Start a throw-away PostgreSQL and FTP server, print their addresses, and keep them
    /// until Ctrl-C.
    Parts {
        /// How many of the next uploads hang.
        #[arg(long, default_value_t = 0)]
        stall_next: u32,
    },
}

#[derive(Args)]
struct DrillArguments {
    /// The same outage with Evenkeel only watching.
    #[arg(long, conflicts_with_all = ["peers", "compare"])]
    without: bool,
    /// The same outage with what a careful engineer sets up today.
    #[arg(long, conflicts_with = "compare")]
    peers: bool,
    /// All three arms, side by side.
    #[arg(long)]
    compare: bool,
    /// The same limits over a shorter outage.
    #[arg(long)]
    short: bool,
    /// Same seed, same businesses, same users at the same moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Several in a row: 1..5 (both ends count).
    #[arg(long, value_name = "A..B", value_parser = seeds, conflicts_with = "seed")]
    seeds: Option<(u64, u64)>,
    /// Write what was measured to this file, as JSON: one object, or a list of several.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn seeds(text: &str) -> Result<(u64, u64), String> {
    let ends = text.split_once("..").and_then(|(from, to)| {
        let to = to.trim_start_matches('=');
        Some((from.parse().ok()?, to.parse().ok()?))
    });
    ends.filter(|(from, to)| from <= to)
        .ok_or_else(|| "write for example 1..5".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        aside("evenkeel-drill: signals cannot be waited for");
        return ExitCode::from(2);
    };
    // Dropping what was under way ends and removes every part of it.
    let done = tokio::select! {
        done = dispatch(command) => done,
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
        _ = terminate.recv() => Ok(ExitCode::from(143)),
    };
    done.unwrap_or_else(|why| {
        aside(&format!("evenkeel-drill: could not run: {why}"));
        ExitCode::from(2)
    })
}

async fn dispatch(command: Command) -> Result<ExitCode, String> {
    match command {
        Command::HungExport(arguments) => run(&named("hung-export"), &arguments).await,
        Command::SlowLeak(arguments) => run(&named("slow-leak"), &arguments).await,
        Command::NoisyTenant(arguments) => run(&named("noisy-tenant"), &arguments).await,
        Command::HostLost(arguments) => run(&named("host-lost"), &arguments).await,
        Command::All(arguments) => run(&DRILLS.iter().collect::<Vec<_>>(), &arguments).await,
        Command::Demo { seed, seconds } => {
            demo::demo(seed, seconds).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Parts { stall_next } => parts(stall_next).await,
    }
}

fn named(name: &str) -> Vec<&'static Drill> {
    DRILLS.iter().filter(|drill| drill.name == name).collect()
}

async fn run(drills: &[&Drill], arguments: &DrillArguments) -> Result<ExitCode, String> {
    let arms: &[Arm] = match (arguments.compare, arguments.without, arguments.peers) {
        (true, _, _) => &[Arm::With, Arm::Without, Arm::Peers],
        (_, true, _) => &[Arm::Without],
        (_, _, true) => &[Arm::Peers],
        _ => &[Arm::With],
    };
    let (from, to) = arguments.seeds.unwrap_or((arguments.seed, arguments.seed));
    let mut all: Vec<Replay> = Vec::new();
    for drill in drills {
        for seed in from..=to {
            let mut replays = Vec::new();
            for arm in arms {
                let options = Options {
                    arm: *arm,
                    seed,
                    short: arguments.short,
                    tells: true,
                };
                aside(&format!(
                    "\n{}, arm {}, seed {seed}",
                    drill.name,
                    arm.as_str()
                ));
                replays.push((drill.replay)(&options).await?);
            }
            aloud(&format!("\nseed {seed}\n{}", side_by_side(drill, &replays)));
            all.extend(replays);
        }
    }
    if let Some(file) = &arguments.json {
        write_json(file, &all)?;
    }
    let broken: BTreeMap<u64, &str> = all
        .iter()
        .filter(|replay| !replay.held)
        .map(|replay| (replay.seed, replay.drill.as_str()))
        .collect();
    if broken.is_empty() {
        let limited = all.iter().filter(|replay| !replay.limits.is_empty());
        let arms: Vec<Arm> = limited.map(|replay| replay.arm).collect();
        aloud(if arms.contains(&Arm::With) {
            "With Evenkeel, every limit held."
        } else if arms.is_empty() {
            "Limits hold for the arm with Evenkeel; this one shows what it shows."
        } else {
            "Every limit held of what Evenkeel tells where it only watches; the others are for \
             the arm with it."
        });
        Ok(ExitCode::SUCCESS)
    } else {
        for (seed, drill) in broken {
            aloud(&format!(
                "A limit of {drill} did not hold with seed {seed}."
            ));
        }
        Ok(ExitCode::FAILURE)
    }
}

fn write_json(file: &Path, replays: &[Replay]) -> Result<(), String> {
    let text = match replays {
        [one] => serde_json::to_string_pretty(one),
        several => serde_json::to_string_pretty(several),
    };
    let text = text.map_err(|error| error.to_string())?;
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

async fn parts(stall_next: u32) -> Result<ExitCode, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let postgres = Postgres::start(Settings::default())
        .await
        .map_err(|error| text(&error))?;
    let ftp = FtpServer::start(stall_next)
        .await
        .map_err(|error| text(&error))?;
    aloud(&format!(
        "postgres {}",
        postgres.dsn("postgres", "postgres")
    ));
    aloud(&format!(
        "ftp ftp://{}:{}@{}/",
        FtpServer::USER,
        FtpServer::PASSWORD,
        ftp.address()
    ));
    aloud(&format!("folder {}", postgres.folder().display()));
    aloud(&format!("folder {}", ftp.folder().display()));
    aloud("ready; Ctrl-C ends and removes both");
    std::future::pending().await
}
