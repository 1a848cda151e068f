//! Pings that are journalled before they are answered, against nginx answering the same
//! two bytes from memory.

use std::time::Duration;

use crate::clients::{Round, ask};
use crate::serve::{Serve, cpu_of_group, free_port, nginx};
use crate::{Failure, Figure, median};

const HEARTBEATS: usize = 1000;
const CONNECTIONS: usize = 64;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(5);

pub(crate) fn run() -> Result<Vec<Figure>, Failure> {
    let port = free_port()?;
    let serve = Serve::start(&configured(port, HEARTBEATS))?;
    let paths = paths(HEARTBEATS);
    let (nginx, nginx_port, _folder) = nginx("return 200 \"OK\";")?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut our_cpu, mut their_cpu) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = serve.cpu()?;
        let round = all_answered(ask(port, &paths, CONNECTIONS, ROUND, is_ok)?)?;
        our_cpu.push(micros(serve.cpu()? - before, &round));
        ours.push(per_second(&round));
        let before = cpu_of_group(&nginx)?;
        let round = all_answered(ask(nginx_port, &paths, CONNECTIONS, ROUND, is_ok)?)?;
        their_cpu.push(micros(cpu_of_group(&nginx)? - before, &round));
        theirs.push(per_second(&round));
    }
    drop(serve);
    let (ours, theirs) = (median(ours), median(theirs));
    let (our_cpu, their_cpu) = (median(our_cpu), median(their_cpu));
    let ratio = ours / theirs;
    let mut figures = vec![
        Figure {
            name: "pings_per_s".into(),
            ours,
            peer: "nginx, a fixed body".into(),
            theirs: Some(theirs),
            ratio: Some(ratio),
            aim: ">= 0.5",
            reached: ratio >= 0.5,
            how: format!(
                "{CONNECTIONS} connections ping {HEARTBEATS} heartbeats, one at a time each, the client \
                 on the same cores; medians of {ROUNDS} rounds of {} s in turn. Ours answers when the \
                 ping is durable in the journal.",
                ROUND.as_secs()
            ),
        },
        Figure {
            name: "ping_cpu_us".into(),
            ours: our_cpu,
            peer: "nginx, a fixed body".into(),
            theirs: Some(their_cpu),
            ratio: Some(our_cpu / their_cpu),
            aim: "as it is",
            reached: true,
            how: "CPU of the server for one ping, microseconds, in the same rounds.".into(),
        },
    ];
    figures.push(memory()?);
    Ok(figures)
}

/// What ten thousand heartbeats take that one does not.
fn memory() -> Result<Figure, Failure> {
    let with = |count| -> Result<f64, Failure> {
        let port = free_port()?;
        let serve = Serve::start(&configured(port, count))?;
        let every = paths(count);
        // Every one of them is pinged at least once.
        let mut asked = 0;
        while asked < count as u64 {
            asked += ask(port, &every, 13, Duration::from_secs(2), is_ok)?.answered;
        }
        Ok(serve.memory()? as f64 / (1024.0 * 1024.0))
    };
    let (few, many) = (with(10)?, with(10_000)?);
    Ok(Figure {
        name: "heartbeats_10000_mib".into(),
        ours: many - few,
        peer: format!("beyond the {few:.1} MiB of ten"),
        theirs: None,
        ratio: None,
        aim: "as it is",
        reached: true,
        how: "Memory in RAM of a server with 10,000 heartbeats that were pinged, less that of one \
              with ten."
            .into(),
    })
}

fn configured(port: u16, heartbeats: usize) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "[pings]\nlisten = \"127.0.0.1:{port}\"\nping_key_file = \"ping-key\"\napi_key_file = \"api-key\"\n"
    );
    for number in 0..heartbeats {
        let _ = writeln!(
            text,
            "[[heartbeat]]\nname = \"h{number}\"\nuuid = \"{}\"\nperiod = \"1h\"",
            uuid(number)
        );
    }
    text
}

fn paths(heartbeats: usize) -> Vec<String> {
    (0..heartbeats)
        .map(|number| format!("/ping/{}", uuid(number)))
        .collect()
}

fn uuid(number: usize) -> String {
    format!("5bf66975-d4c7-4bf5-bcc8-{number:012}")
}

fn is_ok(body: &[u8]) -> bool {
    body == b"OK"
}

fn all_answered(round: Round) -> Result<Round, Failure> {
    if round.refused > 0 {
        return Err(format!("{} pings were refused", round.refused).into());
    }
    Ok(round)
}

fn per_second(round: &Round) -> f64 {
    round.answered as f64 / round.lasted.as_secs_f64()
}

fn micros(cpu: Duration, round: &Round) -> f64 {
    cpu.as_secs_f64() * 1e6 / round.answered as f64
}
