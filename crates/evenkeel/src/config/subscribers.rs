//! `[subscribers]` and `[[announce]]`: customers who are told where they are, and the
//! operator's own announcements.

use std::collections::BTreeMap;

use evenkeel_core::ids::ComponentId;
use evenkeel_core::language::Language;
use evenkeel_core::policy::Policy;

use super::names::{components, identity};
use super::people::address;
use super::program::webhook_address;
use super::reader::{Report, Section};
use super::secrets::{readable, secret};
use super::settings::Kind;
use super::{MailServer, Page};
use crate::subscribers::address::Network;
use crate::subscribers::announce::{Announcement, BodyIs, Place, Sms};
use crate::subscribers::dkim::KeySpec;
use crate::subscribers::{MailSettings, Settings};

/// Announcements: each is a request for every update.
const ANNOUNCEMENTS_MAX: usize = 32;

/// Telephone numbers of one: each update costs money for each.
const NUMBERS_MAX: usize = 100;

/// The most subscribers there may be.
const SUBSCRIBERS_MAX: i64 = 1_000_000;

pub(super) fn read(
    root: &mut Section<'_>,
    (page, server): (&Page, Option<&MailServer>),
    report: &mut Report<'_>,
) -> Settings {
    let mut section = root.below_root(report, "subscribers");
    let is_on = section.is_there();
    let at = section.at.clone();
    let wants_mail = section.yes_no_at(report, "mail");
    let from = address(&mut section, report, "from");
    let reply_to = address(&mut section, report, "reply_to");
    let per_second = section.count(report, "per_second", 1..=1000, 50);
    let per_domain = section.count(report, "per_domain_per_second", 1..=1000, 10);
    let connections = section.count(report, "connections", 1..=32, 4);
    let subscribers_max = section.count(report, "subscribers_max", 1..=SUBSCRIBERS_MAX, 200_000);
    let networks = section.list(report, "webhook_networks");
    let networks = networks.into_iter().filter_map(|text| {
        let network = Network::read(&text.value);
        if network.is_none() {
            report.error(
                &text.at,
                format!(
                    "`{}` is no network; write for example \"10.1.0.0/16\"",
                    text.value
                ),
            );
        }
        network
    });
    let networks = networks.collect();
    let domain = section.text(report, "dkim_domain");
    let selector = section.text(report, "dkim_selector");
    let key_file = section.path(report, "dkim_key_file", Kind::Folder);
    section.finish(report);
    let wants = wants_mail.as_ref().is_some_and(|wanted| wanted.value);
    if let Some(wanted) = wants_mail.as_ref().filter(|_| wants) {
        if server.is_none() {
            report.error(
                &wanted.at,
                "there is no mail server; write a [mail] section with `host` and `from`",
            );
        }
        if page.url.is_none() {
            report.error(
                &wanted.at,
                "mails carry links, and nobody knows the page's address; write [page] url",
            );
        }
    }
    let from = from.or_else(|| server.map(|server| server.from.clone()));
    let dkim = match (selector, key_file) {
        (Some(selector), Some(file)) => {
            let of = from.as_ref().map(|from| from.domain().to_ascii_lowercase());
            let named = domain.as_ref().map(|at| at.value.to_ascii_lowercase());
            let domain_at = domain.as_ref().map_or(at.clone(), |at| at.at.clone());
            if let (Some(named), Some(of)) = (&named, &of)
                && of != named
                && !of.ends_with(&format!(".{named}"))
            {
                report.error(
                    &domain_at,
                    format!("a key of {named} says nothing of mail from {of}: name that domain, or one above it"),
                );
            }
            readable(&file, true, report);
            let plain = |text: &str| {
                text.len() <= 200
                    && text
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
            };
            if !plain(&selector.value) || named.as_ref().is_some_and(|named| !plain(named)) {
                report.error(
                    &selector.at,
                    "`dkim_selector` and `dkim_domain` are names as they stand in the DNS",
                );
            }
            named.or(of).map(|domain| KeySpec {
                domain,
                selector: selector.value,
                file: file.value,
            })
        }
        (Some(one), None) => {
            report.error(
                &one.at,
                "give `dkim_selector` and `dkim_key_file`, or neither",
            );
            None
        }
        (None, Some(one)) => {
            report.error(
                &one.at,
                "give `dkim_selector` and `dkim_key_file`, or neither",
            );
            None
        }
        (None, None) => None,
    };
    let mail = from
        .filter(|_| wants && server.is_some())
        .map(|from| MailSettings {
            from,
            reply_to,
            per_second,
            per_domain,
            connections,
            dkim,
        });
    Settings {
        is_on,
        mail,
        networks,
        announcements: Vec::new(),
        subscribers_max,
    }
}

pub(super) fn announcements(
    sections: Vec<Section<'_>>,
    policy: &Policy,
    page: &Page,
    report: &mut Report<'_>,
) -> Vec<Announcement> {
    let mut all: Vec<Announcement> = Vec::new();
    for (count, section) in sections.into_iter().enumerate() {
        let at = section.at.clone();
        if count == ANNOUNCEMENTS_MAX {
            let what = format!("an update is announced in at most {ANNOUNCEMENTS_MAX} places");
            report.error(&at, what);
            break;
        }
        if count == 0 && page.url.is_none() {
            report.warn(
                &at,
                "what is announced links to where the page listens, as nobody knows its address; write [page] url",
            );
        }
        let Some(one) = announcement(section, policy, report) else {
            continue;
        };
        if all.iter().any(|known| known.id == one.id) {
            report.error(&at, format!("there are two announcements `{}`", one.id));
            continue;
        }
        all.push(one);
    }
    all
}

