//! The demo: the hung export with Evenkeel, told in plain words while it happens, and
//! everything left up for looking around.

use std::time::{Duration, Instant};

use super::front_ends::free_address;
use super::fronted::Edge;
use super::keeper::{EXPORT, Keeper, Told};
use super::outside::{Receiver, headline};
use super::scene::Scene;
use crate::load::{Plan, Summary};
use crate::say::{aloud, aside};
use crate::traffic::Traffic;

/// How long the demo leaves time to open a browser before the outage.
const CALM: Duration = Duration::from_secs(12);

/// A login that takes longer waits.
const WAITS: Duration = Duration::from_millis(500);

/// How long the outage is watched for before it is said that something is odd.
const WATCHED: Duration = Duration::from_secs(60);

/// Starts all of it and leaves it up until Ctrl-C, or for `seconds`.
///
/// # Errors
/// Why it could not run; nothing is left then.
pub async fn demo(seed: u64, seconds: Option<u64>) -> Result<(), String> {
    aloud(
        "Starting PostgreSQL, a back office with its businesses, their payroll bureau's FTP server, and Evenkeel\n\
         beside and in front of it ...",
    );
    let scene = Scene::set_up(seed, &[]).await?;
    let receiver = Receiver::start().await?;
    let told = Told {
        may_act: true,
        pager: receiver.address,
        edge: Some(free_address()?),
    };
    let keeper = Keeper::start(&scene, &told).await?;
    let edge = Edge::start(&keeper, &scene.folder, told.edge.unwrap_or(scene.address)).await?;
    let load = Plan {
        address: edge.address,
        users: scene.users.clone(),
        seed,
        logins_per_second: 6.0,
        patience: Duration::from_secs(10),
        under_way_max: 400,
    };
    let load = load.start();
    let operator = keeper.let_in(&scene.folder, "operator").await?;
    let user = scene.users.first().ok_or("the back office has no users")?;
    aloud(&format!(
        "\n  back office         http://{}/   (log in as {} with the password {})\n\
         \x20 public status page  http://{}/\n\
         \x20 operator's console  http://{}/   (log in as operator with the password {operator})\n",
        edge.address, user.email, user.password, keeper.page, keeper.operator
    ));
    aloud(&format!(
        "Users log in, six a second. In {} seconds the nightly payroll export begins, and the bureau's\n\
         server will take its data and never read it. Keep an eye on the status page.\n",
        CALM.as_secs()
    ));
    let end = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        told = tell(&scene, &keeper, &load) => {
            told?;
            aloud("\nEverything stays up for looking around. Ctrl-C ends it, and leaves nothing behind.");
            match seconds {
                Some(_) => Ok(()),
                None => std::future::pending().await,
            }
        }
        () = end => Ok(()),
    }
}

/// Lets the outage happen and says what goes on, as users feel it and as Evenkeel
/// explains it.
async fn tell(scene: &Scene, keeper: &Keeper, load: &Traffic) -> Result<(), String> {
    tokio::time::sleep(CALM).await;
    let rows = scene.rows_expected().await?.len();
    scene
        .ftp
        .stall_next(1)
        .map_err(|error| super::outside::chain(&error))?;
    keeper.command(&["start", EXPORT]).await?;
    let began = Instant::now();
    let tell = |what: &str| aloud(&format!("{:>6.1} s  {what}", began.elapsed().as_secs_f64()));
    tell("The export begins: it stamps every employee, then sends the dump.");
    let (mut waits, mut stalled, mut last_headline) = (false, false, String::new());
    let mut told_revision = head(keeper).await?;
    loop {
        if !stalled && !scene.ftp.stalled().is_empty() {
            stalled = true;
            tell(
                "The upload stands still. The export holds its transaction open, and waits for ever.",
            );
        }
        if !waits && load.first_slower_than(WAITS).is_some() {
            waits = true;
            tell("Users: logins do not come back. Each waits for a row that the export holds.");
        }
        for entry in news(keeper, &mut told_revision).await? {
            tell(&format!("Evenkeel: {entry}"));
        }
        let now = headline(keeper.page).await.unwrap_or_default();
        if !now.is_empty() && now != last_headline {
            tell(&format!("The public page: \"{now}\""));
            last_headline = now;
        }
        if let Some(delivered) = scene.rows_delivered() {
            let summary = Summary::of(&load.samples(), load.sent_late_max());
            tell(&format!(
                "The bureau has the whole dump: {delivered} of {rows} rows."
            ));
            tell(&format!(
                "Users: {} logins so far, {} failed, the longest wait was {:.1} s.",
                summary.logins_count,
                summary.logins_failed_count,
                summary.login_wait_ms_max / 1000.0
            ));
            return settle(keeper, began, last_headline, &mut told_revision).await;
        }
        if began.elapsed() > WATCHED {
            aside(&keeper.log_tail());
            return Err("the export was not delivered within a minute: this is not what the demo is to show".into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Tells the end of the story: the page is well again, the incident resolved.
async fn settle(
    keeper: &Keeper,
    began: Instant,
    mut last_headline: String,
    told_revision: &mut u64,
) -> Result<(), String> {
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until && last_headline != "All functions work" {
        for entry in news(keeper, told_revision).await? {
            aloud(&format!(
                "{:>6.1} s  Evenkeel: {entry}",
                began.elapsed().as_secs_f64()
            ));
        }
        let now = headline(keeper.page).await.unwrap_or_default();
        if !now.is_empty() && now != last_headline {
            aloud(&format!(
                "{:>6.1} s  The public page: \"{now}\"",
                began.elapsed().as_secs_f64()
            ));
            last_headline = now;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

async fn head(keeper: &Keeper) -> Result<u64, String> {
    let entries = keeper.json(&["journal", "tail", "-n", "1"]).await?;
    Ok(entries[0]["revision"].as_u64().unwrap_or_default())
}

/// What Evenkeel has decided since, in its own words.
async fn news(keeper: &Keeper, told: &mut u64) -> Result<Vec<String>, String> {
    let entries = keeper.json(&["journal", "tail", "-n", "40"]).await?;
    let mut news = Vec::new();
    for entry in entries.as_array().into_iter().flatten() {
        let revision = entry["revision"].as_u64().unwrap_or_default();
        if revision <= *told {
            continue;
        }
        *told = revision;
        let kind = entry["kind"].as_str().unwrap_or_default();
        let plain = [
            "finding_opened",
            "incident_opened",
            "incident_status_changed",
            "action_requested",
            "action_ended",
            "action_proven",
            "run_started",
            "run_ended",
            "product_delivered",
        ];
        if plain.contains(&kind)
            && let Some(sentence) = entry["sentence"].as_str()
        {
            news.push(sentence.to_owned());
        }
    }
    Ok(news)
}
