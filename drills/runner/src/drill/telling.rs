//! What customers are told meanwhile, as any client of Statuspage's API reads it, against
//! what happens to them.
//!
//! Two figures, in every arm in which somebody tells:
//!
//! - `first_public_word_ms`: from when the first customer was hurt until an incident of then
//!   or later has its first update. Missing where nothing was told.
//! - `status_false_operational_ms`: how long the page said that all is well while customers
//!   were being hurt, from the first word on; without a word, from a minute after the first
//!   harm, when it is due. Whoever says it is over while it is not is counted, however often.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Limit;
use crate::traffic::Sample;

/// What must hold where Evenkeel only watches: it tells all the same.
pub(super) const LIMITS: &[(&str, Limit)] = &[
    ("first_public_word_ms", Limit::AtMost(60_000.0)),
    ("status_false_operational_ms", Limit::Exactly(0.0)),
];

/// When the first word is due.
const DUE: Duration = Duration::from_secs(60);

/// How often the page is read.
const EVERY: Duration = Duration::from_millis(250);

const ANSWER_MAX: usize = 4 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// What the page said when it was read.
struct Said {
    at: Instant,
    /// Whether it said that all is well.
    all_well: bool,
    /// Updates of unresolved incidents.
    updates: usize,
}

/// A client that asks for the summary four times a second.
pub(super) struct Listener {
    said: Arc<Mutex<Vec<Said>>>,
    _listening: JoinSet<()>,
}

/// A time in which somebody was hurt.
#[derive(Clone, Copy)]
struct Hurt {
    from: Instant,
    to: Instant,
}

impl Listener {
    pub(super) fn start(page: SocketAddr) -> Self {
        let said: Arc<Mutex<Vec<Said>>> = Arc::default();
        let kept = said.clone();
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            let mut tick = tokio::time::interval(EVERY);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let heard = tokio::time::timeout(PATIENCE, listen(page)).await;
                // A page that does not answer claims nothing.
                let (all_well, updates) = heard.ok().flatten().unwrap_or((false, 0));
                let said = Said {
                    at: Instant::now(),
                    all_well,
                    updates,
                };
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push(said);
            }
        });
        Self {
            said,
            _listening: listening,
        }
    }

    /// The figures, by the samples that say that somebody was hurt.
    pub(super) fn figures(
        &self,
        began: Instant,
        hurt: &[&Sample],
        put: &mut impl FnMut(&str, f64),
    ) {
        let hurt = hurt.iter().map(|sample| Hurt {
            from: began + sample.intended,
            to: began + sample.ended(),
        });
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let Told { word, falsely } = told(&said, &merged(hurt.collect()));
        if let Some(word) = word {
            put("first_public_word_ms", word.as_secs_f64() * 1e3);
        }
        put("status_false_operational_ms", falsely.as_secs_f64() * 1e3);
    }
}

/// Whether all is well, and how many updates unresolved incidents have.
async fn listen(page: SocketAddr) -> Option<(bool, usize)> {
    let stream = TcpStream::connect(page).await.ok()?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
            .await
            .ok()?;
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let request = Request::get("/api/v2/summary.json")
        .header("host", page.to_string())
        .body(Empty::new())
        .ok()?;
    let answer = sender.send_request(request).await.ok()?;
    if answer.status() != StatusCode::OK {
        return None;
    }
    let body = Limited::new(answer.into_body(), ANSWER_MAX);
    let body = body.collect().await.ok()?.to_bytes();
    let summary: serde_json::Value = serde_json::from_slice(&body).ok()?;
    let updates = summary["incidents"].as_array()?.iter();
    let updates =
        updates.map(|incident| incident["incident_updates"].as_array().map_or(0, Vec::len));
    Some((summary["status"]["indicator"] == "none", updates.sum()))
}

