//! People with names: a message goes to the person it names, every way there is to reach
//! them, at once. It is delivered when one way took it: who has a broken mail server and a
//! telephone is called on the telephone.
//!
//! It refuses to guess: a message to somebody the configuration no longer knows has
//! failed, and the core calls the next person.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::action::Outcome;
use evenkeel_core::ids::PersonId;
use evenkeel_core::message::{Body, Message};
use evenkeel_guards::guard::BoxFuture;
use tokio::task::JoinSet;

use super::Channel;

/// See the module.
pub struct People {
    /// The ways to reach each person.
    pub ways: BTreeMap<PersonId, Vec<Arc<dyn Channel>>>,
    /// Where a message goes that names nobody: one from before people had names.
    pub nobody: Arc<dyn Channel>,
}

impl Channel for People {
    fn name(&self) -> &'static str {
        "people"
    }

    fn tell<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        let Body::Operator { to: Some(to), .. } = &message.body else {
            return self.nobody.tell(message);
        };
        let Some(ways) = self.ways.get(to).filter(|ways| !ways.is_empty()) else {
            let why = format!("{to} is not in the configuration any more");
            return Box::pin(std::future::ready(Outcome::Failed(why)));
        };
        Box::pin(async move {
            let mut sending = JoinSet::new();
            for way in ways {
                let (way, message) = (way.clone(), message.clone());
                sending.spawn(async move { (way.name(), way.tell(&message).await) });
            }
            let mut good = false;
            let mut said = Vec::new();
            while let Some(sent) = sending.join_next().await {
                match sent {
                    Ok((name, outcome)) => {
                        good |= outcome.is_good();
                        said.push(format!("{name}: {}", outcome.text()));
                    }
                    Err(_) => said.push("a mistake in Evenkeel; please report it".into()),
                }
            }
            // The same whichever came first.
            said.sort();
            let said = format!("to {to}, by {}", said.join("; by "));
            match good {
                true => Outcome::Done(said),
                false => Outcome::Failed(said),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::log::Log;
    use evenkeel_core::Timestamp;
    use evenkeel_core::finding::Severity;
    use evenkeel_core::ids::MessageId;

    struct Way(&'static str, Outcome);

    impl Channel for Way {
        fn name(&self) -> &'static str {
            self.0
        }
        fn tell<'a>(&'a self, _message: &'a Message) -> BoxFuture<'a, Outcome> {
            Box::pin(std::future::ready(self.1.clone()))
        }
    }

    async fn told(to: &str, ways: Vec<Way>) -> Outcome {
        let ways = ways
            .into_iter()
            .map(|way| Arc::new(way) as Arc<dyn Channel>);
        let people = People {
            ways: BTreeMap::from([("ana".into(), ways.collect())]),
            nobody: Arc::new(Log),
        };
        let message = Message {
            id: MessageId(1),
            at: Timestamp::UNIX_EPOCH,
            incident: None,
            body: Body::Operator {
                headline: "Login is blocked".into(),
                details: Vec::new(),
                facts: Vec::new(),
                finding: None,
                to: Some(to.into()),
                severity: Severity::Critical,
            },
        };
        people.tell(&message).await
    }

    #[tokio::test]
    async fn one_way_that_works_is_enough_and_all_are_said() {
        let failed = || Way("mail", Outcome::Failed("refused".into()));
        let sent = Way("webhook", Outcome::Done("answered 200".into()));
        assert_eq!(
            told("ana", vec![sent, failed()]).await,
            Outcome::Done("to ana, by mail: refused; by webhook: answered 200".into())
        );
        assert!(!told("ana", vec![failed()]).await.is_good());
    }

    #[tokio::test]
    async fn somebody_unknown_is_nobody_reached() {
        assert!(!told("zoe", Vec::new()).await.is_good());
    }
}
