//! The host is lost: its network takes the service, Evenkeel and Evenkeel's page at once. What
//! customers can still read lies on two servers elsewhere.
//!
//! Everything is measured by readers of those two, who look twice a second at the front page
//! in five languages, the API, the feed and an incident's permanent page, and by a real
//! browser that opens what was published last when it has ended.

mod arms;
mod elsewhere;
mod readers;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::front_ends::Form;
use super::service::Service;
use super::{Arm, Limit, Options, Replay, Timeline};
use crate::proxy::Fault;
use arms::{Host, Speaker};
use elsewhere::{Place, browser_dom};
use readers::{LANGUAGES, Readers, Sample};

/// What must hold with Evenkeel.
pub(super) const LIMITS: &[(&str, Limit)] = &[
    ("outside_word_ms", Limit::AtMost(60_000.0)),
    ("languages_count", Limit::Exactly(5.0)),
    ("stale_green_ms", Limit::Exactly(0.0)),
    ("ended_copy_green_in_browser_count", Limit::Exactly(0.0)),
    ("page_gone_ms", Limit::Exactly(0.0)),
    ("history_lost_count", Limit::Exactly(0.0)),
    ("resolved_announced", Limit::Exactly(1.0)),
    ("updates_twice_count", Limit::Exactly(0.0)),
];

/// How long a published copy speaks of now, seconds.
pub(super) const VALID_S: u64 = 30;

/// How long parts may take to be where they should be.
const PATIENCE: Duration = Duration::from_secs(60);

/// Replays it once.
pub(super) async fn replay(options: &Options) -> Result<Replay, String> {
    let mut timeline = Timeline::new(options.tells);
    let lost_for = Duration::from_secs(if options.short { 45 } else { 90 });
    timeline.now(format!(
        "setting up: the back office on its host, two servers elsewhere (arm: {}, seed {})",
        options.arm.as_str(),
        options.seed
    ));
    let form = Form {
        name: "web-1",
        arguments: Vec::new(),
        faults: "{}".to_owned(),
        ended_at_bytes: None,
    };
    let service = Service::set_up(options.seed, 2, 1, vec![("web", vec![form])]).await?;
    let places = [Place::start().await?, Place::start().await?];
    let host = Host::start(&service, &places, options.arm).await?;
    let speaker = Speaker::start(&host, &places, options.arm).await?;
    let read = match options.arm {
        Arm::Without => vec![host.page()],
        Arm::With | Arm::Peers => places.iter().map(Place::address).collect(),
    };
    let readers = Readers::start(read);
    let began = Instant::now();
    timeline.begin_at(began);
    readers
        .until("every page says that all is well", PATIENCE, |sample| {
            sample.is_well
        })
        .await?;
    timeline.now("every page says that all is well");

    // So that there is something to lose: an incident that is over.
    if options.arm != Arm::Peers {
        host.inside.set(Fault::Cut);
        readers
            .until("the first incident is told", PATIENCE, |sample| {
                !sample.incidents.is_empty()
            })
            .await?;
        host.inside.set(Fault::None);
        readers
            .until("the first incident is over", PATIENCE, |sample| {
                sample.is_well && sample.incidents.iter().all(|known| known.is_resolved())
            })
            .await?;
        timeline.now("an incident was told of and is over");
    }
    host.well()?;
    speaker.well()?;

    let lost = Instant::now();
    host.lose();
    timeline.now("the host's network is lost: service, Evenkeel, its page");
    let kept = places[0].keep()?;
    tokio::time::sleep(lost_for).await;
    let green = match options.arm {
        Arm::With => {
            let dom = browser_dom(&kept).await?;
            timeline.now("a browser opened what the host published last");
            Some(readers::is_green_in_browser(&dom))
        }
        Arm::Without | Arm::Peers => None,
    };
    speaker.well()?;
    let back = Instant::now();
    host.find();
    timeline.now("the host's network is back");
    let is_back = match options.arm {
        Arm::With => {
            let word = |sample: &Sample| sample.is_well && sample.over_since(lost).is_some();
            readers.until("its end is told", PATIENCE, word).await
        }
        Arm::Without | Arm::Peers => {
            let well = |sample: &Sample| sample.is_well;
            readers.until("it is said to be well", PATIENCE, well).await
        }
    };
    if let Err(why) = &is_back {
        timeline.now(why.clone());
    }
    // Long enough for whatever would be said twice.
    tokio::time::sleep(Duration::from_secs(VALID_S / 2)).await;
    host.well()?;
    speaker.well()?;
    let samples = readers.finish();
    let measured = Measured {
        arm: options.arm,
        places: if options.arm == Arm::Without { 1 } else { 2 },
        lost,
        back,
        green,
    };
    let figures = measured.figures(&samples, &mut timeline, began);
    super::finished("host-lost", options, figures, timeline)
}

