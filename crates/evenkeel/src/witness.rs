//! `evenkeel witness`: on another host, at another provider, for when the keeper's is gone.
//!
//! It asks the service from outside, follows the keeper, and publishes on its own, to the
//! same targets, while the keeper is silent. What it says is decided by
//! [`evenkeel_core::witness`]; this is its eyes and hands.
//!
//! What always holds:
//!
//! - **The keeper comes first.** Before each edition the witness looks what stands at the
//!   target, and leaves a newer one of the keeper alone. When the keeper is heard it stops;
//!   the keeper's next edition takes the place of the witness's.
//! - **What was told before stays** ([`held`], [`edition`]).
//! - **What it says ends by itself**, as everything published does.
//! - It acts on nothing and nobody, listens nowhere, and keeps no journal.

mod edition;
mod held;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use evenkeel_core::ids::{CheckId, TargetId};
use evenkeel_core::memory::checks::References;
use evenkeel_core::observation::{self, CheckOutcome, Observation};
use evenkeel_core::policy::Policy;
use evenkeel_core::record::Record;
use evenkeel_core::status::Status;
use evenkeel_core::step::{State, step};
use evenkeel_core::witness::{
    Gap, Service, Sight, Stated, WitnessMemory, WitnessPolicy, Word, judge,
};
use evenkeel_core::{Timestamp, time};
use evenkeel_guards::checks::Checks;
use evenkeel_guards::guard::{BoxFuture, Guard, Watchlist};
use evenkeel_guards::outlet::Outlet;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::config::{Config, Witness};
use crate::publish::RENEWALS;
use crate::publish::edition::Edition;
use crate::publish::keeping;
use crate::publish::places::Place;
use crate::publish::signing::{Key, SIGNATURE_MAX, Signer, SignerError};
use crate::publish::standing::Standings;
use crate::publish::statement::{SIGNATURE, STATEMENT, STATEMENT_MAX, Statement, Voice};
use crate::publish::targets::{SpecError, Target, TargetError};
use crate::pump::published::Published;
use crate::serve::{ServeError, make_folder};
use crate::web::Site;
use crate::web::public::signed::{EDITION, EDITION_SIGNATURE};
use held::{Held, Shelf};

/// Observations that wait for a look.
const QUEUE_MAX: usize = 10_000;

/// How often the keeper's edition is looked for at the targets.
const FOLLOW_EVERY: Duration = Duration::from_secs(20);

/// How long the keeper, or a target, may take to answer a look.
const LOOK_WITHIN: Duration = Duration::from_secs(4);

/// How often it is decided what the checks mean.
const STEP_EVERY: Duration = Duration::from_millis(500);

/// What is remembered, in the data folder.
const MEMORY: &str = "witness.json";

