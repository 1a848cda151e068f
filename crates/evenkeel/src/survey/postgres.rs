//! PostgreSQL servers: by their Unix sockets, else by the port.

use std::collections::BTreeMap;
use std::path::Path;

use super::folder;
use super::ports::Port;

/// A server that runs here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) port: u16,
    /// What to write as `host`.
    pub(super) host: String,
    /// How it was found.
    pub(super) from: String,
}

/// Where sockets are: Debian's folder, that of others, and the server's own default.
const SOCKETS: &[&str] = &["var/run/postgresql", "run/postgresql", "tmp"];

pub(super) fn servers(root: &Path, listening: &[Port]) -> Vec<Server> {
    let mut found: BTreeMap<u16, Server> = BTreeMap::new();
    for place in SOCKETS {
        for path in folder(&root.join(place)) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let port = name
                .strip_prefix(".s.PGSQL.")
                .and_then(|port| port.parse().ok());
            let Some(port) = port else {
                continue;
            };
            let server = Server {
                port,
                host: format!("/{place}"),
                from: format!("PostgreSQL has a socket at /{place}/{name}"),
            };
            found.entry(port).or_insert(server);
        }
    }
    for port in listening {
        let is_postgres = match &port.program {
            Some(program) => program == "postgres",
            None => port.port == 5432,
        };
        if is_postgres {
            let server = Server {
                port: port.port,
                host: "127.0.0.1".into(),
                from: format!("PostgreSQL seems to listen on port {}", port.port),
            };
            found.entry(port.port).or_insert(server);
        }
    }
    found.into_values().collect()
}
