//! Who is called, in which order, and the server that takes their mail: `[mail]`,
//! `[[person]]`, `[escalation]`.

use std::path::PathBuf;
use std::time::Duration;

use evenkeel_core::calling::{CallingPolicy, PersonPolicy};
use evenkeel_core::ids::PersonId;
use jiff::tz::TimeZone;

use super::Pager;
use super::calendar::zone;
use super::names::{name_in, those};
use super::program::webhook_address;
use super::reader::{At, Report, Section};
use super::secrets::{readable, secret};
use super::settings::Kind;
use crate::quiet::QuietHours;

/// People who can be called; each is a mail, a webhook and some numbers in memory.
const PEOPLE_MAX: usize = 32;

/// A person, and the ways to reach them.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who.
    pub id: PersonId,
    /// The address of their mail.
    pub mail: Option<lettre::Address>,
    /// Their webhook.
    pub webhook: Option<Pager>,
    /// When warnings wait.
    pub quiet_hours: Option<QuietHours>,
    /// The zone times are written in for them.
    pub time_zone: TimeZone,
}

/// The server that takes mail.
#[derive(Debug, Clone)]
pub struct MailServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is made private.
    pub tls: MailTls,
    /// Whose certificates are believed; else the public authorities.
    pub ca_file: Option<PathBuf>,
    /// The account and its password.
    pub account: Option<Account>,
    /// Who writes.
    pub from: lettre::Address,
}

/// An account at a mail server.
#[derive(Clone)]
pub struct Account {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The configuration is shown in logs and tests; the password never is.
        f.debug_struct("Account")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// How a connection to a mail server is made private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// It begins in the clear and turns to TLS before anything is said; else nothing is.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// In the clear.
    None,
}

