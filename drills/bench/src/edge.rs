//! Requests through the edge, beside HAProxy and nginx doing the same on the same core.
//!
//! The proxy has one core, load and upstream the other; contenders take turns in rotating
//! order, and what is compared is the median of the ratios of neighbouring rounds. CPU is
//! the kernel's account of the proxy's process.

mod contenders;
mod idle;
mod wrk;

use std::time::Duration;

use contenders::{Certificate, Contender, LOAD_CORE, Place};
use evenkeel_drill::Scratch;
use wrk::{Answers, Load};

use crate::{Failure, Figure, median};

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(2);
const HAPROXY: &str = "HAProxy";
const BARE: &str = "Evenkeel, bare";
const EVERYTHING: &str = "Evenkeel, everything";

/// Who asks, in turn: a tenant each with a session of its own, so that no bound of the edge
/// on one of them is what is measured.
const TENANTS: usize = 100;

pub(crate) fn run() -> Result<Vec<Figure>, Failure> {
    let upstream = contenders::upstream()?;
    let plain = Place {
        upstream: upstream.port,
        certificate: None,
    };
    let field = vec![
        contenders::haproxy(&plain)?,
        contenders::nginx_proxy(&plain)?,
        contenders::evenkeel(&plain, false)?,
        contenders::evenkeel(&plain, true)?,
        upstream,
    ];
    let mut figures = Vec::new();
    for connections in [64, 4] {
        let what = What {
            scheme: "http",
            path: "/",
            connections,
            headers: &[],
            tenants: Some(TENANTS),
        };
        let results = rounds(&field, &what)?;
        figures.extend(requests(&results, connections));
    }
    figures.push(tenants(&field)?);
    for contender in &field {
        figures.push(as_it_is(
            format!("edge_memory_mib, {}", contender.name),
            contender.memory()? / f64::from(1 << 20),
            "Memory in RAM after all rounds.",
        ));
    }
    drop(field);
    figures.extend(tls()?);
    figures.extend(idle::connections()?);
    Ok(figures)
}

/// What is asked for in a round.
struct What<'a> {
    scheme: &'static str,
    path: &'static str,
    connections: usize,
    headers: &'a [&'a str],
    tenants: Option<usize>,
}

/// One contender's rounds.
struct Rounds {
    name: &'static str,
    answers: Vec<Answers>,
    /// CPU seconds for each request.
    cost: Vec<f64>,
}

impl Rounds {
    fn median_of(&self, figure: fn(&Answers) -> f64) -> f64 {
        median(self.answers.iter().map(figure).collect())
    }

    /// CPU seconds for 100,000 requests.
    fn cpu(&self) -> f64 {
        median(self.cost.clone()) * 1e5
    }
}

fn rounds(field: &[Contender], what: &What<'_>) -> Result<Vec<Rounds>, Failure> {
    let folder = Scratch::new("bench-load")?;
    let mut results: Vec<Rounds> = field
        .iter()
        .map(|contender| Rounds {
            name: contender.name,
            answers: Vec::new(),
            cost: Vec::new(),
        })
        .collect();
    // One round more than counted: the first warms caches and connections.
    for round in 0..=ROUNDS {
        for turn in 0..field.len() {
            let at = (round + turn) % field.len();
            let contender = &field[at];
            let load = Load {
                url: format!(
                    "{}://localhost:{}{}",
                    what.scheme, contender.port, what.path
                ),
                connections: what.connections,
                lasts: ROUND,
                headers: what.headers,
                tenants: what.tenants,
                core: LOAD_CORE,
            };
            let before = contender.cpu_s()?;
            let answers = wrk::ask(&load, folder.path())
                .map_err(|why| format!("{}: {why}", contender.name))?;
            let cost = (contender.cpu_s()? - before) / answers.requests;
            if round > 0 {
                results[at].answers.push(answers);
                results[at].cost.push(cost);
            }
        }
    }
    Ok(results)
}

