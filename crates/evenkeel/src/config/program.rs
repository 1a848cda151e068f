//! What concerns Evenkeel itself: where it listens, whom it calls, how long it remembers,
//! and its log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_core::event::What;
use evenkeel_core::policy::{
    FIRST_WORD_WITHIN, IncidentPolicy, TELL_AFTER_MAX, TellMode, TellingPolicy,
};

use super::brand;
use super::listeners::tls_files;
use super::reader::{At, Report, Section};
use super::secrets::secret;
use super::settings::Kind;
use super::{Log, Operator, Page, Pager};

fn address(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    default: ([u8; 4], u16),
) -> At<SocketAddr> {
    let default = At {
        value: SocketAddr::from(default),
        at: section.at.clone(),
    };
    given_address(section, report, default.value).unwrap_or(default)
}

/// The address a section names; `example` stands in what is said of one that is none.
pub(super) fn given_address(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    example: SocketAddr,
) -> Option<At<SocketAddr>> {
    let text = section.text_of(report, "listen", Kind::Address)?;
    match text.value.parse() {
        Ok(value) => Some(At { value, at: text.at }),
        Err(_) => {
            report.error(
                &text.at,
                format!(
                    "`{}` is no address with a port; write for example listen = \"{example}\"",
                    text.value
                ),
            );
            None
        }
    }
}

pub(super) fn page(root: &mut Section<'_>, report: &mut Report<'_>) -> Page {
    let mut section = root.below_root(report, "page");
    let listen = address(&mut section, report, ([127, 0, 0, 1], 8080)).value;
    let name = section.text(report, "name");
    let url = link(&mut section, report);
    let tls = tls_files(&mut section, report);
    let copies_valid_for = section.time(
        report,
        "copies_valid_for",
        crate::publish::VALID_FOR_MIN,
        crate::publish::VALID_FOR,
    );
    let brand = brand::read(&mut section, report);
    let ask = brand::ask(&mut section, report);
    let witness_key = super::witness::key(&mut section, report, "witness_key", false);
    section.finish(report);
    Page {
        witness_key,
        tls,
        brand,
        ask,
        copies_valid_for,
        listen,
        name: name.map_or_else(|| "Service".into(), |at| at.value),
        url,
    }
}

