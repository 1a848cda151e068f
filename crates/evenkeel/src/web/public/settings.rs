//! What the configuration says of the public page and of what is made from it, beside its
//! name and address.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What callers hear.
    pub hotline: Hotline,
    /// Who is told in the application that they are affected.
    pub banner: Banner,
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
}
