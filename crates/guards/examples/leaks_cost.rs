//! What watching for leaks costs: 50 processes every 10 s, each a process of its own with
//! some memory, which are not counted.
//!
//! `cargo run --release -p evenkeel-guards --example leaks_cost -- [--processes 50]
//! [--interval-ms 10000] [--seconds 120] [--mib 64] [--metrics 0]`
//!
//! Prints one line of JSON: CPU seconds of this process per second that passed, and for
//! each look, and its resident memory. With `--metrics 1` each process also tells 300
//! families at a metrics address.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use evenkeel_core::observation::Seen;
use evenkeel_guards::guard::Guard;
use evenkeel_guards::leaks::{InstanceSpec, LeakSpec, Leaks, PoolSpec, ProcessSource, WebAddress};
use evenkeel_guards::outlet::Outlet;
use tokio::sync::{mpsc, watch};

/// The first look asks everything anew.
const WARM_UP: Duration = Duration::from_secs(12);

/// Processes that end with this one.
struct Held(Vec<Child>);

impl Drop for Held {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
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

fn main() -> Result<(), Box<dyn Error>> {
    let mib = argument("--mib", 64)?.clamp(1, 4096);
    if std::env::args().any(|word| word == "--hold") {
        return hold(mib);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(measure(mib))
}

async fn measure(mib: u64) -> Result<(), Box<dyn Error>> {
    let count = argument("--processes", 50)?.clamp(1, 500);
    let interval = Duration::from_millis(argument("--interval-ms", 10_000)?.clamp(10, 600_000));
    let seconds = argument("--seconds", 120)?.clamp(1, 3_600);
    let with_metrics = argument("--metrics", 0)? > 0;
    let folder = tempfile::tempdir()?;
    let mut held = Held(Vec::new());
    let mut pool = PoolSpec::new("web".into());
    for number in 0..count {
        let (child, port) = start(mib)?;
        let file = folder.path().join(format!("{number}.pid"));
        std::fs::write(&file, child.id().to_string())?;
        let address = format!("127.0.0.1:{port}").parse()?;
        let mut instance = InstanceSpec::new(format!("web-{number}").into(), address);
        instance.process = ProcessSource::PidFile(file);
        if with_metrics {
            let at = format!("http://127.0.0.1:{port}/metrics");
            instance.metrics = Some(WebAddress::parse(&at)?);
        }
        pool.instances.push(instance);
        held.0.push(child);
    }
    let mut spec = LeakSpec::new();
    spec.interval = interval;
    spec.pools.push(pool);
    let (queue, mut seen) = mpsc::channel(4_096);
    let (_list, watchlist) = watch::channel(Arc::default());
    let outlet = Outlet::new("leaks".into(), queue);
    tokio::spawn(Arc::new(Leaks::new(spec)).observe(outlet, watchlist));
    let looks: Arc<AtomicU64> = Arc::default();
    let counted = looks.clone();
    tokio::spawn(async move {
        while let Some(observation) = seen.recv().await {
            if matches!(observation.seen, Seen::Levels(_)) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    tokio::time::sleep(WARM_UP).await;
    let before = looks.load(Ordering::Relaxed);
    let (began, cpu) = (Instant::now(), cpu_seconds()?);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (elapsed, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    let looks = looks.load(Ordering::Relaxed) - before;
    let said = serde_json::json!({
        "processes": count,
        "interval_ms": interval.as_millis(),
        "mib_each": mib,
        "metrics": with_metrics,
        "host_processes": procfs::process::all_processes()?.count(),
        "looks": looks,
        "cpu_pct_of_a_core": 100.0 * cpu / elapsed,
        "cpu_us_per_look": 1e6 * cpu / looks.max(1) as f64,
        "rss_bytes": procfs::process::Process::myself()?.statm()?.resident * procfs::page_size(),
    });
    writeln!(std::io::stdout().lock(), "{said}")?;
    Ok(())
}

fn start(mib: u64) -> Result<(Child, u16), Box<dyn Error>> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--hold", "--mib", &mib.to_string()])
        // Closed with this process, however it ends.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let said = child.stdout.take().ok_or("the child says nothing")?;
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line)?;
    Ok((child, line.trim().parse()?))
}

/// One process: some memory, a port, and metrics, until standard input ends.
fn hold(mib: u64) -> Result<(), Box<dyn Error>> {
    let kept = vec![7_u8; usize::try_from(mib << 20)?];
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(
        std::io::stdout().lock(),
        "{}",
        listener.local_addr()?.port()
    )?;
    std::thread::spawn(move || {
        let mut body = String::from("process_open_fds 9\nnodejs_heap_size_used_bytes 5e7\n");
        for number in 0..300 {
            body.push_str(&format!(
                "http_request_duration_seconds_bucket{{route=\"/r/{number}\",le=\"0.5\"}} 12\n"
            ));
        }
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 1024];
            let _ = stream.read(&mut head);
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    std::hint::black_box(&kept);
    Ok(())
}

fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = procfs::process::Process::myself()?.stat()?;
    let ticks = (stat.utime + stat.stime) as f64;
    Ok(ticks / procfs::ticks_per_second() as f64)
}
