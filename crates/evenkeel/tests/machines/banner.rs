//! What the banner's script reads: only harm that customers were told of, only while it is
//! known, and of who is affected nothing but marks.

use std::collections::BTreeMap;

use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::status::Status;
use evenkeel_core::telling::{Affected, ToldFacts};
use serde_json::Value;

use crate::scene::{Scene, person, second};

const GROUP: &str = "Customers on server 2";

fn hurt(affected: Option<Affected>) -> Scene {
    let mut scene = Scene::of(&["Login", "Time & <b>expenses</b> \"]]>\""]);
    scene.settings.banner.key = vec![7; 32];
    scene.settings.banner.groups =
        BTreeMap::from([(GROUP.to_owned(), vec!["acme".into(), "globex".into()])]);
    for component in [0, 1] {
        scene.is(second(0), component, Status::MajorOutage);
    }
    let incident = scene.opens(second(999_000), &[(0, Status::MajorOutage)]);
    let facts = ToldFacts {
        affected,
        ..ToldFacts::default()
    };
    scene.tells(second(999_060), incident, Some(person(facts, None)));
    scene
}

fn banners(scene: &Scene) -> Vec<Value> {
    let answer = scene.json("/banner.json");
    answer["banners"].as_array().expect("a list").clone()
}

#[test]
fn nothing_is_shown_when_all_is_well_or_nothing_is_known() {
    let mut scene = Scene::of(&["Login"]);
    assert_eq!(banners(&scene), Vec::<Value>::new(), "nobody looks");
    scene.is(second(0), 0, Status::Operational);
    assert_eq!(banners(&scene), Vec::<Value>::new(), "well");
    scene.is(second(1), 0, Status::MajorOutage);
    scene.opens(second(999_000), &[(0, Status::MajorOutage)]);
    assert_eq!(banners(&scene), Vec::<Value>::new(), "not told yet");
    let mut scene = hurt(None);
    assert_eq!(banners(&scene).len(), 1);
    scene.is_stale = true;
    assert_eq!(banners(&scene), Vec::<Value>::new(), "old news");
}

#[test]
fn harm_is_told_in_five_languages_with_its_end() {
    let scene = hurt(None);
    let answer = scene.json("/banner.json");
    assert_eq!(answer["as_of"], "2025-06-27T04:53:20.000Z");
    assert_eq!(answer["until"], "2025-06-27T04:55:50.000Z");
    let [banner] = &banners(&scene)[..] else {
        panic!("one banner");
    };
    assert_eq!(banner["status"], "major_outage");
    assert_eq!(banner["link"], "https://status.example.com/incidents/I-1");
    assert_eq!(banner.get("for"), None);
    let texts = banner["texts"].as_object().expect("texts");
    assert_eq!(texts.len(), 5);
    assert_eq!(
        texts["en"],
        "Login does not work (since 04:36 UTC); we are on it."
    );
    for tag in ["en", "nl", "de", "pl", "da"] {
        assert!(texts[tag].as_str().expect("a text").contains("Login"));
        assert!(answer["hide"][tag].is_string() && answer["more"][tag].is_string());
    }
    assert!(
        banner["id"]
            .as_str()
            .expect("an id")
            .starts_with("evenkeel-")
    );
}

#[test]
fn another_state_of_things_is_another_banner() {
    let mut scene = hurt(None);
    let before = banners(&scene)[0]["id"].clone();
    assert_eq!(banners(&scene)[0]["id"], before, "asked again");
    scene.is(second(999_100), 0, Status::Operational);
    let incident = evenkeel_core::ids::IncidentId(1);
    scene.comes_to(second(999_120), incident, IncidentStatus::Monitoring);
    let after = banners(&scene);
    assert_ne!(after[0]["id"], before, "who hid the one sees the other");
    assert_eq!(after[0]["status"], "operational");
    assert_eq!(
        after[0]["texts"]["en"],
        "Login works again; we keep watching."
    );
    scene.comes_to(second(999_180), incident, IncidentStatus::Resolved);
    assert_eq!(banners(&scene), Vec::<Value>::new());
}

#[test]
fn who_is_affected_is_told_by_marks_alone() {
    let scene = hurt(Some(Affected::Group(GROUP.into())));
    let text = scene.text("/banner.json");
    for name in ["acme", "globex", GROUP] {
        assert!(!text.contains(name), "{text}");
    }
    let [banner] = &banners(&scene)[..] else {
        panic!("one banner");
    };
    assert_eq!(
        banner["texts"]["en"],
        "Login does not work (since 04:36 UTC); we are on it. You are affected."
    );
    let marks = banner["for"].as_array().expect("marks");
    assert_eq!(marks.len(), 16, "how many they are is not told");
}

#[test]
fn who_is_not_told_apart_is_told_what_is_known() {
    for (affected, said) in [
        (Affected::All, "You are affected."),
        (Affected::Some, "Some customers are affected."),
        (
            Affected::Group("Nobody configured".into()),
            "Affected: Nobody configured.",
        ),
    ] {
        let scene = hurt(Some(affected));
        let banner = &banners(&scene)[0];
        let text = banner["texts"]["en"].as_str().expect("a text");
        assert!(text.ends_with(said), "{text}");
        assert_eq!(banner.get("for"), None);
    }
}

#[test]
fn nothing_operators_wrote_is_told() {
    let text = hurt(Some(Affected::All)).text("/banner.json");
    assert!(
        !text.contains("4711") && !text.contains("operator:"),
        "{text}"
    );
}
