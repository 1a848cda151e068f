//! What the flight recorder takes for an observation: measured from outside, as bytes on
//! disk for each check that arrived at the target.

use std::path::Path;
use std::time::Duration;

use crate::checks::{configured, per_cpu_second};
use crate::clients::Target;
use crate::serve::Serve;
use crate::{Failure, Figure};

/// More than a segment's block is written in.
const SETTLE: Duration = Duration::from_secs(30);

pub(crate) fn run() -> Result<Vec<Figure>, Failure> {
    let target = Target::start()?;
    let serve = Serve::start(&configured(target.port, 2000, 5))?;
    std::thread::sleep(SETTLE);
    let (before, asked) = (bytes_below(&serve.recorder())?, target.asked());
    let seen = per_cpu_second(&target, Duration::ZERO, || serve.cpu())?;
    let (after, checks) = (bytes_below(&serve.recorder())?, target.asked() - asked);
    let each = after.saturating_sub(before) as f64 / checks as f64;
    // As the journal would write it: what a plain log of observations takes.
    let plain = r#"{"at":"2026-11-21T12:00:00.000000Z","by":"checks","seen":{"kind":"check_result","check":"c1234","outcome":"passed","took_ms":12,"certificate_expires_at":null}}"#;
    let theirs = plain.len() as f64 + 1.0;
    Ok(vec![Figure {
        name: "recorder_bytes_per_observation",
        ours: each,
        peer: "the same as JSON lines".into(),
        theirs: Some(theirs),
        ratio: Some(each / theirs),
        aim: "as it is",
        reached: each > 0.0,
        how: format!(
            "2,000 checks every 5 s ({:.0} observations a second, each a step's input): growth of the \
             ring on disk for each check that arrived at the target, over {:.0} s.",
            seen.checks_per_s, seen.lasted_s
        ),
    }])
}

fn bytes_below(folder: &Path) -> Result<u64, Failure> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?.metadata()?;
        if entry.is_file() {
            sum += entry.len();
        }
    }
    Ok(sum)
}
