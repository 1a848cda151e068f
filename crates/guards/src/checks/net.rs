//! Reaching a target: its name, its addresses, a connection.
//!
//! Every failure is told apart by whose it is. What this host lacks (file descriptors,
//! ports, a route, a name server) says nothing about the target; a name that does not
//! exist, a refused or silent port does. An answer of a name server is kept for its time
//! to live, at most a minute, as everyone between here and the customer does; a `dns`
//! check keeps nothing.
//!
//! Names are resolved here and not by the C library: its lookups cannot be given up, and a
//! hanging name server would hold a thread for each of its names.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverOpts;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use tokio::net::TcpStream;

use super::trial::{Trial, Tried, Trouble, target};

/// The most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;

/// An address of a name that does not answer costs this long before the next is tried;
/// the last may take what is left. TCP sends again after a second.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(3);

/// How old a copy of the host's own resolver configuration may get.
const CONFIGURATION_AGE_MAX: Duration = Duration::from_secs(60);

/// Host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// `host:port`, `192.0.2.7:25`, `[2001:db8::7]:25`.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let fits = match bare {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => is_host(host),
        };
        let port = port.parse().ok().filter(|port| *port != 0)?;
        fits.then(|| Self {
            host: bare.unwrap_or(host).to_owned(),
            port,
        })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Whether `text` can be a host's name or IPv4 address.
pub fn is_host(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= 253 && text.chars().all(plain)
}

/// What all probes share to reach their targets.
#[derive(Default)]
pub(super) struct Net {
    resolver: Mutex<Option<(Instant, Arc<TokioResolver>)>>,
}

impl Net {
    /// A connection to `address`.
    pub(super) async fn connect(&self, address: &Address, trial: &mut Trial) -> Tried<TcpStream> {
        let found = self.addresses(&address.host, trial).await?;
        let mut trouble = None;
        let count = found.len();
        for (at, ip) in found.into_iter().enumerate() {
            let to = SocketAddr::new(ip, address.port);
            trial.stage(format!("connecting to {to}"));
            let connecting = TcpStream::connect(to);
            let connected = if at + 1 == count {
                connecting.await
            } else {
                let limited = tokio::time::timeout(ADDRESS_PATIENCE, connecting).await;
                limited.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            };
            match connected {
                Ok(stream) => {
                    trial.say(|| format!("connected to {to}"));
                    // A probe is a few small writes, and waits for the answer to each.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => {
                    trial.say(|| format!("cannot connect to {to}: {}", plain(&error)));
                    let why = format!("no connection to {to}: {}", plain(&error));
                    let found = match is_own(&error) {
                        true => Trouble::Own(why),
                        false => Trouble::Target(why),
                    };
                    // That one address could be asked and refused says more than that
                    // another could not be asked from here.
                    if !matches!(trouble, Some(Trouble::Target(_))) {
                        trouble = Some(found);
                    }
                }
            }
        }
        Err(trouble.unwrap_or_else(|| Trouble::Target(format!("{} has no address", address.host))))
    }

    /// The addresses of `host`, IPv4 first.
    async fn addresses(&self, host: &str, trial: &mut Trial) -> Tried<Vec<IpAddr>> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![ip]);
        }
        trial.stage_of_own(format!("asking for the address of {host}"));
        let resolver = self.resolver()?;
        let found = resolver.lookup_ip(host).await;
        let found = found.map_err(|error| of_own_resolver(host, &error))?;
        let mut addresses: Vec<IpAddr> = found.iter().collect();
        addresses.sort_by_key(IpAddr::is_ipv6);
        addresses.dedup();
        addresses.truncate(ADDRESSES_MAX);
        trial.say(|| {
            let listed: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!("{host} is {}", listed.join(", "))
        });
        if addresses.is_empty() {
            return target(format!("{host} has no address"));
        }
        Ok(addresses)
    }

    /// The host's own resolver, as configured at most a minute ago.
    pub(super) fn resolver(&self) -> Tried<Arc<TokioResolver>> {
        let mut kept = self.resolver.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, resolver)) = &*kept
            && since.elapsed() < CONFIGURATION_AGE_MAX
        {
            return Ok(resolver.clone());
        }
        let made =
            TokioResolver::builder(TokioRuntimeProvider::default()).and_then(|mut builder| {
                tune(builder.options_mut());
                builder.build()
            });
        let made = made.map_err(|error| {
            Trouble::Own(format!(
                "this host's own name servers are not configured: {error}; see /etc/resolv.conf"
            ))
        })?;
        let made = Arc::new(made);
        *kept = Some((Instant::now(), made.clone()));
        Ok(made)
    }
}

