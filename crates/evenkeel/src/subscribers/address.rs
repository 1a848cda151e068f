//! Whom a subscriber is reached at: a mail address or a webhook's, checked before it is
//! kept; and which hosts a webhook may lead to.
//!
//! A webhook is an address that a stranger may have given. So it leads to public addresses
//! only: not to this host, not into private networks, not to what clouds answer their own
//! machines with. It is looked at again, resolved, whenever something is sent ([`super::http`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::Uri;

/// The longest mail address (RFC 5321, 4.5.3.1.3, without the brackets).
pub const MAIL_MAX: usize = 254;

/// The longest webhook address.
pub const WEBHOOK_MAX: usize = 1000;

/// A network: `10.1.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `10.1.0.0/16`, or a single address.
    pub fn read(text: &str) -> Option<Self> {
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = base.trim().parse().ok()?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.trim().parse().ok().filter(|bits| *bits <= most)?,
        };
        Some(Self { base, bits })
    }

    /// Whether an address is in it.
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                u32::from(base) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.bits))
                    .unwrap_or(0);
                u128::from(base) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

/// Whether a stranger's webhook may go to an address.
pub fn may_go_to(address: IpAddr, networks: &[Network]) -> bool {
    networks.iter().any(|network| network.holds(address)) || is_public(address)
}

/// Whether an address is one of the public internet: everything the registries of special
/// addresses (RFC 6890 and its successors) name is not.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = a == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a >= 224
        // Carriers' own.
        || (a == 100 && (64..128).contains(&b))
        // Protocol assignments, benchmarks, the old 6to4 relays.
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
        || (a == 192 && b == 88 && c == 99);
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let parts = address.segments();
    // Only what is handed out: 2000::/3; without documentation, tunnels and translations
    // that lead to an IPv4 address nobody has looked at.
    (parts[0] & 0xe000) == 0x2000
        && !(parts[0] == 0x2001 && parts[1] < 0x0200)
        && !(parts[0] == 0x2001 && parts[1] == 0x0db8)
        && parts[0] != 0x2002
        && !(parts[0] == 0x3fff && parts[1] < 0x1000)
}

/// A mail address as it is kept: its domain in lower case, ASCII only, since not every
/// server takes others.
///
/// # Errors
/// Why it cannot be written to.
pub fn mail(text: &str) -> Result<lettre::Address, &'static str> {
    let text = text.trim();
    if text.len() > MAIL_MAX {
        return Err("it is longer than a mail address can be");
    }
    if !text.is_ascii() {
        return Err("it has letters that not every mail server takes");
    }
    let (user, domain) = text.rsplit_once('@').ok_or("it is no mail address")?;
    if user.len() > 64 || !domain.contains('.') || domain.starts_with('[') {
        return Err("it is no mail address");
    }
    lettre::Address::new(user, domain.to_ascii_lowercase()).map_err(|_| "it is no mail address")
}

/// A webhook's address as it is kept.
///
/// # Errors
/// Why nothing can be sent there.
pub fn webhook(text: &str, networks: &[Network]) -> Result<Uri, String> {
    let text = text.trim();
    if text.len() > WEBHOOK_MAX {
        return Err(format!("it is longer than {WEBHOOK_MAX} letters"));
    }
    let uri: Uri = text.parse().map_err(|_| "it is no address".to_owned())?;
    let host = uri.host().unwrap_or_default();
    let near = host_address(host).is_some_and(|ip| networks.iter().any(|n| n.holds(ip)));
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if near => {}
        Some("http") => return Err("it has to begin with https://".into()),
        _ => return Err("it has to begin with https://".into()),
    }
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err("a password does not belong into it".into());
    }
    if host.is_empty() {
        return Err("it names no host".into());
    }
    if let Some(ip) = host_address(host)
        && !may_go_to(ip, networks)
    {
        return Err(format!(
            "{ip} is no public address; where it is yours, name its network in [subscribers] \
             webhook_networks"
        ));
    }
    Ok(uri)
}

/// The address a host of a URI is, where it is one and no name.
pub fn host_address(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_not_public_however_they_are_written() {
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "93.184.216.34",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_network_of_the_operator_s_own_is_let_through_and_nothing_beside_it() {
        let networks = [Network::read("10.1.0.0/16").unwrap()];
        assert!(may_go_to("10.1.2.3".parse().unwrap(), &networks));
        assert!(!may_go_to("10.2.2.3".parse().unwrap(), &networks));
        let one = [Network::read("127.0.0.1").unwrap()];
        assert!(may_go_to("127.0.0.1".parse().unwrap(), &one));
        assert!(!may_go_to("127.0.0.2".parse().unwrap(), &one));
        for text in ["", "10.0.0.0/33", "host/8", "10.0.0.0/x", "::/129"] {
            assert_eq!(Network::read(text), None, "{text}");
        }
        assert!(
            Network::read("0.0.0.0/0")
                .unwrap()
                .holds("9.9.9.9".parse().unwrap())
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "ana",
            "ana@",
            "@example.com",
            "ana@example",
            "a b@example.com",
            "ana@example.com\r\nBcc: all@example.com",
            "ana@[127.0.0.1]",
            "ana@exa mple.com",
            "änn@example.com",
            "ana@example.com\n",
            "<ana@example.com>",
            "ana@example.com,b@example.com",
        ] {
            let kept = mail(text);
            // What stands around it is cut, and nothing is left within.
            assert!(
                kept.is_err() || kept.is_ok_and(|kept| text.trim() == kept.to_string()),
                "{text:?}"
            );
        }
        assert!(mail("ana@example.com\r\nBcc: all@example.com").is_err());
        assert_eq!(
            mail(" Ana.B+x@EXAMPLE.com ").unwrap().to_string(),
            "Ana.B+x@example.com"
        );
    }

    #[test]
    fn a_webhook_leads_to_no_private_place() {
        for text in [
            "http://example.com/",
            "ftp://example.com/",
            "https://127.0.0.1/x",
            "https://[::1]/",
            "https://user:secret@example.com/",
            "https:///x",
            "nothing",
            "https://10.0.0.1:8443/",
            "https://169.254.169.254/latest/meta-data",
        ] {
            assert!(webhook(text, &[]).is_err(), "{text}");
        }
        assert!(webhook("https://hooks.example.com/a?b=c", &[]).is_ok());
        let near = [Network::read("127.0.0.1").unwrap()];
        assert!(webhook("http://127.0.0.1:9000/hook", &near).is_ok());
    }
}
