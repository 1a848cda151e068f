//! `acme_*` of a listener: the authority that issues its certificate, and for which names.
//!
//! Names are hosts, without wildcards: the edge proves them in its own handshake, and a
//! wildcard can be proved in DNS only, for which the process that faces the internet would
//! need the keys to the operator's DNS.

use std::path::PathBuf;

use evenkeel_edge::settings::{Authority, Backoff};
use hyper::Uri;

use super::reader::{At, Report, Section};
use super::secrets::readable;
use super::settings::Kind;

/// The authority that is asked where none is named.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Names of one certificate: Let's Encrypt's own bound.
const DOMAINS_MAX: usize = 100;

/// An authority that is to be asked, as it is written.
pub(super) struct Asked {
    pub(super) domains: Vec<At<String>>,
    directory: Option<At<String>>,
    contact: Option<At<String>>,
    root: Option<At<PathBuf>>,
    agreed: Option<At<bool>>,
}

impl Asked {
    /// Reads what a listener says.
    pub(super) fn read(section: &mut Section<'_>, report: &mut Report<'_>) -> Self {
        Self {
            domains: section.list(report, "acme_domains"),
            directory: section.text(report, "acme_directory"),
            contact: section.text(report, "acme_contact"),
            root: section.path(report, "acme_ca_file", Kind::Folder),
            agreed: section.yes_no_at(report, "acme_terms_agreed"),
        }
    }

    /// The authority, where there is a name to ask for.
    pub(super) fn checked(self, report: &mut Report<'_>) -> Option<Authority> {
        let Some(first) = self.domains.first() else {
            self.refuse_without_names(report);
            return None;
        };
        if !self.agreed.as_ref().is_some_and(|agreed| agreed.value) {
            let at = self.agreed.as_ref().map_or(&first.at, |agreed| &agreed.at);
            report.error(
                at,
                "an authority issues only to whom its terms are agreed with; read them, and write \
                 acme_terms_agreed = true",
            );
        }
        if let Some(one_more) = self.domains.get(DOMAINS_MAX) {
            let what = format!("a certificate is for {DOMAINS_MAX} names at most");
            report.error(
                &one_more.at,
                what + "; give the others a listener of their own",
            );
        }
        for (n, domain) in self.domains.iter().enumerate() {
            let before = self.domains.iter().take(n);
            if before.clone().any(|other| other.value == domain.value) {
                let what = format!("`{}` is named twice; take one of them out", domain.value);
                report.error(&domain.at, what);
            } else if let Some(why) = unprovable(&domain.value) {
                let what = format!("`{}` {why}; write for example", domain.value);
                report.error(&domain.at, what + " \"app.example.com\"");
            }
        }
        if let Some(directory) = &self.directory {
            let url = directory.value.parse::<Uri>();
            let is_secure =
                url.is_ok_and(|url| url.scheme_str() == Some("https") && url.host().is_some());
            if !is_secure {
                report.error(
                    &directory.at,
                    "an authority is asked over https:// only, or anyone could answer for it",
                );
            }
        }
        if let Some(contact) = &self.contact
            && !is_mail(&contact.value)
        {
            let what = format!("`{}` is no mail address", contact.value);
            report.error(
                &contact.at,
                what + "; write for example \"ops@example.com\"",
            );
        }
        if let Some(root) = &self.root {
            readable(root, false, report);
        }
        let directory = self.directory.map(|at| at.value);
        Some(Authority {
            directory: directory.unwrap_or_else(|| LETS_ENCRYPT.to_owned()),
            domains: self.domains.into_iter().map(|at| at.value).collect(),
            contact: self.contact.map(|at| format!("mailto:{}", at.value)),
            root: self.root.map(|at| at.value),
            backoff: Backoff::default(),
        })
    }

    fn refuse_without_names(self, report: &mut Report<'_>) {
        let named = [
            self.directory.map(|at| at.at),
            self.contact.map(|at| at.at),
            self.root.map(|at| at.at),
            self.agreed.map(|at| at.at),
        ];
        for at in named.into_iter().flatten() {
            report.error(
                &at,
                "no certificate is asked for: name for which hosts, acme_domains = [\"app.example.com\"]",
            );
        }
    }
}

/// Why no certificate can be had for this name.
fn unprovable(name: &str) -> Option<&'static str> {
    let of_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = |label: &str| {
        let ends = label.starts_with('-') || label.ends_with('-');
        !label.is_empty() && label.len() <= 63 && label.chars().all(of_label) && !ends
    };
    if name.contains('*') {
        return Some("can be proved in DNS only, and the edge proves names in its own handshake");
    }
    if name.parse::<std::net::IpAddr>().is_ok() {
        return Some("is an address, and certificates are for names");
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some("has capitals");
    }
    let good = name.len() <= 253 && name.split('.').all(is_label);
    (!good).then_some("is no host name (without port and final dot)")
}

/// Whether an authority could write to it.
fn is_mail(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !",;:?&<>()\"\\".contains(c);
    let parts = text.split_once('@');
    parts.is_some_and(|(who, at)| !who.is_empty() && at.contains('.') && !at.contains('@'))
        && text.chars().all(plain)
}
