//! A TLS port: whether the chain it serves is trusted, and when it ends.

use std::sync::Arc;

use super::net::{Address, Net};
use super::secure::{Trust, handshake_seen};
use super::trial::{Trial, Tried};

/// See the module.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Where.
    pub address: Address,
    /// The name that the certificate must carry; else the host's.
    pub server_name: Option<String>,
    /// Whom it trusts.
    pub trust: Arc<Trust>,
}

pub(super) async fn make(tls: &Tls, net: &Net, trial: &mut Trial) -> Tried<()> {
    let stream = net.connect(&tls.address, trial).await?;
    let name = tls.server_name.as_ref().unwrap_or(&tls.address.host);
    handshake_seen(&tls.trust, name, stream, trial).await?;
    Ok(())
}