/// Times that touch are one.
fn merged(mut hurt: Vec<Hurt>) -> Vec<Hurt> {
    hurt.sort_by_key(|hurt| hurt.from);
    let mut merged: Vec<Hurt> = Vec::new();
    for next in hurt {
        match merged.last_mut() {
            Some(last) if next.from <= last.to => last.to = last.to.max(next.to),
            _ => merged.push(next),
        }
    }
    merged
}

struct Told {
    /// From the first harm to the first word.
    word: Option<Duration>,
    falsely: Duration,
}

fn told(said: &[Said], hurt: &[Hurt]) -> Told {
    let Some(first) = hurt.first() else {
        return Told {
            word: None,
            falsely: Duration::ZERO,
        };
    };
    let before = said.iter().rev().find(|said| said.at < first.from);
    let before = before.map_or(0, |said| said.updates);
    let word = said
        .iter()
        .find(|said| said.at >= first.from && said.updates > before);
    let due = first.from + DUE;
    let from = word.map_or(due, |word| word.at.min(due));
    let falsely = said.windows(2).filter(|pair| pair[0].all_well);
    let falsely = falsely.flat_map(|pair| {
        hurt.iter().map(move |hurt| {
            let begins = pair[0].at.max(hurt.from).max(from);
            pair[1].at.min(hurt.to).saturating_duration_since(begins)
        })
    });
    Told {
        word: word.map(|word| word.at - first.from),
        falsely: falsely.sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// One letter for each second: `w` all is well, `h` harm without an update, `1` and so on
    /// harm with so many updates, `W` all is well with an update open.
    fn said(began: Instant, letters: &str) -> Vec<Said> {
        let letters = (0..).zip(letters.chars());
        letters
            .map(|(second, letter)| Said {
                at: began + SECOND * second,
                all_well: matches!(letter, 'w' | 'W'),
                updates: match letter {
                    'w' | 'h' => 0,
                    'W' => 1,
                    digit => digit.to_digit(10).unwrap() as usize,
                },
            })
            .collect()
    }

    fn hurt(began: Instant, seconds: &[(u32, u32)]) -> Vec<Hurt> {
        let of = |(from, to): &(u32, u32)| Hurt {
            from: began + SECOND * *from,
            to: began + SECOND * *to,
        };
        merged(seconds.iter().map(of).collect())
    }

    #[test]
    fn a_word_is_counted_from_the_first_harm_and_what_follows_it_has_to_be_true() {
        let began = Instant::now();
        for (letters, harm, word, falsely) in [
            // In time, and true to the end.
            ("wwwwhh1111", &[(3, 9)][..], Some(3), 0),
            // Well again while it is not over.
            ("www11wwww1", &[(2, 9)], Some(1), 4),
            // Harm that ends before it is due is nobody's lie.
            ("wwwwwwwwww", &[(2, 9)], None, 0),
            // Nobody is hurt any more: it may be well.
            ("www111wwww", &[(2, 5)], Some(1), 0),
            // Hurt again.
            ("www111wwww", &[(2, 5), (7, 9)], Some(1), 2),
            // Of an incident of before nothing is first.
            ("w1111122ww", &[(3, 9)], Some(3), 1),
            ("wwWWWWWWww", &[(3, 9)], None, 0),
        ] {
            let told = told(&said(began, letters), &hurt(began, harm));
            let expected = word.map(|seconds: u32| SECOND * seconds);
            assert_eq!(
                (told.word, told.falsely),
                (expected, SECOND * falsely),
                "{letters}"
            );
        }
    }

    #[test]
    fn a_word_that_never_comes_is_due_after_a_minute() {
        let began = Instant::now();
        let letters = "w".repeat(100);
        let told = told(&said(began, &letters), &hurt(began, &[(10, 90), (20, 30)]));
        assert_eq!((told.word, told.falsely), (None, SECOND * 20));
    }

    #[test]
    fn without_harm_nothing_is_false() {
        let began = Instant::now();
        let told = told(&said(began, "wwwww"), &[]);
        assert_eq!((told.word, told.falsely), (None, Duration::ZERO));
    }
}