/// What figures are made with.
struct Measured {
    arm: Arm,
    places: usize,
    lost: Instant,
    back: Instant,
    green: Option<bool>,
}

impl Measured {
    fn figures(
        &self,
        samples: &[Sample],
        timeline: &mut Timeline,
        began: Instant,
    ) -> BTreeMap<String, f64> {
        let mut figures = BTreeMap::new();
        let mut put = |name: &str, figure: f64| {
            figures.insert(name.to_owned(), figure.round());
        };
        let ms = |span: Duration| span.as_secs_f64() * 1000.0;
        let of = |place: usize| samples.iter().filter(move |sample| sample.place == place);
        let lost = |sample: &&Sample| (self.lost..self.back).contains(&sample.at);
        put("lost_ms", ms(self.back - self.lost));
        put("looks_count", samples.len() as f64);

        // Where one place says nothing, nothing was said.
        let first = |place| {
            of(place)
                .filter(lost)
                .find(|sample| !sample.said.is_empty())
        };
        let words: Option<Vec<&Sample>> = (0..self.places).map(first).collect();
        if let Some(last) = words.and_then(|all| all.into_iter().max_by_key(|s| s.at)) {
            put("outside_word_ms", ms(last.at - self.lost));
            let at_ms = u64::try_from((last.at - began).as_millis()).unwrap_or(0);
            timeline.at(at_ms, format!("customers read: {}", last.headline));
        }
        let spoken = (0..self.places).map(|place| {
            let said = of(place).filter(lost).flat_map(|sample| &sample.said);
            said.collect::<BTreeSet<_>>().len()
        });
        put("languages_count", spoken.min().unwrap_or(0) as f64);
        debug_assert_eq!(LANGUAGES.len(), 5);

        // Each look stands for the time until the next one.
        let span_of = |wanted: &dyn Fn(&Sample) -> bool| {
            let places = (0..self.places).map(|place| {
                let all: Vec<&Sample> = of(place).filter(lost).collect();
                let ends = all.iter().skip(1).map(|next| next.at).chain([self.back]);
                let spans = all.iter().zip(ends);
                let spans = spans.filter(|(sample, _)| wanted(sample));
                spans.map(|(sample, end)| ms(end - sample.at)).sum::<f64>()
            });
            places.fold(0.0, f64::max)
        };
        put("stale_green_ms", span_of(&|sample| sample.is_stale_green));
        put(
            "status_false_operational_ms",
            span_of(&|sample| sample.is_well),
        );
        put("page_gone_ms", span_of(&|sample| !sample.is_there));
        if let Some(green) = self.green {
            put(
                "ended_copy_green_in_browser_count",
                f64::from(u8::from(green)),
            );
        }
        if self.arm == Arm::Peers {
            return figures;
        }
        let later = || samples.iter().filter(|sample| sample.at >= self.lost);
        let gone = later()
            .filter(|sample| sample.is_there)
            .filter(|sample| !sample.has_first_incident)
            .count();
        put("history_lost_count", gone as f64);

        let over = (0..self.places).map(|place| {
            let last = of(place)
                .next_back()
                .and_then(|sample| sample.over_since(self.lost));
            last.map_or(0, |_| 1)
        });
        put("resolved_announced", f64::from(over.min().unwrap_or(0)));
        let told = later().find(|sample| sample.over_since(self.lost).is_some());
        if let Some(told) = told.filter(|told| told.at >= self.back) {
            put("resolved_after_return_ms", ms(told.at - self.back));
        }
        let twice = (0..self.places).map(|place| readers::told_twice(of(place)));
        put("updates_twice_count", twice.sum::<usize>() as f64);
        figures
    }
}
