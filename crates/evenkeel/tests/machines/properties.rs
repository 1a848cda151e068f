//! What holds of every record, however it came about and whatever things are called.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::language::Language;
use evenkeel_core::record::KEPT_ENDED;
use evenkeel_core::status::Status;
use evenkeel_core::telling::{Affected, DataAffected, FreeText, PersonWord, ToldFacts};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::scene::{Scene, person, second};

/// Names nobody should give, and somebody will.
const HOSTILE: &[&str] = &[
    "Login",
    "Time & <b>expenses</b>",
    "\"quoted\" 'twice'",
    "]]><!-- --><script>alert(1)</script>",
    "&lt;not again&gt; &#0; &amp;amp;",
    "bell\u{7}, null\u{0}, vertical\u{b}tab",
    "\u{fffe}\u{ffff}\u{feff}",
    "Ωμέγα 請求書 🧾",
    "two\nlines\tand a tab\r",
    "",
];

/// What a person says of an incident, in words nobody should choose.
fn somebody(name: &str) -> PersonWord {
    let facts = ToldFacts {
        affected: Some(Affected::Group(name.into())),
        data: Some(DataAffected::BeingChecked),
        works: [evenkeel_core::ids::ComponentId::from("c0")].into(),
    };
    let text = FreeText {
        language: Language::Dutch,
        text: format!("{name}\n\n<script>alert(1)</script> ]]>\nTot straks."),
    };
    person(facts, Some(text))
}

const STATUSES: [IncidentStatus; 4] = [
    IncidentStatus::Investigating,
    IncidentStatus::Identified,
    IncidentStatus::Monitoring,
    IncidentStatus::Resolved,
];

const HARMS: [Status; 3] = [
    Status::DegradedPerformance,
    Status::PartialOutage,
    Status::MajorOutage,
];

prop_compose! {
    fn any_scene()(
        names in vec(0..HOSTILE.len(), 0..5),
        seen in vec(proptest::option::of(0..Status::ALL.len()), 5),
        incidents in vec((0_i64..400_000, 0..4_usize, 0..5_u32, 0..3_usize, 0..4_u8), 0..60),
        is_stale in proptest::bool::weighted(0.2),
    ) -> Scene {
        let names: Vec<&str> = names.into_iter().map(|n| HOSTILE[n]).collect();
        let mut scene = Scene::of(&names);
        scene.is_stale = is_stale;
        for (component, status) in (0..).zip(seen).take(names.len()) {
            if let Some(status) = status {
                scene.is(second(-90_000), component, Status::ALL[status]);
            }
        }
        for (at, status, component, harm, words) in incidents {
            let incident = scene.opens(second(at), &[(component, HARMS[harm])]);
            for word in 0..words {
                let person = (word == 2).then(|| somebody(HOSTILE[component as usize + 1]));
                scene.tells(second(at + i64::from(word)), incident, person);
            }
            scene.comes_to(second(at + 60), incident, STATUSES[status]);
        }
        scene
    }
}

fn rank(impact: &Value) -> usize {
    let words = ["none", "minor", "major", "critical"];
    let place = words.iter().position(|word| impact == word);
    place.expect("one of Statuspage's four words")
}

fn list<'a>(of: &'a Value, name: &str) -> &'a Vec<Value> {
    of[name].as_array().expect(name)
}

/// White space and what XML cannot hold, set aside: readers of XML may change the one, and
/// the other is replaced.
fn seen(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            c if c < ' ' => ' ',
            '\u{fffe}' | '\u{ffff}' | '\u{fffd}' => ' ',
            c => c,
        })
        .collect()
}

fn element<'a>(node: roxmltree::Node<'a, 'a>, name: &str) -> &'a str {
    let mut children = node.children();
    let found = children.find(|child| child.tag_name().name() == name);
    found.and_then(|found| found.text()).unwrap_or_default()
}