fn announcement(
    mut section: Section<'_>,
    policy: &Policy,
    report: &mut Report<'_>,
) -> Option<Announcement> {
    #[derive(Clone, Copy, PartialEq)]
    enum What {
        Slack,
        Teams,
        Mastodon,
        Ntfy,
        Sms,
    }
    let at = section.at.clone();
    let id = identity(&mut section, report, "announcement");
    section.demand(report, "kind");
    let kinds = [
        ("slack", What::Slack),
        ("mattermost", What::Slack),
        ("teams", What::Teams),
        ("mastodon", What::Mastodon),
        ("ntfy", What::Ntfy),
        ("sms", What::Sms),
    ];
    let kind = section.word(report, "kind", &kinds);
    let has_url = section.raw("url").is_some() || section.raw("url_file").is_some();
    let url = webhook_address(&mut section, report, ("url", "url_file", "token_file"));
    let has_token = section.raw("token_file").is_some();
    let token = secret(&mut section, report, "token_file");
    let languages = languages(&mut section, report);
    let components: Vec<ComponentId> = components(&mut section, policy, report);
    let topic = section.text(report, "topic");
    let to = section.list(report, "to");
    let body = section.text(report, "body");
    let bodies = [("json", BodyIs::Json), ("form", BodyIs::Form)];
    let body_is = section
        .word(report, "body_type", &bodies)
        .unwrap_or(BodyIs::Json);
    let headers = section.map(report, "headers");
    let authorization = secret(&mut section, report, "authorization_file");
    let parts_max = section.count(report, "parts_max", 1..=6, 2);
    section.finish(report);
    let (id, kind) = (id?, kind?);
    if !has_url {
        report.error(&at, "this announcement has no `url`, and no `url_file`");
    }
    let used = |given: bool, key: &str, by: &[What], report: &mut Report<'_>| {
        if given && !by.contains(&kind) {
            report.warn(
                &at,
                format!("`{key}` is not used by this kind of announcement"),
            );
        }
    };
    used(
        token.is_some(),
        "token_file",
        &[What::Mastodon, What::Ntfy],
        report,
    );
    used(topic.is_some(), "topic", &[What::Ntfy], report);
    used(!to.is_empty(), "to", &[What::Sms], report);
    used(body.is_some(), "body", &[What::Sms], report);
    used(headers.is_some(), "headers", &[What::Sms], report);
    used(
        authorization.is_some(),
        "authorization_file",
        &[What::Sms],
        report,
    );
    let lacks = |key: &str, report: &mut Report<'_>| {
        report.error(&at, format!("this announcement has no `{key}`"));
    };
    let url = url?;
    let place = match kind {
        What::Slack => Place::Slack { url },
        What::Teams => Place::Teams { url },
        What::Mastodon => match token {
            Some(token) => Place::Mastodon {
                url,
                token: token.value,
            },
            None => {
                // A file that is named and cannot be read was told.
                if !has_token {
                    lacks("token_file", report);
                }
                return None;
            }
        },
        What::Ntfy => match topic {
            Some(topic) => Place::Ntfy {
                url,
                topic: topic.value,
                token: token.map(|at| at.value),
            },
            None => {
                lacks("topic", report);
                return None;
            }
        },
        What::Sms => {
            let Some(body) = body else {
                lacks("body", report);
                return None;
            };
            if !body.value.contains("{to}") || !body.value.contains("{text}") {
                report.error(
                    &body.at,
                    "`body` has to hold {to} and {text}, which are filled in",
                );
            }
            if to.is_empty() {
                lacks("to", report);
            }
            if to.len() > NUMBERS_MAX {
                report.error(&at, format!("an SMS goes to at most {NUMBERS_MAX} numbers"));
            }
            for number in &to {
                let plain = |c: char| c.is_ascii_digit() || "+-() ".contains(c);
                if number.value.len() > 30 || !number.value.chars().all(plain) {
                    let what = format!("`{}` is no telephone number", number.value);
                    report.error(&number.at, what + "; write for example \"+31201234567\"");
                }
            }
            let headers_at = headers
                .as_ref()
                .map_or(at.clone(), |headers| headers.at.clone());
            let headers: BTreeMap<String, String> = headers
                .map(|headers| headers.value)
                .unwrap_or_default()
                .into_iter()
                .collect();
            for (name, value) in &headers {
                let good = name.parse::<hyper::header::HeaderName>().is_ok()
                    && value.parse::<hyper::header::HeaderValue>().is_ok();
                if !good {
                    report.error(&headers_at, format!("`{name}` is no header"));
                }
            }
            Place::Sms(Sms {
                url,
                body: body.value,
                body_is,
                headers,
                authorization: authorization.map(|at| at.value),
                to: to.into_iter().map(|at| at.value).collect(),
                parts_max,
            })
        }
    };
    Some(Announcement {
        id: id.value,
        place,
        languages,
        components,
    })
}

fn languages(section: &mut Section<'_>, report: &mut Report<'_>) -> Vec<Language> {
    let named = section.list(report, "languages");
    let mut languages = Vec::new();
    for tag in named {
        match Language::of(&tag.value) {
            Some(language) if languages.contains(&language) => {}
            Some(language) => languages.push(language),
            None => report.error(
                &tag.at,
                format!(
                    "`{}` is no language customers are told in; there is en, nl, de, pl, da",
                    tag.value
                ),
            ),
        }
    }
    if languages.is_empty() {
        languages.push(Language::default());
    }
    languages
}
