//! The edge: the process itself, how it and what is behind it are, and what people order
//! of it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use evenkeel_core::Timestamp;
use evenkeel_core::edge::EdgeOrder;
use evenkeel_core::observation::Order;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::client::{Silence, ask};
use super::orders::give;
use super::print::{self, say, table};
use super::source::Source;
use super::{Outcome, ago};
use crate::config::Config;
use crate::report::edge::{FillReport, InstanceReport, PoolReport, TenantReport};
use crate::web::{clock, languages};

/// An instance of a pool.
#[derive(Debug, Args)]
pub(super) struct Member {
    /// The pool.
    pool: String,
    /// The instance.
    instance: String,
}

/// What to do with the banner.
#[derive(Debug, Subcommand)]
pub(super) enum BannerCommand {
    /// Show a text, in place of the one before.
    Show {
        /// The text by language: --text en="Slow until 14:00"; again for nl, de, pl, da.
        ///
        /// Who reads a language without a text sees the English one.
        #[arg(long = "text", value_name = "LANGUAGE=TEXT", required = true)]
        texts: Vec<String>,
        /// Where more is told: https://status.example.com.
        #[arg(long, value_name = "URL")]
        link: Option<String>,
    },
    /// Show none.
    Hide,
}

/// A tenant's bound.
#[derive(Debug, Args)]
pub(super) struct Cap {
    /// The hash of its name, as `evenkeel tenants` shows it.
    tenant: String,
    /// The most requests a second.
    #[arg(long, value_name = "NUMBER", required_unless_present = "lift")]
    requests_per_s: Option<u32>,
    /// Let it send what the configuration allows.
    #[arg(long, conflicts_with = "requests_per_s")]
    lift: bool,
}

/// Serves until it is stopped or replaced.
pub(super) fn edge(config: Config) -> Outcome {
    print::start_log(&config.log);
    for warning in &config.warnings {
        tracing::warn!(file = %config.file.display(), "{warning}");
    }
    // The edge's own thread serves; this one waits for signals.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no threads can be started: {error}"))?;
    let served = runtime.block_on(crate::edge::run(config, |places| {
        for place in places {
            say(&format!("edge: {place}\n"));
        }
    }));
    match served {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(print::chain(&error)),
    }
}

/// What the running server says, printed where that was asked for.
fn asked<T: DeserializeOwned + Serialize>(
    source: &Source,
    path: &str,
    json: bool,
) -> Result<Option<Vec<T>>, String> {
    let answer: Vec<T> = ask(source, path).map_err(|silence| match silence {
        Silence::Refused(why) => why,
        Silence::NotRunning => format!(
            "no Evenkeel runs on {}, and nobody else knows this: start it with `evenkeel serve`",
            source.name()
        ),
    })?;
    if json {
        print::json(&answer)?;
        return Ok(None);
    }
    Ok(Some(answer))
}

