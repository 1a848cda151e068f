//! Whole documents of the public page: what is served, and what is published elsewhere.
//!
//! Each has an address of its own in each language, for ever, and names the same document
//! in the others. The two addresses without a language ([`address`] shows both sorts) answer
//! in the one that the visitor's browser asks for.

use evenkeel_core::Timestamp;
use evenkeel_core::ids::{IncidentId, MaintenanceId};
use maud::{Markup, PreEscaped, html};

use super::view::View;
use super::{STYLE, Site, machines, maintenance, subscribing};
use crate::postmortem::{customers, document};
use crate::public::words::{Language, Words};
use crate::pump::published::Published;

/// As of when a document is made.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// Whether what is published was too old by then to speak of it.
    pub is_stale: bool,
}

impl Moment {
    /// The one in which we are.
    pub fn of(published: &Published) -> Self {
        Self {
            now: Timestamp::now(),
            is_stale: published.is_stale(),
        }
    }
}

/// Where a document is, in one language: the front page, or an incident's.
pub fn address(language: Language, incident: Option<IncidentId>) -> String {
    let tag = language.tag();
    match incident {
        None => format!("/{tag}/"),
        Some(id) => format!("/{tag}/incidents/{id}"),
    }
}

/// Where the post-mortem of an incident is, in one language.
pub fn postmortem_address(language: Language, incident: IncidentId) -> String {
    format!("{}/postmortem", address(language, Some(incident)))
}

/// The front page.
pub fn front(site: &Site, published: &Published, language: Language, moment: Moment) -> Markup {
    let view = View::of(site, published, language, moment);
    let answer = view.answer_text();
    let head = html! {
        meta name="description" content=(answer);
        (alternates(site, language, &Place::Front))
    };
    let main = html! {
        (view.answer())
        (view.is_it_me())
        (view.open_incidents())
        (view.maintenance_section())
        (view.components())
        (view.past_incidents())
    };
    whole(site, view.words, &answer, head, (Place::Front, main))
}

/// The front page as a witness tells it, in the frame of all others.
pub(super) fn of_witness(site: &Site, words: &Words, title: &str, main: Markup) -> Markup {
    let head = html! {
        meta name="description" content=(title);
        (alternates(site, words.language(), &Place::Front))
    };
    whole(site, words, title, head, (Place::Front, main))
}

/// The page of one incident; `None` where customers know of none with this number.
pub fn incident(
    site: &Site,
    published: &Published,
    language: Language,
    moment: Moment,
    id: IncidentId,
) -> Option<Markup> {
    let incident = published.record.incidents.get(&id)?;
    if !incident.is_public() {
        return None;
    }
    let view = View::of(site, published, language, moment);
    let title = view.title(incident);
    let main = html! {
        (view.incident(incident, true))
        (asked_of_readers(view.words, id))
        p { a href=(address(language, None)) { (view.words.home()) } }
    };
    let place = Place::Incident(id);
    let head = html! {
        meta name="description" content=(title);
        (alternates(site, language, &place))
    };
    Some(whole(site, view.words, &title, head, (place, main)))
}

/// The post-mortem of an incident; `None` where none is published.
pub fn postmortem(
    site: &Site,
    published: &Published,
    language: Language,
    moment: Moment,
    id: IncidentId,
) -> Option<Markup> {
    let postmortem = published.record.postmortem(id)?;
    let words = Words::of(language);
    let document = customers::published(words, &site.policy, postmortem, moment.now)?;
    let main = html! {
        article.postmortem {
            h1 { (document.title) }
            (document::html(&document))
        }
        p { a href=(address(language, Some(id))) { (words.earlier_updates()) } }
        p { a href=(address(language, None)) { (words.home()) } }
    };
    let place = Place::Postmortem(id);
    let head = html! {
        meta name="description" content=(document.title);
        (alternates(site, language, &place))
    };
    Some(whole(site, words, &document.title, head, (place, main)))
}

/// All planned work.
pub fn calendar(site: &Site, published: &Published, language: Language, moment: Moment) -> Markup {
    let view = View::of(site, published, language, moment);
    let main = html! {
        (view.maintenance_calendar())
        p { a href=(address(language, None)) { (view.words.home()) } }
    };
    let place = Place::Planned(None);
    let title = view.words.maintenance_title();
    let head = html! {
        meta name="description" content=(title);
        (alternates(site, language, &place))
    };
    whole(site, view.words, &title, head, (place, main))
}

/// The page of one maintenance; `None` where there is none with this number.
pub fn maintenance(
    site: &Site,
    published: &Published,
    language: Language,
    moment: Moment,
    id: MaintenanceId,
) -> Option<Markup> {
    let state = published.record.maintenances.get(&id)?;
    let view = View::of(site, published, language, moment);
    let title = view.maintenance_title(state);
    let main = html! {
        (view.maintenance(state))
        p {
            a href=(maintenance::address(language, None)) { (view.words.maintenance_all()) } " · "
            a href=(address(language, None)) { (view.words.home()) }
        }
    };
    let place = Place::Planned(Some(id));
    let head = html! {
        meta name="description" content=(title);
        (alternates(site, language, &place))
    };
    Some(whole(site, view.words, &title, head, (place, main)))
}

