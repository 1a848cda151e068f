//! Plans and windows over the keeper's line, and what becomes of an edge that stops.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use evenkeel_core::edge::{EdgePlan, EdgeWindow, InstanceState, Mirror, Off, PoolPlan};
use evenkeel_core::ids::{ComponentId, InstanceId, PoolId};
use evenkeel_edge::keeper::{SOCKET, Said, Told};

use crate::world::{
    Client, OK, PATIENCE, Running, Upstream, edge, exchange, get, settings, start, start_in,
};

/// The keeper's end of the line.
struct Keeper(BufReader<UnixStream>);

impl Keeper {
    fn new(edge: &Running) -> Self {
        let line = UnixStream::connect(edge.dir.path().join(SOCKET)).unwrap();
        line.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(line))
    }

    fn say(&mut self, plan: EdgePlan) {
        let mut line = serde_json::to_vec(&Said::Plan(plan)).unwrap();
        line.push(b'\n');
        self.0.get_mut().write_all(&line).unwrap();
    }

    fn window(&mut self) -> EdgeWindow {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let Told::Window(window) = serde_json::from_str(&line).unwrap();
        window
    }

    /// The first window in which a plan is in force.
    fn confirmed(&mut self, revision: u64) -> EdgeWindow {
        loop {
            let window = self.window();
            if window.plan >= revision {
                return window;
            }
        }
    }
}

fn drain(revision: u64) -> EdgePlan {
    let pool = PoolPlan {
        drain: [InstanceId::from("web-0")].into(),
        ..PoolPlan::default()
    };
    EdgePlan {
        revision,
        pools: [(PoolId::from("web"), pool)].into(),
        ..EdgePlan::default()
    }
}

#[test]
fn a_plan_is_confirmed_and_survives_a_restart_and_an_older_one_changes_nothing() {
    let (one, two) = (Upstream::answering(OK), Upstream::answering(OK));
    let settings = settings(&[one.address, two.address]);
    let edge = start(settings.clone());
    let mode = std::fs::metadata(edge.dir.path().join(SOCKET))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let mut keeper = Keeper::new(&edge);
    keeper.say(drain(7));
    let window = keeper.confirmed(7);
    let web = &window.pools[&PoolId::from("web")];
    assert_eq!(
        web.instances[&InstanceId::from("web-0")].state,
        InstanceState::Draining
    );
    for _ in 0..8 {
        exchange(&edge, get("/"));
    }
    assert!(one.seen().is_empty() && !two.seen().is_empty());
    keeper.say(EdgePlan {
        revision: 3,
        ..EdgePlan::default()
    });
    keeper.say(EdgePlan {
        revision: 3,
        ..EdgePlan::default()
    });
    keeper.window();
    assert_eq!(keeper.window().plan, 7);
    let dir = edge.dir.clone();
    drop(edge);
    let edge = start_in(settings, dir);
    exchange(&edge, get("/"));
    assert!(one.seen().is_empty());
    assert_eq!(Keeper::new(&edge).confirmed(7).plan, 7);
}

#[test]
fn what_is_no_plan_costs_the_speaker_its_line_and_nobody_else() {
    let upstream = Upstream::answering(OK);
    let edge = edge(&upstream);
    for nonsense in [
        &b"nonsense\n"[..],
        b"{\"plan\": 1}\n",
        b"{\"else\": {}}\n",
        b"\xff\xfe\n",
    ] {
        let mut keeper = Keeper::new(&edge);
        keeper.0.get_mut().write_all(nonsense).unwrap();
        let mut line = String::new();
        while keeper.0.read_line(&mut line).is_ok_and(|read| read > 0) {}
    }
    let mut keeper = Keeper::new(&edge);
    keeper.say(drain(1));
    keeper.confirmed(1);
    assert!(exchange(&edge, get("/")).starts_with("HTTP/1.1 "));
}

#[test]
fn a_window_tells_what_was_seen() {
    let upstream = Upstream::answering(OK);
    let edge = edge(&upstream);
    let mut keeper = Keeper::new(&edge);
    keeper.window();
    for _ in 0..5 {
        exchange(&edge, get("/"));
    }
    exchange(&edge, "nonsense\r\n\r\n");
    let (mut requests, mut refused, mut bytes) = (0, 0, 0);
    while requests < 5 || refused < 1 {
        let window = keeper.window();
        requests += window
            .routes
            .values()
            .map(|route| route.requests)
            .sum::<u32>();
        bytes += window
            .routes
            .values()
            .map(|route| route.bytes_out)
            .sum::<u64>();
        refused += window.refused;
    }
    assert_eq!((requests, refused, bytes), (5, 1, 10));
}