pub(super) fn mail(root: &mut Section<'_>, report: &mut Report<'_>) -> Option<MailServer> {
    let mut section = root.below_root(report, "mail");
    let is_there = section.is_there();
    let at = section.at.clone();
    let host = section.text(report, "host");
    let tls = section.text(report, "tls");
    let tls = match tls.as_ref().map(|at| at.value.as_str()) {
        None | Some("starttls") => MailTls::StartTls,
        Some("tls") => MailTls::Tls,
        Some("none") => MailTls::None,
        Some(other) => {
            let at = tls.as_ref().map_or(0..0, |at| at.at.clone());
            let what = format!("`{other}` is no way to be private; write starttls, tls or none");
            report.error(&at, what);
            MailTls::StartTls
        }
    };
    let port = section.number(report, "port", 1..=65535);
    let port = port.and_then(|at| u16::try_from(at.value).ok());
    let port = port.unwrap_or(match tls {
        MailTls::StartTls => 587,
        MailTls::Tls => 465,
        MailTls::None => 25,
    });
    let ca_file = section.path(report, "ca_file", Kind::Folder);
    if let Some(file) = &ca_file {
        readable(file, false, report);
    }
    // What is given and wrong is told once, not twice.
    let [has_user, has_password, has_from] =
        ["user", "password_file", "from"].map(|key| section.raw(key).is_some());
    let user = section.text(report, "user");
    let password = secret(&mut section, report, "password_file");
    let from = address(&mut section, report, "from");
    section.finish(report);
    let Some(host) = host else {
        if is_there {
            report.warn(&at, "[mail] names no `host`: no mail is sent");
        }
        return None;
    };
    let account = match (user, password) {
        (Some(user), Some(password)) => {
            if tls == MailTls::None && !is_loopback(&host.value) {
                report.error(
                    &user.at,
                    "the password would cross the network in the clear; write tls = \"starttls\" or \"tls\"",
                );
            }
            Some(Account {
                user: user.value,
                password: password.value,
            })
        }
        (Some(one), None) | (None, Some(one)) => {
            if has_user != has_password {
                report.error(&one.at, "give `user` and `password_file`, or neither");
            }
            None
        }
        (None, None) => None,
    };
    if tls == MailTls::None && account.is_none() && !is_loopback(&host.value) {
        report.warn(
            &host.at,
            format!("mail to {} crosses the network in the clear", host.value),
        );
    }
    let Some(from) = from else {
        if !has_from {
            report.error(
                &at,
                "[mail] has no `from`; write for example from = \"evenkeel@example.com\"",
            );
        }
        return None;
    };
    Some(MailServer {
        host: host.value,
        port,
        tls,
        ca_file: ca_file.map(|at| at.value),
        account,
        from,
    })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

pub(super) fn address(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    key: &'static str,
) -> Option<lettre::Address> {
    let text = section.text(report, key)?;
    match text.value.parse() {
        Ok(address) => Some(address),
        Err(_) => {
            report.error(
                &text.at,
                format!(
                    "`{}` is no mail address; write for example {key} = \"ana@example.com\"",
                    text.value
                ),
            );
            None
        }
    }
}

/// The people, and what the core has to know of them, in the order they are called.
pub(super) fn people(
    sections: Vec<Section<'_>>,
    has_mail: bool,
    escalation: Escalation,
    report: &mut Report<'_>,
) -> (Vec<Person>, CallingPolicy) {
    let mut people: Vec<(Person, PersonPolicy)> = Vec::new();
    for (count, section) in sections.into_iter().enumerate() {
        let at = section.at.clone();
        if count == PEOPLE_MAX {
            let what = format!("more than {PEOPLE_MAX} people cannot be called");
            report.error(&at, what);
            break;
        }
        let Some((person, policy)) = person(section, has_mail, report) else {
            continue;
        };
        if people.iter().any(|(known, _)| known.id == person.id) {
            report.error(&at, format!("there are two people `{}`", person.id));
            continue;
        }
        people.push((person, policy));
    }
    let mut calling = CallingPolicy::default();
    calling.next_after = escalation.next_after.unwrap_or(calling.next_after);
    if escalation.order.is_empty() {
        calling.people = people.iter().map(|(_, policy)| policy.clone()).collect();
    } else {
        let names: Vec<&str> = people
            .iter()
            .map(|(person, _)| person.id.as_str())
            .collect();
        for named in &escalation.order {
            let found = people
                .iter()
                .find(|(person, _)| person.id.as_str() == named.value);
            match found {
                None => report.error(
                    &named.at,
                    format!("there is no person `{}`{}", named.value, those(&names)),
                ),
                Some((_, policy)) if calling.people.contains(policy) => report.error(
                    &named.at,
                    format!("`{}` stands in the order twice", named.value),
                ),
                Some((_, policy)) => calling.people.push(policy.clone()),
            }
        }
        for (person, policy) in &people {
            if !calling.people.contains(policy) {
                report.warn(
                    &escalation.at,
                    format!("`{}` is not in the order, and is never called", person.id),
                );
            }
        }
    }
    let people = people.into_iter().map(|(person, _)| person).collect();
    (people, calling)
}

/// `[escalation]`, before the people are known.
pub(super) struct Escalation {
    at: std::ops::Range<usize>,
    order: Vec<At<String>>,
    next_after: Option<Duration>,
}

pub(super) fn escalation(root: &mut Section<'_>, report: &mut Report<'_>) -> Escalation {
    let mut section = root.below_root(report, "escalation");
    let at = section.at.clone();
    let next_after = section.duration_of(report, "next_after", Duration::from_secs(60));
    let order = section.list(report, "order");
    section.finish(report);
    Escalation {
        at,
        order,
        next_after: next_after.map(|at| at.value),
    }
}

fn person(
    mut section: Section<'_>,
    has_mail: bool,
    report: &mut Report<'_>,
) -> Option<(Person, PersonPolicy)> {
    let at = section.at.clone();
    let name = name_in(&mut section, report, "name", "person");
    let mail_at = section.raw("mail").map(toml::Spanned::span);
    let is_reached = ["mail", "webhook_url", "webhook_url_file"]
        .into_iter()
        .any(|key| section.raw(key).is_some());
    let mail = address(&mut section, report, "mail");
    let webhook = webhook_address(
        &mut section,
        report,
        ("webhook_url", "webhook_url_file", "webhook_token_file"),
    );
    let token = secret(&mut section, report, "webhook_token_file").map(|at| at.value);
    let time_zone = zone(&mut section, report);
    let quiet_hours = section.text(report, "quiet_hours");
    let quiet_hours = quiet_hours.and_then(|text| {
        let read = QuietHours::read(&text.value, time_zone.clone());
        if let Err(why) = &read {
            report.error(&text.at, why.clone());
        }
        read.ok()
    });
    let warnings = section.yes_no(report, "warnings").unwrap_or(true);
    let critical = section
        .yes_no(report, "critical_in_quiet_hours")
        .unwrap_or(true);
    section.finish(report);
    let name = name?;
    if let Some(mail_at) = mail_at.filter(|_| !has_mail) {
        report.error(
            &mail_at,
            "there is no mail server; write a [mail] section with `host` and `from`",
        );
    } else if !is_reached {
        report.error(
            &at,
            format!(
                "nothing reaches `{}`; give `mail`, `webhook_url`, or both",
                name.value
            ),
        );
    }
    let id = PersonId::from(name.value);
    let policy = PersonPolicy {
        id: id.clone(),
        warnings,
        quiet_hours: quiet_hours.is_some(),
        critical_in_quiet_hours: critical,
    };
    let person = Person {
        id,
        mail,
        webhook: webhook.map(|url| Pager { url, token }),
        quiet_hours,
        time_zone,
    };
    Some((person, policy))
}
