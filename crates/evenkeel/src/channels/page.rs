//! The public page as a channel: a public update is told once the page shows it.

use std::sync::Arc;

use evenkeel_core::action::Outcome;
use evenkeel_core::message::Message;
use evenkeel_guards::guard::BoxFuture;
use tokio::sync::watch;

use super::Channel;
use crate::pump::published::Published;

/// See the module.
#[derive(Debug, Clone)]
pub struct PublicPage {
    /// What the page is made from.
    pub published: watch::Receiver<Arc<Published>>,
}

impl Channel for PublicPage {
    fn name(&self) -> &'static str {
        "page"
    }

    fn tell<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        let mut published = self.published.clone();
        Box::pin(async move {
            let shown = published
                .wait_for(|published| published.record.messages.contains_key(&message.id))
                .await
                .is_ok();
            if shown {
                Outcome::Done("the public page says so".into())
            } else {
                Outcome::Failed("the public page is not served any more".into())
            }
        })
    }
}
