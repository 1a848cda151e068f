//! What unit tests of several folders begin with.

use std::sync::Arc;

use evenkeel_core::policy::{ComponentPolicy, Policy};
use evenkeel_core::record::Record;
use tokio::sync::watch;

use crate::pump::published::Published;
use crate::web::Site;

/// Two functions, `login` and `quotes`, and nothing that looks at them.
pub(crate) fn policy() -> Policy {
    let named = [("login", "Login"), ("quotes", "Quotes")];
    let components = (0..).zip(named).map(|(position, (id, name))| {
        let component = ComponentPolicy {
            name: name.into(),
            position,
            needs: Vec::new(),
        };
        (id.into(), component)
    });
    Policy {
        components: components.collect(),
        ..Policy::default()
    }
}

/// A site of them, and the way to show it another record.
pub(crate) fn site(record: Record) -> (Site, watch::Sender<Arc<Published>>) {
    let (pump, published) = watch::channel(Arc::new(Published::of(record)));
    let site = Site {
        published,
        policy: Arc::new(policy()),
        evidence: "evidence".into(),
        name: "Back office".into(),
        url: "https://status.example.com".into(),
        settings: Arc::default(),
        useful: Arc::default(),
        subscribers: None,
    };
    (site, pump)
}
