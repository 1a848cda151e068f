//! `[hotline]`: what whoever calls hears, and the telephone system that is told of it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::calendar::zone;
use super::program::webhook_address;
use super::reader::{Report, Section};
use super::secrets::secret;
use crate::hotline::{SECRET_PREFIX, Settings};
use crate::web::public::settings::{Hotline, Trouble};

/// A shorter secret can be guessed from what it signed; Standard Webhooks ask for as much.
const SECRET_MIN: usize = 24;

pub(super) fn read(root: &mut Section<'_>, report: &mut Report<'_>) -> (Hotline, Option<Settings>) {
    let mut section = root.below_root(report, "hotline");
    let has_zone = section.has("time_zone");
    let zone = zone(&mut section, report);
    let continue_at = section.text(report, "continue_at");
    if let Some(given) = &continue_at
        && !["https://", "http://", "/"]
            .iter()
            .any(|start| given.value.starts_with(start))
    {
        let what = "`continue_at` is the address of your telephone system's next document; it begins \
                    with https://, http:// or /";
        report.error(&given.at, what);
    }
    let at = section.at.clone();
    let url = webhook_address(
        &mut section,
        report,
        ("webhook_url", "webhook_url_file", "webhook_secret_file"),
    );
    let key = secret(&mut section, report, "webhook_secret_file").and_then(|given| {
        let key = match given.value.strip_prefix(SECRET_PREFIX) {
            Some(coded) => BASE64_STANDARD.decode(coded).unwrap_or_default(),
            None => given.value.into_bytes(),
        };
        if key.len() < SECRET_MIN {
            let what = format!(
                "the secret is no base64 after `{SECRET_PREFIX}`, or shorter than {SECRET_MIN} bytes; make \
                 one with: openssl rand -hex 32"
            );
            report.error(&given.at, what);
            return None;
        }
        Some(key)
    });
    let webhook = match (url, key) {
        (Some(url), Some(key)) => Some(Settings { url, key }),
        (Some(_), None) if !section.has("webhook_secret_file") => {
            let what = "the telephone system cannot tell who speaks to it: give `webhook_secret_file`; \
                        make a secret with: openssl rand -hex 32";
            report.error(&at, what);
            None
        }
        _ => None,
    };
    section.finish(report);
    let hotline = Hotline {
        zone: has_zone.then_some(zone),
        continue_at: continue_at.map(|at| at.value),
        trouble: Trouble::default(),
    };
    (hotline, webhook)
}