#[test]
fn a_component_that_is_off_answers_in_the_clients_language_and_form() {
    let upstream = Upstream::answering(OK);
    let mut settings = settings(&[upstream.address]);
    let component = ComponentId::from("documents");
    settings.routes[0].component = Some(component.clone());
    let edge = start(settings);
    let off = Off {
        since: jiff::Timestamp::UNIX_EPOCH,
        reason: "told to nobody".into(),
        texts: [("nl".to_owned(), "Even geduld <b>".to_owned())].into(),
        next_update_at: Some(jiff::Timestamp::UNIX_EPOCH),
    };
    let mut keeper = Keeper::new(&edge);
    keeper.say(EdgePlan {
        revision: 1,
        off: [(component, off)].into(),
        ..EdgePlan::default()
    });
    keeper.confirmed(1);
    let ask = |accept: &str| {
        exchange(
            &edge,
            format!(
                "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\naccept: {accept}\r\naccept-language: nl\r\n\r\n"
            ),
        )
    };
    let page = ask("text/html");
    assert!(
        page.starts_with("HTTP/1.1 503 ") && page.contains("retry-after: "),
        "{page}"
    );
    assert!(page.contains("Deze functie is uitgeschakeld"), "{page}");
    assert!(
        page.contains("Even geduld &lt;b&gt;") && !page.contains("told to nobody"),
        "{page}"
    );
    let json = ask("application/json");
    assert!(json.contains("\"reason\":\"switched_off\""), "{json}");
    assert!(upstream.seen().is_empty());
}

#[test]
fn an_edge_that_stops_ends_what_is_under_way_and_takes_nothing_more() {
    let upstream = Upstream::start(|mut served| {
        while served.request().is_some() {
            served.wait_for_word();
            served.write(OK.as_bytes());
        }
    });
    let edge = edge(&upstream);
    let address = edge.started().addresses[0];
    let mut idle = Client::new(&edge);
    let mut busy = Client::new(&edge);
    busy.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    upstream.wait_seen("\r\n\r\n");
    edge.stop();
    // What is idle is closed; then nobody is accepted any more, too.
    assert_eq!(idle.rest(), "");
    let refused = std::iter::repeat_with(|| TcpStream::connect(address)).take(1000);
    assert!(refused.into_iter().any(|connected| connected.is_err()));
    upstream.say();
    let answer = busy.rest();
    assert!(
        answer.ends_with("ok") && answer.contains("connection: close"),
        "{answer}"
    );
}

#[test]
fn a_new_edge_takes_the_listeners_over_and_nobody_is_refused() {
    let upstream = Upstream::answering(OK);
    let mut settings = settings(&[upstream.address]);
    let first = start(settings.clone());
    settings.listeners[0].address = first.started().addresses[0];
    let address = settings.listeners[0].address;
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let clients = std::thread::spawn(move || {
        let mut answered = 0;
        loop {
            let mut client = Client::to(address);
            client.write(get("/"));
            let answer = client.rest();
            assert!(answer.ends_with("ok"), "after {answered}: {answer:?}");
            answered += 1;
            if answered > 50 && stopped.try_recv().is_ok() {
                return answered;
            }
        }
    });
    // Accepted before the next one is, and has not asked yet.
    let mut opened = Client::new(&first);
    let mut kept = Client::new(&first);
    kept.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(kept.answer().ends_with("ok"));
    let second = start_in(settings.clone(), first.dir.clone());
    assert_eq!(kept.rest(), "", "the old one has closed what was idle");
    opened.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(opened.rest().ends_with("ok"), "and answers who came before");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, first.ended()).await.unwrap();
    });
    // The plan's line is the new one's.
    let mut keeper = Keeper::new(&second);
    keeper.say(drain(4));
    keeper.confirmed(4);
    let third = start_in(settings, first.dir.clone());
    drop(second);
    stop.send(()).unwrap();
    assert!(clients.join().unwrap() > 50);
    assert_eq!(Keeper::new(&third).confirmed(4).plan, 4);
}

#[test]
fn requests_at_a_draining_instance_are_cut_off_in_the_end() {
    let upstream = Upstream::start(|mut served| {
        served.request();
        served.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        served.exactly(1);
    });
    let mut settings = settings(&[upstream.address]);
    settings.pools[0].drain_max = Duration::from_millis(200);
    settings.routes[0].idle_timeout = Duration::from_secs(60);
    let edge = start(settings);
    let mut client = Client::new(&edge);
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    client.until("half");
    Keeper::new(&edge).say(drain(1));
    assert_eq!(client.rest(), "");
}

#[tokio::test]
async fn copies_of_safe_requests_go_to_another_pool_and_nobody_waits_for_them() {
    let upstream = Upstream::answering(OK);
    let shadow = Upstream::answering("nonsense");
    let mut settings = settings(&[upstream.address]);
    let mut pool = settings.pools[0].clone();
    pool.id = PoolId::from("shadow");
    pool.instances[0].id = InstanceId::from("shadow-0");
    pool.instances[0].address = shadow.address;
    settings.pools.push(pool);
    let edge = start(settings);
    let mirror = Some(Mirror {
        to: PoolId::from("shadow"),
        share_permille: 1000,
    });
    let pool = PoolPlan {
        mirror,
        ..PoolPlan::default()
    };
    let plan = EdgePlan {
        revision: 1,
        pools: [(PoolId::from("web"), pool)].into(),
        ..EdgePlan::default()
    };
    edge.apply(plan).await.unwrap();
    let post = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx";
    assert!(exchange(&edge, post).ends_with("ok"));
    assert!(exchange(&edge, get("/copied?x")).ends_with("ok"));
    shadow.wait_seen("GET /copied?x HTTP/1.1\r\n");
    assert!(!shadow.seen().concat().contains("POST"));
}
