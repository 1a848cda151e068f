//! What is said on the terminal.

#![allow(
    clippy::print_stdout,
    reason = "a command line program speaks on its terminal"
)]

use crate::sim::Report;

/// Lines of the trace that are shown with a violation.
const SHOWN: usize = 40;

pub(crate) fn line(text: &str) {
    println!("{text}");
}

impl Report {
    /// One line about a world that held; what happened, and how to see it again, about one
    /// that did not.
    pub fn print(&self, hours: u64, canary: Option<&str>) {
        let counts = &self.counts;
        println!(
            "seed {:>3}: {:>5} h simulated, {} steps, {} events, {} actions, {} starts, {} times at peace, trace {:016x}, {:.1} s",
            self.seed,
            self.simulated_ms / 3_600_000,
            counts.steps,
            counts.events,
            counts.actions,
            counts.restarts,
            counts.peaces,
            self.trace_hash,
            self.took.as_secs_f64(),
        );
        let Some(violation) = &self.violation else {
            return;
        };
        println!();
        let from = violation.lines.len().saturating_sub(SHOWN);
        for line in &violation.lines[from..] {
            println!("  {line}");
        }
        println!();
        println!(
            "seed {} at {}: `{}` does not hold",
            self.seed, violation.at, violation.invariant
        );
        println!("  {}", violation.what);
        let canary = canary
            .map(|name| format!(" --canary {name}"))
            .unwrap_or_default();
        println!(
            "to see it again: cargo xtask sim -- {} --hours {hours}{canary} --trace",
            self.seed
        );
    }
}
