//! What all formats are made from: the components now, and incidents with what was said
//! of them.
//!
//! The words are made here and nowhere else in this folder, each from the facts and the
//! time of its update alone: an update reads the same today and next week, so that a feed
//! changes only when something was said.
//!
//! Bounded whatever the history: [`INCIDENTS_MAX`] incidents, [`UPDATES_MAX`] updates of
//! each, as on its page.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use axum::http::Uri;
use evenkeel_core::Timestamp;
use evenkeel_core::ids::{ComponentId, IncidentId, MessageId};
use evenkeel_core::incident::{Incident, IncidentStatus, LastWord};
use evenkeel_core::message::{Body, Message};
use evenkeel_core::status::Status;
use evenkeel_core::telling::PersonWord;
use sha2::{Digest, Sha256};

use super::super::UPDATES_ALL_MAX;
use super::super::documents::{Moment, address};
use super::super::said::Said;
use super::super::view::View;
use crate::postmortem::customers;
use crate::postmortem::document::markdown;
use crate::public::words::{Call, Language, Spoken, Words};
use crate::pump::published::Published;
use crate::web::Site;

/// The language of what has none in its address: Statuspage's clients know one, and most
/// read this.
pub(super) const PLAIN: Language = Language::English;

/// Statuspage's own number.
pub(super) const INCIDENTS_MAX: usize = 50;
pub(super) const UPDATES_MAX: usize = UPDATES_ALL_MAX;

/// The public picture of now.
pub(super) struct Picture<'a> {
    pub(super) site: &'a Site,
    pub(super) published: &'a Published,
    /// In the language that is asked for.
    pub(super) words: &'static Words,
    view: View<'a>,
}

/// How bad it is, in Statuspage's words, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Impact {
    None,
    Minor,
    Major,
    Critical,
}

impl Impact {
    /// What a status does, as Statuspage calculates it. `Unknown` and planned work are
    /// minor: the one may be hiding harm, the other is in customers' way.
    pub(super) fn of(status: Status) -> Self {
        match status {
            Status::Operational => Self::None,
            Status::Unknown | Status::UnderMaintenance | Status::DegradedPerformance => Self::Minor,
            Status::PartialOutage => Self::Major,
            Status::MajorOutage => Self::Critical,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }
}

/// An incident as customers were told of it.
pub(super) struct Told<'a> {
    pub(super) incident: &'a Incident,
    /// Where it stands, as was last told.
    pub(super) status: IncidentStatus,
    /// Of Statuspage's shape.
    pub(super) id: String,
    pub(super) title: String,
    /// Its own page.
    pub(super) link: String,
    pub(super) impact: Impact,
    /// When something of it last changed.
    pub(super) updated_at: Timestamp,
    /// When the newest kept update of it said that it is being watched.
    pub(super) monitoring_at: Option<Timestamp>,
    /// What Statuspage calls its status: a post-mortem that is published is the last word.
    pub(super) word: &'static str,
    /// The post-mortem, where it is published.
    pub(super) postmortem: Option<PublishedPostmortem>,
    /// Newest first, at least one where anything was said.
    pub(super) updates: Vec<Update<'a>>,
}

/// A post-mortem that is published.
pub(super) struct PublishedPostmortem {
    pub(super) first_at: Timestamp,
    pub(super) at: Timestamp,
    /// What customers read, as Markdown.
    pub(super) body: String,
}

/// One public word.
pub(super) struct Update<'a> {
    pub(super) id: String,
    pub(super) at: Timestamp,
    /// Where it stood, in Statuspage's word.
    pub(super) word: &'static str,
    /// What a reader reads of it.
    pub(super) label: String,
    /// The components, with what the word before said of each.
    pub(super) components: Vec<Affected<'a>>,
    /// What was said, in sentences.
    pub(super) text: String,
    /// What a person added.
    pub(super) said: Option<Said<'a>>,
    /// The update that it corrects, where that is still kept.
    pub(super) corrects: Option<String>,
}

impl Update<'_> {
    /// All of it as plain text, a line for each paragraph.
    pub(super) fn body(&self) -> String {
        match &self.said {
            Some(said) => format!("{}\n{}", self.text, said.text()),
            None => self.text.clone(),
        }
    }
}

