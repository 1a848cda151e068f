//! Two honest runs that must be left alone, however long they take.
//!
//! `report` computes and reads: all CPU, read-only transactions, says nothing
//! until it is done. `archive` hardly does anything: every so often a few bytes
//! and one row. Neither holds a lock that anybody wants. Whoever takes a long
//! run or a quiet one for a hung one ends one of these.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::database::{self, DatabaseError};

/// Steps of the forecast between two looks at the database.
const STEPS_PER_ROUND: u32 = 400_000;

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Connect(#[from] DatabaseError),
    #[error("the database refused: start the run again")]
    Database(#[from] tokio_postgres::Error),
    #[error("cannot write: check the folder and its space")]
    Write(#[from] std::io::Error),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReportArguments {
    /// How long it computes.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ArchiveArguments {
    /// How long it takes.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Pause between two documents.
    #[arg(long, default_value_t = 1000)]
    every_ms: u64,
    /// Where the archive is written.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
}

/// A yearly report: turnover by tenant and month, and a cash forecast.
pub(crate) async fn report(arguments: &ReportArguments) -> Result<(), RunError> {
    let client = database::connect("backoffice-report").await?;
    client
        .batch_execute("set default_transaction_read_only = on")
        .await?;
    let mut out = std::io::stdout();
    writeln!(out, "report: started")?;
    let until = Instant::now() + Duration::from_secs(arguments.seconds);
    let mut random = fastrand::Rng::with_seed(1);
    let (mut rounds, mut expected) = (0_u64, 0.0_f64);
    while Instant::now() < until {
        let months = client
            .query(
                "select date_trunc('month', issued_on)::date::text, sum(net_cents)::float8 \
                 from invoices group by 1 order by 1",
                &[],
            )
            .await?;
        let turnover: Vec<f64> = months.iter().map(|row| row.get(1)).collect();
        rounds += 1;
        expected = forecast(&turnover, &mut random);
    }
    writeln!(
        out,
        "report: done after {rounds} rounds, next year {:.2}",
        expected / 100.0
    )?;
    Ok(())
}

fn forecast(turnover: &[f64], random: &mut fastrand::Rng) -> f64 {
    if turnover.is_empty() {
        return 0.0;
    }
    let total: f64 = (0..STEPS_PER_ROUND)
        .map(|_| turnover[random.usize(..turnover.len())] * (0.8 + 0.4 * random.f64()))
        .sum();
    total / f64::from(STEPS_PER_ROUND) * 12.0
}

/// Copies documents to an archive, one at a time, with a pause after each.
pub(crate) async fn archive(arguments: &ArchiveArguments) -> Result<(), RunError> {
    let client = database::connect("backoffice-archive").await?;
    std::fs::create_dir_all(&arguments.folder)?;
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(arguments.folder.join("archive.txt"))?;
    let mut out = std::io::stdout();
    writeln!(out, "archive: started")?;
    let until = Instant::now() + Duration::from_secs(arguments.seconds);
    let mut archived = 0_u64;
    while Instant::now() < until {
        let next = client
            .query_opt(
                "insert into archive_log (document_id) \
                 select id from documents where id > coalesce((select max(document_id) from archive_log), 0) \
                 order by id limit 1 \
                 returning (select title || ', ' || supplier from documents where id = document_id)",
                &[],
            )
            .await?;
        let Some(row) = next else {
            // Everything is archived: start over, as a nightly run would tomorrow.
            client.execute("delete from archive_log", &[]).await?;
            continue;
        };
        writeln!(file, "{}", row.get::<_, &str>(0))?;
        archived += 1;
        tokio::time::sleep(Duration::from_millis(arguments.every_ms)).await;
    }
    writeln!(out, "archive: done, {archived} documents")?;
    Ok(())
}
