//! systemd's timers: what `systemctl list-timers` lists, with what their units run.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{Starter, Work, read, shown};

/// How long `systemctl` may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where units are, first found first taken.
const UNITS: &[&str] = &[
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

#[derive(Deserialize)]
struct Timer {
    unit: String,
    #[serde(default)]
    activates: Option<String>,
}

/// What `systemctl` says; none where there is none, or it does not answer.
pub(super) fn ask() -> Option<String> {
    let mut child = Command::new("systemctl")
        .args(["list-timers", "--all", "--no-pager", "-o", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let out = child.stdout.take()?;
    let reader = std::thread::spawn(move || {
        use std::io::Read;
        let mut text = String::new();
        let read = out.take(super::FILE_MAX).read_to_string(&mut text);
        read.ok().map(|_| text)
    });
    let until = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                return reader.join().ok().flatten().filter(|_| status.success());
            }
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            _ => {
                let _gone = child.kill();
                let _gone = child.wait();
                return None;
            }
        }
    }
}

pub(super) fn jobs(root: &Path, timers: Option<&str>, jobs: &mut Vec<Work>) {
    let listed = timers.and_then(|text| serde_json::from_str::<Vec<Timer>>(text).ok());
    for Timer { unit, activates } in listed.into_iter().flatten().take(1024) {
        let Some(name) = unit.strip_suffix(".timer") else {
            continue;
        };
        let service = activates.unwrap_or_else(|| format!("{name}.service"));
        let (Some((place, timer)), Some((from, run))) =
            (unit_file(root, &unit), unit_file(root, &service))
        else {
            continue;
        };
        // What the distribution brings along guards itself; what you wrote stands in etc.
        let is_own = [place, from]
            .iter()
            .any(|place| place.starts_with("etc") || place.starts_with("usr/local"));
        let Some(command) = setting(&run, "ExecStart").filter(|_| is_own) else {
            continue;
        };
        let when = setting(&timer, "OnCalendar").map_or_else(
            || "by its own clock".to_owned(),
            |calendar| format!("OnCalendar={calendar}"),
        );
        // `-`, `@`, `+`, `!` and `:` before a command say how it is run.
        let command = command.trim_start_matches(['-', '@', '+', '!', ':']);
        jobs.push(Work {
            from: format!("{unit} starts {service}: {}", shown(&when)),
            name: name.split('@').next().unwrap_or(name).to_owned(),
            command: shown(command),
            starter: Starter::Systemd,
        });
    }
}

/// A unit's text, and in which of the folders it is.
fn unit_file(root: &Path, unit: &str) -> Option<(&'static str, String)> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@\\".contains(c);
    if !unit.chars().all(plain) || unit.starts_with('.') {
        return None;
    }
    UNITS.iter().find_map(|folder| {
        let text = read(&root.join(folder).join(unit)).ok()?;
        Some((*folder, text))
    })
}

/// The last value of a setting in a unit.
fn setting<'a>(unit: &'a str, name: &str) -> Option<&'a str> {
    unit.lines()
        .filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))
        .map(str::trim)
        .rfind(|value| !value.is_empty())
}
