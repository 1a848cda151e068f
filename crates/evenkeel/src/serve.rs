//! `evenkeel serve`: the pump, the guards, the pages and the control socket in one
//! process, from start to a clean stop.
//!
//! Everything that can be refused is refused before a port answers. Ctrl-C and SIGTERM
//! stop it; supervised runs go on, and are found again at the next start.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_core::ids::PersonId;
use evenkeel_core::policy::Policy;
use evenkeel_guards::checks::Checks;
use evenkeel_guards::evidence::EvidenceStore;
use evenkeel_guards::guard::{EvidenceKeeper, Guard, RunDatabase, RunProcesses};
use evenkeel_guards::jobs::Jobs;
use evenkeel_guards::jobs::runs::Runs;
use evenkeel_guards::jobs::spool::Spool;
use evenkeel_guards::leaks::Leaks;
use evenkeel_guards::locks::Locks;
use evenkeel_guards::readiness::Readiness;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::access::Access;
use crate::channels::log::Log;
use crate::channels::mail::{Mail, MailError};
use crate::channels::page::PublicPage;
use crate::channels::people::People;
use crate::channels::webhook::{Settings, Webhook, WebhookError};
use crate::channels::{Channel, Channels};
use crate::config::{Config, Pager, Recording};
use crate::control::{Control, ControlError, Socket};
use crate::edge::link::Link;
use crate::heartbeats;
use crate::hotline;
use crate::metrics;
use crate::publish;
use crate::publish::signing::Signer;
use crate::pump::store::{SqliteFile, StartError};
use crate::pump::{Pace, Parts, Pump};
use crate::quiet;
use crate::recorder::{self, Recorder};
use crate::subscribers::Subscribers;
use crate::subscribers::follow::Ways;
use crate::useful::Useful;
use crate::web::operator::{Console, Places};
use crate::web::serving::{Bounds, serve as serve_pages, serve_over};
use crate::web::tls::{Tls, TlsError};
use crate::web::{Site, operator, public};

