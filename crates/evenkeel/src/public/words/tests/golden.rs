//! All that is said, in one file for each language: what somebody who speaks it reads.
//!
//! `EVENKEEL_BLESS=1` rewrites the files; the difference is read like code.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use evenkeel_core::Timestamp;
use evenkeel_core::action::ActionKind;
use evenkeel_core::maintenance::{MaintenanceNews, MaintenanceStatus, PlannedImpact, Stretch};
use evenkeel_core::status::Status;
use jiff::tz::TimeZone;

use super::INCIDENT_STATUSES;
use crate::public::words::{Answer, Call, Language, Spent, Words};

const NAMES: [&str; 22] = [
    "Login",
    "Invoices",
    "Quotes",
    "Payroll",
    "Transport",
    "VAT",
    "Banking",
    "Scanning",
    "Reports",
    "Mail",
    "Search",
    "Import",
    "Export",
    "Archive",
    "Time sheets",
    "Expenses",
    "Orders",
    "Stock",
    "Prices",
    "Contacts",
    "Calendar",
    "Forms",
];

/// How many functions a sentence is about: each a form of its own in some language.
const COUNTS: [usize; 6] = [1, 2, 3, 4, 5, 22];

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// The page's now: what is said is on this day, on another, or in another year.
const NOW: &str = "2026-03-01T02:16:09Z";
const TIMES: [&str; 3] = [
    "2026-03-01T02:14:09Z",
    "2026-02-28T23:59:59Z",
    "2025-12-31T00:05:00Z",
];

struct Paper(String);

impl Paper {
    fn heading(&mut self, text: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        self.say(&format!("{gap}# {text}\n"));
    }

    fn say(&mut self, text: &str) {
        // Writing to a text cannot fail.
        let _written = writeln!(self.0, "{text}");
    }
}

fn all(words: &Words) -> String {
    let mut paper = Paper(String::new());
    answers(words, &mut paper);
    incidents(words, &mut paper);
    updates(words, &mut paper);
    maintenances(words, &mut paper);
    postmortems(words, &mut paper);
    functions(words, &mut paper);
    times(words, &mut paper);
    people(words, &mut paper);
    telephone(words, &mut paper);
    subscriptions(words, &mut paper);
    page(words, &mut paper);
    paper.0
}

fn people(words: &Words, paper: &mut Paper) {
    paper.heading("What a person adds");
    for text in [
        words.affected_all(),
        words.affected_some(),
        words.affected_group("Customers on server 2"),
        words.data_safe(),
        words.data_affected(),
        words.data_checked(),
        words.corrects(),
    ] {
        paper.say(&text);
    }
    for language in Language::ALL {
        paper.say(&words.original(language.own_name()));
    }
}

fn telephone(words: &Words, paper: &mut Paper) {
    paper.heading("On the telephone");
    let (now, zone) = (at(NOW), TimeZone::get("Europe/Berlin").expect("a zone"));
    let mut say = |answer: Answer<'_>, zone: Option<&TimeZone>, next: Option<Timestamp>| {
        let call = Call {
            now,
            zone,
            next_update_at: next,
        };
        paper.say(&words.spoken(&answer, call).text());
    };
    let next = Some(at("2026-03-02T05:59:00Z"));
    say(Answer::Stale { since: now }, None, None);
    for count in [1, 2, 3] {
        let components = || NAMES[..count].to_vec();
        for status in Status::ALL.into_iter().filter(|status| status.is_harm()) {
            let components = components()
                .into_iter()
                .map(|name| (name, status))
                .collect();
            let since = at(TIMES[0]);
            say(Answer::Harm { components, since }, Some(&zone), next);
        }
        let since = at(TIMES[0]);
        let unknown = Answer::PartlyUnknown {
            components: components(),
            since,
        };
        say(unknown, None, None);
        let components = components();
        let maintenance = Answer::Maintenance {
            components: components.clone(),
            until: None,
        };
        say(maintenance, None, None);
        say(Answer::Recovered { components }, None, None);
    }
    let of = |since| Answer::Harm {
        components: vec![
            (NAMES[0], Status::MajorOutage),
            (NAMES[1], Status::DegradedPerformance),
        ],
        since,
    };
    say(of(at(TIMES[1])), None, Some(at("2026-03-01T12:00:00Z")));
    say(of(at(TIMES[2])), Some(&zone), None);
    let long = vec![(
        "a name that is longer than forty letters are",
        Status::MajorOutage,
    )];
    let since = at(TIMES[0]);
    say(
        Answer::Harm {
            components: long,
            since,
        },
        Some(&zone),
        None,
    );
    let monday = at("2026-03-02T00:00:00Z");
    for day in 0..7 {
        let told = evenkeel_core::time::after(
            monday,
            std::time::Duration::from_secs(day * 86_400 + 7_500),
        );
        let since = told;
        let call = Call {
            now: at("2026-03-08T23:00:00Z"),
            zone: Some(&zone),
            next_update_at: None,
        };
        let components = vec![(NAMES[0], Status::MajorOutage)];
        paper.say(
            &words
                .spoken(&Answer::Harm { components, since }, call)
                .text(),
        );
    }
    for minute in 0..60 {
        // Every minute, and every hour with them.
        let told = at(&format!("2026-03-01T{:02}:{minute:02}:00Z", minute % 24));
        let components = vec![(NAMES[0], Status::MajorOutage)];
        let answer = Answer::Harm {
            components,
            since: told,
        };
        let call = Call {
            now: at("2026-03-01T23:59:30Z"),
            zone: Some(&TimeZone::UTC),
            next_update_at: None,
        };
        let sentences = words.spoken(&answer, call).sentences;
        paper.say(sentences.last().expect("since when"));
    }
}

