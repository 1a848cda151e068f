//! Evenkeel in front of the service: `evenkeel edge` and `evenkeel serve`, two processes
//! with one configuration, started the way a user starts them.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tokio::net::TcpStream;

use super::front_ends::free_address;
use super::keeper::Keeper;
use super::outside::{Receiver, chain};
use super::scene::sibling;
use super::service::Service;
use super::telling::Listener;
use crate::Scratch;
use crate::process::Process;

const PATIENCE: Duration = Duration::from_secs(30);

/// `evenkeel edge`.
pub(super) struct Edge {
    process: Process,
    pub(super) address: SocketAddr,
}

impl Edge {
    /// Starts it with the keeper's configuration, in which it listens on `address`.
    pub(super) async fn start(
        keeper: &Keeper,
        folder: &Scratch,
        address: SocketAddr,
    ) -> Result<Self, String> {
        let mut command = Command::new(sibling("evenkeel")?);
        command.arg("--config").arg(keeper.config()).arg("edge");
        let process = Process::start("edge", command, folder.path())
            .map_err(|error| chain(&error))?
            .stopped_by(Signal::TERM, Duration::from_secs(5));
        let until = tokio::time::Instant::now() + PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            if !process.is_running() || tokio::time::Instant::now() > until {
                return Err(format!(
                    "evenkeel edge does not come up: {}",
                    process.tail()
                ));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { process, address })
    }
}

/// Both processes, and the receiver of pages to the operator.
pub(super) struct Fronted {
    pub(super) keeper: Keeper,
    pub(super) receiver: Receiver,
    /// Reads what customers are told.
    pub(super) listener: Listener,
    edge: Edge,
}

impl Fronted {
    /// Starts both; `more`, made for the address users ask, stands below what every drill has.
    pub(super) async fn start(
        service: &Service,
        more: impl FnOnce(SocketAddr) -> String,
    ) -> Result<Self, String> {
        let address = free_address()?;
        let more = more(address);
        let receiver = Receiver::start().await?;
        let folder = &service.books.folder;
        let text = format!(
            r#"
data_dir = "evenkeel-data"

[page]
listen = "127.0.0.1:0"
name = "Back office"

[operator]
listen = "127.0.0.1:0"

[pager]
url = "http://{}/page"

# A drill is over before two quiet minutes are, and days are minutes in it.
[incidents]
settle = "5s"
[leaks]
interval = "500ms"
warm_up = "3s"
horizon = "60s"
urgent = "10s"

[edge]
listen = "{address}"
tenant = ["host:0"]
session = ["cookie:session"]
{more}"#,
            receiver.address
        );
        let keeper = Keeper::start_with(folder, &text).await?;
        let edge = Edge::start(&keeper, folder, address).await?;
        Ok(Self {
            listener: Listener::start(keeper.page),
            keeper,
            receiver,
            edge,
        })
    }

    /// Where users ask.
    pub(super) fn address(&self) -> SocketAddr {
        self.edge.address
    }

    /// Whether both still run; else what the one that ended said last.
    pub(super) fn well(&self) -> Result<(), String> {
        if !self.keeper.is_running() {
            return Err(format!("evenkeel ended: {}", self.keeper.log_tail()));
        }
        if !self.edge.process.is_running() {
            return Err(format!("evenkeel edge ended: {}", self.edge.process.tail()));
        }
        Ok(())
    }
}
