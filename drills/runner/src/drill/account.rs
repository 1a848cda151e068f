//! What Evenkeel says of itself, for the timeline, and whether it decides the same again
//! from what it recorded.

use std::collections::BTreeMap;
use std::time::Instant;

use super::fronted::Fronted;
use super::keeper::Keeper;
use super::{Moment, Timeline};
use crate::traffic::Sample;

/// More than any drill makes.
const ENTRIES_MAX: &str = "1000";

/// The end of a drill behind the edge: what Evenkeel says it did, whom it called, what
/// customers were told while some were `hurt`, and whether it decides the same again.
pub(super) async fn end(
    fronted: Fronted,
    hurt: &[&Sample],
    figures: &mut BTreeMap<String, f64>,
    timeline: &mut Timeline,
    began: Instant,
) -> Result<(), String> {
    for (at, page) in fronted.receiver.rings() {
        let at_ms = at.saturating_duration_since(began).as_millis();
        let at_ms = u64::try_from(at_ms).unwrap_or(u64::MAX);
        timeline.at(at_ms, format!("the operator is called: {page}"));
    }
    for moment in told(&fronted.keeper, began).await? {
        timeline.at(moment.at_ms, moment.what);
    }
    let mut put = |name: &str, figure: f64| {
        figures.insert(name.to_owned(), (figure * 10.0).round() / 10.0);
    };
    fronted.listener.figures(began, hurt, &mut put);
    replay(fronted.keeper, &mut put, timeline).await
}

/// Stops Evenkeel, so that its recording is whole, and has it decide everything again.
pub(super) async fn replay(
    keeper: Keeper,
    put: &mut impl FnMut(&str, f64),
    timeline: &mut Timeline,
) -> Result<(), String> {
    let replayed = keeper.replay().await?;
    for name in [
        "replay_steps_count",
        "replay_observations_count",
        "replay_decisions_compared_count",
        "replay_decisions_differ_count",
        "replay_decisions_not_comparable_count",
        "replay_steps_missing_count",
    ] {
        let figure = replayed[name].as_f64();
        put(
            name,
            figure.ok_or_else(|| format!("evenkeel replay tells no {name}"))?,
        );
    }
    for note in replayed["notes"].as_array().into_iter().flatten() {
        timeline.now(format!("of the recording: {note}"));
    }
    for difference in replayed["differences"].as_array().into_iter().flatten() {
        timeline.now(format!("decided otherwise in replay: {difference}"));
    }
    Ok(())
}

/// A forecast of a front end's memory, as it was told.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) front_end: String,
    /// When.
    pub(super) at: Instant,
    /// When it most likely runs out.
    pub(super) runs_out: Instant,
}

/// What `evenkeel leaks` says now.
pub(super) async fn forecasts(keeper: &Keeper) -> Result<Vec<Told>, String> {
    let leaks = keeper.json(&["leaks"]).await?;
    let (now, now_at) = (Instant::now(), jiff::Timestamp::now());
    let mut told = Vec::new();
    for report in leaks.as_array().into_iter().flatten() {
        for forecast in report["forecasts"].as_array().into_iter().flatten() {
            let likely = forecast["exhausts"]["likely"].as_str();
            let likely = likely.and_then(|at| at.parse::<jiff::Timestamp>().ok());
            if let Some(likely) = likely.filter(|_| forecast["resource"] == "memory") {
                let left = std::time::Duration::try_from(likely.duration_since(now_at));
                told.push(Told {
                    front_end: report["of"].to_string(),
                    at: now,
                    runs_out: now + left.unwrap_or_default(),
                });
            }
        }
    }
    Ok(told)
}

fn began_at(began: Instant) -> Result<jiff::Timestamp, String> {
    let ago = jiff::SignedDuration::try_from(began.elapsed()).map_err(|e| e.to_string())?;
    Ok(jiff::Timestamp::now() - ago)
}

/// What Evenkeel says it did: for the timeline, to be held against what was seen.
pub(super) async fn told(keeper: &Keeper, began: Instant) -> Result<Vec<Moment>, String> {
    let entries = keeper.json(&["journal", "tail", "-n", ENTRIES_MAX]).await?;
    let began_at = began_at(began)?;
    let told = [
        "finding_opened",
        "incident_opened",
        "action_requested",
        "action_ended",
        "action_withheld",
        "action_proven",
        "action_unproven",
        "run_ended",
    ];
    let mut moments = Vec::new();
    for entry in entries.as_array().into_iter().flatten() {
        let (Some(kind), Some(sentence), Some(at)) = (
            entry["kind"].as_str(),
            entry["sentence"].as_str(),
            entry["at"]
                .as_str()
                .and_then(|at| at.parse::<jiff::Timestamp>().ok()),
        ) else {
            continue;
        };
        if told.contains(&kind) && at >= began_at {
            let at_ms = at.duration_since(began_at).as_millis();
            moments.push(Moment {
                at_ms: u64::try_from(at_ms).unwrap_or_default(),
                what: format!("Evenkeel: {sentence}"),
            });
        }
    }
    Ok(moments)
}