fn answers(words: &Words, paper: &mut Paper) {
    paper.heading("The answer at the top");
    let now = at(NOW);
    let mut say = |answer: Answer<'_>| paper.say(&words.answer(&answer, now));
    say(Answer::Well);
    say(Answer::NothingWatched);
    let outside = [
        words.unreachable(&words.minute(at(TIMES[0]), now)),
        words.unreachable_operators(&words.minute(at(TIMES[0]), now)),
        words.unreachable_unknown(&words.minute(at(TIMES[0]), now)),
        words.witnessed(),
    ];
    for since in TIMES.map(at) {
        say(Answer::Stale { since });
    }
    for since in TIMES.map(at) {
        say(Answer::Harm {
            components: vec![(NAMES[0], Status::MajorOutage)],
            since,
        });
    }
    for count in COUNTS {
        let components = || NAMES[..count].to_vec();
        let since = at(TIMES[0]);
        for status in Status::ALL.into_iter().filter(|status| status.is_harm()) {
            let components = components()
                .into_iter()
                .map(|name| (name, status))
                .collect();
            say(Answer::Harm { components, since });
        }
        say(Answer::PartlyUnknown {
            components: components(),
            since,
        });
        say(Answer::Maintenance {
            components: components(),
            until: Some(since),
        });
        say(Answer::Recovered {
            components: components(),
        });
    }
    let mixed = NAMES.into_iter().take(5).zip([
        Status::MajorOutage,
        Status::DegradedPerformance,
        Status::MajorOutage,
        Status::Unknown,
        Status::PartialOutage,
    ]);
    say(Answer::Harm {
        components: mixed.collect(),
        since: at(TIMES[0]),
    });
    paper.heading("What still works");
    for count in COUNTS {
        paper.say(&words.unharmed(&NAMES[..count], false).expect("some work"));
    }
    paper.say(&words.unharmed(&NAMES, true).expect("all others work"));
    assert_eq!(words.unharmed(&[], true), None);
    for text in outside {
        paper.say(&text);
    }
}

fn incidents(words: &Words, paper: &mut Paper) {
    paper.heading("Titles of incidents, while they go on and after");
    for count in COUNTS {
        for status in Status::ALL.into_iter().filter(|status| status.is_harm()) {
            let harmed: Vec<_> = NAMES[..count].iter().map(|name| (*name, status)).collect();
            paper.say(&words.incident_title(&harmed, false));
            paper.say(&words.incident_title(&harmed, true));
        }
    }
    // An incident that hurt nobody has no page; it would be told without a guess.
    paper.say(&words.incident_title(&[(NAMES[0], Status::Unknown)], true));
    paper.heading("What is done about them");
    for kind in ActionKind::ALL {
        paper.say(&words.doing(*kind));
        paper.say(&words.done(*kind));
    }
    paper.heading("When they were");
    let [.., last] = TIMES.map(at);
    paper.say(&words.began(&words.minute_of_day(last)));
    for to in TIMES.map(at) {
        let (from, span) = (words.minute_of_day(last), words.span(last, to));
        paper.say(&words.lasted(&from, &words.minute(to, last), &span));
    }
}

fn updates(words: &Words, paper: &mut Paper) {
    paper.heading("Updates");
    let said = at("2026-03-01T23:50:00Z");
    for status in INCIDENT_STATUSES {
        paper.say(&format!("[{}]", words.incident_status(status)));
        for of in Status::ALL {
            for next in [
                None,
                Some(at("2026-03-01T23:59:00Z")),
                Some(at("2026-03-02T00:10:00Z")),
            ] {
                paper.say(&words.update(status, &[(NAMES[0], of)], next, said));
            }
        }
        let two = [
            (NAMES[0], Status::MajorOutage),
            (NAMES[2], Status::Operational),
        ];
        paper.say(&words.update(status, &two, None, said));
    }
}