fn elements<'a>(
    document: &'a roxmltree::Document<'a>,
    name: &'static str,
) -> Vec<roxmltree::Node<'a, 'a>> {
    let all = document.descendants();
    all.filter(|node| node.tag_name().name() == name).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_indicator_is_never_better_than_what_is_known(scene in any_scene()) {
        let summary = scene.json("/api/v2/summary.json");
        let indicator = rank(&summary["status"]["indicator"]);
        for incident in list(&summary, "incidents") {
            prop_assert_ne!(&incident["status"], "resolved");
            prop_assert!(indicator >= rank(&incident["impact"]));
        }
        let components = list(&summary, "components");
        prop_assert!(indicator > 0 || !components.is_empty());
        for component in components {
            let (word, exact) = (&component["status"], &component["evenkeel_status"]);
            prop_assert!(indicator > 0 || exact == "operational");
            prop_assert!((word == "operational") == (exact == "operational"));
            prop_assert!(exact == "unknown" || (word == exact && !scene.is_stale));
        }
        prop_assert_eq!(&scene.json("/api/v2/status.json")["status"], &summary["status"]);
        prop_assert_eq!(&scene.json("/api/v2/components.json")["components"], &summary["components"]);
        let unresolved = scene.json("/api/v2/incidents/unresolved.json");
        prop_assert_eq!(&unresolved["incidents"], &summary["incidents"]);
        let badge = scene.json("/badge.json");
        prop_assert!(indicator == 0 || badge["isError"] == true);
    }

    #[test]
    fn lists_are_newest_first_and_fifty_at_most(scene in any_scene()) {
        let all = scene.json("/api/v2/incidents.json");
        let incidents = list(&all, "incidents");
        prop_assert_eq!(incidents.len(), scene.record.incidents.len().min(50));
        let times = |of: &[Value], name: &str| -> Vec<String> {
            of.iter().map(|one| one[name].as_str().expect(name).to_owned()).collect()
        };
        // Times of one form sort as texts.
        prop_assert!(times(incidents, "created_at").is_sorted_by(|a, b| a >= b));
        for incident in incidents {
            let updates = list(incident, "incident_updates");
            prop_assert!(!updates.is_empty());
            prop_assert!(times(updates, "created_at").is_sorted_by(|a, b| a >= b));
            prop_assert!(updates.iter().all(|update| update["incident_id"] == incident["id"]));
        }
        let ids: BTreeSet<String> = times(incidents, "id").into_iter().collect();
        prop_assert_eq!(ids.len(), incidents.len());
        let shaped = |id: &String| id.len() == 12
            && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        prop_assert!(ids.iter().all(shaped));
    }

    #[test]
    fn every_format_says_the_same_whatever_things_are_called(scene in any_scene()) {
        let api = scene.json("/api/v2/incidents.json");
        let feed = scene.json("/feed.json");
        let (atom, rss) = (scene.text("/feed.atom"), scene.text("/feed.rss"));
        let atom = roxmltree::Document::parse(&atom).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let rss = roxmltree::Document::parse(&rss).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let (entries, items) = (elements(&atom, "entry"), elements(&rss, "item"));
        let told = list(&api, "incidents");
        let of_feed = list(&feed, "items");
        prop_assert_eq!((entries.len(), items.len(), of_feed.len()), (told.len(), told.len(), told.len()));
        for (((told, entry), item), of_feed) in told.iter().zip(entries).zip(items).zip(of_feed) {
            let title = seen(told["name"].as_str().unwrap());
            prop_assert_eq!(seen(element(entry, "title")), &title[..]);
            prop_assert_eq!(seen(element(item, "title")), &title[..]);
            prop_assert_eq!(seen(of_feed["title"].as_str().unwrap()), &title[..]);
            let id = element(entry, "id");
            prop_assert!(id.starts_with("tag:status.example.com,2026:incident/"));
            prop_assert!(id.ends_with(told["id"].as_str().unwrap()));
            prop_assert_eq!(element(item, "guid"), id);
            prop_assert_eq!(&of_feed["id"], id);
            prop_assert_eq!(&told["updated_at"], element(entry, "updated"));
            prop_assert_eq!(&told["updated_at"], &of_feed["date_modified"]);
            // The content is HTML with nothing in it but ours.
            let html = element(entry, "content");
            let fragment = format!("<div>{}</div>", html.replace("<br>", "<br/>"));
            let html = roxmltree::Document::parse(&fragment)
                .map_err(|e| TestCaseError::fail(format!("{e}: {fragment}")))?;
            let names: BTreeSet<&str> = html.descendants()
                .filter(roxmltree::Node::is_element)
                .map(|node| node.tag_name().name())
                .collect();
            prop_assert!(names.is_subset(&["div", "p", "strong", "time", "br", "blockquote"].into()));
            let said: String = html.descendants().filter_map(|n| n.text().filter(|_| n.is_text())).collect();
            for update in list(told, "incident_updates") {
                for body in update["body"].as_str().unwrap().split('\n') {
                    let body = seen(body);
                    prop_assert!(seen(&said).contains(&body), "{} lacks {}", said, body);
                }
            }
        }
        for path in scene.paths().iter().filter(|path| path.ends_with(".svg")) {
            let svg = scene.text(path);
            let svg = roxmltree::Document::parse(&svg).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let root = svg.root_element();
            prop_assert_eq!(root.attribute("role"), Some("img"));
            prop_assert_eq!(seen(root.attribute("aria-label").unwrap()), seen(element(root, "title")));
        }
    }

    #[test]
    fn a_restart_changes_nothing(scene in any_scene()) {
        let kept = serde_json::to_string(&scene.record).unwrap();
        let again = Scene { record: serde_json::from_str(&kept).unwrap(), ..scene.clone() };
        for path in scene.paths() {
            prop_assert_eq!(again.text(&path), scene.text(&path), "{}", path);
        }
    }

    #[test]
    fn updated_never_goes_back_and_ids_stay(
        steps in vec((-3000_i64..3000, 0..3_usize, 0..4_usize, any::<bool>()), 1..25),
    ) {
        let mut scene = Scene::of(&["Login"]);
        scene.is(second(-100_000), 0, Status::Operational);
        let mut ids = Vec::new();
        let mut before: BTreeMap<String, String> = BTreeMap::new();
        let (mut feed_before, mut now) = (String::new(), 0);
        for (delta, which, status, quietly) in steps {
            // Clocks are set back, too.
            now += delta;
            match ids.get(which).copied() {
                None => {
                    let incident = scene.opens(second(now), &[(0, Status::MajorOutage)]);
                    scene.says(second(now), incident);
                    ids.push(incident);
                }
                Some(incident) if quietly => scene.says(second(now), incident),
                Some(incident) => scene.comes_to(second(now), incident, STATUSES[status]),
            }
            let feed = scene.text("/feed.atom");
            let feed = roxmltree::Document::parse(&feed).unwrap();
            let entries = elements(&feed, "entry");
            prop_assert_eq!(entries.len(), ids.len());
            for entry in entries {
                let (id, updated) = (element(entry, "id"), element(entry, "updated"));
                let earlier = before.insert(id.into(), updated.into());
                prop_assert!(earlier.is_none_or(|earlier| &earlier[..] <= updated));
            }
            prop_assert_eq!(before.len(), ids.len(), "an id changed");
            let updated = element(feed.root_element(), "updated").to_owned();
            prop_assert!(feed_before <= updated);
            feed_before = updated;
        }
    }
}

