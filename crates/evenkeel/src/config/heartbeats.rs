//! `[pings]` and `[[heartbeat]]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_core::finding::Severity;
use evenkeel_core::heartbeat::{Expectation, HEARTBEATS_MAX, HeartbeatSpec};
use evenkeel_core::ids::HeartbeatId;
use evenkeel_core::policy::Policy;

use super::calendar::{name_of, zone};
use super::listeners::tls_files;
use super::names::{HARMS, components};
use super::program::given_address;
use super::reader::{At, Report, Section};
use super::secrets::secret;
use crate::heartbeats::due::Due;
use crate::heartbeats::slug;
use crate::heartbeats::uuid::Uuid;
use crate::web::tls::TlsFiles;

/// Time on a network, and of a client that is slow; what is shorter is missing all the time.
const PATIENCE_MIN: Duration = Duration::from_secs(1);

/// A key that is guessed is none: 16 letters and digits are 95 bits.
const KEY_MIN: usize = 16;

/// Where heartbeats are pinged, and managed.
#[derive(Debug, Clone)]
pub struct Pings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where clients reach it: `https://ping.example.com`.
    pub url: Option<String>,
    /// The key of slug URLs.
    pub ping_key: String,
    /// The key of the API.
    pub api_key: Option<String>,
    /// The key that only reads.
    pub api_key_readonly: Option<String>,
    /// Its certificate, where it has one.
    pub tls: Option<TlsFiles>,
}

impl Pings {
    /// Where clients reach it; `listens` where it really listens, once it does.
    pub fn site(&self, listens: Option<SocketAddr>) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let own = || format!("{scheme}://{}", listens.unwrap_or(self.listen));
        self.url.clone().unwrap_or_else(own)
    }

    /// What a UUID is put behind to be pinged.
    pub fn base(&self, listens: Option<SocketAddr>) -> String {
        format!("{}/ping/", self.site(listens))
    }
}

pub(super) fn pings(root: &mut Section<'_>, report: &mut Report<'_>) -> Option<Pings> {
    let mut section = root.below_root(report, "pings");
    let is_there = section.is_there();
    let at = section.at.clone();
    let example = SocketAddr::from(([127, 0, 0, 1], 8082));
    let listen = given_address(&mut section, report, example);
    let url = section.text(report, "url");
    if let Some(url) = &url
        && !url.value.starts_with("https://")
        && !url.value.starts_with("http://")
    {
        report.error(&url.at, "`url` has to begin with https:// or http://");
    }
    let tls = tls_files(&mut section, report);
    let named = section.raw("ping_key_file").is_some();
    let keys = ["ping_key_file", "api_key_file", "api_key_readonly_file"];
    let [ping_key, api_key, api_key_readonly] = keys.map(|key| {
        let given = secret(&mut section, report, key)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if given.value.len() < KEY_MIN || !given.value.bytes().all(plain) {
            report.error(
                &given.at,
                format!(
                    "the key in `{key}` has to be at least {KEY_MIN} letters, digits, `-` and `_`; make \
                     one with: head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '='"
                ),
            );
        }
        Some(given.value)
    });
    section.finish(report);
    if !is_there {
        return None;
    }
    let Some(listen) = listen else {
        report.warn(&at, "[pings] names no `listen`: no heartbeat is heard");
        return None;
    };
    let Some(ping_key) = ping_key else {
        // One that is named and cannot be read was told.
        if !named {
            report.error(
                &at,
                "[pings] has no `ping_key_file`; write for example ping_key_file = \"ping-key\"",
            );
        }
        return None;
    };
    Some(Pings {
        listen: listen.value,
        url: url.map(|url| url.value.trim_end_matches('/').to_owned()),
        ping_key,
        api_key,
        api_key_readonly,
        tls,
    })
}

pub(super) fn read(
    sections: Vec<Section<'_>>,
    pings: Option<&Pings>,
    policy: &mut Policy,
    report: &mut Report<'_>,
) {
    let mut names: BTreeMap<String, HeartbeatId> = BTreeMap::new();
    let told = report.problems.iter().any(|problem| !problem.is_warning);
    if let (None, Some(first)) = (pings, sections.first())
        && !told
    {
        report.error(
            &first.at,
            "heartbeats need an address to be pinged at; write [pings] with `listen` and `ping_key_file`",
        );
    }
    if sections.len() > HEARTBEATS_MAX {
        let what = format!("there are more than {HEARTBEATS_MAX} heartbeats");
        report.error(&(0..0), what);
        return;
    }
    for mut section in sections {
        let at = section.at.clone();
        let made = heartbeat(&mut section, pings, policy, report);
        section.finish(report);
        let Some((id, spec)) = made else {
            continue;
        };
        for (what, text) in [("name", &spec.name), ("slug", &spec.slug)] {
            let known = names.insert(format!("{what} {text}"), id.clone());
            if known.is_some() && !text.is_empty() {
                report.error(
                    &at,
                    format!("there are two heartbeats with the {what} `{text}`"),
                );
            }
        }
        if policy.heartbeats.insert(id.clone(), spec).is_some() {
            report.error(
                &at,
                format!("there are two heartbeats with the uuid `{id}`"),
            );
        }
    }
}

