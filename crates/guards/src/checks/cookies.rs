//! The cookies of one journey: kept from its first step to its last, as a browser window
//! keeps them, and forgotten then (RFC 6265, as far as a session needs it).

use hyper::HeaderMap;
use hyper::header::SET_COOKIE;
use url::{Host, Url};

/// The most cookies of one journey; browsers keep some 180 of a site.
const COOKIES_MAX: usize = 100;

/// The longest cookie, bytes, as in browsers.
const COOKIE_MAX: usize = 4 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Cookies {
    kept: Vec<Cookie>,
}

#[derive(Debug, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    /// Whether hosts below `domain` get it, too.
    below: bool,
    path: String,
    secure: bool,
}

impl Cookies {
    /// Keeps what the answer from `url` sets; returns the values, which are secrets.
    pub(super) fn keep(&mut self, url: &Url, headers: &HeaderMap) -> Vec<String> {
        let mut values = Vec::new();
        for header in headers.get_all(SET_COOKIE) {
            let Ok(text) = header.to_str() else {
                continue;
            };
            let Some((cookie, is_over)) = read(url, text) else {
                continue;
            };
            self.kept.retain(|known| {
                (&known.name, &known.domain, &known.path)
                    != (&cookie.name, &cookie.domain, &cookie.path)
            });
            if !is_over && self.kept.len() < COOKIES_MAX {
                values.push(cookie.value.clone());
                self.kept.push(cookie);
            }
        }
        values
    }

    /// The `Cookie` header for `url`, where there are cookies for it.
    pub(super) fn header(&self, url: &Url) -> Option<String> {
        let host = url.host_str()?;
        let fit = self.kept.iter().filter(|cookie| {
            let host_fits = host == cookie.domain
                || (cookie.below
                    && host
                        .strip_suffix(&cookie.domain)
                        .is_some_and(|front| front.ends_with('.')));
            let path_fits = url.path().strip_prefix(&cookie.path).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('/') || cookie.path.ends_with('/')
            });
            host_fits && path_fits && (!cookie.secure || is_secure(url))
        });
        let pairs: Vec<String> = fit.map(|c| format!("{}={}", c.name, c.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

/// Browsers count the own host as secure.
fn is_secure(url: &Url) -> bool {
    url.scheme() == "https"
        || match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
}

/// A cookie, and whether it is being deleted.
fn read(url: &Url, text: &str) -> Option<(Cookie, bool)> {
    if text.len() > COOKIE_MAX {
        return None;
    }
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let host = url.host_str()?;
    let folder = url.path().rfind('/').filter(|at| *at > 0);
    let mut cookie = Cookie {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
        domain: host.to_owned(),
        below: false,
        path: folder.map_or("/", |at| &url.path()[..at]).to_owned(),
        secure: false,
    };
    if cookie.name.is_empty() {
        return None;
    }
    let mut is_over = false;
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "secure" => cookie.secure = true,
            "path" if value.starts_with('/') => cookie.path = value.to_owned(),
            "domain" => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                let is_above = host == domain
                    || host
                        .strip_suffix(&domain)
                        .is_some_and(|front| front.ends_with('.'));
                // A site may set cookies for itself and above, never for a whole country.
                if !domain.contains('.')
                    || !is_above
                    || !matches!(url.host(), Some(Host::Domain(_)))
                {
                    if domain != host {
                        return None;
                    }
                    continue;
                }
                cookie.domain = domain;
                cookie.below = true;
            }
            "max-age" => is_over |= value.parse::<i64>().is_ok_and(|age| age <= 0),
            // Deleting is done with the beginning of time; a journey outlives no other.
            "expires" => is_over |= value.contains("1970") || value.contains("-70 "),
            _ => {}
        }
    }
    Some((cookie, is_over))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(set: &[(&str, &str)], url: &str) -> Option<String> {
        let mut cookies = Cookies::default();
        for (from, cookie) in set {
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, cookie.parse().expect("a header"));
            cookies.keep(&Url::parse(from).expect("a url"), &headers);
        }
        cookies.header(&Url::parse(url).expect("a url"))
    }

    #[test]
    fn cookies_go_where_they_belong() {
        let site = "https://app.example.com/login";
        for (set, url, sent) in [
            ("s=1", "https://app.example.com/x", Some("s=1")),
            ("s=1", "https://evil.example.com/x", None),
            (
                "s=1; Domain=example.com",
                "https://other.example.com/",
                Some("s=1"),
            ),
            ("s=1; Domain=com", "https://app.example.com/", None),
            ("s=1; Domain=other.org", "https://other.org/", None),
            (
                "s=1; Path=/admin",
                "https://app.example.com/admin/x",
                Some("s=1"),
            ),
            (
                "s=1; Path=/admin",
                "https://app.example.com/administrator",
                None,
            ),
            ("s=1; Secure", "http://app.example.com/", None),
            ("s=a=b; HttpOnly", "https://app.example.com/", Some("s=a=b")),
        ] {
            assert_eq!(
                after(&[(site, set)], url).as_deref(),
                sent,
                "{set} at {url}"
            );
        }
    }

    #[test]
    fn a_cookie_is_replaced_and_deleted() {
        let site = "http://127.0.0.1:8000/";
        let twice = [(site, "s=1"), (site, "s=2; Secure")];
        assert_eq!(after(&twice, site).as_deref(), Some("s=2"));
        for deleted in ["s=; Max-Age=0", "s=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"] {
            assert_eq!(after(&[(site, "s=1"), (site, deleted)], site), None);
        }
    }

    proptest! {
        #[test]
        fn no_header_breaks_it(text in "[ -~]{0,80}") {
            after(&[("http://a.example/b/c", &text)], "http://a.example/b/c");
        }
    }
}
