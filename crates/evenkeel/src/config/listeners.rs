//! Listeners: `[metrics]`, and the certificates of those that have one.

use std::net::SocketAddr;

use evenkeel_core::Timestamp;

use super::program::given_address;
use super::reader::{Report, Section};
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
    let readable = [(&certificate, false), (&key, true)]
        .map(|(file, is_secret)| readable(file, is_secret, report).is_some());
    let files = TlsFiles {
        certificate: certificate.value,
        key: key.value,
    };
    if readable == [true, true] {
        match Tls::load(&files) {
            Err(error) => report.error(&certificate.at, error.to_string()),
            Ok(tls) => {
                let ends_at = tls.ends_at();
                if let Some(said) = ends_at.and_then(|at| ending(at, Timestamp::now())) {
                    report.warn(
                        &certificate.at,
                        format!("this certificate {said}: renew it"),
                    );
                }
            }
        }
    }
    Some(files)
}
