//! What callers hear, as telephone systems read it: by a parser that is not ours, with
//! names that markup could trip over, and when all is well.

use evenkeel_core::status::Status;
use jiff::tz::TimeZone;
use roxmltree::Document;

use crate::scene::{Scene, second};

const LANGUAGES: [(&str, &str); 5] = [
    ("en", "en-GB"),
    ("nl", "nl-NL"),
    ("de", "de-DE"),
    ("pl", "pl-PL"),
    ("da", "da-DK"),
];
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// A name that is markup in every form of the text.
const HOSTILE: &str = "a & <b>\"]]>'\u{7}";

fn hurt() -> Scene {
    let mut scene = Scene::of(&[HOSTILE, "Invoices"]);
    scene.is(second(0), 0, Status::MajorOutage);
    scene.is(second(0), 1, Status::Operational);
    let incident = scene.opens(second(999_000), &[(0, Status::MajorOutage)]);
    scene.says(second(999_900), incident);
    scene
}

/// What is left of a text in XML: what XML has no way to write is replaced.
fn plain(text: &str) -> String {
    text.replace('\u{7}', "\u{fffd}")
}

#[test]
fn every_form_says_the_same_in_every_language() {
    let scene = hurt();
    let every = scene.json("/hotline.json");
    assert_eq!(every["is_empty"], false);
    assert_eq!(every["as_of"], "2025-06-27T04:53:20.000Z");
    for (tag, voice) in LANGUAGES {
        let text = scene.text(&format!("/hotline/{tag}.txt"));
        let text = text.strip_suffix('\n').expect("a line");
        assert!(text.contains(HOSTILE) && text.len() > 80, "{text}");
        assert_eq!(every["texts"][tag], text);

        let ssml = scene.text(&format!("/hotline/{tag}.ssml"));
        let ssml = Document::parse(&ssml).expect("XML");
        let root = ssml.root_element();
        assert!(root.has_tag_name(("http://www.w3.org/2001/10/synthesis", "speak")));
        assert_eq!(root.attribute((XML, "lang")), Some(voice));
        assert_eq!(root.attribute("version"), Some("1.1"));
        let said = |root: roxmltree::Node<'_, '_>| -> Vec<String> {
            let sentences = root.descendants().filter(|n| n.tag_name().name() == "s");
            sentences
                .map(|s| s.text().expect("words").to_owned())
                .collect()
        };
        assert_eq!(said(root).join(" "), plain(text));
        assert!(said(root).len() >= 3);

        let twiml = scene.text(&format!("/hotline/{tag}.twiml.xml"));
        let twiml = Document::parse(&twiml).expect("XML");
        let root = twiml.root_element();
        assert_eq!(root.tag_name().name(), "Response");
        let children: Vec<_> = root.children().collect();
        let [say] = children[..] else {
            panic!("one element: {children:?}");
        };
        assert_eq!(
            (say.tag_name().name(), say.attribute("language")),
            ("Say", Some(voice))
        );
        assert_eq!(say.text(), Some(plain(text).as_str()));

        let vxml = scene.text(&format!("/hotline/{tag}.vxml"));
        let vxml = Document::parse(&vxml).expect("XML");
        let root = vxml.root_element();
        assert!(root.has_tag_name(("http://www.w3.org/2001/vxml", "vxml")));
        assert_eq!(root.attribute((XML, "lang")), Some(voice));
        assert_eq!(said(root).join(" "), plain(text));
        let names = root.descendants().filter(|n| n.is_element());
        let names: Vec<_> = names.map(|n| n.tag_name().name()).collect();
        assert_eq!(names[..4], ["vxml", "form", "block", "prompt"]);
        assert_eq!(names.last(), Some(&"exit"));
    }
}

#[test]
fn nothing_is_said_when_all_is_well_and_the_call_goes_on() {
    let mut scene = Scene::of(&["Login"]);
    scene.is(second(0), 0, Status::Operational);
    let next = "https://voice.example.com/menu?a=1&b=2";
    scene.settings.hotline.continue_at = Some(next.into());
    let every = scene.json("/hotline.json");
    assert_eq!(every["is_empty"], true);
    for (tag, _) in LANGUAGES {
        assert_eq!(every["texts"][tag], "");
        assert_eq!(scene.text(&format!("/hotline/{tag}.txt")), "");
        for ending in ["ssml", "twiml.xml", "vxml"] {
            let written = scene.text(&format!("/hotline/{tag}.{ending}"));
            let document = Document::parse(&written).expect("XML");
            let mut words = document.descendants().filter(|n| n.is_text());
            let speaks = document
                .descendants()
                .any(|n| ["Say", "prompt", "s", "p"].contains(&n.tag_name().name()));
            assert!(!speaks, "{written}");
            match ending {
                "ssml" => assert_eq!(words.next(), None),
                "vxml" => {
                    let mut all = document.descendants();
                    let goto = all.find(|n| n.tag_name().name() == "goto").expect("goto");
                    assert_eq!(goto.attribute("next"), Some(next));
                }
                _ => {
                    let redirect = document.root_element().first_child().expect("a child");
                    assert_eq!(redirect.tag_name().name(), "Redirect");
                    assert_eq!(redirect.text(), Some(next));
                }
            }
        }
    }
}

#[test]
fn what_is_not_known_is_not_silence() {
    let mut scene = Scene::of(&["Login"]);
    let unseen = scene.text("/hotline/en.txt");
    assert_eq!(unseen, "We cannot see at the moment whether Login works.\n");
    scene.is(second(0), 0, Status::Operational);
    scene.is_stale = true;
    let stale = scene.text("/hotline/en.txt");
    assert_eq!(
        stale,
        "We cannot see at the moment how things are. We are working on it.\n"
    );
}

#[test]
fn times_are_those_of_the_callers_clock_and_the_promise_is_repeated() {
    let mut scene = Scene::of(&["Login"]);
    scene.is(second(0), 0, Status::MajorOutage);
    let incident = scene.opens(second(999_000), &[(0, Status::MajorOutage)]);
    scene.says(second(999_900), incident);
    scene.settings.hotline.zone = Some(TimeZone::get("Europe/Amsterdam").expect("a zone"));
    assert_eq!(
        scene.text("/hotline/nl.txt"),
        "Login werkt niet. De storing ligt bij ons, en we werken eraan. We weten ervan sinds zes uur \
         zesendertig. U hoort meer vóór zeven uur elf.\n"
    );
}
