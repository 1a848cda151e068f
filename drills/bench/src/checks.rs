//! HTTP checks, against what most people have for them: Prometheus that asks its blackbox
//! exporter. The same targets, the same interval; what counts is what arrives at the
//! target, for each second of CPU.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use evenkeel_drill::Scratch;
use evenkeel_drill::process::Process;

use crate::clients::Target;
use crate::serve::{Serve, cpu_of_group, free_port, wait_for};
use crate::{Failure, Figure};

const TARGETS: usize = 1000;
const INTERVAL_S: u64 = 10;
const SETTLE: Duration = Duration::from_secs(25);
const MEASURED: Duration = Duration::from_secs(30);

pub(crate) fn run() -> Result<Vec<Figure>, Failure> {
    let target = Target::start()?;
    let serve = Serve::start(&configured(target.port, TARGETS, INTERVAL_S))?;
    let ours = per_cpu_second(&target, SETTLE, || serve.cpu())?;
    drop(serve);
    let (prometheus, exporter, _folder) = prometheus(target.port)?;
    let theirs = per_cpu_second(&target, SETTLE, || {
        Ok(cpu_of_group(&prometheus)? + cpu_of_group(&exporter)?)
    })?;
    drop((prometheus, exporter));
    let ratio = ours.checks_per_cpu_s / theirs.checks_per_cpu_s;
    let mut figures = vec![Figure {
        name: "checks_per_cpu_s".into(),
        ours: ours.checks_per_cpu_s,
        peer: "Prometheus + blackbox exporter".into(),
        theirs: Some(theirs.checks_per_cpu_s),
        ratio: Some(ratio),
        aim: ">= 5",
        reached: ratio >= 5.0,
        how: format!(
            "{TARGETS} HTTP targets every {INTERVAL_S} s; counted at the target over {} s, divided by \
             the CPU of the whole program ({:.1} checks/s ours, {:.1} theirs).",
            MEASURED.as_secs(),
            ours.checks_per_s,
            theirs.checks_per_s
        ),
    }];
    figures.extend(ten_thousand(&target)?);
    Ok(figures)
}

fn ten_thousand(target: &Target) -> Result<Vec<Figure>, Failure> {
    let serve = Serve::start(&configured(target.port, 10_000, 30))?;
    // Two whole intervals: every check has been made, and is made in its own place.
    let seen = per_cpu_second(target, Duration::from_secs(60), || serve.cpu())?;
    let pct = 100.0 * seen.cpu_s / seen.lasted_s;
    let mib = serve.memory()? as f64 / (1024.0 * 1024.0);
    let how = format!(
        "10,000 HTTP checks every 30 s, each on a connection of its own, for {} s after a minute; \
         {:.1} arrive each second (333.3 are due).",
        MEASURED.as_secs(),
        seen.checks_per_s
    );
    Ok(vec![
        Figure {
            name: "checks_10000_cpu_pct".into(),
            ours: pct,
            peer: "of one core".into(),
            theirs: None,
            ratio: None,
            aim: "< 50",
            reached: pct < 50.0 && seen.checks_per_s > 320.0,
            how: how.clone(),
        },
        Figure {
            name: "checks_10000_mib".into(),
            ours: mib,
            peer: "in RAM".into(),
            theirs: None,
            ratio: None,
            aim: "< 150",
            reached: mib < 150.0,
            how,
        },
    ])
}

pub(crate) struct Seen {
    pub(crate) checks_per_cpu_s: f64,
    pub(crate) checks_per_s: f64,
    pub(crate) cpu_s: f64,
    pub(crate) lasted_s: f64,
}

/// Lets it settle, then counts what arrives at the target and what it costs.
pub(crate) fn per_cpu_second(
    target: &Target,
    settle: Duration,
    cpu: impl Fn() -> Result<Duration, Failure>,
) -> Result<Seen, Failure> {
    std::thread::sleep(settle);
    let begun = std::time::Instant::now();
    let (asked, used) = (target.asked(), cpu()?);
    std::thread::sleep(MEASURED);
    let asked = (target.asked() - asked) as f64;
    let cpu_s = (cpu()? - used).as_secs_f64();
    let lasted_s = begun.elapsed().as_secs_f64();
    if asked == 0.0 {
        return Err("nothing arrived at the target".into());
    }
    Ok(Seen {
        checks_per_cpu_s: asked / cpu_s.max(0.001),
        checks_per_s: asked / lasted_s,
        cpu_s,
        lasted_s,
    })
}

pub(crate) fn configured(port: u16, checks: usize, interval_s: u64) -> String {
    let mut text = String::new();
    for number in 0..checks {
        let _ = writeln!(
            text,
            "[[check]]\nid = \"c{number}\"\nkind = \"http\"\nurl = \"http://127.0.0.1:{port}/{number}\"\n\
             interval = \"{interval_s}s\"{}",
            if number == 0 {
                "\ncomponents = [\"all\"]"
            } else {
                ""
            }
        );
    }
    text
}

fn prometheus(target: u16) -> Result<(Process, Process, Scratch), Failure> {
    let folder = Scratch::new("bench-prometheus")?;
    let (exporter_port, port) = (free_port()?, free_port()?);
    let modules = folder.join("blackbox.yml");
    std::fs::write(
        &modules,
        "modules:\n  http_2xx:\n    prober: http\n    timeout: 9s\n    http:\n      \
         preferred_ip_protocol: ip4\n",
    )?;
    let mut command = Command::new("prometheus-blackbox-exporter");
    command
        .arg(format!("--config.file={}", modules.display()))
        .arg(format!("--web.listen-address=127.0.0.1:{exporter_port}"));
    let exporter = Process::start("blackbox", command, folder.path())?;
    wait_for(&exporter, exporter_port, "/-/healthy")?;

    let mut config = format!(
        "global:\n  scrape_interval: {INTERVAL_S}s\n  scrape_timeout: 9s\nscrape_configs:\n- job_name: \
         blackbox\n  metrics_path: /probe\n  params:\n    module: [http_2xx]\n  static_configs:\n  - \
         targets:\n"
    );
    for number in 0..TARGETS {
        let _ = writeln!(config, "    - http://127.0.0.1:{target}/{number}");
    }
    let _ = write!(
        config,
        "  relabel_configs:\n  - source_labels: [__address__]\n    target_label: __param_target\n  - \
         source_labels: [__param_target]\n    target_label: instance\n  - target_label: __address__\n    \
         replacement: 127.0.0.1:{exporter_port}\n"
    );
    let file = folder.join("prometheus.yml");
    std::fs::write(&file, config)?;
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.join("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let prometheus = Process::start("prometheus", command, folder.path())?;
    wait_for(&prometheus, port, "/-/ready")?;
    Ok((prometheus, exporter, folder))
}