fn maintenances(words: &Words, paper: &mut Paper) {
    paper.heading("Planned work");
    for count in COUNTS {
        paper.say(&words.maintenance_named(&NAMES[..count]));
        for impact in PlannedImpact::ALL {
            paper.say(&words.maintenance_expected(impact, &NAMES[..count]));
        }
    }
    let when = Stretch {
        from: at("2026-03-01T22:00:00Z"),
        until: at("2026-03-02T04:00:00Z"),
    };
    for status in MaintenanceStatus::ALL {
        paper.say(&format!("[{}]", words.maintenance_status(status)));
    }
    for news in MaintenanceNews::ALL {
        paper.say(&words.maintenance_word(news, when, at(NOW)));
    }
    for text in [
        words.heading_maintenance(),
        words.maintenance_none(),
        words.maintenance_past(),
        words.maintenance_all(),
        words.maintenance_title(),
        words.maintenance_calendar(),
    ] {
        paper.say(&text);
    }
}

fn postmortems(words: &Words, paper: &mut Paper) {
    let [_, other, last] = TIMES.map(at);
    let (from, to) = (words.minute_of_day(last), words.minute(other, last));
    let span = words.span(last, other);
    let day = words.day_of_year(last);
    let title = words.incident_title(&[(NAMES[0], Status::MajorOutage)], true);
    paper.heading("Post-mortems");
    for text in [
        words.postmortem(),
        words.postmortem_of(&title),
        words.postmortem_read(),
        words.postmortem_published("https://status.example.com/incidents/I-3/postmortem"),
        words.postmortem_source(),
        words.edition_first(&day),
        words.edition_corrected(&day),
        words.heading_figures(),
        words.hurt(&from, &to, &span),
        words.first_sign(&from),
        words.found_after(&to, &span),
        words.first_word(&to, &span),
        words.first_word_none(),
        words.affected_all_then(),
        words.affected_some_then(),
        words.affected_group_then("Payroll Plus"),
        words.data_safe_then(),
        words.data_affected_then(),
        words.data_checked_then(),
        words.heading_timeline(),
        words.moment_sign(),
        words.moment_found(),
        words.moment_told(&words.incident_status(INCIDENT_STATUSES[0])),
        words.moment_corrected(),
        words.moment_recovered(),
        words.moment_over(),
        words.moment_back(),
        words.heading_summary(),
        words.heading_cause(),
        words.heading_factors(),
        words.heading_went_well(),
        words.heading_measures(),
        words.measure_open(&day),
        words.measure_late(&day),
        words.measure_done(&day),
        words.measure_dropped(&day),
        words.measure_moved(&day),
    ] {
        paper.say(&text);
    }
    for count in [1, 2, 5, 22] {
        paper.say(&words.came_back(count));
        paper.say(&words.failed_requests(count));
        paper.say(&words.failed_checks(count));
        paper.say(&words.moments_left_out(count));
    }
}

fn functions(words: &Words, paper: &mut Paper) {
    paper.heading("How a function is");
    for status in Status::ALL {
        paper.say(&words.status(status));
    }
    let unknown = words.status(Status::Unknown);
    for since in TIMES.map(at) {
        paper.say(&words.status_since(&unknown, &words.minute(since, at(NOW))));
    }
    paper.heading("Ninety days");
    let minute = 60_000;
    for (all_ms, harmed_ms, maintained_ms, unknown_ms) in [
        (0, 0, 0, 0),
        (1, 0, 0, 0),
        (1, 0, 0, minute),
        (1, 22 * minute, 0, 0),
        (1, 0, 240 * minute, 0),
        (1, 119 * minute, 22 * minute, 3 * minute),
        (1, 120 * minute, 0, 5 * 60 * minute),
        (1, 25 * 60 * minute, 0, 1),
    ] {
        let history = words.history(&Spent {
            all_ms,
            harmed_ms,
            maintained_ms,
            unknown_ms,
        });
        let (from, to) = (words.day(at(TIMES[2])), words.day(at(NOW)));
        paper.say(&history);
        paper.say(&words.strip(NAMES[0], &from, &to, &history));
    }
}

fn times(words: &Words, paper: &mut Paper) {
    paper.heading("Dates and lengths of time");
    for month in 1..=12 {
        let day = at(&format!("2026-{month:02}-{month:02}T09:05:03Z"));
        paper.say(&format!(
            "{} | {} | {}",
            words.day(day),
            words.minute_of_day(day),
            words.second_of_day(day)
        ));
    }
    for seconds in [
        0, 1, 2, 5, 22, 59, 60, 120, 300, 1320, 3599, 3600, 3660, 7320, 18_300, 79_200, 86_399,
        86_400, 172_800, 432_000, 1_900_800,
    ] {
        let from = Timestamp::UNIX_EPOCH;
        let to = Timestamp::from_second(seconds).expect("a time");
        paper.say(&words.span(from, to));
    }
    let (later, earlier) = (at(TIMES[0]), at(TIMES[1]));
    assert_eq!(words.span(later, earlier), words.span(later, later));
}

