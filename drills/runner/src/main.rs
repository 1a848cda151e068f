//! `evenkeel-drill`: replays outages with real parts on loopback.

use std::io::{self, Write};

use clap::{Parser, Subcommand};
use evenkeel_drill::ftp::FtpServer;
use evenkeel_drill::postgres::{Postgres, Settings};

#[derive(Parser)]
#[command(version, about = "Replays outages with real parts on loopback.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a throw-away PostgreSQL and FTP server, print their addresses, and
    /// keep them until Ctrl-C.
    Parts {
        /// How many of the next uploads hang.
        #[arg(long, default_value_t = 0)]
        stall_next: u32,
    },
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    match Arguments::parse().command {
        Command::Parts { stall_next } => parts(stall_next).await,
    }
}

async fn parts(stall_next: u32) -> Result<(), Box<dyn std::error::Error>> {
    let postgres = Postgres::start(Settings::default()).await?;
    let ftp = FtpServer::start(stall_next).await?;
    let mut out = io::stdout();
    writeln!(out, "postgres {}", postgres.dsn("postgres", "postgres"))?;
    writeln!(
        out,
        "ftp ftp://{}:{}@{}/",
        FtpServer::USER,
        FtpServer::PASSWORD,
        ftp.address()
    )?;
    writeln!(out, "folder {}", postgres.folder().display())?;
    writeln!(out, "folder {}", ftp.folder().display())?;
    writeln!(out, "ready; Ctrl-C ends and removes both")?;
    out.flush()?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}
