//! An edge, the instances behind it, and clients: on loopback, gone when they are dropped.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Deref;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evenkeel_core::edge::Criticality;
use evenkeel_core::ids::{InstanceId, PoolId, RouteId};
use evenkeel_edge::Edge;
use evenkeel_edge::settings::{
    Bounds, HoldBounds, Identity, Instance, Limit, Listener, Outlier, Pages, Pool, Queue, Retry,
    Route, Settings,
};
use tempfile::TempDir;

/// How long a test waits for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// An instance: what it was sent, by connection; what it answers is the test's.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Where the connections came from.
    peers: Arc<Mutex<Vec<SocketAddr>>>,
    /// What the test says to its connections.
    words: Sender<()>,
    /// What its connections report.
    reports: Mutex<Receiver<Report>>,
}

/// What a connection at the instance reports to the test.
enum Report {
    /// So much was written, or it came so far.
    Written(usize),
    /// It is closed.
    Closed,
}

/// A connection at the instance: what is read is recorded.
pub(crate) struct Served {
    stream: TcpStream,
    number: usize,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    unread: Vec<u8>,
    written: usize,
    words: Arc<Mutex<Receiver<()>>>,
    reports: Sender<Report>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _shut = self.stream.shutdown(Shutdown::Both);
        // A test that has ended does not listen.
        let _nobody = self.reports.send(Report::Closed);
    }
}

impl Upstream {
    /// Serves every connection with `serve` on a thread of its own.
    pub(crate) fn start(serve: impl Fn(Served) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (words, heard) = channel();
        let (reports, reported) = channel();
        let heard = Arc::new(Mutex::new(heard));
        let (serve, recorded) = (Arc::new(serve), seen.clone());
        let peers = Arc::new(Mutex::new(Vec::new()));
        let came = peers.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = {
                    let mut recorded = recorded.lock().unwrap();
                    recorded.push(Vec::new());
                    recorded.len() - 1
                };
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let served = Served {
                    stream,
                    number,
                    seen: recorded.clone(),
                    unread: Vec::new(),
                    written: 0,
                    words: heard.clone(),
                    reports: reports.clone(),
                };
                let peer = served.stream.peer_addr().unwrap_or(address);
                came.lock().unwrap().push(peer);
                let serve = serve.clone();
                std::thread::spawn(move || serve(served));
            }
        });
        let reports = Mutex::new(reported);
        Self {
            address,
            seen,
            peers,
            words,
            reports,
        }
    }

    /// Lets one connection go on.
    pub(crate) fn say(&self) {
        self.words.send(()).unwrap();
    }

    /// What a connection reports to have written.
    pub(crate) fn written(&self) -> usize {
        loop {
            match self.reports.lock().unwrap().recv_timeout(PATIENCE).unwrap() {
                Report::Written(written) => return written,
                Report::Closed => {}
            }
        }
    }

    /// Waits until a connection is closed.
    pub(crate) fn wait_closed(&self) {
        while !matches!(
            self.reports.lock().unwrap().recv_timeout(PATIENCE).unwrap(),
            Report::Closed
        ) {}
    }

    /// Waits until this was sent.
    pub(crate) fn wait_seen(&self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.seen().concat().contains(text) {
            assert!(Instant::now() < until, "{text:?} never came");
            std::thread::yield_now();
        }
    }

    /// Answers every request with the same bytes.
    pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |mut served| {
            while served.request().is_some() {
                served.write(&answer);
            }
        })
    }

    /// What was sent, by connection, byte for byte, once every connection is closed: only
    /// when the edge has gone.
    pub(crate) fn all_seen(self) -> Vec<Vec<u8>> {
        // Connections are taken in order: before this one stand all others.
        let last = TcpStream::connect(self.address).unwrap();
        last.shutdown(Shutdown::Both).unwrap();
        let own = last.local_addr().unwrap();
        let (reports, until) = (self.reports.lock().unwrap(), Instant::now() + PATIENCE);
        let mut closed = 0;
        while *self.peers.lock().unwrap().last().unwrap_or(&self.address) != own {
            assert!(
                Instant::now() < until,
                "the last connection was never taken"
            );
            std::thread::yield_now();
        }
        let mut seen = self.seen.lock().unwrap().len();
        while closed < seen {
            if let Report::Closed = reports.recv_timeout(PATIENCE).unwrap() {
                closed += 1;
            }
            seen = self.seen.lock().unwrap().len();
        }
        self.seen.lock().unwrap().clone()
    }

    /// What was sent, by connection.
    pub(crate) fn seen(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let texts = seen.iter();
        texts
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .collect()
    }
}