fn subscriptions(words: &Words, paper: &mut Paper) {
    paper.heading("Subscriptions, and what mails say");
    for text in [
        words.subscribe(),
        words.subscribe_about(),
        words.mail_address(),
        words.functions_wanted(),
        words.maintenance_only(),
        words.mail_language(),
        words.subscribe_send(),
        words.subscribe_sent(),
        words.subscribe_sent_how(),
        words.address_wrong(),
        words.functions_none(),
        words.subscribe_busy(),
        words.subscription(),
        words.subscription_of("ana@example.com"),
        words.subscribe_confirm(),
        words.subscribe_confirmed(),
        words.subscription_paused(),
        words.subscription_save(),
        words.subscription_saved(),
        words.unsubscribe(),
        words.unsubscribe_how(),
        words.unsubscribed(),
        words.link_gone(),
        words.link_gone_why(),
        words.letter_confirm("Back office"),
        words.letter_confirm_why("Back office"),
        words.letter_confirm_else(),
        words.letter_known("Back office"),
        words.letter_known_why("Back office"),
        words.letter_correction(&words.incident_title(&[("Login", Status::MajorOutage)], false)),
        words.letter_page(),
        words.letter_why("Back office"),
        words.letter_end(),
    ] {
        paper.say(&text);
    }
}

fn page(words: &Words, paper: &mut Paper) {
    paper.heading("The page");
    for text in [
        words.site("Back office"),
        words.as_of(&words.second_of_day(at(NOW))),
        words.as_of_old(),
        words.heading_functions(),
        words.heading_open(),
        words.heading_past(),
        words.past_none(&words.day_of_year(at(NOW))),
        words.earlier_updates(),
        words.earlier_updates_gone(),
        words.bad_days(),
        words.home(),
        words.missing_title(),
        words.missing(),
        words.missing_why(),
        words.languages(),
        words.me_heading(),
        words.me_ours(),
        words.me_over(),
        words.me_well(),
        words.me_unknown(),
        words.me_reached(),
        words.me_wrong(),
        words.me_silent(),
        words.me_blocked(),
        words.me_offline(),
        words.me_unknown_reached(),
        words.me_unknown_unreached(),
        words.imprint(),
        words.privacy(),
        words.useful(),
        words.useful_yes(),
        words.useful_no(),
        words.useful_thanks(),
        words.banner_you(),
        words.banner_hide(),
        words.follow(),
        words.programs(),
        words.signed(),
        words.footer(),
    ] {
        paper.say(&text);
    }
    let (made, until) = (at(NOW), at("2026-03-01T02:21:09Z"));
    let (made, until) = (words.second_of_day(made), words.minute_of_day(until));
    for text in [
        words.copy_valid(&made, &until),
        words.copy_unknown(&until),
        words.copy_not_renewed(),
        words.copy_again(),
    ] {
        paper.say(&text);
    }
}

fn file(language: Language) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/public/words/golden");
    folder.join(language.tag()).with_extension("txt")
}

#[test]
fn all_that_is_said_is_what_people_have_read() {
    for language in Language::ALL {
        let (said, file) = (all(Words::of(language)), file(language));
        if std::env::var_os("EVENKEEL_BLESS").is_some() {
            std::fs::write(&file, &said).expect("the file is written");
        }
        let read = std::fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!("{}: {error} (EVENKEEL_BLESS=1 writes it)", file.display())
        });
        for (number, (said, read)) in said.lines().zip(read.lines()).enumerate() {
            assert_eq!(said, read, "{}:{}", file.display(), number + 1);
        }
        assert_eq!(said, read, "{}", file.display());
    }
}

/// The guarantee that the page's readers know best: these sentences, in English.
#[test]
fn the_answer_names_what_is_hurt_and_since_when() {
    let words = Words::of(Language::English);
    let (now, since) = (at("2026-11-18T02:16:00Z"), at("2026-11-18T02:14:09Z"));
    let answer = Answer::Harm {
        components: vec![
            ("Login", Status::MajorOutage),
            ("Quotes", Status::DegradedPerformance),
            ("eInvoices", Status::MajorOutage),
        ],
        since,
    };
    assert_eq!(
        words.answer(&answer, now),
        "Login and eInvoices do not work; Quotes is slow (since 02:14 UTC); we are on it"
    );
    let maintenance = Answer::Maintenance {
        components: vec!["eInvoices"],
        until: None,
    };
    assert_eq!(
        words.answer(&maintenance, now),
        "eInvoices is under maintenance"
    );
}
