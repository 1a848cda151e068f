//! The edge and the keeper, two processes that find each other: requests pass, orders come
//! into force, and one serves on without the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use crate::ask;
use crate::place::Place;

/// An instance that answers everything with its own name.
struct Instance {
    address: SocketAddr,
    gone: Arc<AtomicBool>,
}

impl Instance {
    fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let gone = Arc::new(AtomicBool::new(false));
        let ended = gone.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::spawn(move || answer(stream, name));
            }
        });
        Self { address, gone }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
        let _woken = std::net::TcpStream::connect(self.address);
    }
}

fn answer(mut stream: std::net::TcpStream, name: &str) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    let length = name.len();
    let text = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{name}"
    );
    let _sent = stream.write_all(text.as_bytes());
}

/// A running `evenkeel edge`.
struct Edge {
    child: Child,
    address: String,
}

impl Edge {
    fn start(place: &Place) -> Self {
        let mut child = place
            .command()
            .arg("edge")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let out = child.stdout.take().expect("a pipe");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("edge: http://");
        let address = address.unwrap_or_else(|| panic!("`{line}`")).to_owned();
        Self { child, address }
    }

    /// Who answers.
    fn who(&self) -> String {
        let answer = ask(&self.address, "/", "app.example.com");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
            .rsplit("\r\n\r\n")
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn place(one: &Instance, other: &Instance) -> Place {
    Place::with(&format!(
        r#"
[edge]
listen = "127.0.0.1:0"
[[pool]]
id = "web"
drain_max = "1s"
[[pool.instance]]
id = "web-1"
address = "{}"
[[pool.instance]]
id = "web-2"
address = "{}"
[[route]]
id = "all"
component = "login"
pool = "web"
"#,
        one.address, other.address
    ))
}

#[test]
fn a_drain_reaches_the_edge_and_stays_when_the_keeper_has_gone() {
    let (one, other) = (Instance::start("one"), Instance::start("other"));
    let place = place(&one, &other);
    let mut edge = Edge::start(&place);
    let server = place.serve();
    place.until(&["pools"], |pools| {
        pools[0]["instances"][0]["state"] == "in_use"
    });
    // Sent out of habit; neither may end of it.
    let pid = Pid::from_raw(edge.child.id().cast_signed()).expect("a pid");
    kill_process(pid, Signal::HUP).expect("a signal");
    server.signal(Signal::HUP);
    place.good(&["drain", "web", "web-1"]);
    place.until(&["pools"], |pools| {
        pools[0]["instances"][0]["state"] == "draining"
            && pools[0]["plan_in_force"] == pools[0]["plan_wanted"]
    });
    for _ in 0..10 {
        assert_eq!(edge.who(), "other");
    }
    server.stop();
    for _ in 0..10 {
        assert_eq!(edge.who(), "other");
    }
    // It begins with the plan it had.
    kill_process(pid, Signal::TERM).expect("a signal");
    let status = edge.child.wait().expect("it ends");
    assert!(status.success(), "{status}");
    let edge = Edge::start(&place);
    for _ in 0..10 {
        assert_eq!(edge.who(), "other");
    }
    let _server = place.serve();
    place.good(&["admit", "web", "web-1"]);
    place.until(&["pools"], |pools| {
        pools[0]["instances"][0]["state"] != "draining"
    });
    let refused = place.run(&["drain", "web", "web-9"]);
    assert!(!refused.status.success());
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(why.contains("there is no instance web-9"), "{why}");
}

#[test]
fn a_function_that_is_switched_off_says_so_and_comes_back() {
    let (one, other) = (Instance::start("one"), Instance::start("other"));
    let place = place(&one, &other);
    let edge = Edge::start(&place);
    let _server = place.serve();
    let text = "en=Back at 14:00";
    place.good(&[
        "switch-off",
        "login",
        "--reason",
        "too slow",
        "--text",
        text,
    ]);
    let off = |pools: &serde_json::Value| pools[0]["plan_in_force"] == pools[0]["plan_wanted"];
    place.until(&["pools"], off);
    let answer = ask(&edge.address, "/", "app.example.com");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("Back at 14:00"), "{answer}");
    place.good(&["switch-on", "login"]);
    place.until(&["pools"], off);
    edge.who();
}