/// A server that did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder cannot be made.
    #[error(
        "the data folder {path} cannot be made: {source}; make it, or name another as data_dir"
    )]
    Folder {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The pump did not start.
    #[error("Evenkeel cannot start")]
    Pump(#[from] StartError),
    /// The control socket cannot be used.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The webhook cannot be used.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// A certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Mail cannot be sent.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// A place the page is published to cannot be used.
    #[error(transparent)]
    Publish(#[from] crate::publish::targets::SpecError),
    /// The subscribers' file cannot be used.
    #[error(transparent)]
    Subscribers(#[from] crate::subscribers::store::StoreError),
    /// Subscribers cannot be told.
    #[error(transparent)]
    Ways(#[from] crate::subscribers::follow::WaysError),
    /// The key that signs the page cannot be used.
    #[error(transparent)]
    Signer(#[from] crate::publish::signing::SignerError),
    /// A port cannot be had.
    #[error(
        "nothing can listen on {address}: {source}; name another address in [{section}] listen"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The section that names it.
        section: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Our own program or signals cannot be found.
    #[error("the system refuses what every program may do: {0}")]
    System(#[from] std::io::Error),
}

/// Where a running server answers.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// The public page.
    pub page: SocketAddr,
    /// The operator's pages.
    pub operator: SocketAddr,
    /// Where heartbeats are pinged, where they are wanted.
    pub pings: Option<SocketAddr>,
    /// Metrics, where they are wanted.
    pub metrics: Option<SocketAddr>,
    /// `https` where the public page speaks TLS, else `http`.
    pub page_scheme: &'static str,
    /// The same of the operator's pages.
    pub operator_scheme: &'static str,
    /// The same of pings.
    pub pings_scheme: &'static str,
}

/// Serves until told to stop; calls `up` once everything answers.
///
/// # Errors
/// Why it did not start; nothing is left running then.
pub async fn serve(config: Config, up: impl FnOnce(Addresses)) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Who keeps a certificate listens to it; without one it must not end the program.
    let _ignored = signal(SignalKind::hangup())?;
    make_folder(&config.data_dir)?;

    let policy = Arc::new(config.policy.clone());
    let journal = Arc::new(SqliteFile(config.journal_file()));
    let link = config.edge.as_ref().map(|settings| {
        let pools = settings.pools.iter().map(|pool| pool.id.clone()).collect();
        Link::new(config.edge_socket(), pools)
    });
    let guards = guards(&config, link.as_ref())?;
    let parts = Parts {
        policy: policy.clone(),
        journal,
        alive: config.data_dir.join("alive"),
        guards,
        keep_for: config.keep_for.clone(),
        pace: Pace::default(),
    };
    // First the journal: whoever holds it is the one Evenkeel of this data folder.
    let (mut pump, handle) = Pump::open(parts).await?;
    pump.record_with(recorder(&config, policy.clone()));
    let socket = Socket::make(&config.control_socket())?;
    let page = listen(config.page.listen, "page").await?;
    let operators = listen(config.operator.listen, "operator").await?;
    let pings_files = config.pings.as_ref().and_then(|pings| pings.tls.clone());
    let [page_tls, operator_tls, pings_tls] =
        [&config.page.tls, &config.operator.tls, &pings_files]
            .map(|files| files.as_ref().map(Tls::load).transpose());
    let (page_tls, operator_tls) = (page_tls?.map(Arc::new), operator_tls?.map(Arc::new));
    let pings_tls = pings_tls?.map(Arc::new);
    let metrics = match config.metrics_listen {
        Some(address) => Some(listen(address, "metrics").await?),
        None => None,
    };
    let ping_listener = match &config.pings {
        Some(pings) => Some(listen(pings.listen, "pings").await?),
        None => None,
    };
    let addresses = Addresses {
        pings: match &ping_listener {
            Some(listener) => Some(listener.local_addr()?),
            None => None,
        },
        page: page.local_addr()?,
        operator: operators.local_addr()?,
        metrics: match &metrics {
            Some(listener) => Some(listener.local_addr()?),
            None => None,
        },
        page_scheme: scheme(&page_tls),
        operator_scheme: scheme(&operator_tls),
        pings_scheme: scheme(&pings_tls),
    };
    let channels = channels(&config, &handle, addresses)?;
    let targets = config.publish.targets.iter();
    let targets = targets.map(|spec| Ok((spec.id.clone(), spec.target()?)));
    let targets: Vec<_> = targets.collect::<Result<_, ServeError>>()?;
    let keys = publish::Keys {
        signer: Signer::of(&config.data_dir)?,
        witness: config.page.witness_key.clone(),
    };

    let subscribers = match config.subscribers.are_wanted() {
        true => Some(Subscribers::open(
            &config.data_dir,
            config.subscribers.clone(),
        )?),
        false => None,
    };
    let site = Site {
        published: handle.published.clone(),
        policy: policy.clone(),
        evidence: config.evidence_folder(),
        name: config.page.name.clone(),
        url: match &config.page.url {
            Some(url) => url.clone(),
            None => format!("{}://{}", addresses.page_scheme, addresses.page),
        },
        settings: Arc::new(config.told.clone()),
        useful: Arc::new(Useful::of(&config.data_dir)),
        subscribers: subscribers.clone(),
    };
    let ways = subscribers
        .clone()
        .map(|own| Ways::new(own, site.clone(), config.mail.as_ref()));
    let ways = ways.transpose()?;
    let public_site = site.clone();
    let source = metrics::Source {
        published: handle.published.clone(),
        policy: policy.clone(),
        meters: handle.meters.clone(),
        outlet: handle.outlet.clone(),
        subscribers: subscribers.clone(),
        certificates: [
            ("page", &page_tls),
            ("operator", &operator_tls),
            ("pings", &pings_tls),
        ]
        .into_iter()
        .filter_map(|(name, tls)| Some((name, tls.clone()?)))
        .collect(),
    };
    let access = Access::new(&config.data_dir, &handle.outlet);
    let control = Control {
        published: handle.published.clone(),
        policy,
        service: config.page.name.clone(),
        orders: handle.orders.clone(),
        access: access.clone(),
        heartbeats: handle.pings.clone(),
        ping_base: config
            .pings
            .as_ref()
            .map(|pings| pings.base(addresses.pings)),
    };
    let (stop, stopped) = watch::channel(false);
    let bounds = Bounds::default();
    let keepers: Vec<_> = [&page_tls, &operator_tls, &pings_tls]
        .into_iter()
        .flatten()
        .map(|tls| tokio::spawn(tls.clone().keep(stopped.clone())))
        .collect();
    let pages = tokio::spawn(serve_over(
        page,
        page_tls.clone(),
        public::router(site.clone()),
        bounds,
        stopped.clone(),
    ));
    let operator_pages = tokio::spawn(serve_over(
        operators,
        operator_tls.clone(),
        operator::router(Console::new(
            site,
            access.clone(),
            handle.orders.clone(),
            Places {
                journal: config.journal_file(),
                runs: config.runs_folder(),
            },
        )),
        bounds,
        stopped.clone(),
    ));
    let metric_pages = metrics.map(|listener| {
        let router = metrics::router(source);
        tokio::spawn(serve_pages(listener, router, bounds, stopped.clone()))
    });
    let ping_pages = ping_listener
        .zip(config.pings.as_ref())
        .map(|(listener, pings)| {
            let router = ears(pings, &handle, &config, addresses);
            tokio::spawn(serve_over(
                listener,
                pings_tls.clone(),
                router,
                heartbeats::listener::bounds(),
                stopped.clone(),
            ))
        });
    let control = tokio::spawn(socket.serve(control, stopped.clone()));
    let quiet = config.people.iter().filter_map(|person| {
        let hours = person.quiet_hours.clone()?;
        Some((person.id.clone(), hours))
    });
    let quiet = tokio::spawn(quiet::tell(
        quiet.collect(),
        config.quiet.clone(),
        handle.outlet.named("calendar"),
    ));
    let telephone = config.hotline.clone();
    let telephone = telephone.map(|to| tokio::spawn(hotline::keep(public_site.clone(), to)));
    let almanac = config.almanac.clone();
    let almanac = tokio::spawn(almanac.tell(handle.outlet.named("calendar")));
    let publishing = tokio::spawn(publish::keep(
        public_site,
        config.publish.valid_for,
        targets,
        keys,
        handle.outlet.named("publish"),
    ));
    let told = ways.map(|ways| tokio::spawn(ways.keep(stopped.clone())));
    let linked = link
        .map(|link| tokio::spawn(link.keep(handle.published.clone(), handle.outlet.named("edge"))));
    let mut pump = tokio::spawn(pump.run(channels, stopped));
    access.audit().tell_late(&config.data_dir).await;
    up(addresses);

    tokio::select! {
        _ = terminate.recv() => tracing::info!("asked to stop (SIGTERM)"),
        _ = interrupt.recv() => tracing::info!("asked to stop (Ctrl-C)"),
        ended = &mut pump => {
            tracing::error!(?ended, "the pump ended by itself: please report this with the log");
        }
    }
    stop.send_replace(true);
    quiet.abort();
    almanac.abort();
    publishing.abort();
    if let Some(telephone) = telephone {
        telephone.abort();
    }
    if let Some(linked) = linked {
        linked.abort();
    }
    if !pump.is_finished()
        && let Err(error) = pump.await
    {
        tracing::error!(%error, "the pump did not end as it should");
    }
    let listeners = [pages, operator_pages, control].into_iter();
    let listeners = listeners.chain(metric_pages).chain(ping_pages).chain(told);
    for task in listeners.chain(keepers) {
        if let Err(error) = task.await {
            tracing::error!(%error, "a listener did not end as it should");
        }
    }
    Ok(())
}

/// Makes the data folder for its owner only.
pub(crate) fn make_folder(path: &Path) -> Result<(), ServeError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        // Queries, output and evidence of the runs are nobody else's business.
        .mode(0o700)
        .create(path);
    made.map_err(|source| ServeError::Folder {
        path: path.to_owned(),
        source,
    })
}

fn recorder(config: &Config, policy: Arc<Policy>) -> Recorder {
    let Recording {
        enabled,
        keep_for,
        bytes_max,
    } = config.recorder;
    if !enabled {
        return Recorder::off();
    }
    let folder = config.recorder_folder();
    Recorder::start(recorder::Settings::new(folder, keep_for, bytes_max), policy)
}

fn guards(config: &Config, edge: Option<&Arc<Link>>) -> Result<Vec<Arc<dyn Guard>>, ServeError> {
    let runs = Arc::new(Runs::new(Spool::new(config.runs_folder())));
    let processes: Arc<dyn RunProcesses> = runs.clone();
    let evidence = Arc::new(EvidenceStore::new(
        config.evidence_folder(),
        Some(processes.clone()),
    ));
    let keeper: Arc<dyn EvidenceKeeper> = evidence.clone();
    let locks = Arc::new(Locks::new(
        config.databases.clone(),
        Some(keeper.clone()),
        Some(processes),
    ));
    let databases: Arc<dyn RunDatabase> = locks.clone();
    let own: OsString = std::env::current_exe()?.into();
    let file = std::path::absolute(&config.file)?;
    let runner = vec![own, "--config".into(), file.into(), "run".into()];
    let specs = config.jobs.iter().map(|job| job.spec.clone()).collect();
    let jobs = Arc::new(Jobs::new(specs, runs, evidence, Some(databases), runner));
    let mut guards: Vec<Arc<dyn Guard>> = vec![jobs];
    if !config.databases.is_empty() {
        guards.push(locks);
    }
    if !config.checks.is_empty() {
        guards.push(Arc::new(Checks::new(config.checks.clone())));
    }
    if !config.readiness.is_empty() {
        guards.push(Arc::new(Readiness::new(config.readiness.clone())));
    }
    let leaks = &config.leaks;
    if !leaks.pools.is_empty() || !leaks.volumes.is_empty() || !leaks.databases.is_empty() {
        let leaks = Leaks::new(leaks.clone()).keeping(keeper);
        guards.push(Arc::new(match edge {
            Some(edge) => leaks.behind(edge.clone()),
            None => leaks,
        }));
    }
    Ok(guards)
}

fn scheme(tls: &Option<Arc<Tls>>) -> &'static str {
    if tls.is_some() { "https" } else { "http" }
}

/// The listener for pings, which knows the heartbeats there are; the core is told of them.
fn ears(
    pings: &crate::config::Pings,
    handle: &crate::pump::Handle,
    config: &Config,
    addresses: Addresses,
) -> axum::Router {
    let policy = Arc::new(config.policy.clone());
    let record = handle.published.borrow().record.clone();
    let book = Arc::new(heartbeats::book(&policy, &record));
    let outlet = handle.outlet.clone();
    tokio::spawn(heartbeats::announce(
        book.clone(),
        policy.clone(),
        record,
        outlet,
    ));
    heartbeats::listener::router(heartbeats::listener::Ears {
        book,
        desk: handle.pings.clone(),
        ping_key: pings.ping_key.clone(),
        keys: heartbeats::api::Keys {
            read_write: pings.api_key.clone(),
            read_only: pings.api_key_readonly.clone(),
            site: pings.site(addresses.pings),
        },
        published: handle.published.clone(),
        policy,
        journal: Arc::new(SqliteFile(config.journal_file())),
    })
}

async fn listen(address: SocketAddr, section: &'static str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen {
            address,
            section,
            source,
        })
}

