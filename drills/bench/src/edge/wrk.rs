//! The load: `wrk`, pinned beside the upstream, because it costs less than any client of
//! ours and the same for everyone. Closed loop: its connections ask as fast as they are
//! answered, which is what a comparison of costs needs (the drills use an open one).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Failure;

/// What is asked for.
pub(super) struct Load<'a> {
    pub(super) url: String,
    pub(super) connections: usize,
    pub(super) lasts: Duration,
    /// Headers of every request.
    pub(super) headers: &'a [&'a str],
    /// So many tenants in turn, each named in a header, with a session in a cookie.
    pub(super) tenants: Option<usize>,
    /// The core it runs on.
    pub(super) core: u32,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Answers {
    pub(super) requests: f64,
    pub(super) per_second: f64,
    pub(super) bytes_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// Asks; fails where any answer was not 2xx or 3xx, or a socket failed.
pub(super) fn ask(load: &Load<'_>, folder: &Path) -> Result<Answers, Failure> {
    let mut command = Command::new("taskset");
    command
        .args(["-c", &load.core.to_string(), "wrk", "-t1"])
        .arg(format!("-c{}", load.connections))
        .arg(format!("-d{}s", load.lasts.as_secs().max(1)))
        .arg("--latency");
    for header in load.headers {
        command.args(["-H", header]);
    }
    command.arg("-s").arg(script(load.tenants, folder)?);
    let output = command.arg(&load.url).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("wrk failed: {why}{said}").into());
    }
    read(&said)
}

/// A script that prints what wrk knows as one line of numbers, and asks as tenant after
/// tenant where that is wanted.
fn script(tenants: Option<usize>, folder: &Path) -> Result<PathBuf, Failure> {
    let mut text = String::new();
    if let Some(tenants) = tenants {
        let _ = writeln!(
            text,
            "local asked, at = {{}}, 0\n\
             function init()\n  for n = 1, {tenants} do\n    \
             local headers = {{ ['x-tenant'] = 'tenant-' .. n, cookie = 'session=s' .. n }}\n    \
             asked[n] = wrk.format('GET', nil, headers)\n  end\nend\n\
             function request()\n  at = at % {tenants} + 1\n  return asked[at]\nend"
        );
    }
    text.push_str(
        "function done(summary, latency)\n  local bad = summary.errors\n  \
         io.write(string.format('FIGURES %d %d %d %d %d %d\\n', summary.requests, summary.duration,\n    \
         summary.bytes, latency:percentile(50), latency:percentile(99),\n    \
         bad.connect + bad.read + bad.write + bad.status + bad.timeout))\nend\n",
    );
    let file = folder.join(format!("load-{}.lua", tenants.unwrap_or(0)));
    std::fs::write(&file, text)?;
    Ok(file)
}

fn read(said: &str) -> Result<Answers, Failure> {
    let line = said.lines().find_map(|line| line.strip_prefix("FIGURES "));
    let numbers: Option<Vec<f64>> = line.and_then(|line| {
        let numbers = line.split_whitespace().map(|number| number.parse().ok());
        numbers.collect()
    });
    let Some([requests, micros, bytes, p50, p99, bad]) = numbers.as_deref() else {
        return Err(format!("wrk said something else than expected: {said}").into());
    };
    if *bad > 0.0 || *requests < 1.0 {
        return Err(format!("{bad} of {requests} requests failed: {said}").into());
    }
    let seconds = micros / 1e6;
    Ok(Answers {
        requests: *requests,
        per_second: requests / seconds,
        bytes_per_second: bytes / seconds,
        p50_ms: p50 / 1e3,
        p99_ms: p99 / 1e3,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_failed_requests_are_failures() {
        let answers = read("Running\nFIGURES 1000 2000000 4096 150 900 0\n").unwrap();
        let expected = Answers {
            requests: 1000.0,
            per_second: 500.0,
            bytes_per_second: 2048.0,
            p50_ms: 0.15,
            p99_ms: 0.9,
        };
        assert_eq!(answers, expected);
        for bad in [
            "",
            "FIGURES 1 2",
            "FIGURES 9 9 9 9 9 1",
            "FIGURES 0 9 9 9 9 0",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