fn requests(results: &[Rounds], connections: usize) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (name, aim, least) in [(BARE, ">= 1.0", 1.0), (EVERYTHING, ">= 0.85", 0.85)] {
        let Some((ours, theirs)) = pair(results, name, HAPROXY) else {
            continue;
        };
        // Round by round, so that what disturbed both disturbs the ratio little.
        let ratios = theirs.cost.iter().zip(&ours.cost).map(|(t, o)| t / o);
        let ratio = median(ratios.collect());
        figures.push(Figure {
            name: format!("edge_requests_per_cpu_s, {connections} conns, {name}"),
            ours: 1e5 / ours.cpu(),
            peer: HAPROXY.into(),
            theirs: Some(1e5 / theirs.cpu()),
            ratio: Some(ratio),
            aim,
            reached: ratio >= least,
            how: format!(
                "1 KiB answers over {connections} keep-alive connections, the proxy on one core, load \
                 (wrk) and upstream (nginx) on the other; medians of {ROUNDS} paired rounds of {} s.",
                ROUND.as_secs()
            ),
        });
    }
    for result in results {
        figures.push(as_it_is(
            format!("edge_requests_per_s, {connections} conns, {}", result.name),
            result.median_of(|answers| answers.per_second),
            &format!(
                "In the same rounds; p50 {:.2} ms, p99 {:.2} ms, {:.2} s of CPU for 100,000 requests.",
                result.median_of(|answers| answers.p50_ms),
                result.median_of(|answers| answers.p99_ms),
                result.cpu(),
            ),
        ));
    }
    figures
}

/// What a request costs among ten thousand tenants, beside ten.
fn tenants(field: &[Contender]) -> Result<Figure, Failure> {
    let ours: Vec<&Contender> = field.iter().filter(|c| c.name == EVERYTHING).collect();
    let folder = Scratch::new("bench-tenants")?;
    let cost = |tenants: usize| -> Result<f64, Failure> {
        let contender = ours.first().ok_or("no contender with tenants")?;
        let load = Load {
            url: format!("http://localhost:{}/", contender.port),
            connections: 64,
            lasts: ROUND,
            headers: &[],
            tenants: Some(tenants),
            core: LOAD_CORE,
        };
        let before = contender.cpu_s()?;
        let answers = wrk::ask(&load, folder.path())?;
        Ok((contender.cpu_s()? - before) / answers.requests * 1e6)
    };
    let (mut few, mut many, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (ten, thousands) = (cost(10)?, cost(10_000)?);
        few.push(ten);
        many.push(thousands);
        ratios.push(thousands / ten);
    }
    let ratio = median(ratios);
    Ok(Figure {
        name: "edge_cpu_us, 10,000 tenants".into(),
        ours: median(many),
        peer: "itself, 10 tenants".into(),
        theirs: Some(median(few)),
        ratio: Some(ratio),
        aim: "<= 1.1",
        reached: ratio <= 1.1,
        how: "CPU of a request, every tenant in turn over 64 connections, everything on.".into(),
    })
}

/// Handshakes and bytes over TLS 1.3.
fn tls() -> Result<Vec<Figure>, Failure> {
    let upstream = contenders::upstream()?;
    let certificate = Certificate::make()?;
    let place = Place {
        upstream: upstream.port,
        certificate: Some(&certificate),
    };
    let field = [
        contenders::haproxy(&place)?,
        contenders::evenkeel(&place, false)?,
    ];
    let mut figures = Vec::new();
    let handshakes = What {
        scheme: "https",
        path: "/",
        connections: 16,
        headers: &["connection: close"],
        tenants: None,
    };
    let bytes = What {
        path: "/large",
        headers: &[],
        ..handshakes
    };
    for (what, name, how) in [
        (
            &handshakes,
            "edge_handshakes_per_cpu_s",
            "Connections with one request each, ECDSA P-256, no resumption.",
        ),
        (
            &bytes,
            "edge_tls_mib_per_cpu_s",
            "1 MiB answers over 16 keep-alive connections.",
        ),
    ] {
        let results = rounds(&field, what)?;
        let Some((ours, theirs)) = pair(&results, BARE, HAPROXY) else {
            continue;
        };
        let ratio = median(
            theirs
                .cost
                .iter()
                .zip(&ours.cost)
                .map(|(t, o)| t / o)
                .collect(),
        );
        figures.push(Figure {
            name: name.into(),
            ours: 1e5 / ours.cpu(),
            peer: HAPROXY.into(),
            theirs: Some(1e5 / theirs.cpu()),
            ratio: Some(ratio),
            aim: ">= 1.0",
            reached: ratio >= 1.0,
            how: how.into(),
        });
    }
    Ok(figures)
}

fn pair<'r>(results: &'r [Rounds], ours: &str, theirs: &str) -> Option<(&'r Rounds, &'r Rounds)> {
    let find = |name| results.iter().find(|result| result.name == name);
    Some((find(ours)?, find(theirs)?))
}

fn as_it_is(name: String, value: f64, how: &str) -> Figure {
    Figure {
        name,
        ours: value,
        peer: String::new(),
        theirs: None,
        ratio: None,
        aim: "as it is",
        reached: true,
        how: how.into(),
    }
}