fn channels(
    config: &Config,
    handle: &crate::pump::Handle,
    addresses: Addresses,
) -> Result<Channels, ServeError> {
    let page = match &config.operator.url {
        Some(url) => url.clone(),
        None => format!("{}://{}", addresses.operator_scheme, addresses.operator),
    };
    let webhook = |pager: &Pager| -> Result<Arc<dyn Channel>, WebhookError> {
        Ok(Arc::new(Webhook::new(Settings {
            url: pager.url.clone(),
            token: pager.token.clone(),
            operator_page: Some(page.clone()),
        })?))
    };
    let mut operator: Arc<dyn Channel> = match &config.pager {
        Some(pager) => webhook(pager)?,
        None => Arc::new(Log),
    };
    if !config.people.is_empty() {
        let mut ways: BTreeMap<PersonId, Vec<Arc<dyn Channel>>> = BTreeMap::new();
        for person in &config.people {
            let ways = ways.entry(person.id.clone()).or_default();
            if let Some(pager) = &person.webhook {
                ways.push(webhook(pager)?);
            }
            if let (Some(to), Some(server)) = (&person.mail, &config.mail) {
                let (to, zone) = (to.clone(), person.time_zone.clone());
                let published = handle.published.clone();
                let mail = Mail::new(server, to, zone, Some(page.clone()), published)?;
                ways.push(Arc::new(mail));
            }
        }
        let nobody = operator;
        operator = Arc::new(People { ways, nobody });
    }
    Ok(Channels {
        operator,
        public: Arc::new(PublicPage {
            published: handle.published.clone(),
        }),
    })
}
