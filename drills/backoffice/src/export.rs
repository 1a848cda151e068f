//! The nightly payroll export: payslip lines of all tenants, by FTP to the
//! payroll bureau.
//!
//! One transaction stamps the employees it hands over, streams their lines to
//! `NAME.part`, writes the trailer `# rows=N`, renames to `NAME`, and commits:
//! either the bureau has the file and the employees are stamped, or neither.
//!
//! That is a reasonable thought, and it is the outage. While the transaction is
//! open, a login's update of the same rows waits; and there is no timeout
//! anywhere here, so a server that accepts the data and never reads it leaves
//! this waiting for ever, its backend idle in transaction. It is kept as careless
//! as the original: the service under guard is not to be repaired but survived.
//! Its output does not show whether it lives; it speaks at the start and the end.

use std::io::Write;
use std::time::Instant;

use suppaftp::FtpError;
use suppaftp::tokio::AsyncFtpStream;
use suppaftp::types::FileType;
use tokio::io::AsyncWriteExt;
use tokio_postgres::Client;

/// Lines fetched at a time; between two fetches the backend is idle in
/// transaction, which is where a stalled upload leaves it.
const LINES_PER_FETCH: i32 = 500;
/// Each component twice: for the month and for the year so far. 24 tenants make
/// some 9 MB of it, more than the socket buffers of both ends take in.
const LINES_PER_PAYSLIP: i64 = 24;
/// What a payslip is made of.
const COMPONENTS: &[&str] = &[
    "Base salary",
    "Holiday allowance",
    "Overtime",
    "Travel allowance",
    "Wage tax",
    "Social insurance",
    "Health insurance",
    "Pension, employee",
    "Pension, employer",
    "Meal deduction",
    "Advance",
    "Net pay",
];

/// Where the export goes.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArguments {
    /// FTP server of the payroll bureau, HOST:PORT.
    #[arg(long, env = "BACKOFFICE_FTP")]
    ftp: String,
    /// FTP user.
    #[arg(long, env = "BACKOFFICE_FTP_USER", default_value = "payroll")]
    ftp_user: String,
    /// FTP password.
    #[arg(
        long,
        env = "BACKOFFICE_FTP_PASSWORD",
        default_value = "throw-away",
        hide_env_values = true
    )]
    ftp_password: String,
    /// Name of the delivered file [default: payroll-DATE.csv].
    #[arg(long)]
    name: Option<String>,
    /// Lines in the dump, at least one for each payslip [default: 24 for each].
    #[arg(long)]
    rows: Option<i64>,
}

/// Why nothing was delivered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Connect(#[from] crate::database::DatabaseError),
    #[error("the database refused: nothing was stamped; start the export again")]
    Database(#[from] tokio_postgres::Error),
    #[error(
        "the FTP server refused: nothing was stamped; check the server, then start the export again"
    )]
    Ftp(#[from] FtpError),
    #[error("the upload broke off: nothing was stamped; start the export again")]
    Upload(#[from] std::io::Error),
}

/// Runs the export. Returns the number of rows delivered.
pub(crate) async fn export(arguments: &ExportArguments) -> Result<u64, ExportError> {
    let started = Instant::now();
    let name = arguments
        .name
        .clone()
        .unwrap_or_else(|| format!("payroll-{}.csv", jiff::Zoned::now().date()));
    let empty = std::env::var("BACKOFFICE_FAULT_EXPORT").is_ok_and(|fault| fault == "empty");
    let mut out = std::io::stdout();
    writeln!(out, "export: started, {name} to {}", arguments.ftp)?;
    let mut client = crate::database::connect("backoffice-export").await?;
    let rows = if empty {
        deliver_nothing(arguments, &name).await?
    } else {
        deliver(&mut client, arguments, &name).await?
    };
    writeln!(
        out,
        "export: delivered {rows} rows as {name} in {} ms",
        started.elapsed().as_millis()
    )?;
    Ok(rows)
}

async fn deliver(
    client: &mut Client,
    arguments: &ExportArguments,
    name: &str,
) -> Result<u64, ExportError> {
    let transaction = client.transaction().await?;
    transaction
        .execute(
            "update users set payroll_exported_at = now() where active",
            &[],
        )
        .await?;
    let payslips: i64 = transaction
        .query_one("select count(*) from payslips", &[])
        .await?
        .get(0);
    let rows_max = arguments
        .rows
        .unwrap_or(payslips * LINES_PER_PAYSLIP)
        .max(payslips);
    let lines_per_payslip = (rows_max + payslips - 1) / payslips.max(1);
    let components = COMPONENTS.to_vec();
    let statement = transaction
        .prepare(
            "select concat_ws(',', t.slug, p.id, p.employee, coalesce(u.iban, ''), p.period, line, \
                    ($2::text[])[1 + (line - 1) % cardinality($2::text[])], p.gross_cents / (line + 1), p.net_cents) \
             from generate_series(1, $1::bigint) line cross join payslips p \
             join tenants t on t.id = p.tenant_id left join users u on u.id = p.user_id \
             order by line, p.id limit $3",
        )
        .await?;
    let portal = transaction
        .bind(&statement, &[&lines_per_payslip, &components, &rows_max])
        .await?;

    let mut ftp = connect(arguments).await?;
    let part = format!("{name}.part");
    let mut upload = ftp.put_with_stream(&part).await?;
    upload
        .write_all(b"tenant,payslip,employee,iban,period,line,component,amount_cents,net_cents\n")
        .await?;
    let mut rows = 0_u64;
    loop {
        let fetched = transaction.query_portal(&portal, LINES_PER_FETCH).await?;
        if fetched.is_empty() {
            break;
        }
        rows += fetched.len() as u64;
        let lines: String = fetched
            .iter()
            .flat_map(|row| [row.get::<_, &str>(0), "\n"])
            .collect();
        upload.write_all(lines.as_bytes()).await?;
    }
    upload
        .write_all(format!("# rows={rows}\n").as_bytes())
        .await?;
    upload.finish().await?;
    ftp.rename(part.as_str(), name).await?;
    transaction.commit().await?;
    ftp.quit().await?;
    Ok(rows)
}

/// The fault `BACKOFFICE_FAULT_EXPORT=empty`: all is well, except the file.
async fn deliver_nothing(arguments: &ExportArguments, name: &str) -> Result<u64, ExportError> {
    let mut ftp = connect(arguments).await?;
    ftp.put_with_stream(name).await?.finish().await?;
    ftp.quit().await?;
    Ok(0)
}

async fn connect(arguments: &ExportArguments) -> Result<AsyncFtpStream, ExportError> {
    let mut ftp = AsyncFtpStream::connect(&arguments.ftp).await?;
    ftp.login(&arguments.ftp_user, &arguments.ftp_password)
        .await?;
    ftp.transfer_type(FileType::Binary).await?;
    Ok(ftp)
}
