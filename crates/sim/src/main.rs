//! `evenkeel-sim`: runs seeded worlds; `cargo xtask sim -- SEED` runs one again.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program speaks on its terminal"
)]

use std::process::ExitCode;
use std::time::Instant;

use evenkeel_sim::{Canary, Marks, Options, run};

const HELP: &str = "\
evenkeel-sim [SEED] [--seeds A..B] [--hours H] [--canary NAME] [--trace] [--marks] [--list-canaries]

Runs seeded worlds with faults and judges everything Evenkeel does in them.

  SEED             one world; without it, the seeds 1..9
  --seeds A..B     the worlds A to B, B not included
  --hours H        simulated hours, divided among the worlds (250 for one)
  --canary NAME    with a deliberate bug, which must be found
  --trace          every line of the trace
  --marks          which situations were met, and how often
  --list-canaries  the deliberate bugs, and the invariants that find them

Exit status: 0 everything held, 1 something did not, 2 it could not run.
";

struct Wanted {
    seeds: Vec<u64>,
    hours: u64,
    canary: Option<Canary>,
    aloud: bool,
    marks: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
    {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    if arguments
        .iter()
        .any(|argument| argument == "--list-canaries")
    {
        for canary in Canary::ALL {
            println!("{:<28} {}", canary.name(), canary.caught_by().join(", "));
        }
        return ExitCode::SUCCESS;
    }
    match wanted(&arguments) {
        Ok(wanted) => simulate(&wanted),
        Err(problem) => {
            eprintln!("evenkeel-sim: {problem}. See --help.");
            ExitCode::from(2)
        }
    }
}

fn simulate(wanted: &Wanted) -> ExitCode {
    let began = Instant::now();
    let each = wanted.hours / wanted.seeds.len().max(1) as u64;
    let mut marks = Marks::default();
    let mut hours = 0;
    for seed in &wanted.seeds {
        let report = run(&Options {
            seed: *seed,
            hours: each,
            canary: wanted.canary,
            aloud: wanted.aloud,
        });
        report.print(each, wanted.canary.map(Canary::name));
        marks.add(&report.marks);
        hours += report.simulated_ms / 3_600_000;
        if report.violation.is_some() {
            return ExitCode::FAILURE;
        }
    }
    if wanted.marks {
        for (name, count) in marks.expected() {
            println!("{count:>10}  {name}");
        }
    }
    println!(
        "{} worlds, {hours} simulated hours in {:.1} s: everything held",
        wanted.seeds.len(),
        began.elapsed().as_secs_f64()
    );
    ExitCode::SUCCESS
}

fn wanted(arguments: &[String]) -> Result<Wanted, String> {
    let mut wanted = Wanted {
        seeds: Vec::new(),
        hours: 0,
        canary: None,
        aloud: false,
        marks: false,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--seeds" => wanted.seeds = seeds(value()?)?,
            "--hours" => {
                let hours = value()?;
                wanted.hours = hours
                    .parse()
                    .map_err(|_| format!("{hours:?} is no number of hours"))?;
            }
            "--canary" => {
                let name = value()?;
                let canary = Canary::named(name);
                wanted.canary = Some(canary.ok_or(format!(
                    "there is no canary {name:?}; --list-canaries lists them"
                ))?);
            }
            "--trace" => wanted.aloud = true,
            "--marks" => wanted.marks = true,
            seed => {
                let seed = seed
                    .parse()
                    .map_err(|_| format!("{seed:?} is neither a seed nor an option"))?;
                wanted.seeds = vec![seed];
            }
        }
    }
    if wanted.seeds.is_empty() {
        wanted.seeds = (1..9).collect();
    }
    if wanted.hours == 0 {
        wanted.hours = 250 * wanted.seeds.len() as u64;
    }
    Ok(wanted)
}

fn seeds(range: &str) -> Result<Vec<u64>, String> {
    let wrong = || format!("{range:?} is no range of seeds like 1..9");
    let (from, to) = range.split_once("..").ok_or_else(wrong)?;
    let from: u64 = from.parse().map_err(|_| wrong())?;
    let to: u64 = to.parse().map_err(|_| wrong())?;
    match from < to {
        true => Ok((from..to).collect()),
        false => Err(wrong()),
    }
}