/// A component in an update.
pub(super) struct Affected<'a> {
    pub(super) id: &'a ComponentId,
    pub(super) name: &'a str,
    pub(super) status: Status,
    /// What the update before said; `None` in the first that is kept.
    pub(super) before: Option<Status>,
}

impl<'a> Picture<'a> {
    pub(super) fn of(site: &'a Site, published: &'a Published, language: Language) -> Self {
        Self {
            site,
            published,
            words: Words::of(language),
            view: View::of(site, published, language, Moment::of(published)),
        }
    }

    /// In the order of the configuration; unknown when the picture is not of now.
    pub(super) fn components(&self) -> &[(&'a ComponentId, &'a str, Status)] {
        self.view.statuses()
    }

    /// The worst of all; unknown where there are none.
    pub(super) fn worst(&self) -> Status {
        let statuses = self.components().iter().map(|(_, _, status)| *status);
        statuses.max().unwrap_or_default()
    }

    /// How bad it is in all: what is seen now, and every incident that is not over, those
    /// in monitoring included.
    pub(super) fn indicator(&self) -> Impact {
        let unresolved = self.announced().filter(|(_, last)| is_open(last));
        let worst = unresolved.map(|(incident, _)| impact(incident)).max();
        let worst = worst.unwrap_or(Impact::None);
        worst.max(Impact::of(self.worst()))
    }

    /// The page's first sentence.
    pub(super) fn answer(&self) -> String {
        self.view.answer_text()
    }

    /// Whether nothing is known of now.
    pub(super) fn is_stale(&self) -> bool {
        self.view.is_stale()
    }

