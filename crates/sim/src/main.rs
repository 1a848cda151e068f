//! `evenkeel-sim`: simulates worlds, and says which seed broke which invariant.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use evenkeel_sim::canary::Canary;
use evenkeel_sim::marks::Marks;
use evenkeel_sim::{Options, Report, oracle, run};

const USAGE: &str = "\
usage: evenkeel-sim [SEED] [--seeds A..B] [--hours H] [--canary NAME] [--trace] [--marks]
       evenkeel-sim --list

  SEED         one seed (default 1)
  --seeds A..B several, both ends included
  --hours H    simulated hours with faults, over all seeds together (default 200)
  --canary N   with a built-in bug, which has to be caught
  --trace      print every line of the trace
  --marks      how often each situation was met
  --list       the invariants and the canaries

exit status: 0 every invariant held, 1 one did not, 2 could not run";

fn say(text: &str) {
    let _gone = writeln!(std::io::stdout().lock(), "{text}");
}

struct Asked {
    seeds: Vec<u64>,
    hours: u64,
    canary: Option<Canary>,
    prints: bool,
    counts: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        list();
        return ExitCode::SUCCESS;
    }
    match asked(&words) {
        Ok(asked) => simulate(&asked),
        Err(why) => {
            let _gone = writeln!(std::io::stderr().lock(), "evenkeel-sim: {why}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn list() {
    say("invariants");
    for (name, says) in oracle::INVARIANTS {
        say(&format!("  {name:<22} {says}"));
    }
    say("canaries");
    for (name, _, caught_by) in Canary::ALL {
        say(&format!("  {name:<22} caught by {caught_by}"));
    }
}

fn asked(words: &[String]) -> Result<Asked, String> {
    let mut asked = Asked {
        seeds: vec![1],
        hours: 200,
        canary: None,
        prints: false,
        counts: false,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--trace" => asked.prints = true,
            "--marks" => asked.counts = true,
            "--hours" => {
                let text = value()?;
                let hours = text.parse().ok().filter(|hours| *hours > 0);
                asked.hours = hours.ok_or(format!("`{text}` is no number of hours"))?;
            }
            "--canary" => {
                let text = value()?;
                let canary = Canary::named(text);
                asked.canary = Some(canary.ok_or(format!("there is no canary `{text}`"))?);
            }
            "--seeds" => {
                let text = value()?;
                let ends = text.split_once("..").and_then(|(from, to)| {
                    let to = to.trim_start_matches('=');
                    Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()?))
                });
                let ends = ends.filter(|(from, to)| from <= to);
                let (from, to) =
                    ends.ok_or(format!("`{text}` is no range of seeds; write 1..9"))?;
                asked.seeds = (from..=to).collect();
            }
            seed => {
                let seed = seed.parse().map_err(|_| format!("`{seed}` is no seed"))?;
                asked.seeds = vec![seed];
            }
        }
    }
    Ok(asked)
}

fn simulate(asked: &Asked) -> ExitCode {
    let began = Instant::now();
    let hours = asked.hours.div_ceil(asked.seeds.len() as u64);
    let all = side_by_side(asked, hours);
    for report in &all {
        let seed = report.seed;
        if let Some(violation) = &report.violation {
            say(&format!(
                "seed {seed}: {} did not hold after {:.1} simulated hours\n\n{}\n\n  {}\n\n\
                 to see it again: cargo xtask sim -- {seed} --hours {hours}{}",
                violation.invariant,
                violation.at_ms as f64 / 3_600_000.0,
                violation.trace.join("\n"),
                violation.what,
                canary(asked.canary),
            ));
            return ExitCode::FAILURE;
        }
    }
    let mut marks = Marks::default();
    for report in &all {
        marks.add(&report.marks);
    }
    say(&format!(
        "{} seeds, {:.0} simulated hours, {} events, {} actions, {} restarts in {:.1} s; every invariant held",
        all.len(),
        all.iter().map(|report| report.hours).sum::<f64>(),
        all.iter().map(|report| report.events).sum::<u64>(),
        all.iter().map(|report| report.actions).sum::<u64>(),
        all.iter().map(|report| report.restarts).sum::<u64>(),
        began.elapsed().as_secs_f64(),
    ));
    if asked.counts {
        for (mark, count) in marks.all() {
            say(&format!("{count:>8}  {mark}"));
        }
    }
    // A short run need not meet everything; a long one that does not proves too little.
    let missing = marks.missing();
    if !missing.is_empty() {
        say(&format!(
            "situations that were not met: {}",
            missing.join(", ")
        ));
        if asked.hours >= 2000 {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Runs every seed, as many at a time as there are cores; reports in the order of the
/// seeds. Worlds share nothing, so that their traces do not depend on each other.
fn side_by_side(asked: &Asked, hours: u64) -> Vec<Report> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = if asked.prints {
        1
    } else {
        cores.min(asked.seeds.len())
    };
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(seed) = asked.seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = run(&Options {
                        seed: *seed,
                        hours,
                        canary: asked.canary,
                        prints: asked.prints,
                    });
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.insert(*seed, report);
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.into_values().collect()
}

fn canary(canary: Option<Canary>) -> String {
    let named = Canary::ALL
        .iter()
        .find(|(_, known, _)| Some(*known) == canary);
    named.map_or_else(String::new, |(name, _, _)| format!(" --canary {name}"))
}
