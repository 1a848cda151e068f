//! Where no pager is configured: the page is logged, at the level that says that
//! somebody should look, and that is said in the outcome.

use evenkeel_core::action::Outcome;
use evenkeel_core::message::{Body, Message};
use evenkeel_guards::guard::BoxFuture;

use super::Channel;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Log;

impl Channel for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn tell<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        if let Body::Operator {
            headline, details, ..
        } = &message.body
        {
            let incident = message.incident.map(|id| id.to_string());
            tracing::error!(
                message = %message.id,
                incident = incident.unwrap_or_default(),
                "PAGE: {headline}. {}",
                details.join(" ")
            );
        }
        let outcome = Outcome::Done("logged; no pager is configured".into());
        Box::pin(std::future::ready(outcome))
    }
}