impl Served {
    /// Reads one request with its body; `None` when there is no further one.
    pub(crate) fn request(&mut self) -> Option<String> {
        let head = self.until(b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&head).into_owned();
        let field = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name).map(str::trim))
        };
        if let Some(length) = field("content-length:") {
            self.exactly(length.parse().unwrap())?;
        } else if field("transfer-encoding:").is_some() {
            loop {
                let size = self.until(b"\r\n")?;
                let size = std::str::from_utf8(&size).ok()?.trim_end();
                let size = usize::from_str_radix(size, 16).ok()?;
                if size == 0 {
                    break;
                }
                self.exactly(size + 2)?;
            }
            // Trailers, and the empty line.
            while self.until(b"\r\n")? != b"\r\n" {}
        }
        Some(text)
    }

    /// Reads up to and with `end`.
    pub(crate) fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            let found = self
                .unread
                .windows(end.len())
                .position(|piece| piece == end);
            if let Some(at) = found {
                return Some(self.unread.drain(..at + end.len()).collect());
            }
            self.read()?;
        }
    }

    /// Reads so many bytes.
    pub(crate) fn exactly(&mut self, len: usize) -> Option<Vec<u8>> {
        while self.unread.len() < len {
            self.read()?;
        }
        Some(self.unread.drain(..len).collect())
    }

    fn read(&mut self) -> Option<()> {
        let mut piece = [0; 16 * 1024];
        let read = self.stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        self.unread.extend_from_slice(&piece[..read]);
        self.seen.lock().unwrap()[self.number].extend_from_slice(&piece[..read]);
        Some(())
    }

    /// Waits until the test says so.
    pub(crate) fn wait_for_word(&self) {
        // A test that has ended says nothing.
        let _ended = self.words.lock().unwrap().recv_timeout(PATIENCE);
    }

    /// Writes the same again and again until nothing is taken for so long.
    pub(crate) fn write_until_full(&mut self, piece: &[u8], time: Duration) {
        self.stream.set_write_timeout(Some(time)).unwrap();
        while let Ok(written) = self.stream.write(piece) {
            self.written += written;
        }
    }

    /// Tells the test how much was written.
    pub(crate) fn report_written(&self) {
        let _nobody = self.reports.send(Report::Written(self.written));
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        // Who has gone does not read it; the test sees what it sees.
        let _gone = self.stream.write_all(bytes);
    }
}

/// Settings with one pool of these instances and one route to it.
pub(crate) fn settings(instances: &[SocketAddr]) -> Settings {
    let instance = |(number, address): (usize, &SocketAddr)| Instance {
        id: InstanceId::from(format!("web-{number}")),
        address: *address,
    };
    let pool = PoolId::from("web");
    Settings {
        listeners: vec![Listener {
            address: ([127, 0, 0, 1], 0).into(),
            tls: None,
            proxy_protocol: false,
            redirect_to_https: false,
        }],
        routes: vec![Route {
            id: RouteId::from("all"),
            component: None,
            hosts: Vec::new(),
            paths: Vec::new(),
            methods: Vec::new(),
            pool: pool.clone(),
            criticality: Criticality::Normal,
            concurrency_max: None,
            timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(5),
            body_max: 1 << 20,
        }],
        pools: vec![Pool {
            id: pool,
            instances: instances.iter().enumerate().map(instance).collect(),
            check: None,
            outlier: Outlier::default(),
            limit: Limit::default(),
            queue: Queue::default(),
            retry: Retry::default(),
            slow_start: Duration::ZERO,
            hold: HoldBounds::default(),
            sticky_cookie: None,
            drain_max: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            idle_connections_max: 16,
            idle_connection_max: Duration::from_secs(30),
        }],
        identity: Identity::default(),
        trusted: Vec::new(),
        bounds: Bounds::default(),
        access_log: None,
        pages: Pages::default(),
        state_dir: std::env::temp_dir(),
        shutdown_max: Duration::from_secs(5),
    }
}

