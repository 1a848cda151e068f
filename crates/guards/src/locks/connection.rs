//! The one connection to a guarded database.
//!
//! Its observer opens it, watches it and opens it again; whoever has to act borrows it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_postgres::{Client, NoTls};

use super::DatabaseSpec;

/// Opening takes at most this long: a server that does not answer is not seen.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A question takes at most this long on our side. The server's own limit
/// (`statement_timeout`) is below it, so that a stalled network is told from a slow query.
pub(super) const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// The connection that is open now, if one is.
#[derive(Default)]
pub(super) struct Link {
    client: Mutex<Option<Arc<Client>>>,
}

impl Link {
    pub(super) fn client(&self) -> Option<Arc<Client>> {
        let client = self
            .client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        client.filter(|client| !client.is_closed())
    }

    pub(super) fn set(&self, client: Option<Arc<Client>>) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
    }
}

/// Opens a connection with our own limits set before anything else is asked.
pub(crate) async fn open(spec: &DatabaseSpec) -> Result<Arc<Client>, String> {
    let mut config = spec.connect.clone();
    config
        .application_name("evenkeel")
        .connect_timeout(CONNECT_TIMEOUT)
        .options("-c lock_timeout=100ms -c statement_timeout=1000ms -c idle_in_transaction_session_timeout=5s -c jit=off -c max_parallel_workers_per_gather=0");
    let opening = tokio::time::timeout(CONNECT_TIMEOUT, config.connect(NoTls));
    let (client, connection) = match opening.await {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => return Err(say(&error)),
        Err(_) => return Err(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())),
    };
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = say(&error), "a database connection ended");
        }
    });
    Ok(Arc::new(client))
}

/// Waits for an answer, but not for ever.
pub(crate) async fn ask<T>(
    question: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, String> {
    match tokio::time::timeout(ASK_TIMEOUT, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(say(&error)),
        Err(_) => Err(format!("no answer within {} s", ASK_TIMEOUT.as_secs())),
    }
}

/// The driver's error with what the server said: `db error` alone helps nobody.
pub(crate) fn say(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            text
        }
    }
}
