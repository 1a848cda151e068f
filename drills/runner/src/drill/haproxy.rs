//! HAProxy, as a careful engineer sets it up in front of the service: what an arm has
//! instead of Evenkeel.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::front_ends::free_address;
use super::outside::chain;
use crate::Scratch;
use crate::process::Process;

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Haproxy {
    _process: Process,
    pub(super) address: SocketAddr,
    socket: PathBuf,
}

impl Haproxy {
    /// Starts it with `sections` (a frontend that binds to `{address}`, and its backends)
    /// below the settings that every arm shares.
    pub(super) async fn start(folder: &Scratch, sections: &str) -> Result<Self, String> {
        let address = free_address()?;
        let (file, socket) = (folder.join("haproxy.cfg"), folder.join("haproxy.sock"));
        let text = format!(
            "global\n    stats socket {} mode 600 level admin\n    maxconn 4000\n    nbthread 1\n\
             {DEFAULTS}{}",
            socket.display(),
            sections.replace("{address}", &address.to_string())
        );
        std::fs::write(&file, text).map_err(|error| chain(&error))?;
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f"]).arg(&file);
        let process = Process::start("haproxy", command, folder.path())
            .map_err(|error| chain(&error))?
            .stopped_by(Signal::TERM, Duration::from_secs(1));
        let until = tokio::time::Instant::now() + PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            if !process.is_running() || tokio::time::Instant::now() > until {
                return Err(format!(
                    "haproxy does not come up (cargo xtask setup installs it): {}",
                    process.tail()
                ));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self {
            _process: process,
            address,
            socket,
        })
    }

    /// Gives a command to its runtime socket.
    pub(super) async fn tell(&self, command: &str) -> Result<String, String> {
        let told = async {
            let mut stream = UnixStream::connect(&self.socket).await?;
            stream.write_all(format!("{command}\n").as_bytes()).await?;
            let mut answer = String::new();
            stream.take(1 << 20).read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let told = tokio::time::timeout(PATIENCE, told).await;
        told.map_err(|_| format!("haproxy gave no answer to `{command}`"))?
            .map_err(|error| chain(&error))
    }

    /// Requests under way at a server.
    pub(super) async fn under_way(&self, backend: &str, server: &str) -> Result<u64, String> {
        let lines = self.tell("show stat").await?;
        let wanted = format!("{backend},{server},");
        let line = lines.lines().find_map(|line| line.strip_prefix(&wanted));
        // pxname,svname,qcur,qmax,scur
        let count = line.and_then(|line| line.split(',').nth(2)?.parse().ok());
        count.ok_or_else(|| format!("haproxy knows no {backend}/{server}"))
    }
}

/// Timeouts as HAProxy's own guide has them, tightened where users wait; a request whose
/// connection failed is tried again at another server, and one that got no answer too,
/// where that is safe: the arms' frontends switch it off for forms.
const DEFAULTS: &str = "
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 10s
    timeout queue 5s
    timeout http-request 10s
    timeout http-keep-alive 60s
    option redispatch 1
    retries 3
    retry-on conn-failure empty-response response-timeout
";
