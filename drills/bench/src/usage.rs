//! What a process has used, by the kernel's account.

use std::time::Duration;

use crate::Failure;

/// CPU time used so far, user and system, by the process and its threads.
pub(crate) fn cpu(pid: u32) -> Result<Duration, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; utime and stime are fields 14 and 15.
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<u64>().ok());
    let used = ticks().zip(ticks()).map(|(user, system)| user + system);
    let per_second = rustix::param::clock_ticks_per_second();
    let used = used.ok_or("/proc has another shape than expected")?;
    Ok(Duration::from_millis(used * 1000 / per_second.max(1)))
}

/// Memory it has in RAM, bytes.
pub(crate) fn memory(pid: u32) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kib.ok_or("/proc has another shape than expected")? * 1024)
}
