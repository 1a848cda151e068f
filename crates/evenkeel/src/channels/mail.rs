//! A message to a person by mail.
//!
//! Plain text, short: what is wrong, since when, what was done, what to type. One
//! connection for each mail, since mails are rare and a kept connection would only be
//! found dead. What may pass (nobody there, a time out, a 4xx answer) is tried again with
//! growing pauses until [`GIVE_UP_AFTER`]; a 5xx answer is final. The `Message-ID` is the
//! same for every try, also after a restart, so that doubles can be told apart.
//!
//! It refuses to say anything (account, recipient, text) before the connection is private,
//! unless the configuration says `tls = "none"`; and to read more than [`ANSWERS_MAX`]
//! bytes of what a server answers.

pub(crate) mod connection;
mod text;

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::action::Outcome;
use evenkeel_core::message::Message;
use evenkeel_guards::guard::BoxFuture;
use jiff::tz::TimeZone;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Channel;
use crate::config::MailServer;
use crate::pump::published::Published;
use connection::{Attempt, Connector};

pub use connection::{ANSWERS_MAX, MailError};

/// One try, connecting included. RFC 5321 grants a server minutes for each answer; a call
/// at night cannot wait that long, and tries again instead.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// After this a mail has failed, and the next person is called. A greylisting server
/// takes longer; it is none for a recipient of its own.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(120);

/// The first pause between two tries; doubled up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// See the module.
pub struct Mail {
    connector: Arc<Connector>,
    to: lettre::Address,
    zone: TimeZone,
    operator_page: Option<String>,
    published: watch::Receiver<Arc<Published>>,
    timeout: Duration,
    give_up_after: Duration,
}

impl Mail {
    /// Mail to one person, in their time zone; the page is for links.
    ///
    /// # Errors
    /// The server's settings cannot be used.
    pub fn new(
        server: &MailServer,
        to: lettre::Address,
        zone: TimeZone,
        operator_page: Option<String>,
        published: watch::Receiver<Arc<Published>>,
    ) -> Result<Self, MailError> {
        Ok(Self {
            connector: Arc::new(Connector::new(server)?),
            to,
            zone,
            operator_page,
            published,
            timeout: TIMEOUT,
            give_up_after: GIVE_UP_AFTER,
        })
    }

    async fn send(&self, message: &Message) -> Outcome {
        let since = message.incident.and_then(|id| {
            let published = self.published.borrow();
            let incident = published.record.incidents.get(&id);
            incident.map(|incident| incident.opened_at)
        });
        let page = self.operator_page.as_deref();
        let from = self.connector.from();
        let Some(written) = text::write(message, since, &self.zone, page, from, &self.to) else {
            return Outcome::Failed("it is no message to a person".into());
        };
        let until = Instant::now() + self.give_up_after;
        let mut pause = PAUSE;
        let mut attempt = 0_u32;
        loop {
            attempt += 1;
            let sent = self.connector.send(&written, &self.to);
            let why = match tokio::time::timeout(self.timeout, sent).await {
                Ok(Attempt::Taken(answer)) => {
                    return Outcome::Done(format!("the mail server took it ({answer})"));
                }
                Ok(Attempt::Refused(why)) => {
                    return Outcome::Failed(format!(
                        "the mail server refused it ({why}): check [mail] and the address {}",
                        self.to
                    ));
                }
                Ok(Attempt::MayPass(why)) => why,
                Err(_) => format!("no answer within {} s", self.timeout.as_secs()),
            };
            tracing::warn!(message = %message.id, attempt, "the mail server did not take a mail: {why}");
            if Instant::now() + pause >= until {
                return Outcome::Failed(format!(
                    "the mail server did not take it in {attempt} tries ({why}): check that it is up"
                ));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

impl Channel for Mail {
    fn name(&self) -> &'static str {
        "mail"
    }

    fn tell<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        Box::pin(self.send(message))
    }
}

#[cfg(test)]
pub(crate) mod tests;
