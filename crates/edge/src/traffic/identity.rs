//! Whose request it is: the tenant and the user session, found in host, header, path or
//! cookie, and from there on known by a hash alone.
//!
//! The hash is SipHash-1-3 with the deployment's salt for its key: whoever reads a window,
//! a journal or a log cannot make a table of all customers' names and look them up, nor
//! choose names that collide. 64 bits are enough: with 20,000 tenants two share a hash with
//! a chance of one in ninety thousand million, and then share a queue, nothing else.
//!
//! A request without a tenant counts as one of the tenant `NOBODY`: requests before login
//! are together one tenant among the others, so that a flood of them cannot take the
//! places of customers. A request without a session has no session bound.
//!
//! What a name is, is believed: a header that clients can set themselves names a tenant
//! only where the service checks it too. Configure what your own front door sets.

use std::borrow::Cow;
use std::hash::{BuildHasherDefault, Hasher};

use http::HeaderMap;
use http::header::{COOKIE, HeaderName};
use siphasher::sip::SipHasher13;

use crate::settings::{Identity, Source};

/// The hash of a request without a name.
pub const NOBODY: u64 = 0;

/// The hash that a tenant is known by in windows, plans and logs.
pub fn tenant_hash(salt: &[u8; 16], name: &str) -> u64 {
    hash(salt, TENANT, name.as_bytes())
}

/// The hash that a sticky cookie names an instance by: what stands behind the edge is nobody's
/// business.
pub(crate) fn instance_hash(salt: &[u8; 16], name: &str) -> u64 {
    hash(salt, INSTANCE, name.as_bytes())
}

/// A hash as it is written: 16 digits, lower case.
pub fn written(hash: u64) -> String {
    format!("{hash:016x}")
}

/// A hash as it was written; `None` where it is none.
pub fn read(text: &str) -> Option<u64> {
    let hexadecimal = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal
        .then(|| u64::from_str_radix(text, 16).ok())
        .flatten()
}

/// Maps by tenant or session: their hashes are as good as random, with a key that
/// strangers do not know, so that they need not be hashed again.
pub(crate) type ByHash<V> = std::collections::HashMap<u64, V, BuildHasherDefault<AsItIs>>;

/// Takes a hash for what it is.
#[derive(Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only hashes are looked up");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Finds tenants and sessions in requests.
pub(crate) struct Names {
    tenant: Vec<Place>,
    session: Vec<Place>,
    salt: [u8; 16],
}

/// A [`Source`], ready to be looked at.
enum Place {
    HostLabel(usize),
    PathSegment(usize),
    Header(HeaderName),
    Cookie(Box<str>),
}

/// What sets a tenant's hash apart from that of a session with the same name.
const TENANT: u8 = b't';
const SESSION: u8 = b's';
const INSTANCE: u8 = b'i';

impl Names {
    pub(crate) fn new(identity: &Identity) -> Self {
        // A name that no header can have is never there.
        let place = |source: &Source| {
            Some(match source {
                Source::HostLabel(label) => Place::HostLabel(*label),
                Source::PathSegment(segment) => Place::PathSegment(*segment),
                Source::Header(name) => Place::Header(name.parse().ok()?),
                Source::Cookie(name) => Place::Cookie(name.as_str().into()),
            })
        };
        Self {
            tenant: identity.tenant.iter().filter_map(place).collect(),
            session: identity.session.iter().filter_map(place).collect(),
            salt: identity.salt,
        }
    }

    /// `path` as [`super::routes::normal`] has it.
    pub(crate) fn tenant(&self, host: &str, path: &str, headers: &HeaderMap) -> u64 {
        self.first(&self.tenant, TENANT, host, path, headers)
    }

    pub(crate) fn session(&self, host: &str, path: &str, headers: &HeaderMap) -> u64 {
        self.first(&self.session, SESSION, host, path, headers)
    }

    fn first(&self, all: &[Place], kind: u8, host: &str, path: &str, headers: &HeaderMap) -> u64 {
        let mut found = all.iter().filter_map(|place| match place {
            Place::HostLabel(label) => host_label(host, *label),
            Place::PathSegment(segment) => {
                let mut segments = path.split('/').filter(|segment| !segment.is_empty());
                segments
                    .nth(*segment)
                    .map(|name| Cow::Borrowed(name.as_bytes()))
            }
            Place::Header(name) => {
                let name = headers.get(name)?.as_bytes().trim_ascii();
                (!name.is_empty()).then_some(Cow::Borrowed(name))
            }
            Place::Cookie(name) => cookie(headers, name).map(Cow::Borrowed),
        });
        found
            .next()
            .map_or(NOBODY, |name| hash(&self.salt, kind, &name))
    }
}

