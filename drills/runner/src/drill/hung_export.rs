//! The hung export (the first of the five outages): a nightly export takes the rows that
//! login updates, and hangs on an FTP server that accepts its data and never reads it.
//!
//! Users log in all the while, open-loop. Two innocent runs stand beside: a long one that
//! computes and reads, and one that makes little but steady progress; whoever ends one of
//! them has taken it for the hung one. Everything is measured by the drill's own clients:
//! logins from the moment they were meant, the delivered file from the FTP server's
//! folder against the database's own rows, the innocent runs by their exit status, the
//! public page by reading it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::keeper::{EXPORT, Keeper, Told};
use super::outside::{PageReader, Receiver, says_harm};
use super::scene::Scene;
use super::telling::Listener;
use super::{Arm, Limit, Options, Replay, Timeline, account, peers};
use crate::load::{Plan, Summary};
use crate::process::Process;
use crate::traffic::{Sample, Traffic};

/// What must hold with Evenkeel.
pub(super) const LIMITS: &[(&str, Limit)] = &[
    ("harm_to_release_ms", Limit::AtMost(3000.0)),
    ("login_wait_ms_max", Limit::AtMost(5000.0)),
    ("logins_failed_count", Limit::Exactly(0.0)),
    ("export_delivered", Limit::Exactly(1.0)),
    ("export_rows_missing_count", Limit::Exactly(0.0)),
    ("innocent_runs_ended_count", Limit::Exactly(0.0)),
    ("evidence_items_count", Limit::AtLeast(6.0)),
    ("status_false_operational_ms", Limit::Exactly(0.0)),
    ("replay_decisions_differ_count", Limit::Exactly(0.0)),
    // Some seconds of an outage make hundreds: an empty ring proves nothing.
    ("replay_steps_count", Limit::AtLeast(50.0)),
    ("replay_decisions_compared_count", Limit::AtLeast(10.0)),
];

/// A login that takes longer waits: undisturbed ones take some ten milliseconds, and the
/// slowest of a busy machine some hundred.
const WAITS: Duration = Duration::from_millis(500);

/// When a user gives up: Nielsen's limit for keeping attention
/// (<https://www.nngroup.com/articles/response-times-3-important-limits/>).
const PATIENCE: Duration = Duration::from_secs(10);

const LOGINS_PER_SECOND: f64 = 8.0;

/// How long things go.
pub(super) struct Pace {
    /// Undisturbed, before the export.
    pub(super) calm: Duration,
    /// From the export's start to the end, at most.
    pub(super) window: Duration,
    /// The innocent runs.
    pub(super) innocent_seconds: u64,
}

impl Pace {
    fn of(options: &Options) -> Self {
        let (calm, window, innocent_seconds) = match options.short {
            true => (3, 40, 25),
            false => (5, 90, 60),
        };
        Self {
            calm: Duration::from_secs(calm),
            window: Duration::from_secs(window),
            innocent_seconds,
        }
    }
}

/// Replays it once.
pub(super) async fn replay(options: &Options) -> Result<Replay, String> {
    let mut timeline = Timeline::new(options.tells);
    timeline.now(format!(
        "setting up: PostgreSQL, the back office, the bureau's FTP server (arm: {}, seed {})",
        options.arm.as_str(),
        options.seed
    ));
    let web = match options.arm {
        Arm::Peers => peers::WEB,
        Arm::With | Arm::Without => &[],
    };
    let scene = Scene::set_up(options.seed, web).await?;
    let outage = Outage::begin(&scene, options, &Pace::of(options), &mut timeline).await?;
    let seen = outage.watch(&mut timeline).await?;
    let figures = seen.figures(&scene, &mut timeline).await?;
    super::finished("hung-export", options, figures, timeline)
}

/// The outage going on.
struct Outage<'a> {
    scene: &'a Scene,
    arm: Arm,
    window: Duration,
    helpers: Option<Helpers>,
    load: Traffic,
    innocents: Vec<Process>,
    /// The wrapped export of the peers.
    export: Option<Process>,
    export_at: Instant,
}

/// Evenkeel, and who reads what it says.
struct Helpers {
    keeper: Keeper,
    page: PageReader,
    listener: Listener,
    receiver: Receiver,
}