/// An address for links.
fn link(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<String> {
    let url = section.text(report, "url")?;
    if !url.value.starts_with("https://") && !url.value.starts_with("http://") {
        report.error(&url.at, "`url` has to begin with https:// or http://");
    }
    Some(url.value)
}

pub(super) fn operator(
    root: &mut Section<'_>,
    report: &mut Report<'_>,
    page: SocketAddr,
) -> Operator {
    let mut section = root.below_root(report, "operator");
    let url = link(&mut section, report);
    let wants_tls = section.has("certificate_file") || section.has("key_file");
    let tls = tls_files(&mut section, report);
    let listen = address(&mut section, report, ([127, 0, 0, 1], 8081));
    if !listen.value.ip().is_loopback() && !wants_tls {
        report.error(
            &listen.at,
            format!(
                "without TLS the operator's pages listen on loopback only: passwords and evidence would \
                 cross the network in the clear; write listen = \"127.0.0.1:{}\" and reach them through \
                 an SSH tunnel, or give `certificate_file` and `key_file`",
                listen.value.port()
            ),
        );
    }
    if listen.value.port() != 0
        && listen.value.port() == page.port()
        && (listen.value.ip() == page.ip() || page.ip().is_unspecified())
    {
        report.error(
            &listen.at,
            format!(
                "the operator's pages cannot listen on {}, where the public page is; write for \
                 example [operator] listen = \"127.0.0.1:{}\"",
                listen.value,
                listen.value.port().checked_add(1).unwrap_or(8081)
            ),
        );
    }
    section.finish(report);
    Operator {
        listen: listen.value,
        url,
        tls,
    }
}

pub(super) fn pager(root: &mut Section<'_>, report: &mut Report<'_>) -> Option<Pager> {
    let mut section = root.below_root(report, "pager");
    let is_there = section.is_there();
    let at = section.at.clone();
    let given = section.raw("url").is_some() || section.raw("url_file").is_some();
    let url = webhook_address(&mut section, report, ("url", "url_file", "token_file"));
    let token = secret(&mut section, report, "token_file").map(|at| at.value);
    section.finish(report);
    if is_there && !given {
        report.warn(&at, "[pager] names no `url`: pages stand in the log only");
    }
    url.map(|url| Pager { url, token })
}

/// A webhook, by its address or by a file that holds it; the third key is where a token
/// belongs.
pub(super) fn webhook_address(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    (url, url_file, token_file): (&'static str, &'static str, &'static str),
) -> Option<hyper::Uri> {
    let inline = section.text(report, url);
    let from_file = secret(section, report, url_file);
    if let (Some(_), Some(second)) = (&inline, &from_file) {
        report.error(
            &second.at,
            format!("give `{url}` or `{url_file}`, not both"),
        );
    }
    let is_inline = inline.is_some();
    let given = inline.or(from_file)?;
    let known = given.value.starts_with("https://") || given.value.starts_with("http://");
    if is_inline && given.value.parse().is_ok_and(|uri| has_password(&uri)) {
        report.error(
            &given.at,
            format!(
                "a password does not belong into this file; put the whole address into a file of its \
                 own and name it in `{url_file}`, or the token in `{token_file}`"
            ),
        );
        return None;
    }
    match given.value.parse::<hyper::Uri>() {
        Ok(uri) if known && uri.host().is_some() => Some(uri),
        _ => {
            report.error(
                &given.at,
                format!(
                    "the webhook is no address; write for example {url} = \"https://pager.example.com/hook\""
                ),
            );
            None
        }
    }
}

fn has_password(uri: &hyper::Uri) -> bool {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    authority
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.contains(':'))
}

pub(super) fn incidents(root: &mut Section<'_>, report: &mut Report<'_>) -> IncidentPolicy {
    let mut section = root.below_root(report, "incidents");
    let default = IncidentPolicy::default();
    let mut take = |key, least: u64, default: Duration| {
        let given = section.duration_of(report, key, Duration::from_secs(least));
        given.map_or(default, |at| at.value)
    };
    let policy = IncidentPolicy {
        settle: take("settle", 1, default.settle),
        reopen_within: take("reopen_within", 0, default.reopen_within),
        next_update_after: take("next_update_after", 1, default.next_update_after),
    };
    section.finish(report);
    policy
}

pub(super) fn telling(root: &mut Section<'_>, report: &mut Report<'_>) -> TellingPolicy {
    let mut section = root.below_root(report, "telling");
    let default = TellingPolicy::default();
    let modes = [
        ("automatic", TellMode::Automatic),
        ("veto", TellMode::Veto),
        ("propose", TellMode::Propose),
    ];
    let mode = section.word(report, "mode", &modes).unwrap_or_default();
    let tell_after = section.duration(report, "tell_after");
    let least = Duration::from_secs(5);
    let veto_within = section.duration_of(report, "veto_within", least);
    let at = tell_after.as_ref().or(veto_within.as_ref());
    let at = at.map_or(section.at.clone(), |at| at.at.clone());
    let policy = TellingPolicy {
        mode,
        tell_after: tell_after.map_or(default.tell_after, |at| at.value),
        veto_within: veto_within.map_or(default.veto_within, |at| at.value),
    };
    let waits = match mode {
        TellMode::Veto => policy.tell_after + policy.veto_within,
        TellMode::Automatic | TellMode::Propose => policy.tell_after,
    };
    section.finish(report);
    if waits > TELL_AFTER_MAX {
        report.error(
            &at,
            format!(
                "a word would wait for {} s, and customers are to be told within {} s: `tell_after` \
                 (and in mode `veto` `veto_within` with it) may be {} s at most",
                waits.as_secs(),
                FIRST_WORD_WITHIN.as_secs(),
                TELL_AFTER_MAX.as_secs()
            ),
        );
        return default;
    }
    policy
}

/// Entry kinds that may go, by the setting that says when.
pub(super) fn retention(
    root: &mut Section<'_>,
    report: &mut Report<'_>,
) -> BTreeMap<String, Duration> {
    let mut section = root.below_root(report, "retention");
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    let mut keep_for = BTreeMap::new();
    for (key, prefixes) in [
        ("findings", &["finding_"] as &[&str]),
        ("runs", &["slot_", "run_", "product_"]),
        ("pings", &["ping_"]),
    ] {
        let given = section.duration(report, key);
        if let Some(given) = &given
            && given.value < Duration::from_secs(24 * 3600)
        {
            report.error(
                &given.at,
                "less than a day would lose what is still going on; write at least \"1d\"",
            );
        }
        let default = days(if key == "pings" { 90 } else { 400 });
        let keep = given.map_or(default, |at| at.value);
        for kind in What::KINDS {
            let name = kind.0;
            if prefixes.iter().any(|prefix| name.starts_with(prefix)) {
                keep_for.insert(name.to_owned(), keep);
            }
        }
    }
    section.finish(report);
    keep_for
}

pub(super) fn log(root: &mut Section<'_>, report: &mut Report<'_>) -> Log {
    let mut section = root.below_root(report, "log");
    let mut log = Log {
        level: tracing::Level::INFO,
        json: false,
    };
    if let Some(level) = section.text(report, "level") {
        match level.value.parse() {
            Ok(level) => log.level = level,
            Err(_) => report.error(
                &level.at,
                format!(
                    "`{}` is no level; write error, warn, info, debug or trace",
                    level.value
                ),
            ),
        }
    }
    let json = section.word(report, "format", &[("text", false), ("json", true)]);
    log.json = json.unwrap_or(log.json);
    section.finish(report);
    log
}