    /// Incidents that customers were told of and that are not over, newest first.
    pub(super) fn open(&self) -> Vec<&'a Incident> {
        self.view.open()
    }

    /// An incident's page, in the language of whoever opens it.
    pub(super) fn link_for_anybody(&self, incident: IncidentId) -> String {
        format!("{}/incidents/{incident}", self.base())
    }

    /// What whoever calls hears of it.
    pub(super) fn spoken(&self) -> Spoken {
        let now = self.published.at;
        let open = self.announced().filter(|(_, last)| is_open(last));
        let promised = open.filter_map(|(_, last)| last.next_update_at);
        let call = Call {
            now,
            zone: self.site.settings.hotline.zone.as_ref(),
            next_update_at: promised.filter(|next| *next > now).min(),
        };
        self.words.spoken(&self.view.judged(), call)
    }

    /// A component's status in a word or two.
    pub(super) fn status_word(&self, status: Status) -> String {
        self.words.status(status)
    }

    /// The post-mortem of an incident, where it is published while it is over.
    fn postmortem(&self, incident: &Incident) -> Option<PublishedPostmortem> {
        let postmortem = self.published.record.postmortem(incident.id)?;
        let now = self.published.at;
        let document = customers::published(self.words, &self.site.policy, postmortem, now)?;
        Some(PublishedPostmortem {
            first_at: postmortem.editions.first()?.at,
            at: postmortem.published()?.at,
            body: markdown(&document),
        })
    }

    /// Where an incident stands, in a word.
    pub(super) fn incident_word(&self, status: IncidentStatus) -> String {
        self.words.incident_status(status)
    }

    /// The page's address without its last `/`.
    pub(super) fn base(&self) -> &'a str {
        self.site.url.trim_end_matches('/')
    }

    /// An incident's page: in the language of whoever follows the link where nobody chose one.
    fn link(&self, incident: IncidentId) -> String {
        match self.words.language() {
            PLAIN => format!("{}/incidents/{incident}", self.base()),
            language => format!("{}{}", self.base(), address(language, Some(incident))),
        }
    }

    /// The host customers know the page by: what its names are made from.
    pub(super) fn host(&self) -> String {
        let uri: Option<Uri> = self.site.url.parse().ok();
        let host = uri.as_ref().and_then(Uri::host).unwrap_or("localhost");
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        host.replace(':', "-")
    }

    /// Since when anything is known: the date of a feed that has no entry.
    pub(super) fn began_at(&self) -> Timestamp {
        let components = self.published.record.components.values();
        let first = components.filter_map(|state| {
            let day = state.days.first_key_value().map(|(day, _)| day.start());
            day.into_iter().chain([state.since]).min()
        });
        first.min().unwrap_or(self.published.at)
    }

    /// Incidents customers were hurt by, newest first.
    pub(super) fn incidents(&self) -> Vec<Told<'a>> {
        self.told(|_| true)
    }

    /// Those of them that are not over.
    pub(super) fn unresolved(&self) -> Vec<Told<'a>> {
        self.told(is_open)
    }

    /// Incidents that customers were hurt by and told of, with the last word of each. What
    /// was said counts, not what is known beside it: a list that says `resolved` has nothing
    /// to hide behind it, since the components have a status of their own.
    fn announced(&self) -> impl Iterator<Item = (&'a Incident, &'a LastWord)> + use<'a> {
        let incidents = self.published.record.incidents.values();
        let harmful = incidents.filter(|incident| incident.is_public());
        harmful.filter_map(|incident| Some((incident, incident.last_word.as_ref()?)))
    }

    fn told(&self, wanted: fn(&LastWord) -> bool) -> Vec<Told<'a>> {
        let mut incidents: Vec<_> = self.announced().filter(|(_, last)| wanted(last)).collect();
        // By time and not by number: a clock that was set back is no reason for a list that
        // is out of order.
        incidents.sort_by_key(|(incident, _)| Reverse((incident.opened_at, incident.id)));
        incidents.truncate(INCIDENTS_MAX);
        let mut said: BTreeMap<IncidentId, Vec<&'a Message>> = BTreeMap::new();
        for state in self.published.record.messages.values() {
            if let (Some(incident), Body::Public { .. }) =
                (state.message.incident, &state.message.body)
            {
                said.entry(incident).or_default().push(&state.message);
            }
        }
        let told = incidents.into_iter().map(|(incident, last)| {
            let said = said.remove(&incident.id).unwrap_or_default();
            self.one(incident, last, &said)
        });
        told.collect()
    }

    fn one(
        &self,
        incident: &'a Incident,
        last: &'a LastWord,
        messages: &[&'a Message],
    ) -> Told<'a> {
        let name = |id: &'a ComponentId| self.site.component_name(id);
        let id = id_of(
            "incident",
            &[incident.id.to_string(), millis(incident.opened_at)],
        );
        let mut said: Vec<Word<'a>> = messages.iter().copied().filter_map(Word::of).collect();
        // Messages are forgotten before incidents are; the last word never is.
        if said.is_empty() {
            said.push(Word {
                at: last.at,
                status: last.status,
                components: &last.components,
                next_update_at: last.next_update_at,
                message: None,
                person: None,
            });
        }
        said.sort_by_key(|word| word.at);
        let monitoring = said
            .iter()
            .rev()
            .find(|w| w.status == IncidentStatus::Monitoring);
        let monitoring_at = monitoring.map(|word| word.at);
        let times = [Some(incident.status_since), incident.resolved_at];
        let times = times.into_iter().flatten();
        let spoken = said.iter().map(|word| word.at);
        let updated_at = times.chain(spoken).max().unwrap_or(incident.opened_at);
        let updates = said.iter().enumerate().rev().take(UPDATES_MAX);
        let updates = updates.map(|(place, word)| {
            let before = place.checked_sub(1).map(|place| said[place].components);
            let wrong = word.person.and_then(|person| person.corrects);
            let wrong = said
                .iter()
                .find(|one| wrong.is_some() && one.message == wrong);
            self.update(&id, word, before, wrong)
        });
        let link = self.link(incident.id);
        let postmortem = self.postmortem(incident);
        let is_over = last.status == IncidentStatus::Resolved;
        // Of what came back it says nothing new.
        let of_postmortem = postmortem.as_ref().filter(|_| is_over).map(|published| {
            let at = published.at;
            let word = "postmortem";
            Update {
                id: id_of("update", &[id.clone(), millis(at), word.to_owned()]),
                at,
                corrects: None,
                said: None,
                word,
                label: self.words.postmortem(),
                components: Vec::new(),
                text: self
                    .words
                    .postmortem_published(&format!("{link}/postmortem")),
            }
        });
        let updated_at = updated_at.max(postmortem.as_ref().map_or(updated_at, |it| it.at));
        let word = match of_postmortem {
            Some(_) => "postmortem",
            None => last.status.as_str(),
        };
        let updates = of_postmortem.into_iter().chain(updates).take(UPDATES_MAX);
        let harmed = incident
            .harmed
            .iter()
            .map(|(id, status)| (name(id), *status));
        let harmed: Vec<_> = harmed.collect();
        Told {
            title: self.words.incident_title(&harmed, is_past(last.status)),
            status: last.status,
            word,
            postmortem,
            link,
            impact: impact(incident),
            updated_at: updated_at.max(incident.opened_at),
            monitoring_at: monitoring_at.filter(|_| is_past(last.status)),
            updates: updates.collect(),
            incident,
            id,
        }
    }

    fn update(
        &self,
        incident: &str,
        word: &Word<'a>,
        before: Option<&BTreeMap<ComponentId, Status>>,
        corrects: Option<&Word<'a>>,
    ) -> Update<'a> {
        let affected = word.components.iter().map(|(id, status)| Affected {
            id,
            name: self.site.component_name(id),
            status: *status,
            before: before.and_then(|before| before.get(id).copied()),
        });
        let components: Vec<Affected<'a>> = affected.collect();
        let named: Vec<_> = components.iter().map(|of| (of.name, of.status)).collect();
        let id = |of: &Word<'_>| {
            let parts = [
                incident.to_owned(),
                millis(of.at),
                of.status.as_str().into(),
            ];
            id_of("update", &parts)
        };
        let said = |person| Said::of(self.site, self.words, person);
        Update {
            id: id(word),
            corrects: corrects.map(id),
            said: word.person.map(said),
            at: word.at,
            word: word.status.as_str(),
            label: self.words.incident_status(word.status),
            text: self
                .words
                .update(word.status, &named, word.next_update_at, word.at),
            components,
        }
    }
}

