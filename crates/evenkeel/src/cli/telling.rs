//! Words to customers: an update, a correction.

use clap::Args;
use evenkeel_core::Timestamp;
use evenkeel_core::ids::{IncidentId, MessageId, NotAnId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::language::Language;
use evenkeel_core::observation::Order;
use evenkeel_core::telling::{Affected, Correct, DataAffected, FreeText, Tell, ToldFacts};

use super::Outcome;
use super::orders::give;
use super::source::Source;
use crate::telling::{by_the_minute, status_named};

/// An update.
#[derive(Debug, Args)]
pub(super) struct TellArguments {
    /// The incident: I-3.
    incident: String,
    /// Where it stands: investigating, identified, monitoring or resolved.
    status: String,
    #[command(flatten)]
    words: Words,
    /// When the next word comes, from now: 30m. Between 5m and 24h; if it is late, somebody is
    /// called.
    #[arg(long, value_name = "TIME")]
    next: Option<jiff::SignedDuration>,
}

/// A correction of an earlier update.
#[derive(Debug, Args)]
pub(super) struct CorrectArguments {
    /// The word that was wrong: M-7, as `evenkeel incidents ID` lists it. It stays, with the
    /// correction beside it.
    message: String,
    #[command(flatten)]
    words: Words,
}

#[derive(Debug, Args)]
struct Words {
    /// In your own words: plain text, shown as it is, with its language.
    #[arg(long, requires = "language")]
    text: Option<String>,
    /// The language of the text: en, nl, de, pl or da.
    #[arg(long, requires = "text")]
    language: Option<String>,
    /// Whom it hurts: all, some, or the name of a group of customers.
    #[arg(long, value_name = "WHOM")]
    affected: Option<String>,
    /// Whether customers' data is affected: no, yes or checking.
    #[arg(long, value_name = "WHETHER")]
    data: Option<String>,
    /// A component that still works; again for more.
    #[arg(long, value_name = "COMPONENT")]
    works: Vec<String>,
    /// Why it is better than what is seen, where it is; only operators read it.
    #[arg(long, value_name = "WHY")]
    reason: Option<String>,
}

impl Words {
    fn text(&self) -> Result<Option<FreeText>, String> {
        let (Some(text), Some(tag)) = (&self.text, &self.language) else {
            return Ok(None);
        };
        let language = Language::of(tag).ok_or_else(|| {
            format!("`{tag}` is no language customers are told in; there is en, nl, de, pl, da")
        })?;
        let text = text.clone();
        Ok(Some(FreeText { language, text }))
    }

    fn facts(&self) -> Result<ToldFacts, String> {
        let affected = self.affected.as_deref().map(|whom| match whom {
            "all" => Affected::All,
            "some" => Affected::Some,
            group => Affected::Group(group.to_owned()),
        });
        let data = self.data.as_deref().map(|whether| match whether {
            "no" => Ok(DataAffected::No),
            "yes" => Ok(DataAffected::Yes),
            "checking" => Ok(DataAffected::BeingChecked),
            other => Err(format!("`{other}` is none of no, yes, checking")),
        });
        Ok(ToldFacts {
            affected,
            data: data.transpose()?,
            works: self.works.iter().map(|id| id.as_str().into()).collect(),
        })
    }
}

pub(super) fn tell(source: &Source, arguments: TellArguments, json: bool) -> Outcome {
    let incident: IncidentId = arguments
        .incident
        .parse()
        .map_err(|error: NotAnId| error.to_string())?;
    let status = status_named(&arguments.status)?;
    let next = arguments.next.map(|span| {
        let span = std::time::Duration::try_from(span);
        span.map(|span| by_the_minute(Timestamp::now(), span))
            .map_err(|_| "--next lies behind: write for example --next 30m".to_owned())
    });
    let tell = Tell {
        incident,
        status,
        text: arguments.words.text()?,
        facts: arguments.words.facts()?,
        next_update_at: next.transpose()?,
        reason: arguments.words.reason,
    };
    let done = match status {
        IncidentStatus::Resolved => format!("Customers are told that {incident} is over"),
        _ => format!("Customers are told of {incident}: {}", status.as_str()),
    };
    give(source, Order::Tell(tell), &done, json)
}

pub(super) fn correct(source: &Source, arguments: CorrectArguments, json: bool) -> Outcome {
    let message: MessageId = arguments
        .message
        .parse()
        .map_err(|error: NotAnId| error.to_string())?;
    let correct = Correct {
        message,
        text: arguments.words.text()?,
        facts: arguments.words.facts()?,
        reason: arguments.words.reason,
    };
    let done = format!("Customers read the correction beside {message}");
    give(source, Order::Correct(correct), &done, json)
}