fn hash(salt: &[u8; 16], kind: u8, name: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(salt);
    hasher.write(name);
    hasher.write_u8(kind);
    hasher.finish().max(NOBODY + 1)
}

/// A label of a host, in lower case, because hosts are the same in any; an address has none.
fn host_label(host: &str, label: usize) -> Option<Cow<'_, [u8]>> {
    let host = super::routes::without_port(host);
    let last = host.rsplit('.').next().unwrap_or_default();
    if host.starts_with('[') || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let label = host
        .split('.')
        .nth(label)
        .filter(|label| !label.is_empty())?;
    if label.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(Cow::Owned(label.to_ascii_lowercase().into_bytes()));
    }
    Some(Cow::Borrowed(label.as_bytes()))
}

/// The value of a cookie, without the quotes it may stand in; the first where there are
/// several, as servers take it.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    for line in headers.get_all(COOKIE) {
        for pair in line.as_bytes().split(|byte| *byte == b';') {
            let pair = pair.trim_ascii();
            let Some(rest) = pair.strip_prefix(name.as_bytes()) else {
                continue;
            };
            let Some(value) = rest.strip_prefix(b"=") else {
                continue;
            };
            let quoted = value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""));
            let value = quoted.unwrap_or(value);
            return (!value.is_empty()).then_some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn names(tenant: Vec<Source>) -> Names {
        Names::new(&Identity {
            tenant,
            session: vec![Source::Cookie("session".to_owned())],
            salt: [7; 16],
        })
    }

    fn acme() -> u64 {
        tenant_hash(&[7; 16], "acme")
    }

    #[test]
    fn a_tenant_is_the_same_wherever_it_stands() {
        let mut headers = HeaderMap::new();
        headers.insert("x-tenant", HeaderValue::from_static(" acme "));
        headers.append("cookie", HeaderValue::from_static("a=b; tenantx=no"));
        headers.append("cookie", HeaderValue::from_static("b=c;tenant=\"acme\""));
        for (source, host, path) in [
            (Source::HostLabel(0), "ACME.example.com:8443", "/"),
            (Source::HostLabel(1), "eu.acme.example.com.", "/"),
            (Source::PathSegment(0), "", "/acme/invoices"),
            (Source::PathSegment(1), "", "/t/acme"),
            (Source::Header("x-tenant".to_owned()), "", "/"),
            (Source::Cookie("tenant".to_owned()), "", "/"),
        ] {
            let found = names(vec![source.clone()]).tenant(host, path, &headers);
            assert_eq!(found, acme(), "{source:?}");
        }
    }

    #[test]
    fn the_first_source_that_is_there_names_it() {
        let names = names(vec![
            Source::Header("x-tenant".to_owned()),
            Source::Cookie("tenant".to_owned()),
            Source::PathSegment(0),
        ]);
        let mut headers = HeaderMap::new();
        assert_eq!(names.tenant("", "/", &headers), NOBODY);
        assert_eq!(names.tenant("", "/acme", &headers), acme());
        headers.insert("x-tenant", HeaderValue::from_static(""));
        headers.insert("cookie", HeaderValue::from_static("tenant="));
        assert_eq!(names.tenant("", "/acme", &headers), acme());
        headers.insert("x-tenant", HeaderValue::from_static("other"));
        assert_ne!(names.tenant("", "/acme", &headers), acme());
    }

    #[test]
    fn an_address_is_nobodys_name() {
        let names = names(vec![Source::HostLabel(0)]);
        for host in ["127.0.0.1:80", "[::1]:80", "[::1]", ""] {
            assert_eq!(names.tenant(host, "/", &HeaderMap::new()), NOBODY, "{host}");
        }
    }

    #[test]
    fn a_session_is_not_a_tenant_of_the_same_name_and_salts_matter() {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", HeaderValue::from_static("session=acme"));
        let session = names(Vec::new()).session("", "/", &headers);
        assert_ne!(session, NOBODY);
        assert_ne!(session, acme());
        assert_ne!(acme(), tenant_hash(&[8; 16], "acme"));
    }

    #[test]
    fn a_hash_is_read_as_it_was_written() {
        assert_eq!(read(&written(acme())), Some(acme()));
        assert_eq!(read(&written(0x0f)), Some(0x0f));
        for wrong in ["", "+000000000000000", "xyz", "00000000000000000"] {
            assert_eq!(read(wrong), None);
        }
    }
}
