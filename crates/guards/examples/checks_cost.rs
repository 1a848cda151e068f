//! What checking costs: 10,000 HTTP checks every 30 s against targets on this host, which
//! run in a process of their own and are not counted.
//!
//! `cargo run --release -p evenkeel-guards --example checks_cost -- [--checks 10000]
//! [--interval 30] [--seconds 60] [--targets 8] [--stalled 0]`
//!
//! Prints one line of JSON: CPU seconds of this process per second that passed, its
//! resident memory, checks per CPU second, and how late checks began. With `--stalled N`
//! every Nth target accepts and never answers.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use evenkeel_guards::checks::{CheckSpec, Checks, Journey, Probe, Step, Trust};
use evenkeel_guards::guard::Guard;
use evenkeel_guards::outlet::Outlet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// The first round, connections and allocators settle before anything is counted.
const WARM_UP: Duration = Duration::from_secs(10);

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\nconnection: close\r\n\r\n{\"status\":\"ok\"}";

/// The process with the targets; it ends with this one.
struct Targets(Child);

impl Drop for Targets {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn argument(name: &str, default: u64) -> Result<u64, Box<dyn Error>> {
    let mut words = std::env::args().skip_while(|word| word != name);
    match (words.next(), words.next()) {
        (None, _) => Ok(default),
        (Some(_), Some(value)) => Ok(value.parse()?),
        (Some(_), None) => Err(format!("{name} needs a number").into()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let targets = argument("--targets", 8)?.clamp(1, 64);
    let stalled = argument("--stalled", 0)?;
    if std::env::args().any(|word| word == "--serve") {
        return serve(targets, stalled).await;
    }
    let count = argument("--checks", 10_000)?.clamp(1, 100_000);
    let interval = Duration::from_secs(argument("--interval", 30)?.clamp(1, 3_600));
    let seconds = argument("--seconds", 60)?.clamp(1, 3_600);
    let (ports, _targets) = start(targets, stalled)?;

    let trust = Arc::new(Trust::of_browsers());
    let specs = (0..count).map(|n| {
        let port = ports[usize::try_from(n).unwrap_or_default() % ports.len()];
        let step = Step::get(&format!("http://127.0.0.1:{port}/health?check={n}"));
        let probe = Probe::Journey(Journey {
            steps: vec![step],
            secrets: Vec::new(),
            trust: trust.clone(),
        });
        let mut spec = CheckSpec::new(format!("shop-{n}").into(), probe);
        spec.interval = interval;
        spec
    });
    let guard = Arc::new(Checks::new(specs.collect()));
    let (queue, mut seen) = mpsc::channel(4_096);
    let (_list, watchlist) = watch::channel(Arc::default());
    let outlet = Outlet::new("checks".into(), queue);
    tokio::spawn(guard.clone().observe(outlet, watchlist));
    tokio::spawn(async move { while seen.recv().await.is_some() {} });
    tokio::time::sleep(WARM_UP).await;

    let figures = guard.figures();
    let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
    figures.late_ms_max.store(0, Ordering::Relaxed);
    let before = (
        read(&figures.made),
        read(&figures.late),
        read(&figures.not_made),
    );
    let (began, cpu) = (Instant::now(), cpu_seconds()?);
    let mut memory = 0;
    for _ in 0..seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        memory = memory.max(resident_bytes()?);
    }
    let (elapsed, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    let made = read(&figures.made) - before.0;
    let said = serde_json::json!({
        "checks": count,
        "interval_s": interval.as_secs(),
        "seconds": elapsed,
        "made_count": made,
        "failed_count": read(&figures.failed),
        "not_made_count": read(&figures.not_made) - before.2,
        "cpu_s_per_s": cpu / elapsed,
        "checks_per_cpu_s": made as f64 / cpu,
        "rss_max_bytes": memory,
        "late_over_100_ms_count": read(&figures.late) - before.1,
        "late_ms_max": read(&figures.late_ms_max),
    });
    writeln!(std::io::stdout().lock(), "{said}")?;
    Ok(())
}

fn start(targets: u64, stalled: u64) -> Result<(Vec<u16>, Targets), Box<dyn Error>> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--serve", "--targets", &targets.to_string()])
        .args(["--stalled", &stalled.to_string()])
        // Closed with this process, however it ends.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let said = child.stdout.take().ok_or("the targets say nothing")?;
    let targets = Targets(child);
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line)?;
    let ports: Result<Vec<u16>, _> = line.split_whitespace().map(str::parse).collect();
    let ports = ports?;
    if ports.is_empty() {
        return Err("no target has started".into());
    }
    Ok((ports, targets))
}

/// The targets, until standard input ends.
async fn serve(targets: u64, stalled: u64) -> Result<(), Box<dyn Error>> {
    let mut ports = Vec::new();
    for number in 1..=targets {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        ports.push(listener.local_addr()?.port().to_string());
        let stalls = stalled > 0 && number % stalled == 0;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, stalls));
            }
        });
    }
    writeln!(std::io::stdout().lock(), "{}", ports.join(" "))?;
    let waiting =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    waiting.await??;
    Ok(())
}

async fn answer(mut stream: TcpStream, stalls: bool) {
    let mut read = [0; 1024];
    let mut length = 0;
    while !read[..length].ends_with(b"\r\n\r\n") && length < read.len() {
        match stream.read(&mut read[length..]).await {
            Ok(0) | Err(_) => return,
            Ok(bytes) => length += bytes,
        }
    }
    if stalls {
        // Until the check has had enough.
        let _ = stream.read(&mut read).await;
        return;
    }
    let _ = stream.write_all(ANSWER).await;
    let _ = stream.shutdown().await;
}

fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = procfs::process::Process::myself()?.stat()?;
    let ticks = (stat.utime + stat.stime) as f64;
    Ok(ticks / procfs::ticks_per_second() as f64)
}

fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let statm = procfs::process::Process::myself()?.statm()?;
    Ok(statm.resident * procfs::page_size())
}