/// Bounds for every resolver: the probe's own timeout comes first or soon after.
pub(super) fn tune(options: &mut ResolverOpts) {
    options.timeout = Duration::from_secs(2);
    options.attempts = 2;
    options.positive_max_ttl = Some(Duration::from_secs(60));
    // A name that came back must be seen again soon.
    options.negative_max_ttl = Some(Duration::from_secs(5));
    options.cache_size = 4_096;
    // Ten thousand names may come due while a name server is slow.
    options.max_active_requests = 4_096;
}

/// Whose trouble it is when this host's resolver has no answer.
fn of_own_resolver(host: &str, error: &NetError) -> Trouble {
    match said_by_dns(error) {
        Some(said) => Trouble::Target(format!("{host} {said}")),
        None => Trouble::Own(format!(
            "this host's own name servers do not answer for {host}: {error}"
        )),
    }
}

/// What a name server said, where one said something.
pub(super) fn said_by_dns(error: &NetError) -> Option<String> {
    if error.is_nx_domain() {
        return Some("does not exist (NXDOMAIN)".into());
    }
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => Some(match none.response_code {
            hickory_resolver::proto::op::ResponseCode::NoError => "has no such record".into(),
            code => format!("cannot be resolved: {code}"),
        }),
        NetError::Dns(DnsError::ResponseCode(code)) => Some(format!("cannot be resolved: {code}")),
        NetError::Proto(error) => Some(format!("is answered with garbage: {error}")),
        _ => None,
    }
}

/// Whether this host is to blame, not the target: no file descriptor, no port, no memory,
/// no route.
pub(super) fn is_own(error: &io::Error) -> bool {
    use rustix::io::Errno;
    const OWN: [Errno; 9] = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::ADDRNOTAVAIL,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::AFNOSUPPORT,
        Errno::NETUNREACH,
        Errno::NETDOWN,
        Errno::PERM,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| OWN.iter().any(|own| own.raw_os_error() == code))
}

/// An I/O error in an operator's words.
pub(super) fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused: nothing listens there".into(),
        io::ErrorKind::ConnectionReset => "the connection was reset".into(),
        io::ErrorKind::TimedOut => "no answer".into(),
        io::ErrorKind::UnexpectedEof => "the connection was closed".into(),
        _ => error.to_string(),
    }
}

/// Whose trouble an I/O error after the connection is.
pub(super) fn broken(what: &str, error: &io::Error) -> Trouble {
    let why = format!("{what}: {}", plain(error));
    match is_own(error) {
        true => Trouble::Own(why),
        false => Trouble::Target(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for (text, shown) in [
            ("mail.example.com:25", Some("mail.example.com:25")),
            ("192.0.2.7:5432", Some("192.0.2.7:5432")),
            ("[2001:db8::7]:443", Some("[2001:db8::7]:443")),
            ("2001:db8::7:443", None),
            ("mail.example.com", None),
            ("mail.example.com:0", None),
            ("mail.example.com:70000", None),
            (":25", None),
            ("two words:25", None),
            ("[nonsense]:25", None),
        ] {
            let shown = shown.map(str::to_owned);
            let parsed = Address::parse(text).map(|address| address.to_string());
            assert_eq!(parsed, shown, "{text}");
        }
    }

    #[test]
    fn what_this_host_lacks_is_not_the_target_s_fault() {
        let error = |errno: rustix::io::Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        assert!(is_own(&error(rustix::io::Errno::MFILE)));
        assert!(is_own(&error(rustix::io::Errno::ADDRNOTAVAIL)));
        assert!(!is_own(&error(rustix::io::Errno::CONNREFUSED)));
        assert!(!is_own(&error(rustix::io::Errno::HOSTUNREACH)));
    }
}