/// The facts of one public word.
struct Word<'a> {
    at: Timestamp,
    status: IncidentStatus,
    components: &'a BTreeMap<ComponentId, Status>,
    next_update_at: Option<Timestamp>,
    message: Option<MessageId>,
    person: Option<&'a PersonWord>,
}

impl<'a> Word<'a> {
    fn of(message: &'a Message) -> Option<Self> {
        match &message.body {
            Body::Public {
                status,
                components,
                next_update_at,
                person,
                ..
            } => Some(Self {
                at: message.at,
                status: *status,
                components,
                next_update_at: *next_update_at,
                message: Some(message.id),
                person: person.as_deref(),
            }),
            Body::Operator { .. } | Body::Maintenance(_) => None,
        }
    }
}

fn is_open(last: &LastWord) -> bool {
    last.status != IncidentStatus::Resolved
}

/// Whether nobody is hurt any more.
fn is_past(status: IncidentStatus) -> bool {
    matches!(
        status,
        IncidentStatus::Monitoring | IncidentStatus::Resolved
    )
}

fn impact(incident: &Incident) -> Impact {
    let worst = incident.harmed.values().map(|status| Impact::of(*status));
    worst.max().unwrap_or(Impact::None)
}

/// Twelve letters and digits, as Statuspage's own ids are, always the same for the same
/// thing: clients keep them.
pub(super) fn id_of(kind: &str, parts: &[String]) -> String {
    const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let digest = Sha256::digest(format!("{kind} {}", parts.join(" ")));
    // 36 to the power of 12 is less than 2 to the power of 63.
    let mut rest = digest[..8]
        .iter()
        .fold(0_u64, |rest, byte| rest << 8 | u64::from(*byte));
    let mut id = String::with_capacity(12);
    for _ in 0..12 {
        id.push(char::from(LETTERS[usize::try_from(rest % 36).unwrap_or(0)]));
        rest /= 36;
    }
    id
}

/// ISO 8601 with milliseconds, as Statuspage writes times.
pub(crate) fn millis(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
