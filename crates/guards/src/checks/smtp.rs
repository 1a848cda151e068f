//! A mail server that greets, introduces itself, perhaps turns to TLS, and says goodbye.
//!
//! Nothing is sent: a check that mails itself would be a mail every minute. A server that
//! greets with anything but 220 (554: it refuses us; 421: it is too busy) is down.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::claim::quoted;
use super::net::{Address, Net, broken};
use super::secure::{Trust, handshake_seen};
use super::trial::{Trial, Tried, target};

/// The longest reply, bytes: some fifty lines of RFC 5321's 512.
const REPLY_MAX: usize = 24 * 1024;

/// See the module.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// Where.
    pub address: Address,
    /// Whether it turns to TLS.
    pub tls: SmtpTls,
    /// The name that the certificate must carry; else the host's.
    pub server_name: Option<String>,
    /// Whom it trusts.
    pub trust: Arc<Trust>,
}

/// How a mail server speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SmtpTls {
    /// Not at all.
    #[default]
    None,
    /// After `STARTTLS`: ports 25 and 587.
    Starttls,
    /// From the start: port 465.
    Implicit,
}

pub(super) async fn make(smtp: &Smtp, net: &Net, trial: &mut Trial) -> Tried<()> {
    let stream = net.connect(&smtp.address, trial).await?;
    let host = smtp.server_name.as_ref().unwrap_or(&smtp.address.host);
    match smtp.tls {
        SmtpTls::None => {
            let mut talk = Talk::new(stream);
            talk.greeting(trial).await?;
            talk.introduce(trial).await?;
            talk.goodbye(trial).await
        }
        SmtpTls::Implicit => {
            let stream = handshake_seen(&smtp.trust, host, stream, trial).await?;
            let mut talk = Talk::new(stream);
            talk.greeting(trial).await?;
            talk.introduce(trial).await?;
            talk.goodbye(trial).await
        }
        SmtpTls::Starttls => {
            let mut talk = Talk::new(stream);
            talk.greeting(trial).await?;
            let offered = talk.introduce(trial).await?;
            if !offered.to_ascii_uppercase().contains("STARTTLS") {
                return target("it does not offer STARTTLS");
            }
            talk.ask("STARTTLS", "220", trial).await?;
            if !talk.read.is_empty() {
                // What came before TLS and is read after it may be anybody's.
                return target("it goes on talking before TLS is up");
            }
            let stream = handshake_seen(&smtp.trust, host, talk.stream, trial).await?;
            let mut talk = Talk::new(stream);
            talk.introduce(trial).await?;
            talk.goodbye(trial).await
        }
    }
}

struct Talk<S> {
    stream: S,
    read: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    async fn greeting(&mut self, trial: &mut Trial) -> Tried<String> {
        trial.stage("waiting for the greeting");
        self.reply("220", "greeted with", trial).await
    }

    async fn introduce(&mut self, trial: &mut Trial) -> Tried<String> {
        self.ask("EHLO evenkeel.invalid", "250", trial).await
    }

    async fn goodbye(&mut self, trial: &mut Trial) -> Tried<()> {
        self.ask("QUIT", "221", trial).await.map(|_| ())
    }

    async fn ask(&mut self, command: &str, code: &str, trial: &mut Trial) -> Tried<String> {
        let word = command.split(' ').next().unwrap_or(command).to_owned();
        trial.stage(format!("waiting for the reply to {word}"));
        let line = format!("{command}\r\n");
        let sent = self.stream.write_all(line.as_bytes()).await;
        sent.map_err(|error| broken(&format!("{word} was not taken"), &error))?;
        let flushed = self.stream.flush().await;
        flushed.map_err(|error| broken(&format!("{word} was not taken"), &error))?;
        self.reply(code, &format!("replied to {word} with"), trial)
            .await
    }

    /// A whole reply, which must begin with `code`.
    async fn reply(&mut self, code: &str, how: &str, trial: &mut Trial) -> Tried<String> {
        let mut part = [0; 1024];
        loop {
            if let Some(end) = end_of_reply(&self.read) {
                let rest = self.read.split_off(end);
                let reply = std::mem::replace(&mut self.read, rest);
                let reply = String::from_utf8_lossy(&reply).trim_end().to_owned();
                trial.say(|| format!("it {how} `{}`", quoted(&reply)));
                if reply.starts_with(code) {
                    return Ok(reply);
                }
                return target(format!("it {how} `{}`, expected {code}", quoted(&reply)));
            }
            if self.read.len() > REPLY_MAX {
                return target(format!("it {how} more than 24 KiB, which is no reply"));
            }
            match self.stream.read(&mut part).await {
                Ok(0) => return target(format!("it {how} a closed connection")),
                Ok(bytes) => self.read.extend_from_slice(&part[..bytes]),
                Err(error) => return Err(broken("the conversation broke off", &error)),
            }
        }
    }
}

/// Where the first whole reply ends: after a line that does not go on with `250-`.
fn end_of_reply(read: &[u8]) -> Option<usize> {
    let mut begins = 0;
    for (at, byte) in read.iter().enumerate() {
        if *byte == b'\n' {
            let line = &read[begins..at];
            if line.get(3) != Some(&b'-') {
                return Some(at + 1);
            }
            begins = at + 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reply_ends_with_its_last_line() {
        for (read, end) in [
            ("220 hello\r\n", Some(11)),
            ("250-a\r\n250-b\r\n250 c\r\nmore", Some(21)),
            ("250-a\r\n", None),
            ("220 hel", None),
            ("\n", Some(1)),
        ] {
            assert_eq!(end_of_reply(read.as_bytes()), end, "{read:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(read in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(end) = end_of_reply(&read) {
                prop_assert!(end <= read.len());
            }
        }
    }
}
