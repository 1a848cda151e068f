//! A small service that leaks on demand: the test binary itself, started a second time.
//!
//! `GET /leak/N` keeps N MiB for ever, `/open/N` opens N files, `/fork` starts a worker,
//! `/metrics` tells the heap, `/health` answers 200. It ends with the test's process.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use evenkeel_guards::leaks::{InstanceSpec, ProcessSource, WebAddress};

const ADDRESS: &str = "LEAKY_ADDRESS";
const OWNER: &str = "LEAKY_OWNER";

/// A running child with its pid file.
pub(crate) struct Leaky {
    child: Mutex<Child>,
    pub(crate) address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Leaky {
    /// Starts one on a free port and waits until it answers.
    pub(crate) async fn start() -> Self {
        let address = free_address();
        let child = command(address).spawn().expect("the child starts");
        let folder = tempfile::tempdir().expect("a folder");
        let this = Self {
            child: Mutex::new(child),
            address,
            folder,
        };
        std::fs::write(this.pid_file(), format!("{}\n", this.pid())).expect("a pid file");
        this.ask("/health").await;
        this
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.lock().expect("the child").id()
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.folder.path().join("web.pid")
    }

    /// `web-1`, known by its pid file.
    pub(crate) fn instance(&self) -> InstanceSpec {
        let mut instance = InstanceSpec::new("web-1".into(), self.address);
        instance.process = ProcessSource::PidFile(self.pid_file());
        instance
    }

    pub(crate) fn web(&self, path: &str) -> WebAddress {
        WebAddress::parse(&format!("http://{}{path}", self.address)).expect("an address")
    }

    /// Asks until it answers.
    pub(crate) async fn ask(&self, path: &str) -> String {
        ask(self.address, path).await
    }

    /// Ends it with its workers and buries it.
    pub(crate) fn end(&self) {
        let mut child = self.child.lock().expect("the child");
        let group = rustix::process::Pid::from_raw(child.id().cast_signed());
        if let (Some(group), Ok(None)) = (group, child.try_wait()) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = child.wait();
    }

    /// What ends the one in the pid file and starts another on the same address.
    pub(crate) fn restart_script(&self) -> String {
        let own = std::env::current_exe().expect("our own program");
        let (own, file) = (own.display(), self.pid_file().display().to_string());
        format!(
            "kill -9 $(cat {file}) 2>/dev/null\n\
             {ADDRESS}={} {OWNER}={} {own} --exact leaky_child --test-threads=1 \
             >/dev/null 2>&1 </dev/null &\necho $! >{file}",
            self.address,
            std::process::id()
        )
    }

    /// Makes the pid file an hour older than the process.
    pub(crate) fn age_pid_file(&self) {
        let file = std::fs::File::options().write(true).open(self.pid_file());
        let before = std::time::SystemTime::now() - Duration::from_secs(3600);
        let file = file.expect("the pid file");
        file.set_modified(before).expect("an older file");
    }
}

impl Drop for Leaky {
    fn drop(&mut self) {
        self.end();
        // And the one that a restart has put in its place.
        let pid = std::fs::read_to_string(self.pid_file()).unwrap_or_default();
        match pid.trim().parse() {
            Ok(pid) if pid != self.pid() => kill(pid),
            _ => {}
        }
    }
}

/// Kills a process that a test started.
fn kill(pid: u32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid.cast_signed()) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// A loopback address nobody listens on, below the ports the kernel gives away by itself:
/// it must still be free when the child is started a second time.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let next = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 20_000 + (std::process::id() * 37 + next) % 10_000;
        let port = u16::try_from(port).expect("a port");
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().expect("an address");
        }
    }
}

/// The command that serves on `address`.
fn command(address: SocketAddr) -> Command {
    let own = std::env::current_exe().expect("our own program");
    let mut command = Command::new(own);
    command
        .args(["--exact", "leaky_child", "--test-threads=1"])
        .env(ADDRESS, address.to_string())
        .env(OWNER, std::process::id().to_string())
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Asks `address` for `path` until it answers.
pub(crate) async fn ask(address: SocketAddr, path: &str) -> String {
    let path = path.to_owned();
    let asking = tokio::task::spawn_blocking(move || {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let asked = TcpStream::connect(address).and_then(|mut stream| {
                let mut text = String::new();
                // In one piece: the child reads once, and what it has not read when it closes
                // resets the connection, so that everything would be asked for again.
                let request = format!("GET {path} HTTP/1.1\r\nhost: leaky\r\n\r\n");
                stream.write_all(request.as_bytes())?;
                stream.read_to_string(&mut text)?;
                Ok(text)
            });
            match asked {
                Ok(text) if !text.is_empty() => return text,
                _ => assert!(Instant::now() < until, "the child answers {path}"),
            }
            std::thread::sleep(Duration::from_millis(20)); // waits: for the child to listen
        }
    });
    asking.await.expect("asked")
}

/// Serves for ever where the environment asks for it.
pub(crate) fn serve_if_asked() {
    let Ok(address) = std::env::var(ADDRESS) else {
        return;
    };
    let owner = std::env::var(OWNER).unwrap_or_default();
    std::thread::spawn(move || {
        while PathBuf::from(format!("/proc/{owner}")).exists() {
            std::thread::sleep(Duration::from_millis(500)); // waits: for the test to end
        }
        std::process::exit(0);
    });
    let until = Instant::now() + Duration::from_secs(10);
    let listener = loop {
        match TcpListener::bind(&address) {
            Ok(listener) => break listener,
            Err(error) => assert!(Instant::now() < until, "{address}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20)); // waits: for the killed one to be gone
    };
    let (mut leaked, mut open, mut workers) = (Vec::new(), Vec::new(), Vec::new());
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else {
            continue;
        };
        let mut head = [0; 2048];
        let size = stream.read(&mut head).unwrap_or_default();
        let head = String::from_utf8_lossy(&head[..size]).into_owned();
        let path = head.split_whitespace().nth(1).unwrap_or_default();
        let count = path
            .rsplit('/')
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        let mut body = String::from("ok");
        match path.split('/').nth(1).unwrap_or_default() {
            "leak" => leaked.push(vec![7_u8; count << 20]),
            "open" => open.extend((0..count).map(|_| std::fs::File::open("/dev/null").ok())),
            "fork" => workers.push(Command::new("sleep").arg("1000").spawn().ok()),
            "exit" => {
                end(&mut workers);
                std::process::exit(0);
            }
            "metrics" => {
                let heap: usize = leaked.iter().map(Vec::len).sum();
                body = format!(
                    "build_info{{version=\"2.7.1\"}} 1\n\
                     jvm_memory_used_bytes{{area=\"heap\"}} {heap}\n\
                     jvm_memory_max_bytes{{area=\"heap\"}} 1073741824\n"
                );
            }
            _ => {}
        }
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
    }
}

fn end(workers: &mut [Option<Child>]) {
    for worker in workers.iter_mut().flatten() {
        let _ = worker.kill();
        let _ = worker.wait();
    }
}