pub(super) fn pools(source: &Source, json: bool) -> Outcome {
    let Some(pools) = asked::<PoolReport>(source, "/v1/pools", json)? else {
        return Ok(ExitCode::SUCCESS);
    };
    if pools.is_empty() {
        say("No pool is configured: docs/guide/edge.md shows how.\n");
    }
    for pool in pools {
        tell(&pool);
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(pool: &PoolReport) {
    match pool.seen_at {
        None => say(&format!(
            "{}: nobody knows how it is; is `evenkeel edge` running?\n",
            pool.id
        )),
        Some(at) => say(&format!(
            "{}: {} of {} places taken, {} wait, {} turned away in {} s; seen {}\n",
            pool.id,
            pool.under_way,
            pool.limit,
            pool.queued,
            pool.shed,
            pool.seconds,
            ago(at)
        )),
    }
    if let Some(hold) = &pool.hold {
        say(&format!(
            "  HELD since {}: {} ({} wait)\n",
            ago(hold.since),
            hold.reason,
            pool.held
        ));
    }
    if let Some(in_force) = pool.plan_in_force.filter(|plan| *plan < pool.plan_wanted) {
        say(&format!(
            "  the edge goes by the plan of revision {in_force} still, not {}\n",
            pool.plan_wanted
        ));
    }
    let rows: Vec<Vec<String>> = pool
        .instances
        .iter()
        .map(|instance| row(instance, pool.seconds))
        .collect();
    let heads = [
        "instance",
        "state",
        "under way",
        "requests/s",
        "failed",
        "p50",
        "p99",
    ];
    say(&table(&heads, &rows));
    say("\n");
}

fn row(instance: &InstanceReport, seconds: u32) -> Vec<String> {
    let mut state = instance
        .state
        .map_or("not known", |state| state.as_str())
        .to_owned();
    if instance.recycling {
        state += ", being recycled";
    } else if instance.drained {
        state += ", by order";
    }
    if let Some(why) = &instance.why {
        state = format!("{state}: {why}");
    }
    vec![
        instance.id.to_string(),
        state,
        instance.under_way.to_string(),
        rate(instance.requests, seconds),
        instance.errors.to_string(),
        millis(instance.p50_us),
        millis(instance.p99_us),
    ]
}

fn rate(count: u32, seconds: u32) -> String {
    match seconds {
        0 => "-".into(),
        seconds => format!("{:.1}", f64::from(count) / f64::from(seconds)),
    }
}

fn millis(us: Option<u64>) -> String {
    us.map_or_else(
        || "-".into(),
        |us| format!("{}.{} ms", us / 1000, us % 1000 / 100),
    )
}

pub(super) fn tenants(source: &Source, json: bool) -> Outcome {
    let Some(tenants) = asked::<TenantReport>(source, "/v1/tenants", json)? else {
        return Ok(ExitCode::SUCCESS);
    };
    if tenants.is_empty() {
        say("Nothing is known of tenants: is `evenkeel edge` running?\n");
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = tenants
        .into_iter()
        .map(|tenant| {
            vec![
                tenant.tenant.unwrap_or_else(|| "all others".into()),
                rate(tenant.requests, tenant.seconds),
                tenant.errors.to_string(),
                tenant.shed.to_string(),
                millis(tenant.p99_us),
                tenant
                    .requests_per_s_max
                    .map_or_else(String::new, |most| format!("{most}/s")),
            ]
        })
        .collect();
    let heads = [
        "tenant",
        "requests/s",
        "failed",
        "turned away",
        "p99",
        "cap",
    ];
    say(&table(&heads, &rows));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn leaks(source: &Source, json: bool) -> Outcome {
    let Some(all) = asked::<FillReport>(source, "/v1/fill", json)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let now = Timestamp::now();
    let mut rows = Vec::new();
    for report in &all {
        for level in &report.levels {
            let mut forecasts = report.forecasts.iter();
            let forecast = forecasts.find(|forecast| forecast.resource == level.resource);
            let amount = |amount: u64| crate::web::amounts::shown(&level.resource, amount);
            rows.push(vec![
                report.of.to_string(),
                crate::web::amounts::name(&level.resource),
                amount(level.used),
                level.limit.map_or_else(|| "no limit known".into(), amount),
                forecast.map_or_else(String::new, |forecast| {
                    format!(
                        "{} to {}",
                        clock::minute(forecast.exhausts.earliest, now),
                        clock::minute(forecast.exhausts.latest, now)
                    )
                }),
            ]);
        }
    }
    if rows.is_empty() {
        say("Nothing that fills up has been seen yet.\n");
        return Ok(ExitCode::SUCCESS);
    }
    say(&table(
        &["of", "what", "used", "of at most", "runs out"],
        &rows,
    ));
    Ok(ExitCode::SUCCESS)
}

fn order(source: &Source, order: EdgeOrder, done: &str, json: bool) -> Outcome {
    give(source, Order::Edge(order), done, json)
}

pub(super) fn drain(source: &Source, member: Member, json: bool) -> Outcome {
    let done = format!("{} gets no new request", member.instance);
    let Member { pool, instance } = member;
    let (pool, instance) = (pool.into(), instance.into());
    order(source, EdgeOrder::Drain { pool, instance }, &done, json)
}

pub(super) fn admit(source: &Source, member: Member, json: bool) -> Outcome {
    let done = format!("{} gets requests again", member.instance);
    let Member { pool, instance } = member;
    let (pool, instance) = (pool.into(), instance.into());
    order(source, EdgeOrder::Admit { pool, instance }, &done, json)
}

pub(super) fn hold(source: &Source, pool: &str, reason: String, json: bool) -> Outcome {
    let done = format!("Requests of pool {pool} wait");
    let pool = pool.into();
    order(source, EdgeOrder::Hold { pool, reason }, &done, json)
}

pub(super) fn release(source: &Source, pool: &str, json: bool) -> Outcome {
    let done = format!("Requests of pool {pool} go on");
    let pool = pool.into();
    order(source, EdgeOrder::Release { pool }, &done, json)
}

pub(super) fn switch_off(
    source: &Source,
    component: &str,
    reason: String,
    given: &[String],
    json: bool,
) -> Outcome {
    let texts = texts(given)?;
    let done = with_others(format!("{component} is switched off"), &texts);
    let change = EdgeOrder::SwitchOff {
        component: component.into(),
        reason,
        texts,
    };
    order(source, change, &done, json)
}

pub(super) fn switch_on(source: &Source, component: &str, json: bool) -> Outcome {
    let done = format!("{component} is served again");
    let component = component.into();
    order(source, EdgeOrder::SwitchOn { component }, &done, json)
}

pub(super) fn banner(source: &Source, command: BannerCommand, json: bool) -> Outcome {
    match command {
        BannerCommand::Show { texts: given, link } => {
            let texts = texts(&given)?;
            let done = with_others("The banner is shown".into(), &texts);
            let change = EdgeOrder::ShowBanner { texts, link };
            order(source, change, &done, json)
        }
        BannerCommand::Hide => order(source, EdgeOrder::HideBanner, "No banner is shown", json),
    }
}

pub(super) fn cap(source: &Source, cap: Cap, json: bool) -> Outcome {
    let done = match cap.requests_per_s {
        Some(most) => format!("{} may send {most} requests a second", cap.tenant),
        None => format!("{} may send what the configuration allows", cap.tenant),
    };
    let change = EdgeOrder::CapTenant {
        tenant: cap.tenant,
        requests_per_s_max: cap.requests_per_s.filter(|_| !cap.lift),
    };
    order(source, change, &done, json)
}

/// What was done, and what visitors of languages without a text read.
fn with_others(done: String, texts: &BTreeMap<String, String>) -> String {
    match languages::others(texts) {
        Some(others) => format!("{done}; {others}"),
        None => done,
    }
}

/// `en=Back at 14:00`, each language once.
fn texts(given: &[String]) -> Result<BTreeMap<String, String>, String> {
    let mut texts = BTreeMap::new();
    for given in given {
        let pair = given.split_once('=');
        let pair = pair.filter(|(language, text)| !language.is_empty() && !text.is_empty());
        let Some((language, text)) = pair else {
            return Err(format!(
                "`{given}` is no text in a language; write for example --text en=\"Back at 14:00\""
            ));
        };
        if texts.insert(language.to_owned(), text.to_owned()).is_some() {
            return Err(format!("there are two texts for `{language}`; give one"));
        }
    }
    Ok(texts)
}
