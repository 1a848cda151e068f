//! What the configuration says of the public page and of what is made from it, beside its
//! name and address.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::Uri;
use evenkeel_core::Timestamp;
use jiff::tz::TimeZone;

use super::brand::Brand;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What callers hear.
    pub hotline: Hotline,
    /// Who is told in the application that they are affected.
    pub banner: Banner,
    /// How the page looks as the vendor's own.
    pub brand: Brand,
    /// What a visitor's own browser asks.
    pub ask: Option<Ask>,
}

/// An address of the service that tells a browser whether it gets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The address.
    pub url: String,
    /// Its origin, for the page's policy: `https://app.example.com`.
    pub origin: String,
}

impl Ask {
    /// The address of a text: http or https, with a host, without a password.
    pub fn of(url: &str) -> Option<Self> {
        let parsed: Uri = url.parse().ok()?;
        let scheme = parsed
            .scheme_str()
            .filter(|s| ["http", "https"].contains(s))?;
        let authority = parsed.authority()?;
        // It stands in a policy, and in a page that everybody reads.
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || ".-:[]".contains(letter);
        if !authority.as_str().chars().all(is_plain) {
            return None;
        }
        Some(Self {
            url: url.to_owned(),
            origin: format!("{scheme}://{authority}"),
        })
    }
}

/// Groups of tenants, and the key of their tickets.
#[derive(Clone, Default)]
pub struct Banner {
    /// What tickets are signed with; the service has it, too.
    pub key: Vec<u8>,
    /// The tenants of each group, by the name that a person tells.
    pub groups: BTreeMap<String, Vec<String>>,
}

impl std::fmt::Debug for Banner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key is a secret.
        let groups = self.groups.keys();
        f.debug_list().entries(groups).finish()
    }
}

/// What the hotline needs to know.
#[derive(Debug, Clone, Default)]
pub struct Hotline {
    /// Where callers live; without it times are UTC, and say so.
    pub zone: Option<TimeZone>,
    /// Where a telephone system goes on after the text: its next document.
    pub continue_at: Option<String>,
    /// Since when the telephone system has not taken the text, and why.
    pub trouble: Trouble,
}

/// What goes wrong on the way to the telephone system, for the console.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<Option<(Timestamp, String)>>>);

impl Trouble {
    /// It was not taken, or it was; the first time of several in a row is kept.
    pub fn is(&self, at: Timestamp, why: Option<&str>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = kept.as_ref().map_or(at, |(since, _)| *since);
        *kept = why.map(|why| (since, why.to_owned()));
    }

    /// Since when it is not taken, and why.
    pub fn now(&self) -> Option<(Timestamp, String)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
