//! What Evenkeel costs, as ratios against a peer measured in the same run.
//!
//! This machine is shared and noisy, and the next one is another: a figure alone says
//! little. Each bench runs ours and the peer's in turn, several times, and compares
//! medians; CPU is read from the kernel's account of the process, never from our own.
//! Every figure names its peer, its aim, and how to read it. Nothing here is asserted: a
//! figure that falls short is printed as such, and the exit status stays 0.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool speaks on its terminal"
)]

mod checks;
mod clients;
mod edge;
mod idle;
mod journal;
mod page;
mod pings;
mod recorder;
mod serve;
mod step;
mod subscribers;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

/// What a bench says when it cannot be made.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One figure beside its peer's.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// What is measured, unit last.
    pub(crate) name: String,
    /// Ours.
    pub(crate) ours: f64,
    /// Who it is compared with.
    pub(crate) peer: String,
    /// Theirs; none where the aim is a limit.
    pub(crate) theirs: Option<f64>,
    /// Ours over theirs, where there is a peer.
    pub(crate) ratio: Option<f64>,
    /// What is aimed at, in words.
    pub(crate) aim: &'static str,
    /// Whether it is reached.
    pub(crate) reached: bool,
    /// How it was measured, and how to read it.
    pub(crate) how: String,
}

/// The bench of one thing.
struct Bench {
    name: &'static str,
    about: &'static str,
    run: fn() -> Result<Vec<Figure>, Failure>,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "journal",
        about: "durable appends by 64 writers, against raw SQLite with the same durability",
        run: journal::run,
    },
    Bench {
        name: "step",
        about: "one decision among 100 and among 100,000 subjects",
        run: step::run,
    },
    Bench {
        name: "recorder",
        about: "bytes and time for an observation, against zstd of JSON lines",
        run: recorder::run,
    },
    Bench {
        name: "pings",
        about: "pings that are journalled, against nginx answering a fixed body",
        run: pings::run,
    },
    Bench {
        name: "page",
        about: "the public page for a crowd, against nginx; and a change until it is published",
        run: page::run,
    },
    Bench {
        name: "subscribers",
        about: "an update for 100,000 subscribers: queued, and sent within the same memory",
        run: subscribers::run,
    },
    Bench {
        name: "checks",
        about: "HTTP checks, against Prometheus with its blackbox exporter",
        run: checks::run,
    },
    Bench {
        name: "edge",
        about: "requests through the edge, against HAProxy and nginx on one core each",
        run: edge::run,
    },
    Bench {
        name: "idle",
        about: "1,000 checks and 100 jobs with nothing wrong",
        run: idle::run,
    },
];

#[derive(Parser)]
#[command(about = "What Evenkeel costs, as ratios against peers in one run")]
struct Arguments {
    /// Only these: journal, step, recorder, pings, page, subscribers, checks, edge, idle.
    only: Vec<String>,
    /// Keep the figures as JSON in this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let unknown = arguments
        .only
        .iter()
        .find(|name| BENCHES.iter().all(|bench| bench.name != *name));
    if let Some(unknown) = unknown {
        let names: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
        eprintln!(
            "there is no bench `{unknown}`; there is {}",
            names.join(", ")
        );
        return ExitCode::from(2);
    }
    let mut figures: Vec<Figure> = Vec::new();
    let mut failed = 0;
    for bench in BENCHES {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|name| name == bench.name) {
            continue;
        }
        println!("{}: {}", bench.name, bench.about);
        match (bench.run)() {
            Ok(measured) => {
                for figure in &measured {
                    println!("{}", line(figure));
                    println!("      {}", figure.how);
                }
                figures.extend(measured);
            }
            Err(error) => {
                failed += 1;
                println!("  could not be made: {error}");
            }
        }
    }
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&figures).unwrap_or_default();
        if let Err(error) = std::fs::write(file, text + "\n") {
            eprintln!("{} could not be written: {error}", file.display());
            return ExitCode::from(2);
        }
        println!("kept in {}", file.display());
    }
    if failed > 0 {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    }
}

fn line(figure: &Figure) -> String {
    let against = match (figure.theirs, figure.ratio) {
        (Some(theirs), Some(ratio)) => {
            format!("{} {}: ratio {ratio:.2}", figure.peer, shown(theirs))
        }
        _ => figure.peer.clone(),
    };
    let reached = if figure.reached {
        "reached"
    } else {
        "NOT REACHED"
    };
    format!(
        "  {:<38} {:>12}   {against}   (aim {}: {reached})",
        figure.name,
        shown(figure.ours),
        figure.aim
    )
}

/// A number with as many digits as mean something.
fn shown(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one_of_an_odd_count() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![5.0]), 5.0);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn every_bench_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = BENCHES.iter().map(|b| b.name).collect();
        assert_eq!(names.len(), BENCHES.len());
    }
}
