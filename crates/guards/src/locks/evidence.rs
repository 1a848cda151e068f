//! What a database knows, as text a person reads: its busy sessions and its lock tree.

use std::path::Path;

use evenkeel_core::evidence::{EvidenceItem, EvidenceKind};
use tokio_postgres::Client;

use super::connection::ask;
use super::{DatabaseSpec, Watched};
use crate::evidence::blotted;

/// The most sessions written down.
const SESSIONS_MAX: i64 = 200;

/// Two items: the sessions that do or hold something, and who waits for whom.
pub(super) async fn of_database(
    client: &Client,
    spec: &DatabaseSpec,
) -> Vec<(EvidenceKind, String)> {
    let (sessions, tree) = tokio::join!(sessions(client), tree(client));
    let head = format!("database {}\n", spec.id);
    [
        (EvidenceKind::Backends, sessions),
        (EvidenceKind::Locks, tree),
    ]
    .into_iter()
    .map(|(kind, text)| {
        let text = text.unwrap_or_else(|trouble| format!("could not be read: {trouble}\n"));
        (kind, format!("{head}{text}"))
    })
    .collect()
}

/// The same, written into `folder`.
pub(super) async fn write(watched: &Watched, folder: &Path) -> Vec<EvidenceItem> {
    let id = &watched.spec.id;
    let Some(client) = watched.link.client() else {
        let gap = Some(format!("database {id} cannot be reached now"));
        return [EvidenceKind::Backends, EvidenceKind::Locks]
            .map(|kind| EvidenceItem {
                kind,
                bytes: 0,
                gap: gap.clone(),
            })
            .to_vec();
    };
    let mut items = Vec::new();
    for (kind, text) in of_database(&client, &watched.spec).await {
        let name = match kind {
            EvidenceKind::Locks => format!("locks-{id}.txt"),
            _ => format!("backends-{id}.txt"),
        };
        let bytes = text.len() as u64;
        let gap = tokio::fs::write(folder.join(name), text)
            .await
            .err()
            .map(|e| e.to_string());
        items.push(EvidenceItem {
            kind,
            bytes: if gap.is_some() { 0 } else { bytes },
            gap,
        });
    }
    items
}

async fn sessions(client: &Client) -> Result<String, String> {
    let rows = ask(client.query(
        "select pid, coalesce(usename::text, '') as role, application_name, \
         coalesce(state, '') as state, coalesce(wait_event_type || '/' || wait_event, '-') as waits, \
         coalesce(extract(epoch from clock_timestamp() - xact_start), 0)::float8 as xact_s, \
         coalesce(extract(epoch from clock_timestamp() - state_change), 0)::float8 as state_s, \
         coalesce(host(client_addr), 'local') || ':' || coalesce(client_port, 0) as client, \
         left(query, 2000) as query from pg_stat_activity \
         where backend_type = 'client backend' and state <> 'idle' and pid <> pg_backend_pid() \
         order by xact_start nulls last limit $1",
        &[&SESSIONS_MAX],
    ))
    .await?;
    let mut text = String::from(
        "pid      transaction  in state     state                 waits for                 who\n",
    );
    for row in &rows {
        let (role, name): (&str, &str) = (row.get("role"), row.get("application_name"));
        let (xact_s, state_s): (f64, f64) = (row.get("xact_s"), row.get("state_s"));
        text.push_str(&format!(
            "{:<8} {:>9.1} s  {:>9.1} s  {:<21} {:<25} {role} {name} from {}\n         {}\n",
            row.get::<_, i32>("pid"),
            xact_s,
            state_s,
            row.get::<_, &str>("state"),
            row.get::<_, &str>("waits"),
            row.get::<_, &str>("client"),
            blotted(row.get("query")),
        ));
    }
    Ok(text)
}

/// The lock tree, roots first, each waiter below whom it waits for.
async fn tree(client: &Client) -> Result<String, String> {
    let rows = ask(client.query(
        "select a.pid, pg_blocking_pids(a.pid) as blockers, application_name, \
         coalesce(extract(epoch from clock_timestamp() - state_change), 0)::float8 as waiting_s, \
         left(query, 2000) as query from pg_stat_activity a \
         where wait_event_type = 'Lock' order by state_change limit $1",
        &[&SESSIONS_MAX],
    ))
    .await?;
    let waiters: Vec<(i32, Vec<i32>, String)> = rows
        .iter()
        .map(|row| {
            let pid: i32 = row.get("pid");
            let name: &str = row.get("application_name");
            let waiting_s: f64 = row.get("waiting_s");
            let line = format!(
                "{pid} {name} waits {waiting_s:.1} s: {}",
                blotted(row.get("query"))
            );
            (pid, row.get("blockers"), line)
        })
        .collect();
    if waiters.is_empty() {
        return Ok("nobody waits for a lock\n".into());
    }
    let mut roots: Vec<i32> = waiters
        .iter()
        .flat_map(|(_, blockers, _)| blockers.clone())
        .collect();
    roots.sort_unstable();
    roots.dedup();
    roots.retain(|pid| !waiters.iter().any(|(waiter, _, _)| waiter == pid));
    let mut text = String::new();
    for root in roots {
        text.push_str(&match root {
            0 => "a prepared transaction\n".to_owned(),
            pid => format!("{pid} holds what the others wait for\n"),
        });
        draw(root, &waiters, 1, &mut text);
    }
    Ok(text)
}

fn draw(blocker: i32, waiters: &[(i32, Vec<i32>, String)], depth: usize, text: &mut String) {
    // A circle, or a chain nobody would read to its end.
    if depth > 16 || text.len() > 256 * 1024 {
        return;
    }
    for (pid, _, line) in waiters
        .iter()
        .filter(|(_, blockers, _)| blockers.contains(&blocker))
    {
        text.push_str(&format!("{}└ {line}\n", "  ".repeat(depth)));
        draw(*pid, waiters, depth + 1, text);
    }
}
