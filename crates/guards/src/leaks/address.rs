//! Where something is asked over HTTP: a metrics address, a hook.

use std::fmt;

use url::{Position, Url};

/// `http://host:port/path`, plain: instances are asked where the edge reaches them, on
/// their own network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAddress(Url);

impl WebAddress {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("`{text}` is no address: {error}"))?;
        if url.scheme() != "http" || url.host_str().is_none() {
            return Err(format!(
                "`{text}` is not asked: write http://HOST:PORT/PATH, as the edge reaches the \
                 instance (HTTPS is not spoken to instances)"
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!(
                "`{}` holds a login; leave it out and let the instance answer on its own network",
                &url[Position::BeforeHost..]
            ));
        }
        Ok(Self(url))
    }

    /// The host without brackets.
    pub(super) fn host(&self) -> &str {
        let host = self.0.host_str().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    pub(super) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(80)
    }

    /// What stands in the header `Host`.
    pub(super) fn authority(&self) -> &str {
        &self.0[Position::BeforeHost..Position::AfterPort]
    }

    /// Path and query.
    pub(super) fn path(&self) -> &str {
        &self.0[Position::BeforePath..Position::AfterQuery]
    }
}

/// Without its query, where secrets stand.
impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[Position::BeforeScheme..Position::AfterPath])
    }
}

#[cfg(test)]
mod tests {
    use super::WebAddress;

    #[test]
    fn plain_addresses_without_logins_are_taken() {
        let taken = WebAddress::parse("http://127.0.0.1:9001/metrics?token=geheim").unwrap();
        assert_eq!(taken.to_string(), "http://127.0.0.1:9001/metrics");
        assert_eq!(taken.path(), "/metrics?token=geheim");
        assert_eq!((taken.host(), taken.port()), ("127.0.0.1", 9001));
        let six = WebAddress::parse("http://[::1]/x").unwrap();
        assert_eq!((six.host(), six.port()), ("::1", 80));
        for text in [
            "https://app/metrics",
            "/metrics",
            "127.0.0.1:9001",
            "http://a:geheim@b/",
            "file:///etc/passwd",
        ] {
            let refused = WebAddress::parse(text).unwrap_err();
            assert!(!refused.contains("geheim"), "{refused}");
        }
    }
}
