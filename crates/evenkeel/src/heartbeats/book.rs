//! Which heartbeats there are: those of the configuration, and those made through the API.
//!
//! Looked up by UUID or slug for every ping, so it is kept apart from the record, which is
//! a copy for each reader. What the API makes comes into it when it is durable.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use evenkeel_core::heartbeat::HeartbeatSpec;
use evenkeel_core::ids::HeartbeatId;
use evenkeel_core::record::Record;

use super::due::Due;
use super::uuid::Uuid;

/// A heartbeat.
#[derive(Debug)]
pub struct Entry {
    /// Its UUID.
    pub uuid: Uuid,
    /// The same, as the core knows it.
    pub id: HeartbeatId,
    /// What it is.
    pub spec: HeartbeatSpec,
    /// When its next ping is due.
    pub due: Due,
    /// Whether the configuration has it: then only the configuration changes it.
    pub configured: bool,
}

impl Entry {
    /// A heartbeat from what it is.
    ///
    /// # Errors
    /// Its schedule cannot be read.
    pub fn new(uuid: Uuid, spec: HeartbeatSpec, configured: bool) -> Result<Self, String> {
        Ok(Self {
            uuid,
            id: HeartbeatId::from(uuid.to_string()),
            due: Due::read(&spec.expected)?,
            spec,
            configured,
        })
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Book(RwLock<Shelves>);

#[derive(Debug, Default)]
struct Shelves {
    entries: HashMap<Uuid, Arc<Entry>>,
    /// In the order of their UUIDs, for answers that do not change by chance.
    slugs: HashMap<String, Vec<Uuid>>,
}

/// What a slug stands for.
#[derive(Debug, Clone)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A heartbeat.
    One(Arc<Entry>),
    /// Several, so that nobody can say which is meant.
    Several,
}

impl Book {
    /// The heartbeats of a configuration, and those a record has beside them.
    pub fn new(configured: impl IntoIterator<Item = Entry>, record: &Record) -> Self {
        let book = Self::default();
        for entry in configured {
            book.put(entry);
        }
        for (id, state) in &record.heartbeats {
            let Some((uuid, spec)) = Uuid::parse(id.as_str()).zip(state.spec.as_deref()) else {
                continue;
            };
            if book.get(uuid).is_some() {
                continue;
            }
            match Entry::new(uuid, spec.clone(), false) {
                Ok(entry) => book.put(entry),
                Err(why) => tracing::error!(
                    heartbeat = %id,
                    "{why}. The heartbeat is not heard until it is given a schedule that can be read"
                ),
            }
        }
        book
    }

    /// The heartbeat with a UUID.
    pub fn get(&self, uuid: Uuid) -> Option<Arc<Entry>> {
        self.read(|shelves| shelves.entries.get(&uuid).cloned())
    }

    /// What a slug stands for.
    pub fn by_slug(&self, slug: &str) -> Found {
        self.read(|shelves| match shelves.slugs.get(slug).map(Vec::as_slice) {
            None | Some([]) => Found::Nothing,
            Some([uuid]) => match shelves.entries.get(uuid) {
                Some(entry) => Found::One(entry.clone()),
                None => Found::Nothing,
            },
            Some(_) => Found::Several,
        })
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<Entry>> {
        let mut all: Vec<_> = self.read(|shelves| shelves.entries.values().cloned().collect());
        all.sort_by(|a: &Arc<Entry>, b| (&a.spec.name, a.uuid).cmp(&(&b.spec.name, b.uuid)));
        all
    }

    /// Puts one in, in place of the one with its UUID.
    pub fn put(&self, entry: Entry) {
        self.write(|shelves| {
            shelves.forget_slug(entry.uuid);
            if !entry.spec.slug.is_empty() {
                let of_slug = shelves.slugs.entry(entry.spec.slug.clone()).or_default();
                of_slug.push(entry.uuid);
                of_slug.sort();
            }
            shelves.entries.insert(entry.uuid, Arc::new(entry));
        });
    }

    /// Takes one out.
    pub fn remove(&self, uuid: Uuid) {
        self.write(|shelves| {
            shelves.forget_slug(uuid);
            shelves.entries.remove(&uuid);
        });
    }

    // A panic while it was held cannot leave it half written: each change is one insertion.
    fn read<T>(&self, look: impl FnOnce(&Shelves) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, change: impl FnOnce(&mut Shelves)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Shelves {
    fn forget_slug(&mut self, uuid: Uuid) {
        let Some(known) = self.entries.get(&uuid) else {
            return;
        };
        if let Some(of_slug) = self.slugs.get_mut(&known.spec.slug) {
            of_slug.retain(|other| *other != uuid);
            if of_slug.is_empty() {
                self.slugs.remove(&known.spec.slug);
            }
        }
    }
}