/// Whether it was useful. A copy elsewhere leaves it out ([`expiry`]): nobody counts there.
///
/// [`expiry`]: crate::publish::expiry
fn asked_of_readers(words: &Words, id: IncidentId) -> Markup {
    let to = format!("{}/useful", address(words.language(), Some(id)));
    html! {
        form.useful method="post" action=(to) {
            p id="useful" { (words.useful()) }
            button type="submit" name="answer" value="yes" aria-describedby="useful" { (words.useful_yes()) }
            button type="submit" name="answer" value="no" aria-describedby="useful" { (words.useful_no()) }
        }
    }
}

/// What whoever answered reads.
pub fn thanks(site: &Site, language: Language, id: IncidentId) -> Markup {
    let words = Words::of(language);
    let main = html! {
        h1 { (words.useful_thanks()) }
        p { a href=(address(language, None)) { (words.home()) } }
    };
    whole(
        site,
        words,
        &words.useful_thanks(),
        html! {},
        (Place::Incident(id), main),
    )
}

/// What stands where nothing is.
pub fn missing(site: &Site, language: Language) -> Markup {
    let words = Words::of(language);
    let main = html! {
        h1 { (words.missing()) }
        p { (words.missing_why()) }
        p { a href=(address(language, None)) { (words.home()) } }
    };
    let title = words.missing_title();
    whole(site, words, &title, html! {}, (Place::Front, main))
}

/// A document, whatever the language.
enum Place {
    Front,
    Incident(IncidentId),
    Postmortem(IncidentId),
    Planned(Option<MaintenanceId>),
}

impl Place {
    fn address(&self, language: Language) -> String {
        match self {
            Self::Front => address(language, None),
            Self::Incident(id) => address(language, Some(*id)),
            Self::Postmortem(id) => postmortem_address(language, *id),
            Self::Planned(id) => maintenance::address(language, *id),
        }
    }

    /// Where it is in the language of whoever asks.
    fn negotiated(&self) -> String {
        match self {
            Self::Front => "/".to_owned(),
            Self::Incident(id) => format!("/incidents/{id}"),
            Self::Postmortem(id) => format!("/incidents/{id}/postmortem"),
            Self::Planned(None) => "/maintenance".to_owned(),
            Self::Planned(Some(id)) => format!("/maintenance/{id}"),
        }
    }
}

/// The same document in every language and its feeds, for programs; whole addresses, as
/// search engines want them.
fn alternates(site: &Site, language: Language, place: &Place) -> Markup {
    let base = site.url.trim_end_matches('/');
    html! {
        @for other in Language::ALL {
            link rel="alternate" hreflang=(other.tag()) href={ (base) (place.address(other)) };
        }
        link rel="alternate" hreflang="x-default" href={ (base) (place.negotiated()) };
        (machines::links(site, Words::of(language)))
    }
}

/// The style that makes a page the vendor's own; it stands in the page's policy.
pub(super) fn accent(site: &Site) -> Markup {
    let css = site.settings.brand.css();
    html! { @if !css.is_empty() { style { (PreEscaped(css)) } } }
}

/// Whose page it is, with the way to its front.
pub(super) fn name(site: &Site, words: &Words) -> Markup {
    html! {
        p.site {
            a href=(address(words.language(), None)) {
                // The name beside it says what it is.
                @if let Some(logo) = &site.settings.brand.logo { img src=(logo.path) alt="" height="32"; }
                (words.site(&site.name))
            }
        }
    }
}

fn whole(
    site: &Site,
    words: &Words,
    title: &str,
    head: Markup,
    (place, main): (Place, Markup),
) -> Markup {
    let language = words.language();
    let brand = &site.settings.brand;
    let head = html! { (accent(site)) (head) };
    let body = html! {
        header {
            (name(site, words))
            nav aria-label=(words.languages()) {
                ul {
                    @for other in Language::ALL {
                        @let current = (other == language).then_some("true");
                        li {
                            a href=(place.address(other)) lang=(other.tag()) hreflang=(other.tag())
                                aria-current=[current] { (other.own_name()) }
                        }
                    }
                }
            }
        }
        main { (main) }
        footer {
            @if let Some(form) = subscribing::form_address(site, language) {
                p { a href=(form) { (words.subscribe()) } }
            }
            (machines::follow(words))
            @let legal = [(&brand.imprint_url, words.imprint()), (&brand.privacy_url, words.privacy())];
            @if legal.iter().any(|(url, _)| url.is_some()) {
                p.legal {
                    @for (url, name) in &legal {
                        @if let Some(url) = url { a href=(url) { (name) } " " }
                    }
                }
            }
            p { (words.footer()) }
        }
    };
    STYLE.page(
        language.tag(),
        &format!("{title} · {}", site.name),
        head,
        body,
    )
}