fn heartbeat(
    section: &mut Section<'_>,
    pings: Option<&Pings>,
    policy: &Policy,
    report: &mut Report<'_>,
) -> Option<(HeartbeatId, HeartbeatSpec)> {
    let default = HeartbeatSpec::default();
    let name = section.required(report, "name");
    let slug = slug_of(section, name.as_ref(), report);
    let uuid = section.text(report, "uuid");
    let uuid = uuid.and_then(|given| {
        let read = Uuid::parse(&given.value);
        if read.is_none() {
            let what = format!("`{}` is no UUID", given.value);
            report.error(&given.at, what + "; leave it out, and one is made");
        }
        read
    });
    let expected = expected(section, report);
    let mut span = |key| {
        let given = section.duration_of(report, key, PATIENCE_MIN)?;
        Some(given.value)
    };
    let grace = span("grace").unwrap_or(default.grace);
    let (start_grace, run_max) = (span("start_grace"), span("run_max"));
    let (run_min, interval_min) = (span("run_min"), span("interval_min"));
    if let (Some(least), Some(most)) = (run_min, run_max)
        && least >= most
    {
        report.error(
            &section.at,
            "`run_min` has to be shorter than `run_max`, or every run is wrong",
        );
    }
    let components = components(section, policy, report);
    let severity = section.word(report, "severity", SEVERITIES);
    let harm = section.word(report, "harm", HARMS);
    let tags: Vec<String> = section
        .list(report, "tags")
        .into_iter()
        .map(|tag| tag.value)
        .collect();
    let desc = section.text(report, "description");
    let manual_resume = section.yes_no(report, "manual_resume");
    let post_only = section.yes_no(report, "post_only");
    let name = name?.value;
    let uuid = match (uuid, pings) {
        (Some(uuid), _) => uuid,
        (None, Some(pings)) => Uuid::of_name(&pings.ping_key, &name),
        (None, None) => return None,
    };
    let spec = HeartbeatSpec {
        name,
        slug,
        tags: tags.join(" "),
        desc: desc.map_or_else(String::new, |desc| desc.value),
        expected: expected?,
        grace,
        start_grace,
        run_max,
        run_min,
        interval_min,
        severity: severity.unwrap_or(default.severity),
        components,
        harm: harm.unwrap_or(default.harm),
        manual_resume: manual_resume.unwrap_or(false),
        post_only: post_only.unwrap_or(false),
        mail: None,
    };
    Some((HeartbeatId::from(uuid.to_string()), spec))
}

fn slug_of(
    section: &mut Section<'_>,
    name: Option<&At<String>>,
    report: &mut Report<'_>,
) -> String {
    let Some(given) = section.text(report, "slug") else {
        return name.map_or_else(String::new, |name| slug::of_name(&name.value));
    };
    if !slug::is_one(&given.value) {
        report.error(
            &given.at,
            format!(
                "`{}` cannot be a slug: it has to be at most 100 of a-z, 0-9, `-` and `_`",
                given.value
            ),
        );
    }
    given.value
}

fn expected(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<Expectation> {
    let period = section.duration_of(report, "period", PATIENCE_MIN);
    let cron = section.text(report, "cron");
    let calendar = section.text(report, "on_calendar");
    let zone = zone(section, report);
    let time_zone = name_of(&zone).to_owned();
    let one = "a heartbeat has one of `period`, `cron` and `on_calendar`; write for example period = \"1h\"";
    let (expected, at) = match (period, cron, calendar) {
        (Some(period), None, None) => {
            let at = period.at;
            let period = period.value;
            (Expectation::Every { period }, at)
        }
        (None, Some(cron), None) => {
            let expression = cron.value;
            let expected = Expectation::Cron {
                expression,
                time_zone,
            };
            (expected, cron.at)
        }
        (None, None, Some(calendar)) => {
            let expression = calendar.value;
            let expected = Expectation::OnCalendar {
                expression,
                time_zone,
            };
            (expected, calendar.at)
        }
        _ => {
            report.error(&section.at, one);
            return None;
        }
    };
    match Due::read(&expected) {
        Ok(_) => Some(expected),
        Err(why) => {
            report.error(&at, why);
            None
        }
    }
}

const SEVERITIES: &[(&str, Severity)] = &[
    ("critical", Severity::Critical),
    ("warning", Severity::Warning),
    ("notice", Severity::Notice),
];
