//! A TCP port that accepts, and perhaps greets or answers: Redis' `PING`, SSH's banner.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::claim::quoted;
use super::net::{Address, Net, broken};
use super::trial::{Trial, Tried, target};

/// The most of an answer that is read, bytes.
const ANSWER_MAX: usize = 16 * 1024;

/// See the module.
#[derive(Debug, Clone)]
pub struct Tcp {
    /// Where.
    pub address: Address,
    /// What is sent first.
    pub send: Option<String>,
    /// What must stand in the answer.
    pub contains: Vec<String>,
}

pub(super) async fn make(tcp: &Tcp, net: &Net, trial: &mut Trial) -> Tried<()> {
    let mut stream = net.connect(&tcp.address, trial).await?;
    if let Some(send) = &tcp.send {
        trial.stage("sending");
        let sent = stream.write_all(send.as_bytes()).await;
        sent.map_err(|error| broken("what was sent was not taken", &error))?;
    }
    if tcp.contains.is_empty() {
        return Ok(());
    }
    trial.stage("waiting for what it says");
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    loop {
        let missing = tcp
            .contains
            .iter()
            .find(|text| memchr::memmem::find(&answer, text.as_bytes()).is_none());
        let Some(missing) = missing else {
            trial.say(|| "it says what is expected".into());
            return Ok(());
        };
        if answer.len() > ANSWER_MAX {
            return target(format!(
                "`{}` does not stand in the first 16 KiB of what it says",
                quoted(missing)
            ));
        }
        match stream.read(&mut part).await {
            Ok(0) => {
                return target(format!(
                    "it closed the connection after {} bytes, without `{}`",
                    answer.len(),
                    quoted(missing)
                ));
            }
            Ok(bytes) => answer.extend_from_slice(&part[..bytes]),
            Err(error) => return Err(broken("what it says broke off", &error)),
        }
        trial.body_bytes = answer.len() as u64;
    }
}
