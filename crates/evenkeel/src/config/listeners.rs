//! Listeners: `[metrics]`, and the certificates of those that have one.

use std::net::SocketAddr;
use std::ops::Range;

use evenkeel_core::Timestamp;

use super::program::given_address;
use super::reader::{At, Report, Section};
use super::secrets::readable;
use super::settings::Kind;
use crate::web::tls::{Tls, TlsFiles, ending};

pub(super) fn metrics(root: &mut Section<'_>, report: &mut Report<'_>) -> Option<SocketAddr> {
    let mut section = root.below_root(report, "metrics");
    let is_there = section.is_there();
    let at = section.at.clone();
    let listen = given_address(
        &mut section,
        report,
        SocketAddr::from(([127, 0, 0, 1], 9464)),
    );
    if is_there && listen.is_none() {
        report.warn(&at, "[metrics] names no `listen`: there are no metrics");
    }
    if let Some(listen) = &listen
        && !listen.value.ip().is_loopback()
    {
        report.warn(
            &listen.at,
            "metrics are read without a login: everyone who reaches this address learns the names of \
             jobs, databases and checks, and how they are; keep it in your own network",
        );
    }
    section.finish(report);
    listen.map(|listen| listen.value)
}

/// The certificate of a listener and its key. They are tried, so that `evenkeel check`
/// says what is wrong with them.
pub(super) fn tls_files(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<TlsFiles> {
    let certificate = section.path(report, "certificate_file", Kind::Folder);
    let key = section.path(report, "key_file", Kind::Folder);
    let (certificate, key) = match (certificate, key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(one), None) | (None, Some(one)) => {
            report.error(
                &one.at,
                "give `certificate_file` and `key_file`, or neither",
            );
            return None;
        }
        (None, None) => return None,
    };
    let files = TlsFiles {
        certificate: certificate.value,
        key: key.value,
    };
    usable(&files, (&certificate.at, &key.at), report);
    Some(files)
}

/// Whether a certificate and its key, named at these places, can be used; says why not,
/// and when one ends soon.
pub(super) fn usable(
    files: &TlsFiles,
    (certificate, key): (&Range<usize>, &Range<usize>),
    report: &mut Report<'_>,
) -> bool {
    let named = [
        (&files.certificate, certificate, false),
        (&files.key, key, true),
    ];
    let readable = named.map(|(file, at, is_secret)| {
        let file = At {
            value: file.clone(),
            at: at.clone(),
        };
        readable(&file, is_secret, report).is_some()
    });
    if readable != [true, true] {
        return false;
    }
    match Tls::load(files) {
        Err(error) => {
            report.error(certificate, error.to_string());
            false
        }
        Ok(tls) => {
            let ends_at = tls.ends_at();
            if let Some(said) = ends_at.and_then(|at| ending(at, Timestamp::now())) {
                report.warn(certificate, format!("this certificate {said}: renew it"));
            }
            true
        }
    }
}

/// The address under `key`.
pub(super) fn address(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    key: &'static str,
) -> Option<At<SocketAddr>> {
    let given = section.text_of(report, key, Kind::Address)?;
    let parsed = given.value.parse().ok();
    if parsed.is_none() {
        let example = section.example(key);
        let what = format!("`{}` is no address with a port", given.value);
        report.error(
            &given.at,
            format!("{what}; write for example {key} = {example}"),
        );
    }
    parsed.map(|value| At {
        value,
        at: given.at,
    })
}