impl<'a> Outage<'a> {
    async fn begin(
        scene: &'a Scene,
        options: &Options,
        pace: &Pace,
        timeline: &mut Timeline,
    ) -> Result<Self, String> {
        let helpers = match options.arm {
            Arm::Peers => None,
            Arm::With | Arm::Without => {
                let receiver = Receiver::start().await?;
                let told = Told {
                    may_act: options.arm == Arm::With,
                    pager: receiver.address,
                    edge: None,
                };
                let keeper = Keeper::start(scene, &told).await?;
                Some(Helpers {
                    page: PageReader::start(keeper.page),
                    listener: Listener::start(keeper.page),
                    keeper,
                    receiver,
                })
            }
        };
        let load = Plan {
            address: scene.address,
            users: scene.users.clone(),
            seed: options.seed,
            logins_per_second: LOGINS_PER_SECOND,
            patience: PATIENCE,
            under_way_max: 400,
        };
        let load = load.start();
        timeline.begin_at(load.started());
        timeline.now(format!("users log in, {LOGINS_PER_SECOND} a second"));
        let mut innocents = Vec::new();
        for (name, command) in scene.innocents(pace.innocent_seconds)? {
            innocents.push(match &helpers {
                Some(helpers) => helpers.keeper.wrapped(scene, name, &command)?,
                None => peers::wrapped(scene, name, &command, peers::HONEST_LONGEST)?,
            });
        }
        timeline.now("two honest runs begin: a long report, and a slow archive");
        tokio::time::sleep(pace.calm).await;
        scene
            .ftp
            .stall_next(1)
            .map_err(|error| super::outside::chain(&error))?;
        let export_at = Instant::now();
        let export = match &helpers {
            Some(helpers) => {
                helpers.keeper.command(&["start", EXPORT]).await?;
                None
            }
            None => Some(peers::wrapped(
                scene,
                "export",
                &scene.export()?,
                peers::EXPORT_LONGEST,
            )?),
        };
        timeline.now(
            "the nightly export begins; the bureau's server will take its data and never read it",
        );
        Ok(Self {
            scene,
            arm: options.arm,
            window: pace.window,
            helpers,
            load,
            innocents,
            export,
            export_at,
        })
    }

