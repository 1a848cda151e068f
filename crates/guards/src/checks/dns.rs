//! A name and what a name server says of it.
//!
//! Asked of the configured resolver, or of the host's own; never from a cache of ours.
//! A configured resolver is the target: its silence is its failure. The silence of the
//! host's own is our own trouble.

use std::net::SocketAddr;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};

use super::claim::quoted;
use super::net::{said_by_dns, tune};
use super::trial::{Trial, Tried, Trouble, target};

/// See the module.
#[derive(Debug, Clone)]
pub struct Dns {
    /// The name.
    pub host: String,
    /// The kind of record.
    pub record: Record,
    /// What must be among the answers.
    pub answer: Vec<String>,
    /// Whom to ask; else the host's own name servers.
    pub resolver: Option<SocketAddr>,
}

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record(RecordType);

impl Record {
    /// The kinds that can be asked for.
    pub const NAMES: [&'static str; 10] = [
        "A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT",
    ];

    /// From `A`, `MX`, ...
    pub fn parse(text: &str) -> Option<Self> {
        let known = Self::NAMES.contains(&text);
        known.then(|| text.parse().ok().map(Self)).flatten()
    }
}

impl Default for Record {
    fn default() -> Self {
        Self(RecordType::A)
    }
}

pub(super) async fn make(dns: &Dns, trial: &mut Trial) -> Tried<()> {
    let whom = match dns.resolver {
        Some(address) => address.to_string(),
        None => "this host's own name servers".to_owned(),
    };
    match dns.resolver {
        Some(_) => trial.stage(format!("asking {whom}")),
        None => trial.stage_of_own(format!("asking {whom}")),
    }
    let resolver = resolver(dns)?;
    // With a dot at its end no search domain is tried.
    let name = format!("{}.", dns.host.trim_end_matches('.'));
    let Record(kind) = dns.record;
    let found = resolver.lookup(name, kind).await;
    let found = found.map_err(|error| match (said_by_dns(&error), dns.resolver) {
        (Some(said), _) => Trouble::Target(format!("{} {said} (asked {whom})", dns.host)),
        (None, Some(_)) => Trouble::Target(format!("{whom} does not answer: {error}")),
        (None, None) => Trouble::Own(format!("{whom} do not answer: {error}")),
    })?;
    let answers: Vec<String> = found
        .answers()
        .iter()
        .filter(|record| record.record_type() == kind)
        .map(|record| written(&record.data))
        .collect();
    trial.say(|| format!("{whom}: {} {kind} {}", dns.host, answers.join(", ")));
    if answers.is_empty() {
        return target(format!("{} has no {kind} record (asked {whom})", dns.host));
    }
    for wanted in &dns.answer {
        let plain = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
        if !answers.iter().any(|answer| plain(answer) == plain(wanted)) {
            return target(format!(
                "{} {kind} is {}, expected {wanted} (asked {whom})",
                dns.host,
                quoted(&answers.join(", "))
            ));
        }
    }
    Ok(())
}

/// A record's data as zone files write it; a text without its quotes.
fn written(data: &RData) -> String {
    match data {
        RData::TXT(text) => {
            let parts = text.txt_data.iter();
            let parts = parts.map(|part| String::from_utf8_lossy(part).into_owned());
            parts.collect()
        }
        data => data.to_string(),
    }
}

fn resolver(dns: &Dns) -> Tried<TokioResolver> {
    let provider = TokioRuntimeProvider::default();
    let builder = match dns.resolver {
        None => TokioResolver::builder(provider).map_err(|error| error.to_string()),
        Some(address) => {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            for connection in &mut connections {
                connection.port = address.port();
            }
            let server = NameServerConfig::new(address.ip(), true, connections);
            let config = ResolverConfig::from_name_servers(vec![server]);
            Ok(TokioResolver::builder_with_config(config, provider))
        }
    };
    let built = builder.and_then(|mut builder| {
        let options = builder.options_mut();
        tune(options);
        options.cache_size = 0;
        options.use_hosts_file = hickory_resolver::config::ResolveHosts::Never;
        builder.build().map_err(|error| error.to_string())
    });
    built.map_err(|why| {
        Trouble::Own(format!(
            "this host's own name servers are not configured: {why}; see /etc/resolv.conf"
        ))
    })
}
