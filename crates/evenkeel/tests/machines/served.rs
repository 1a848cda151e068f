//! Addresses, headers and words that must hold in every answer.

use evenkeel_core::event::What;
use evenkeel_core::ids::{IncidentId, MessageId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::language::Language;
use evenkeel_core::maintenance::{MaintenanceNews, MaintenanceStatus, PlannedImpact};
use evenkeel_core::postmortem::{Counted, Section, facts_of};
use evenkeel_core::status::Status;
use evenkeel_core::telling::{Affected, DataAffected, FreeText, PersonWord, ToldFacts};
use hyper::StatusCode;

use crate::scene::{Scene, person, second};

/// Login was down and is watched now; invoices work; nobody sees quotes.
fn after_an_outage() -> Scene {
    let mut scene = Scene::of(&["Login", "Invoices", "Quotes"]);
    scene.is(second(0), 0, Status::Operational);
    scene.is(second(0), 1, Status::Operational);
    let incident = scene.opens(second(100), &[(0, Status::MajorOutage)]);
    scene.says(second(100), incident);
    scene.comes_to(second(400), incident, IncidentStatus::Identified);
    scene.comes_to(second(900), incident, IncidentStatus::Monitoring);
    scene
}

#[test]
fn every_listed_address_answers_any_origin_and_says_how_long_it_is_good() {
    let scene = after_an_outage();
    let paths = scene.paths();
    assert_eq!(paths.len(), 19 + 2 * 3 + 4 * 5 + 4 * 5);
    for path in &paths {
        let answer = scene.ask(path, &[("origin", "https://elsewhere.example")]);
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(
            answer.header("cross-origin-resource-policy"),
            "cross-origin"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let kind = match path.rsplit_once('.').unwrap().1 {
            "svg" => "image/svg+xml",
            "js" => "text/javascript; charset=utf-8",
            "txt" => "text/plain; charset=utf-8",
            "ssml" => "application/ssml+xml; charset=utf-8",
            "vxml" => "application/voicexml+xml; charset=utf-8",
            "xml" => "application/xml; charset=utf-8",
            "ics" => "text/calendar; charset=utf-8",
            "atom" => "application/atom+xml; charset=utf-8",
            "rss" => "application/rss+xml; charset=utf-8",
            _ if path.ends_with("/feed.json") => "application/feed+json; charset=utf-8",
            _ => "application/json; charset=utf-8",
        };
        assert_eq!(answer.header("content-type"), kind, "{path}");
        let cache = answer.header("cache-control");
        assert!(cache.ends_with(", must-revalidate"), "{path}: {cache}");
        // Only a person's ear is told nothing by nothing.
        let least = if path.ends_with(".txt") { 0 } else { 50 };
        assert!(answer.body.len() >= least, "{path}");
        // Nothing is sent twice.
        let again = scene.ask(path, &[("if-none-match", answer.header("etag"))]);
        assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{path}");
        assert_eq!(again.header("etag"), answer.header("etag"));
        assert!(again.body.is_empty());
    }
    // The page itself is still for its own origin.
    let page = scene.ask("/", &[]);
    assert_eq!(page.header("access-control-allow-origin"), "");
    assert_eq!(page.header("cross-origin-resource-policy"), "same-origin");
}

#[test]
fn what_is_not_there_is_not_found() {
    let scene = after_an_outage();
    for path in [
        "/badge/c9.svg",
        "/badge/c0.png",
        "/fr/feed.atom",
        "/de/history.atom",
        "/de/summary.json",
        "/badge/c0",
        "/hotline/fr.txt",
        "/hotline/de",
        "/hotline/de.mp3",
        "/hotline/.txt",
        "/badge/.svg",
        "/api/v2/components/c0.json",
    ] {
        assert_eq!(scene.ask(path, &[]).status, StatusCode::NOT_FOUND, "{path}");
    }
}

/// A person's words are everywhere that an update is, with their language; a correction
/// names what it corrects; and nobody learns who said so, or why.
#[test]
fn a_person_is_read_everywhere_and_their_language_is_named() {
    let mut scene = after_an_outage();
    let facts = ToldFacts {
        affected: Some(Affected::Some),
        data: Some(DataAffected::No),
        works: ["c1".into()].into(),
    };
    let free = |text: &str| FreeText {
        language: Language::Dutch,
        text: text.into(),
    };
    let incident = IncidentId(1);
    let said = person(facts, Some(free("Wij herstellen het.\n\nTot straks.")));
    scene.tells(second(1000), incident, Some(said));
    let wrong = scene.record.last.message;
    let corrected = PersonWord {
        corrects: Some(MessageId(wrong)),
        ..person(ToldFacts::default(), Some(free("Ook facturen.")))
    };
    scene.tells(second(1100), incident, Some(corrected));

    let incidents = scene.json("/api/v2/incidents.json");
    let updates = &incidents["incidents"][0]["incident_updates"];
    assert_eq!(
        updates[1]["body"],
        "Login works. We keep watching whether it stays so. Next word by 15:43 UTC.\n\
         Some customers are affected.\nNo data is affected.\nInvoices still works.\n\
         Original text (Nederlands):\nWij herstellen het.\nTot straks."
    );
    let original = &updates[1]["evenkeel_text"];
    assert_eq!(original["language"], "nl");
    assert_eq!(original["text"], "Wij herstellen het.\n\nTot straks.");
    assert_eq!(updates[1].get("evenkeel_corrects"), None);
    assert_eq!(updates[0]["evenkeel_corrects"], updates[1]["id"]);
    assert_eq!(updates[2].get("evenkeel_text"), None);

    for path in ["/feed.atom", "/de/feed.rss"] {
        let feed = scene.text(path);
        let feed = roxmltree::Document::parse(&feed).expect("XML");
        let html = feed.descendants().find_map(|node| {
            let name = node.tag_name().name();
            let of_entry = node
                .parent()
                .is_some_and(|parent| parent.tag_name().name() == "item");
            let is_content = name == "content" || (name == "description" && of_entry);
            is_content.then(|| node.text().expect("HTML"))
        });
        let html = html.expect("an entry");
        let quote =
            "<blockquote lang=\"nl\"><p>Wij herstellen het.</p><p>Tot straks.</p></blockquote>";
        assert!(html.contains(quote), "{html}");
        assert!(
            html.contains(&format!("incidents/I-1#M-{wrong}\">")),
            "{html}"
        );
    }
    let feed = scene.json("/pl/feed.json");
    let text = feed["items"][0]["content_text"].as_str().expect("a text");
    assert!(
        text.contains("(Nederlands):\nWij herstellen het."),
        "{text}"
    );
    for path in scene.paths() {
        let text = scene.text(&path);
        assert!(
            !text.contains("4711") && !text.contains("operator:"),
            "{path}: {text}"
        );
    }
}

#[test]
fn nothing_operators_wrote_is_told() {
    let scene = after_an_outage();
    for path in scene.paths() {
        assert!(!scene.text(&path).contains("4711"), "{path}");
    }
}

#[test]
fn an_incident_in_monitoring_keeps_the_indicator_where_it_was() {
    let mut scene = after_an_outage();
    scene.is(second(950), 2, Status::Operational);
    let status = scene.json("/api/v2/status.json")["status"].take();
    assert_eq!(status["indicator"], "critical");
    assert_eq!(status["description"], "Login works again; we keep watching");
    assert_eq!(status["evenkeel_status"], "operational");
    assert_eq!(scene.json("/badge.json")["message"], "monitoring");
    scene.comes_to(
        second(1000),
        evenkeel_core::ids::IncidentId(1),
        IncidentStatus::Resolved,
    );
    let status = scene.json("/api/v2/status.json")["status"].take();
    assert_eq!(status["indicator"], "none");
    assert_eq!(status["description"], "All Systems Operational");
    assert_eq!(scene.json("/badge.json")["message"], "works");
}

#[test]
fn what_is_unknown_is_not_called_operational() {
    let mut scene = after_an_outage();
    scene.comes_to(
        second(1000),
        evenkeel_core::ids::IncidentId(1),
        IncidentStatus::Resolved,
    );
    let summary = scene.json("/api/v2/summary.json");
    let quotes = &summary["components"][2];
    assert_eq!(quotes["status"], "degraded_performance");
    assert_eq!(quotes["evenkeel_status"], "unknown");
    assert_eq!(summary["status"]["indicator"], "minor");
    assert_eq!(scene.json("/badge/c2.json")["message"], "unknown");
    // No picture of now: nothing is known of anything.
    scene.is_stale = true;
    let summary = scene.json("/api/v2/summary.json");
    for component in summary["components"].as_array().unwrap() {
        assert_eq!(component["evenkeel_status"], "unknown");
    }
    assert_eq!(summary["status"]["evenkeel_status"], "unknown");
    let said = summary["status"]["description"].as_str().unwrap();
    assert!(
        said.starts_with("How things are has been unknown since"),
        "{said}"
    );
    assert_eq!(scene.json("/badge.json")["color"], "lightgrey");
    assert!(!scene.text("/badge/c0.svg").contains("works"));
}

/// One to come, one under way and extended, one over, one called off.
fn with_planned_work() -> Scene {
    let mut scene = Scene::of(&["Login", "Invoices", "Quotes"]);
    for component in 0..3 {
        scene.is(second(0), component, Status::Operational);
    }
    let hour = |n: i64| second(n * 3600);
    let outage = PlannedImpact::Outage;
    let over = scene.plans(hour(1), &[1], (hour(30), 60), PlannedImpact::NoImpact);
    let (under_way, completed) = (MaintenanceStatus::InProgress, MaintenanceStatus::Completed);
    scene.turns(hour(30), over, under_way, MaintenanceNews::Began);
    scene.turns(hour(31), over, completed, MaintenanceNews::Completed);
    let now = scene.plans(hour(2), &[0, 2], (hour(277), 60), outage);
    scene.turns(hour(277), now, under_way, MaintenanceNews::Began);
    scene.is(hour(277), 0, Status::UnderMaintenance);
    scene.is(hour(277), 2, Status::UnderMaintenance);
    scene.moves(second(277 * 3600 + 600), now, hour(280));
    scene.plans(hour(3), &[0], (hour(400), 240), PlannedImpact::Degraded);
    let off = scene.plans(hour(4), &[1], (hour(500), 60), outage);
    let cancelled = MaintenanceStatus::Cancelled;
    scene.turns(hour(5), off, cancelled, MaintenanceNews::Cancelled);
    scene
}

#[test]
fn planned_work_is_listed_as_statuspage_does() {
    let scene = with_planned_work();
    let list = |path: &str| {
        let answer = scene.json(path);
        let list = answer["scheduled_maintenances"].as_array().unwrap().clone();
        let said = list.iter().map(|one| {
            let text = |name: &str| one[name].as_str().unwrap().to_owned();
            format!("{} {}", text("status"), text("name"))
        });
        said.collect::<Vec<_>>()
    };
    let (now, next) = (
        "in_progress Maintenance of Login and Quotes",
        "scheduled Maintenance of Login",
    );
    let (off, over) = (
        "completed Maintenance of Invoices",
        "completed Maintenance of Invoices",
    );
    let of = "/api/v2/scheduled-maintenances";
    assert_eq!(list(&format!("{of}.json")), [off, next, now, over]);
    assert_eq!(list(&format!("{of}/active.json")), [now]);
    assert_eq!(list(&format!("{of}/upcoming.json")), [next]);
    assert_eq!(list("/api/v2/summary.json"), [next, now]);
    let all = scene.json(&format!("{of}.json"));
    let all = &all["scheduled_maintenances"];
    assert_eq!(all[0]["evenkeel_status"], "cancelled");
    assert_eq!(all[2]["scheduled_for"], "2025-06-27T04:06:40.000Z");
    assert_eq!(all[2]["scheduled_until"], "2025-06-27T07:06:40.000Z");
    assert_eq!(all[2]["impact"], "maintenance");
    assert_eq!(
        all[2]["shortlink"],
        "https://status.example.com/maintenance/MW-2"
    );
    assert_eq!(
        all[2]["incident_updates"][0]["body"],
        "The work takes longer than planned. It is to be over by 07:06 UTC."
    );
    assert_eq!(all[2]["components"][1]["status"], "under_maintenance");
    // Planned work is in customers' way, and is no incident.
    let status = scene.json("/api/v2/status.json")["status"].take();
    assert_eq!(status["indicator"], "minor");
    assert_eq!(
        status["description"],
        "Login and Quotes are under maintenance (until 07:06 UTC)"
    );
    assert_eq!(
        scene.json("/api/v2/incidents.json")["incidents"],
        serde_json::json!([])
    );
}

#[test]
fn planned_work_has_pages_in_every_language_and_operators_reasons_are_not_on_them() {
    let scene = with_planned_work();
    for (path, says) in [
        ("/en/maintenance", "Calendar of planned work"),
        ("/de/maintenance", "Kalender der geplanten Arbeiten"),
        ("/nl/maintenance/MW-2", "Onderhoud aan Login en Quotes"),
        ("/pl/maintenance/MW-3", "Prace konserwacyjne: funkcja Login"),
        ("/da/maintenance/MW-4", "Arbejdet bliver ikke udført."),
        ("/maintenance", "Calendar of planned work"),
        ("/maintenance/MW-1", "The work is over."),
        ("/de/", "Geplante Arbeiten"),
        ("/de/maintenance.ics", "Geplante Arbeiten"),
    ] {
        let text = scene.text(path);
        assert!(text.contains(says), "{path}: {text}");
        assert!(!text.contains("4711"), "{path}");
        // What a person wrote stands as they wrote it, with its language.
        let alone = path.contains("/MW-");
        assert!(
            !alone || text.contains("<blockquote lang=\"da\">"),
            "{path}"
        );
    }
    for path in [
        "/maintenance/MW-9",
        "/de/maintenance/I-1",
        "/fr/maintenance",
        "/maintenance/x",
    ] {
        assert_eq!(scene.ask(path, &[]).status, StatusCode::NOT_FOUND, "{path}");
    }
    let calendar = scene.text("/maintenance.ics");
    assert!(calendar.contains("STATUS:CANCELLED") && calendar.contains("SEQUENCE:1"));
    assert!(calendar.lines().all(|line| line.len() <= 75), "{calendar}");
}

#[test]
fn a_calendar_is_one_whatever_things_are_called() {
    let names = [
        "two\nlines; a, comma \\ and a tab\t",
        "bell\u{7} null\u{0} BEGIN:VEVENT\r\nUID:mine",
        "\"quoted\" \u{fffe} 請求書 請求書 請求書 請求書 請求書 請求書 請求書",
    ];
    let mut scene = Scene::of(&names);
    let hour = |n: i64| second(n * 3600);
    for component in 0..3 {
        let when = (hour(30 + i64::from(component)), 60);
        scene.plans(hour(1), &[component], when, PlannedImpact::Outage);
    }
    let calendar = scene.text("/maintenance.ics");
    assert!(calendar.ends_with("END:VCALENDAR\r\n"));
    let lines: Vec<&str> = calendar.trim_end().split("\r\n").collect();
    for line in &lines {
        assert!(line.len() <= 75, "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    let begun = lines.iter().filter(|line| line.starts_with("BEGIN:VEVENT"));
    assert_eq!(begun.count(), 3);
    let named = lines.iter().filter(|line| line.starts_with("UID:"));
    assert_eq!(named.count(), 3);
}

#[test]
fn a_page_without_components_is_not_well() {
    let status = Scene::of(&[]).json("/api/v2/status.json")["status"].take();
    assert_eq!(status["indicator"], "minor");
    assert_eq!(status["description"], "No function is watched yet");
}

#[test]
fn updates_say_what_changed_newest_first() {
    let scene = after_an_outage();
    let incident = scene.json("/api/v2/incidents.json")["incidents"][0].take();
    assert_eq!(incident["name"], "Login did not work");
    assert_eq!(incident["status"], "monitoring");
    assert_eq!(incident["impact"], "critical");
    assert_eq!(
        incident["shortlink"],
        "https://status.example.com/incidents/I-1"
    );
    assert_eq!(incident["started_at"], "2025-06-15T15:08:20.000Z");
    assert_eq!(incident["monitoring_at"], "2025-06-15T15:21:40.000Z");
    assert_eq!(incident["updated_at"], "2025-06-15T15:21:40.000Z");
    assert_eq!(incident["resolved_at"], serde_json::Value::Null);
    assert_eq!(incident["components"][0]["name"], "Login");
    let updates = incident["incident_updates"].as_array().unwrap();
    let words: Vec<_> = updates
        .iter()
        .map(|u| u["status"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["monitoring", "identified", "investigating"]);
    assert_eq!(
        updates[0]["body"],
        "Login works. We keep watching whether it stays so. Next word by 15:41 UTC."
    );
    let affected = &updates[0]["affected_components"][0];
    assert_eq!(affected["old_status"], "major_outage");
    assert_eq!(affected["new_status"], "operational");
    // What was before the first word is not known here: no change is claimed.
    let first = &updates[2]["affected_components"][0];
    assert_eq!(first["old_status"], first["new_status"]);
}

#[test]
fn an_incident_whose_messages_are_forgotten_keeps_its_last_word() {
    let scene = after_an_outage();
    let newest = |scene: &Scene| {
        let incident = scene.json("/api/v2/incidents.json")["incidents"][0].take();
        incident["incident_updates"][0].clone()
    };
    let before = newest(&scene);
    let mut scene = scene;
    scene.record.messages.clear();
    let after = newest(&scene);
    for field in ["id", "status", "body", "created_at"] {
        assert_eq!(after[field], before[field], "{field}");
    }
}

#[test]
fn pages_say_where_the_feeds_are() {
    let scene = after_an_outage();
    for page in ["/", "/incidents/I-1"] {
        let text = scene.text(page);
        for feed in ["/feed.atom", "/feed.rss", "/feed.json"] {
            let found = text.split("<link ").any(|link| {
                link.contains(r#"rel="alternate""#) && link.contains(&format!(r#"href="{feed}""#))
            });
            assert!(found, "{page} does not name {feed}");
        }
    }
}

#[test]
fn feeds_are_in_every_language_and_are_different_feeds() {
    let scene = after_an_outage();
    let said = |path: &str| {
        let feed = scene.text(path);
        let feed = roxmltree::Document::parse(&feed).expect(path);
        let of = |node: roxmltree::Node<'_, '_>, name: &str| -> String {
            let mut children = node.children();
            let found = children.find(|child| child.tag_name().name() == name);
            found.and_then(|found| found.text()).expect(name).to_owned()
        };
        let root = feed.root_element();
        let mut entries = root.children();
        let entry =
            entries.find(|node| node.has_tag_name((root.tag_name().namespace().unwrap(), "entry")));
        let entry = entry.expect("an entry");
        let lang = root.attribute(("http://www.w3.org/XML/1998/namespace", "lang"));
        assert!(
            of(entry, "content").contains("2025-06-15T15:21:40Z"),
            "{path}"
        );
        (
            lang.unwrap().to_owned(),
            of(root, "id"),
            of(entry, "id"),
            of(entry, "title"),
        )
    };
    let plain = said("/feed.atom");
    assert_eq!(said("/en/feed.atom"), plain);
    assert_eq!(plain.0, "en");
    let mut seen = vec![plain];
    for tag in ["nl", "de", "pl", "da"] {
        let feed = said(&format!("/{tag}/feed.atom"));
        assert_eq!(feed.0, tag);
        assert!(feed.1.ends_with(&format!("/{tag}")) && feed.2.ends_with(&format!("/{tag}")));
        assert!(
            seen.iter()
                .all(|other| feed.2 != other.2 && feed.3 != other.3),
            "{feed:?}"
        );
        seen.push(feed);
        // The page in this language names this feed.
        let named = format!(r#"href="/{tag}/feed.atom""#);
        assert!(scene.text(&format!("/{tag}/")).contains(&named));
    }
}

/// The post-mortem is published: the incident's entry is revised, and none is added.
#[test]
fn a_published_post_mortem_is_the_last_word_of_its_incident() {
    let mut scene = after_an_outage();
    let id = evenkeel_core::ids::IncidentId(1);
    scene.comes_to(second(1000), id, IncidentStatus::Resolved);
    let entry = |scene: &Scene| {
        let text = scene.text("/de/feed.atom");
        let feed = roxmltree::Document::parse(&text).expect("XML");
        let all = feed.descendants();
        let entries: Vec<_> = all.filter(|node| node.has_tag_name("entry")).collect();
        assert_eq!(entries.len(), 1);
        let of = |name: &str| {
            let mut parts = entries[0].children();
            let part = parts.find(|part| part.tag_name().name() == name);
            part.and_then(|part| part.text())
                .unwrap_or_default()
                .to_owned()
        };
        (of("id"), of("updated"), of("content"))
    };
    let before = entry(&scene);
    let facts = facts_of(&scene.record, id, Counted::default()).expect("it is over");
    scene.happens(
        second(1000),
        What::PostmortemDrafted {
            incident: id,
            facts: Box::new(facts),
        },
    );
    assert_eq!(entry(&scene), before, "a draft is nobody's business");
    let incidents = "/api/v2/incidents.json";
    assert_eq!(scene.json(incidents)["incidents"][0]["status"], "resolved");
    assert!(
        scene.json(incidents)["incidents"][0]
            .get("postmortem_body")
            .is_none()
    );
    let by = || "operator:ana".into();
    scene.happens(
        second(5000),
        What::PostmortemWritten {
            incident: id,
            section: Section::Cause,
            text: Some(FreeText {
                language: Language::Danish,
                text: "En <eksport> hang.".into(),
            }),
            revision: 1,
            by: by(),
        },
    );
    scene.happens(
        second(6000),
        What::PostmortemPublished {
            incident: id,
            edition: 1,
            correction: None,
            by: by(),
        },
    );
    let (same, updated, content) = entry(&scene);
    assert_eq!(same, before.0);
    assert!(updated > before.1, "{updated}");
    let link = "https://status.example.com/de/incidents/I-1/postmortem";
    assert!(
        content.contains(link) && content.contains("Nachbetrachtung"),
        "{content}"
    );
    let incident = scene.json(incidents)["incidents"][0].take();
    assert_eq!(incident["status"], "postmortem");
    let update = &incident["incident_updates"][0];
    assert_eq!(update["status"], "postmortem");
    assert_eq!(update["display_at"], incident["postmortem_published_at"]);
    let body = incident["postmortem_body"].as_str().expect("Markdown");
    assert!(body.contains("En \\<eksport\\> hang."), "{body}");
    // It comes back: then that is the news.
    scene.comes_to(second(7000), id, IncidentStatus::Investigating);
    let incident = scene.json(incidents)["incidents"][0].take();
    assert_eq!(incident["status"], "investigating");
}
