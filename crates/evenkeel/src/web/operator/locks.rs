//! Who waits for whom, root first, and what each database is busy with.

use evenkeel_core::Timestamp;
use evenkeel_core::observation::{LockChain, LockRoot, LockWaiter, Session};
use maud::{Markup, html};

use super::gate::Desk;
use super::more;
use crate::web::clock;

/// Waiters of one chain that are shown.
const WAITERS_MAX: usize = 40;

pub(super) async fn page(desk: Desk) -> Markup {
    let (site, live, now) = (&desk.site, &desk.live, desk.now);
    let body = html! {
        h1 { "Locks and sessions" }
        @if site.policy.databases.is_empty() { p.dim { "No database is under guard." } }
        @for id in site.policy.databases.keys() {
            section {
                h2 { "Database " (id) }
                @if let Some((at, load)) = live.load.get(id) {
                    p {
                        (load.connections_used) " of " (load.connections_max) " connections in use"
                        @if let Some(oldest) = &load.oldest_transaction {
                            @if let Some(since) = oldest.xact_start {
                                " · oldest transaction " (clock::span(since, now)) " (" (who(oldest)) ")"
                            }
                        }
                        " · " span.dim { "seen " (clock::ago(*at, now)) }
                    }
                    @for session in &load.idle_in_transaction {
                        p { "Idle in transaction: " (who(session))
                            @if let Some(since) = session.state_since { " for " (clock::span(since, now)) } }
                    }
                    @for (gid, at) in &load.prepared {
                        p { "Prepared transaction " code { (gid) } " since " (clock::ago(*at, now)) }
                    }
                }
                @match live.locks.get(id) {
                    None => p.dim { "Not seen yet." },
                    Some((at, waits)) if waits.chains.is_empty() => p {
                        "Nobody waits for a lock. " span.dim { "Seen " (clock::ago(*at, now)) }
                    },
                    Some((at, waits)) => {
                        p.dim { "Seen " (clock::ago(*at, now)) }
                        @for chain in &waits.chains {
                            div.card {
                                p { strong { (root(&chain.root)) } " holds what " (chain.waiters.len()) " wait for" }
                                @if let LockRoot::Session(session) = &chain.root {
                                    p.dim { code { (session.query) } }
                                }
                                (tree(chain, now))
                                (more(chain.waiters.len(), WAITERS_MAX, "evenkeel locks"))
                            }
                        }
                    }
                }
            }
        }
    };
    desk.page_with("Locks", true, body)
}

fn root(root: &LockRoot) -> String {
    match root {
        LockRoot::Session(session) => who(session),
        LockRoot::Prepared { gid, .. } => format!("prepared transaction {gid}"),
    }
}

fn who(session: &Session) -> String {
    let run = session
        .run
        .as_ref()
        .map_or_else(String::new, |run| format!(", run {run}"));
    let name = match session.application_name.as_str() {
        "" => "no name",
        name => name,
    };
    format!(
        "pid {} ({name}, role {}{run})",
        session.backend.pid, session.role
    )
}

/// Who waits for whom, drawn as a tree: below each session those that wait for it. One that
/// waits for several stands below the first.
fn tree(chain: &LockChain, now: Timestamp) -> Markup {
    let root = match &chain.root {
        LockRoot::Session(session) => session.backend.pid,
        LockRoot::Prepared { .. } => 0,
    };
    let mut left: Vec<&LockWaiter> = chain.waiters.iter().take(WAITERS_MAX).collect();
    let drawn = below(root, &mut left, now, 0);
    html! {
        (drawn)
        // Whom these wait for was not in the picture.
        @if !left.is_empty() { ul.tree { @for waiter in left { li { (line(waiter, now)) } } } }
    }
}

/// How deep a tree is drawn.
const DEPTH_MAX: usize = 8;

fn below(pid: i32, left: &mut Vec<&LockWaiter>, now: Timestamp, depth: usize) -> Markup {
    let (here, others): (Vec<&LockWaiter>, Vec<&LockWaiter>) = left
        .drain(..)
        .partition(|waiter| waiter.waits_for_pids.contains(&pid));
    *left = others;
    html! {
        @if !here.is_empty() {
            ul.tree {
                @for waiter in here {
                    li {
                        (line(waiter, now))
                        @if depth < DEPTH_MAX { (below(waiter.session.backend.pid, left, now, depth + 1)) }
                    }
                }
            }
        }
    }
}

fn line(waiter: &LockWaiter, now: Timestamp) -> Markup {
    html! {
        (who(&waiter.session)) " waits " (clock::span(waiter.since, now)) " for " (waiter.wants)
        @if let Some(component) = &waiter.session.component { " · works for " strong { (component) } }
        p.dim { code { (waiter.session.query) } }
    }
}
