//! What the flight recorder takes for an observation: the recorder's own program measures
//! it for each mix, beside zstd over lines of JSON; and from outside, as bytes on disk for
//! each check that arrives at the target of a real server.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::checks::{configured, per_cpu_second};
use crate::clients::Target;
use crate::serve::Serve;
use crate::{Failure, Figure};

/// More than it takes to write a block.
const SETTLE: Duration = Duration::from_secs(30);
/// Observations of each mix.
const COUNT: &str = "100000";

/// The mixes that are shown, and what they are.
const MIXES: [(&str, &str, &str); 2] = [
    (
        "checks_10000_per_30s",
        "recorder_bytes_per_check",
        "recorder_checks_per_s",
    ),
    ("pings", "recorder_bytes_per_ping", "recorder_pings_per_s"),
];

pub(crate) fn run() -> Result<Vec<Figure>, Failure> {
    let mut figures = in_its_own_program()?;
    figures.push(on_disk()?);
    Ok(figures)
}

fn in_its_own_program() -> Result<Vec<Figure>, Failure> {
    let own = std::env::current_exe()?;
    let program = own.with_file_name("examples").join("recorder_cost");
    let ran = Command::new(&program)
        .arg(COUNT)
        .output()
        .map_err(|error| format!("{}: {error}; use `cargo xtask bench`", program.display()))?;
    if !ran.status.success() {
        return Err(String::from_utf8_lossy(&ran.stderr).into_owned().into());
    }
    let measured: serde_json::Value = serde_json::from_slice(&ran.stdout)?;
    let mut figures = Vec::new();
    for (mix, bytes, speed) in MIXES {
        let number = |name: &str| {
            let number = measured["mixes"][mix][name].as_f64();
            number.ok_or_else(|| format!("recorder_cost says nothing of {name} of {mix}"))
        };
        let how = format!(
            "{COUNT} observations of the mix {mix}, written whole and synced; the peer gets the same \
             observations in the same blocks."
        );
        let mut figure = |name: &str, ours: &str, theirs: &str, aim, good: fn(f64) -> bool| {
            let (ours, theirs) = (number(ours)?, number(theirs)?);
            figures.push(Figure {
                name: name.into(),
                ours,
                peer: "zstd of JSON lines".into(),
                theirs: Some(theirs),
                ratio: Some(ours / theirs),
                aim,
                reached: good(ours / theirs),
                how: how.clone(),
            });
            Ok::<(), String>(())
        };
        let (our_bytes, their_bytes) = ("bytes_per_observation", "peer_bytes_per_observation");
        figure(bytes, our_bytes, their_bytes, "<= 1", |ratio| ratio <= 1.0)?;
        let (our_speed, their_speed) = ("observations_per_s", "peer_observations_per_s");
        figure(speed, our_speed, their_speed, "as it is", |_| true)?;
    }
    Ok(figures)
}

fn on_disk() -> Result<Figure, Failure> {
    let target = Target::start()?;
    let serve = Serve::start(&configured(target.port, 2000, 5))?;
    std::thread::sleep(SETTLE);
    let (before, asked) = (bytes_below(&serve.recorder())?, target.asked());
    let seen = per_cpu_second(&target, Duration::ZERO, || serve.cpu())?;
    let (after, checks) = (bytes_below(&serve.recorder())?, target.asked() - asked);
    let each = after.saturating_sub(before) as f64 / checks as f64;
    Ok(Figure {
        name: "recorder_disk_bytes_per_check".into(),
        ours: each,
        peer: "on disk".into(),
        theirs: None,
        ratio: None,
        aim: "> 0",
        reached: each > 0.0,
        how: format!(
            "A real server with 2,000 checks every 5 s ({:.0} arrive each second): growth of the ring \
             for each check that arrived at the target, over {:.0} s, segments' beginnings included.",
            seen.checks_per_s, seen.lasted_s
        ),
    })
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
