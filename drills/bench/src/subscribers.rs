//! An update for 100,000 subscribers: how long it takes until every one of them is durably
//! in the queue, and whether memory grows with their number while it is sent.

use std::process::Command;

use crate::{Failure, Figure, median};

/// What is promised.
const MANY: &str = "100000";
/// Beside which memory has to be flat.
const FEW: &str = "5000";

/// Each is measured so often.
const RUNS: usize = 3;

pub(crate) fn run() -> Result<Vec<Figure>, Failure> {
    let few = measure(FEW)?;
    let many: Vec<serde_json::Value> =
        (0..RUNS).map(|_| measure(MANY)).collect::<Result<_, _>>()?;
    let of = |measured: &serde_json::Value, name: &str| {
        let number = measured[name].as_f64();
        number.ok_or_else(|| format!("subscribers_cost says nothing of {name}"))
    };
    let middle = |name: &str| -> Result<f64, Failure> {
        let all: Result<Vec<f64>, String> = many.iter().map(|one| of(one, name)).collect();
        Ok(median(all?))
    };
    let queued = middle("queued_ms")?;
    let mails = middle("count")? / middle("sent_s")?;
    let memory = middle("sent_kib")? / of(&few, "sent_kib")?;
    Ok(vec![
        Figure {
            name: "subscribers_100000_queued_ms".into(),
            ours: queued,
            peer: "a limit of 1000".into(),
            theirs: None,
            ratio: None,
            aim: "<= 1000",
            reached: queued <= 1000.0,
            how: "From the facts of an update until each of 100,000 subscribers has a durable row in the \
                  queue, half of them by component; median of three."
                .into(),
        },
        Figure {
            name: "subscribers_memory_many_to_few".into(),
            ours: memory,
            peer: format!("{FEW} subscribers instead of {MANY}"),
            theirs: None,
            ratio: None,
            aim: "<= 1.2",
            reached: memory <= 1.2,
            how: format!(
                "The most memory while the update is sent, {:.0} MiB, beside that with {FEW}.",
                middle("sent_kib")? / 1024.0
            ),
        },
        Figure {
            name: "subscribers_mails_per_s".into(),
            ours: mails,
            peer: "a limit of 200".into(),
            theirs: None,
            ratio: None,
            aim: ">= 200",
            reached: mails >= 200.0,
            how: "Mails a second to a server in the same process that says yes at once, without pacing: \
                  each marked durably before and after. What a real server takes is less."
                .into(),
        },
    ])
}

fn measure(count: &str) -> Result<serde_json::Value, Failure> {
    let own = std::env::current_exe()?;
    let program = own.with_file_name("examples").join("subscribers_cost");
    let ran = Command::new(&program)
        .arg(count)
        .output()
        .map_err(|error| format!("{}: {error}; use `cargo xtask bench`", program.display()))?;
    if !ran.status.success() {
        return Err(String::from_utf8_lossy(&ran.stderr).into_owned().into());
    }
    let measured: serde_json::Value = serde_json::from_slice(&ran.stdout)?;
    if measured["sent"] != measured["count"] || measured["taken"] != measured["count"] {
        return Err(format!("not everybody got it once: {measured}").into());
    }
    Ok(measured)
}