/// A witness that did not start.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The configuration is a keeper's.
    #[error(
        "{} is no witness's configuration: name the keeper in a section [witness] (keeper, key), or start this one with `evenkeel serve`",
        file.display()
    )]
    NotAWitness {
        /// The file.
        file: PathBuf,
    },
    /// The data folder cannot be made.
    #[error(transparent)]
    Folder(#[from] ServeError),
    /// The key cannot be used.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A target cannot be used.
    #[error(transparent)]
    Publish(#[from] SpecError),
    /// The system refuses.
    #[error("the system refuses what every program may do: {0}")]
    System(#[from] std::io::Error),
}

/// Watches until told to stop; calls `up` once it looks, with its key's public half.
///
/// # Errors
/// Why it did not start.
pub async fn witness(config: Config, up: impl FnOnce(&str)) -> Result<(), WitnessError> {
    let Some(whom) = config.witness.clone() else {
        let file = config.file.clone();
        return Err(WitnessError::NotAWitness { file });
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    make_folder(&config.data_dir)?;
    let signer = Signer::of(&config.data_dir)?;
    let targets = config.publish.targets.iter();
    let targets = targets.map(|spec| Ok((spec.id.clone(), spec.target()?)));
    let targets: Targets = targets.collect::<Result<_, SpecError>>()?;
    up(&signer.public());
    let mut tasks = JoinSet::new();
    let watching = Watching::start(&config, &whom, signer, targets, &mut tasks);
    tokio::select! {
        _ = terminate.recv() => tracing::info!("asked to stop (SIGTERM)"),
        _ = interrupt.recv() => tracing::info!("asked to stop (Ctrl-C)"),
        () = watching.run() => {}
    }
    Ok(())
}

/// What was published last, and until when it need not be renewed.
struct Said {
    gap: Gap,
    seen: Vec<(String, Status)>,
    due: Instant,
}

type Targets = Vec<(TargetId, Arc<dyn Target>)>;

/// What looks, and what it knows.
struct Watching {
    whom: Witness,
    keeper: Option<Place>,
    policy: Arc<Policy>,
    look_every: Duration,
    judging: WitnessPolicy,
    valid_for: Duration,
    site: Site,
    signer: Signer,
    /// What the checks saw.
    seen: watch::Receiver<Seen>,
    memory: WitnessMemory,
    memory_file: PathBuf,
    targets: Targets,
    /// The keeper's newest edition that was seen at any target.
    newest: Arc<Mutex<Option<Timestamp>>>,
    /// What the keeper stated at the targets, and when that was read.
    copies: Option<Stated>,
    read_at: Option<Instant>,
    held: watch::Receiver<Option<Arc<Held>>>,
    /// The keeper states an edition that is not held yet.
    newer: Arc<Notify>,
    editions: watch::Sender<Option<Arc<Edition>>>,
    said: Option<Said>,
    told: Option<std::mem::Discriminant<Word>>,
}

impl Watching {
    fn start(
        config: &Config,
        whom: &Witness,
        signer: Signer,
        targets: Targets,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let policy = Arc::new(config.policy.clone());
        let (observations, queue) = mpsc::channel(QUEUE_MAX);
        let outlet = Outlet::new("witness".into(), observations);
        let checks = Arc::new(Checks::new(config.checks.clone()));
        let (watchlist, watched) = watch::channel(Arc::new(Watchlist::default()));
        let looking = checks.observe(outlet.named("checks"), watched);
        tasks.spawn(async move {
            let _kept = watchlist;
            looking.await;
        });
        let (showing, seen) = watch::channel(Seen::default());
        tasks.spawn(see(policy.clone(), queue, showing));
        let shelf = Shelf::of(&config.data_dir);
        let loaded = shelf.load(&whom.key).map(Arc::new);
        let (holding, held) = watch::channel(loaded);
        let follow = targets.iter().map(|(_, target)| target.clone()).collect();
        let newer = Arc::new(Notify::new());
        tasks.spawn(hold(
            shelf,
            follow,
            whom.key.clone(),
            holding,
            newer.clone(),
        ));
        let editions = watch::Sender::new(None);
        let standings = Standings::default();
        let newest = Arc::new(Mutex::new(None));
        for (id, target) in &targets {
            let guarded = Arc::new(Guarded {
                inner: target.clone(),
                key: whom.key.clone(),
                newest: newest.clone(),
            });
            let keeper = keeping::Keeper {
                standing: standings.begin(id, target.place()),
                id: id.clone(),
                target: guarded,
                outlet: outlet.named("publish"),
                valid_for: config.publish.valid_for,
                witness: None,
            };
            tasks.spawn(keeper.keep(editions.subscribe()));
        }
        let (_nobody, published) = watch::channel(Arc::new(Published::of(Record::default())));
        let site = Site {
            published,
            policy: policy.clone(),
            evidence: config.evidence_folder(),
            name: config.page.name.clone(),
            url: config.page.url.clone().unwrap_or_default(),
            settings: Arc::new(config.told.clone()),
            useful: Arc::default(),
            subscribers: None,
        };
        let look_every = (whom.silent_after / 6).clamp(Duration::from_secs(1), LOOK_WITHIN);
        let memory_file = config.data_dir.join(MEMORY);
        Self {
            keeper: Place::of(&whom.keeper).ok(),
            whom: whom.clone(),
            policy,
            look_every,
            judging: WitnessPolicy {
                silent_after: whom.silent_after,
                // What a look may take, and one that is late.
                look_every_max: 2 * (look_every + 2 * LOOK_WITHIN),
            },
            valid_for: config.publish.valid_for,
            site,
            signer,
            seen,
            memory: remembered(&memory_file),
            memory_file,
            targets,
            newest,
            copies: None,
            read_at: None,
            held,
            newer,
            editions,
            said: None,
            told: None,
        }
    }

    async fn run(mut self) {
        let mut tick = tokio::time::interval(self.look_every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.look().await;
        }
    }

    async fn look(&mut self) {
        let keeper = self.ask_keeper().await;
        // While the keeper answers, its copies are looked at now and then only.
        let is_old = |read_at: Instant| read_at.elapsed() >= FOLLOW_EVERY;
        if keeper.is_none() || self.read_at.is_none_or(is_old) {
            self.copies = self.read_copies().await;
            self.read_at = Some(Instant::now());
        }
        let copies = self.copies;
        let held = self
            .held
            .borrow()
            .as_ref()
            .map(|held| held.statement.stamp.made_at);
        if keeper.is_some_and(|stated| Some(stated.made_at) > held) {
            self.newer.notify_one();
        }
        let now = Timestamp::now();
        let seen = self.seen.borrow().clone();
        let sight = Sight {
            now,
            keeper,
            copies,
            references_up: seen.references_up,
            service: service(&self.policy, &seen),
        };
        let word = judge(&self.judging, &mut self.memory, &sight);
        remember(&self.memory_file, &self.memory);
        self.tell(&word);
        match word {
            Word::Unreachable(gap) => self.speak(gap, &seen.record).await,
            _ => {
                self.said = None;
                self.editions
                    .send_if_modified(|edition| edition.take().is_some());
            }
        }
    }

    /// What the keeper states where it is.
    async fn ask_keeper(&self) -> Option<Stated> {
        let place = self.keeper.as_ref()?;
        let asked = async {
            let text = place.read(EDITION, STATEMENT_MAX).await.ok()??;
            let signature = place.read(EDITION_SIGNATURE, SIGNATURE_MAX).await.ok()??;
            stated(&text, &signature, &self.whom.key)
        };
        tokio::time::timeout(LOOK_WITHIN, asked).await.ok()?
    }

    /// The newest of what it stated at the targets.
    async fn read_copies(&self) -> Option<Stated> {
        let reads = self.targets.iter().map(async |(_, target)| {
            let read = read_stated(target.as_ref(), &self.whom.key);
            tokio::time::timeout(LOOK_WITHIN, read).await.ok()?.ok()?
        });
        let stated = futures_util::future::join_all(reads).await;
        let newest = stated.into_iter().flatten();
        let newest = newest.max_by_key(|stated| stated.made_at)?;
        let mut known = locked(&self.newest);
        *known = (*known).max(Some(newest.made_at));
        Some(newest)
    }

    async fn speak(&mut self, gap: Gap, record: &Record) {
        let components = record.components.iter();
        let seen: Vec<_> = components
            .map(|(id, state)| (id.to_string(), state.status))
            .collect();
        if self
            .said
            .as_ref()
            .is_some_and(|said| said.gap == gap && said.seen == seen && Instant::now() < said.due)
        {
            return;
        }
        let held = self.held.borrow().clone();
        let made = edition::make(
            &self.site,
            record,
            gap,
            held.as_deref(),
            self.valid_for,
            &self.signer,
        );
        match made.await {
            Ok(edition) => {
                self.editions.send_replace(Some(Arc::new(edition)));
                let due = Instant::now() + self.valid_for / RENEWALS;
                self.said = Some(Said { gap, seen, due });
            }
            Err(error) => tracing::error!(
                "the page could not be made: {}; please report this with the log",
                crate::pump::store::chain(&error)
            ),
        }
    }

    /// A line in the log for each change.
    fn tell(&mut self, word: &Word) {
        let kind = std::mem::discriminant(word);
        if self.told.replace(kind) == Some(kind) {
            return;
        }
        let keeper = &self.whom.keeper;
        match word {
            Word::KeeperSpeaks => tracing::info!(%keeper, "the keeper speaks; nothing to say"),
            Word::NeverHeard => tracing::error!(
                %keeper,
                "the keeper was never heard, and nothing is said until it is: look whether \
                 [witness] keeper answers /{EDITION} from this host, and whether the key is its own"
            ),
            Word::Blind => {
                tracing::error!("no reference answers: this host is cut off, and says nothing")
            }
            Word::Waits { since } => tracing::warn!(%keeper, %since, "the keeper is silent"),
            Word::Unreachable(gap) => tracing::error!(
                %keeper,
                since = %gap.since,
                service = gap.service.as_str(),
                "the keeper cannot be reached: customers are told so"
            ),
        }
    }
}

/// What the checks saw last.
#[derive(Debug, Clone, Default)]
struct Seen {
    record: Arc<Record>,
    references_up: usize,
    /// Whether every check of the service passed when it was made last.
    all_passed: bool,
}

/// Decides what the checks mean, as the keeper's pump does, and at its pace: beside the
/// looks, which wait for whoever does not answer.
async fn see(
    policy: Arc<Policy>,
    mut queue: mpsc::Receiver<Observation>,
    showing: watch::Sender<Seen>,
) {
    let mut state = State::default();
    let mut last: BTreeMap<CheckId, bool> = BTreeMap::new();
    let mut tick = tokio::time::interval(STEP_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // One by one, as they come: that a reference answered between two failures is what
        // makes them certain.
        let inputs = tokio::select! {
            Some(observation) = queue.recv() => vec![observation],
            _ = tick.tick() => Vec::new(),
        };
        for observation in &inputs {
            if let observation::Seen::CheckResult(result) = &observation.seen
                && !policy.references.contains(&result.check)
            {
                let passed = result.outcome == CheckOutcome::Passed;
                last.insert(result.check.clone(), passed);
            }
        }
        let all_passed = !last.is_empty() && last.values().all(|passed| *passed);
        let now = Timestamp::now();
        let events = step(&mut state, &policy, &inputs, now);
        let references_up = match state.memory.references(&policy, now) {
            References::Answer(_) => 1,
            References::None | References::Fail | References::Unknown => 0,
        };
        showing.send_if_modified(|seen| {
            let before = (seen.references_up, seen.all_passed);
            let changed = !events.is_empty() || before != (references_up, all_passed);
            if !events.is_empty() {
                seen.record = Arc::new(state.record.clone());
            }
            (seen.references_up, seen.all_passed) = (references_up, all_passed);
            changed
        });
    }
}

/// How the checks of the service go, all in all. One that fails and is not believed yet makes
/// it unknown.
fn service(policy: &Policy, seen: &Seen) -> Service {
    let checks = policy.checks.values();
    let components = checks.flat_map(|check| &check.components);
    let statuses = components.map(|id| {
        let state = seen.record.components.get(id);
        state.map(|state| state.status).unwrap_or_default()
    });
    match statuses.max() {
        Some(status) if status.is_harm() => Service::Fails,
        Some(Status::Operational) if seen.all_passed => Service::Answers,
        _ => Service::Unknown,
    }
}

fn stated(text: &[u8], signature: &[u8], key: &Key) -> Option<Stated> {
    let keys = std::slice::from_ref(key);
    let (statement, _) = Statement::verified(text, signature, keys).ok()?;
    let stamp = statement.stamp;
    (statement.by == Voice::Keeper).then(|| Stated {
        made_at: stamp.made_at,
        valid_for: time::since(stamp.made_at, stamp.valid_until),
    })
}

/// What the keeper states at a target; `None` where somebody else does, or nobody.
async fn read_stated(target: &dyn Target, key: &Key) -> Result<Option<Stated>, TargetError> {
    let names = [STATEMENT, SIGNATURE].map(str::to_owned);
    let read = target.read(&names).await?;
    Ok(match &read[..] {
        [Some(text), Some(signature)] => stated(text, signature, key),
        _ => None,
    })
}

/// Holds the keeper's newest edition, whichever target has it first.
async fn hold(
    shelf: Shelf,
    targets: Vec<Arc<dyn Target>>,
    key: Key,
    held: watch::Sender<Option<Arc<Held>>>,
    newer: Arc<Notify>,
) {
    let mut tick = tokio::time::interval(FOLLOW_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = newer.notified() => {}
        }
        for target in &targets {
            let known = held.borrow().clone();
            let followed = shelf.follow(target.as_ref(), &key, known.as_deref());
            match tokio::time::timeout(10 * FOLLOW_EVERY, followed).await {
                Ok(Ok(None)) | Err(_) => {}
                Ok(Ok(Some(newer))) => {
                    let files = newer.files.len();
                    tracing::debug!(files, "the keeper's newest edition is held");
                    held.send_replace(Some(Arc::new(newer)));
                }
                Ok(Err(error)) => tracing::warn!(
                    place = target.place(),
                    "the keeper's edition was not taken over: {}",
                    crate::pump::store::chain(&error)
                ),
            }
        }
    }
}

/// A target at which the keeper comes first.
struct Guarded {
    inner: Arc<dyn Target>,
    key: Key,
    /// The keeper's newest edition that the decision to speak knew of.
    newest: Arc<Mutex<Option<Timestamp>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in it is whole after every write.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Target for Guarded {
    fn place(&self) -> String {
        self.inner.place()
    }

    fn read<'a>(
        &'a self,
        names: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, TargetError>> {
        self.inner.read(names)
    }

    fn publish<'a>(&'a self, edition: &'a Edition) -> BoxFuture<'a, Result<usize, TargetError>> {
        Box::pin(async move {
            let there = read_stated(self.inner.as_ref(), &self.key).await?;
            let known = *locked(&self.newest);
            if there.is_some_and(|stated| Some(stated.made_at) > known) {
                return Err(TargetError::KeeperSpeaks);
            }
            self.inner.publish(edition).await
        })
    }
}

fn remembered(file: &Path) -> WitnessMemory {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// A few hundred bytes a second; where they cannot be written, a restart hears the keeper
/// anew before it says anything.
fn remember(file: &Path, memory: &WitnessMemory) {
    let draft = file.with_extension("draft");
    let text = serde_json::to_string(memory).unwrap_or_default();
    if let Err(error) = std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, file)) {
        tracing::warn!("{} cannot be written: {error}", file.display());
    }
}