    /// Watches until all is well again, or the window is over.
    async fn watch(mut self, timeline: &mut Timeline) -> Result<Seen, String> {
        let (mut stalled, mut waited, mut delivered) = (false, false, false);
        let until = self.export_at + self.window;
        loop {
            if !stalled && !self.scene.ftp.stalled().is_empty() {
                stalled = true;
                timeline.now("the upload stands still");
            }
            if !waited && self.first_waiting().is_some() {
                waited = true;
                timeline.now("logins wait");
            }
            if !delivered && self.scene.rows_delivered().is_some() {
                delivered = true;
                timeline.now("the bureau has the whole dump");
            }
            if let Some(helpers) = &self.helpers
                && !helpers.keeper.is_running()
            {
                return Err(format!(
                    "evenkeel ended by itself: {}",
                    helpers.keeper.log_tail()
                ));
            }
            let innocents_done = self.innocents.iter().all(|run| !run.is_running());
            if self.arm == Arm::With && delivered && innocents_done {
                break;
            }
            if Instant::now() >= until {
                timeline.now("the window is over");
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut innocent_runs_ended = 0;
        for run in &mut self.innocents {
            // One that is still at it has not been ended; it has had its time, though.
            match run.wait(Duration::from_secs(30)).await {
                // Its own last word, besides the status that whoever wraps it passes on.
                Ok(status) if status.success() && run.stdout().contains(": done") => {}
                Ok(status) => {
                    innocent_runs_ended += 1;
                    timeline.now(format!(
                        "an innocent run was ended: {status}; {}",
                        run.tail()
                    ));
                }
                Err(error) => return Err(super::outside::chain(&error)),
            }
        }
        let began = self.load.started();
        let (samples, sent_late_max) = self.load.finish().await;
        let summary = Summary::of(&samples, sent_late_max);
        drop(self.export);
        Ok(Seen {
            began,
            samples,
            summary,
            export_after: self.export_at - began,
            innocent_runs_ended,
            helpers: self.helpers,
        })
    }

    fn first_waiting(&self) -> Option<Duration> {
        self.load.first_slower_than(WAITS)
    }
}

/// What was seen of the outage.
struct Seen {
    began: Instant,
    samples: Vec<Sample>,
    summary: Summary,
    export_after: Duration,
    innocent_runs_ended: u32,
    helpers: Option<Helpers>,
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

impl Seen {
    async fn figures(
        self,
        scene: &Scene,
        timeline: &mut Timeline,
    ) -> Result<BTreeMap<String, f64>, String> {
        let mut figures = BTreeMap::new();
        let mut put = |name: &str, figure: f64| {
            figures.insert(name.to_owned(), (figure * 10.0).round() / 10.0);
        };
        let summary = &self.summary;
        put("logins_count", summary.logins_count as f64);
        put("logins_failed_count", summary.logins_failed_count as f64);
        put("login_wait_ms_max", summary.login_wait_ms_max);
        put("login_ms_p50", summary.login_ms_p50);
        put("login_ms_p99", summary.login_ms_p99);
        put("load_sent_late_ms_max", summary.sent_late_ms_max);
        let mut calm: Vec<f64> = self
            .samples
            .iter()
            .filter(|sample| sample.ended() < self.export_after)
            .map(|sample| ms(sample.latency))
            .collect();
        calm.sort_by(f64::total_cmp);
        for (name, share) in [("calm_login_ms_p50", 0.5), ("calm_login_ms_p99", 0.99)] {
            let at = ((calm.len() as f64 * share) as usize).min(calm.len().saturating_sub(1));
            if let Some(latency) = calm.get(at) {
                put(name, *latency);
            }
        }

        let harm = self.harm();
        let harm = harm.ok_or(
            "no login waited: the export took no rows that logins need, and the drill proves nothing",
        )?;
        put("harm_ms", ms(harm.over.saturating_sub(harm.from)));
        if let Some(released) = harm.released {
            put("harm_to_release_ms", ms(released.saturating_sub(harm.from)));
            timeline.at(
                u64::try_from(released.as_millis()).unwrap_or(u64::MAX),
                "the first login that waited is in",
            );
        }

        let expected = scene.rows_expected().await?;
        let delivered = scene.rows_delivered();
        put("export_delivered", f64::from(u8::from(delivered.is_some())));
        let missing = match delivered {
            Some(_) => expected.difference(&scene.rows_there()).count(),
            None => expected.len(),
        };
        put("export_rows_missing_count", missing as f64);
        let attempts = scene.ftp.stalled().len() + scene.ftp.received().len();
        put("export_uploads_count", attempts as f64);
        put(
            "innocent_runs_ended_count",
            f64::from(self.innocent_runs_ended),
        );

        if let Some(helpers) = &self.helpers {
            let harm_at = self.began + harm.from;
            for (at, headline) in helpers.page.headlines() {
                if at > self.began {
                    let at_ms = (at - self.began).as_millis();
                    let at_ms = u64::try_from(at_ms).unwrap_or(u64::MAX);
                    timeline.at(at_ms, format!("the public page says: {headline}"));
                }
            }
            let said = helpers
                .page
                .headlines()
                .into_iter()
                .find(|(at, headline)| *at >= harm_at && says_harm(headline));
            if let Some((at, _)) = said {
                put("page_says_so_ms", ms(at - harm_at));
            }
            if let Some((at, _)) = helpers.receiver.rings().first() {
                put(
                    "operator_called_ms",
                    ms(at.saturating_duration_since(harm_at)),
                );
            }
            let evidence = evidence(&helpers.keeper).await?;
            put("evidence_items_count", evidence.items as f64);
            put(
                "evidence_names_cause",
                f64::from(u8::from(evidence.names_cause)),
            );
            for moment in account::told(&helpers.keeper, self.began).await? {
                timeline.at(moment.at_ms, moment.what);
            }
        }
        if let Some(helpers) = &self.helpers {
            let hurt = self.hurt();
            helpers.listener.figures(self.began, &hurt, &mut put);
        }
        if let Some(helpers) = self.helpers {
            account::replay(helpers.keeper, &mut put, timeline).await?;
        }
        Ok(figures)
    }

    /// Logins of users who were hurt.
    fn hurt(&self) -> Vec<&Sample> {
        self.samples
            .iter()
            .filter(|sample| sample.latency >= WAITS || !sample.is_ok())
            .filter(|sample| sample.ended() >= self.export_after)
            .collect()
    }

    /// When users were hurt, from their own waiting.
    fn harm(&self) -> Option<Harm> {
        let waited = self.hurt();
        let from = waited.iter().map(|sample| sample.intended).min()?;
        let over = waited.iter().map(|sample| sample.ended()).max()?;
        let ends = waited.iter().filter(|sample| sample.is_ok());
        let released = ends.map(|sample| sample.ended()).min();
        Some(Harm {
            from,
            released,
            over,
        })
    }
}

/// Offsets from the start of the load.
struct Harm {
    /// The first login that waits was meant then.
    from: Duration,
    /// The first of those who waited is in.
    released: Option<Duration>,
    /// The last of those who waited is in, or has given up.
    over: Duration,
}

struct Evidence {
    items: usize,
    names_cause: bool,
}

/// Opens every item of the kept evidence, as an operator would the next morning.
async fn evidence(keeper: &Keeper) -> Result<Evidence, String> {
    let kept = keeper.json(&["evidence"]).await?;
    let (mut items, mut command, mut session) = (0, false, false);
    for one in kept.as_array().into_iter().flatten() {
        let id = one["id"].as_str().unwrap_or_default();
        for item in one["items"].as_array().into_iter().flatten() {
            if item["bytes"].as_u64().unwrap_or_default() == 0 {
                continue;
            }
            let file = item["file"].as_str().unwrap_or_default();
            let text = keeper.command(&["evidence", id, file]).await?;
            items += usize::from(!text.trim().is_empty());
            command |= text.contains("export --ftp");
            session |= text.contains("idle in transaction") && text.contains("payslips");
        }
    }
    Ok(Evidence {
        items,
        names_cause: command && session,
    })
}