/// As much of everything as the record keeps, with two hundred functions.
#[test]
fn answers_are_bounded_whatever_the_history() {
    let names: Vec<String> = (0..200)
        .map(|n| format!("Function number {n} <{}>", "&".repeat(40)))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut scene = Scene::of(&names);
    let harmed: Vec<_> = (0..200).map(|n| (n, Status::MajorOutage)).collect();
    for n in 0..300 {
        let at = second(n * 1000);
        let incident = scene.opens(at, &harmed);
        for word in 0..20 {
            scene.says(second(n * 1000 + word), incident);
        }
        // Some are never over.
        if n % 3 > 0 {
            scene.comes_to(second(n * 1000 + 500), incident, IncidentStatus::Resolved);
        }
        // As the outcome of a message is told, it may be forgotten.
        let open: Vec<_> = scene.record.open_messages.iter().copied().collect();
        for message in open {
            let outcome = evenkeel_core::action::Outcome::Done("told".into());
            let what = evenkeel_core::event::What::MessageEnded { message, outcome };
            scene.happens(at, what);
        }
    }
    assert_eq!(scene.record.incidents.len(), KEPT_ENDED);
    assert_eq!(scene.record.messages.len(), 4 * KEPT_ENDED);
    let sizes: BTreeMap<String, usize> = scene
        .paths()
        .into_iter()
        .filter(|path| !path.starts_with("/badge/") || path.starts_with("/badge/c0."))
        .map(|path| (path.clone(), scene.text(&path).len()))
        .collect();
    let largest = sizes.iter().max_by_key(|(_, bytes)| **bytes).unwrap();
    assert!(*largest.1 < 2 << 20, "{largest:?}");
    assert!(sizes["/badge/c0.svg"] < 2048, "{sizes:?}");
}