/// A running edge with a folder of its own; both are gone when it is dropped.
pub(crate) struct Running {
    edge: Option<Edge>,
    pub(crate) dir: Arc<TempDir>,
}

impl Deref for Running {
    type Target = Edge;

    fn deref(&self) -> &Edge {
        self.edge.as_ref().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(edge) = self.edge.take() {
            edge.join();
        }
    }
}

/// Starts an edge in a folder of its own.
pub(crate) fn start(settings: Settings) -> Running {
    start_in(settings, Arc::new(TempDir::new().unwrap()))
}

/// Starts an edge in this folder.
pub(crate) fn start_in(mut settings: Settings, dir: Arc<TempDir>) -> Running {
    settings.state_dir = dir.path().to_owned();
    let edge = Some(Edge::start(settings).unwrap());
    Running { edge, dir }
}

/// An edge in front of one instance.
pub(crate) fn edge(upstream: &Upstream) -> Running {
    start(settings(&[upstream.address]))
}

/// A client's connection to the edge.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub(crate) fn new(edge: &Edge) -> Self {
        Self::to(edge.started().addresses[0])
    }

    pub(crate) fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        // An edge that has closed is seen when it is read.
        let _closed = self.stream.write_all(bytes.as_ref());
    }

    /// Reads to the end of the connection.
    pub(crate) fn rest(&mut self) -> String {
        String::from_utf8_lossy(&self.rest_of_bytes().0).into_owned()
    }

    /// Reads to the end of the connection, and whether that was a reset.
    pub(crate) fn rest_of_bytes(&mut self) -> (Vec<u8>, bool) {
        let mut rest = std::mem::take(&mut self.unread);
        let ended = self.stream.read_to_end(&mut rest);
        let is_reset = ended.is_err();
        if let Err(error) = ended {
            // A reset is an end, too; waiting for nothing is not.
            let read = String::from_utf8_lossy(&rest);
            assert_eq!(
                error.kind(),
                std::io::ErrorKind::ConnectionReset,
                "after {read:?}"
            );
        }
        (rest, is_reset)
    }

    /// Reads up to and with `end`; what there is where the connection ends before.
    pub(crate) fn until(&mut self, end: &str) -> String {
        let end = end.as_bytes();
        loop {
            let found = self
                .unread
                .windows(end.len())
                .position(|piece| piece == end);
            let mut piece = [0; 16 * 1024];
            let at = match found {
                Some(at) => at + end.len(),
                None => match self.stream.read(&mut piece) {
                    Ok(read) if read > 0 => {
                        self.unread.extend_from_slice(&piece[..read]);
                        continue;
                    }
                    _ => self.unread.len(),
                },
            };
            let read: Vec<u8> = self.unread.drain(..at).collect();
            return String::from_utf8_lossy(&read).into_owned();
        }
    }

    /// Reads one answer with a length.
    pub(crate) fn answer(&mut self) -> String {
        let head = self.until("\r\n\r\n");
        let mut lines = head.lines();
        let length = lines.find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            let mut piece = [0; 16 * 1024];
            match self.stream.read(&mut piece) {
                Ok(read) if read > 0 => self.unread.extend_from_slice(&piece[..read]),
                _ => break,
            }
        }
        let len = length.min(self.unread.len());
        let body: Vec<u8> = self.unread.drain(..len).collect();
        head + &String::from_utf8_lossy(&body)
    }
}

/// What the edge answers to these bytes on a connection of their own, to its end.
pub(crate) fn exchange(edge: &Edge, bytes: impl AsRef<[u8]>) -> String {
    let mut client = Client::new(edge);
    client.write(bytes);
    client.rest()
}

/// A GET after which the connection ends.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n")
}

/// A short good answer.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
