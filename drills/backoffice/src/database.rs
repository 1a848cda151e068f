//! The way to the database: what libpq reads from the environment, so that a
//! wrapper can point a run elsewhere or tag it without our knowing.
//!
//! There are no timeouts here, on purpose: neither for a statement, nor for a
//! lock, nor for a place in the pool. The service under guard is the careless
//! original; what a careful one would set is tried in the drills' peer arm,
//! through PGOPTIONS.

use std::path::Path;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{Client, Config, NoTls};

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("PGPORT is {0:?}, which is not a port: set it to a number such as 5432")]
    Port(String),
    #[error("the password file {0} cannot be read: check PGPASSFILE and its permissions")]
    PasswordFile(String, #[source] std::io::Error),
    #[error(
        "cannot connect to PostgreSQL: check PGHOST, PGPORT, PGUSER, PGDATABASE, and that it runs"
    )]
    Connect(#[source] tokio_postgres::Error),
    #[error("cannot build the connection pool: check the pool size")]
    Pool(#[source] deadpool_postgres::BuildError),
}

/// Reads PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSWORD, PGPASSFILE, PGOPTIONS
/// and PGAPPNAME (else `application_name`).
pub(crate) fn config_from_environment(application_name: &str) -> Result<Config, DatabaseError> {
    let get = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let host = get("PGHOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = get("PGPORT").unwrap_or_else(|| "5432".to_owned());
    let user = get("PGUSER").unwrap_or_else(|| "backoffice".to_owned());
    let database = get("PGDATABASE").unwrap_or_else(|| user.clone());
    let mut config = Config::new();
    config
        .host(&host)
        .port(
            port.parse()
                .map_err(|_| DatabaseError::Port(port.clone()))?,
        )
        .user(&user)
        .dbname(&database)
        .application_name(get("PGAPPNAME").unwrap_or_else(|| application_name.to_owned()));
    if let Some(options) = get("PGOPTIONS") {
        config.options(options);
    }
    let password = match (get("PGPASSWORD"), get("PGPASSFILE")) {
        (Some(password), _) => Some(password),
        (None, Some(file)) => {
            let lines = std::fs::read_to_string(Path::new(&file))
                .map_err(|error| DatabaseError::PasswordFile(file, error))?;
            password_for(&lines, &[&host, &port, &database, &user])
        }
        (None, None) => None,
    };
    if let Some(password) = password {
        config.password(password);
    }
    Ok(config)
}

/// One connection of its own, for a run.
pub(crate) async fn connect(application_name: &str) -> Result<Client, DatabaseError> {
    let (client, connection) = config_from_environment(application_name)?
        .connect(NoTls)
        .await
        .map_err(DatabaseError::Connect)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::error!(%error, "database connection lost");
        }
    });
    Ok(client)
}

/// A pool for serving.
pub(crate) fn pool(size: usize) -> Result<Pool, DatabaseError> {
    let config = config_from_environment("backoffice")?;
    let recycle = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    Pool::builder(Manager::from_config(config, NoTls, recycle))
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(DatabaseError::Pool)
}

/// The first line of a password file whose first four fields match.
/// <https://www.postgresql.org/docs/current/libpq-pgpass.html>
fn password_for(lines: &str, wanted: &[&str; 4]) -> Option<String> {
    lines
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let mut fields = vec![String::new()];
            let mut characters = line.chars();
            while let Some(character) = characters.next() {
                match character {
                    '\\' => fields.last_mut()?.extend(characters.next()),
                    ':' if fields.len() < 5 => fields.push(String::new()),
                    other => fields.last_mut()?.push(other),
                }
            }
            let password = fields.get(4)?.clone();
            let matches = fields
                .iter()
                .zip(wanted)
                .all(|(field, wanted)| field == "*" || field == wanted);
            matches.then_some(password)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_matching_line_of_a_password_file_counts() {
        let lines = "# host:port:database:user:password\n\
            db:5432:other:shop:no\n*:*:shop:shop:a\\:b:c\n*:*:*:*:last\n";
        let find = |database| password_for(lines, &["db", "5432", database, "shop"]);
        assert_eq!(find("shop").as_deref(), Some("a:b:c"));
        assert_eq!(find("none").as_deref(), Some("last"));
        assert_eq!(find("other").as_deref(), Some("no"));
    }
}
