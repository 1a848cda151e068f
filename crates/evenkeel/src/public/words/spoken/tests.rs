//! That no text takes longer than it may, that what is said is true, and what is said.

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// As long as names may be that are still spoken.
const LONG: [&str; 4] = [
    "transport orders and what belongs to it",
    "wage administration and its yearly forms",
    "short and long",
    "and what is longer than anybody wants to hear on the telephone",
];

fn call(now: Timestamp, zone: Option<&TimeZone>, next: Option<Timestamp>) -> Call<'_> {
    Call {
        now,
        zone,
        next_update_at: next,
    }
}

/// Every sort of answer, with the longest names and every number of functions.
fn answers(since: Timestamp) -> Vec<Answer<'static>> {
    let mut answers = vec![
        Answer::Well,
        Answer::NothingWatched,
        Answer::Stale { since },
    ];
    let of_two = [vec![LONG[0]], vec![LONG[2], LONG[2]], vec![LONG[3]]];
    let more = [2, 3, 4].map(|count| LONG[..count].to_vec());
    let digits = [vec!["2026"], vec!["EDIFACT"], vec!["R2D2"]];
    for components in of_two.into_iter().chain(more).chain(digits) {
        for first in Status::ALL.into_iter().filter(|status| status.is_harm()) {
            for second in Status::ALL {
                let all = components.iter().map(|name| (*name, first));
                let all = all.chain([(LONG[1], second), (LONG[2], Status::MajorOutage)]);
                let components = all.collect();
                answers.push(Answer::Harm { components, since });
            }
        }
        let since_unknown = since;
        answers.push(Answer::PartlyUnknown {
            components: components.clone(),
            since: since_unknown,
        });
        answers.push(Answer::Maintenance {
            components: components.clone(),
            until: None,
        });
        answers.push(Answer::Recovered { components });
    }
    answers
}

#[test]
fn nothing_takes_longer_than_twenty_seconds_to_say() {
    let zone = TimeZone::get("Europe/Warsaw").expect("a zone");
    // Minutes of a whole day, and days of a whole week.
    let base = at("2026-11-16T00:00:00Z");
    for language in Language::ALL {
        let words = Words::of(language);
        let mut longest = Duration::ZERO;
        for minute in (0..7 * 1440).step_by(97) {
            let now = time::after(base, Duration::from_secs(minute * 60));
            let since = time::before(now, Duration::from_secs(3 * 86400 + 37 * 60));
            let next = time::after(now, Duration::from_secs(86400));
            for answer in answers(since) {
                for zone in [None, Some(&zone)] {
                    let spoken = words.spoken(&answer, call(now, zone, Some(next)));
                    let takes = spoken.takes(language);
                    assert!(
                        takes <= SPOKEN_MAX,
                        "{language:?} {takes:?}: {}",
                        spoken.text()
                    );
                    longest = longest.max(takes);
                }
            }
        }
        // The bound is met because texts are chosen, not because nothing is said.
        assert!(
            longest > Duration::from_secs(15),
            "{language:?}: {longest:?}"
        );
    }
}

#[test]
fn no_figure_is_left_to_the_voice() {
    let base = at("2026-11-18T00:00:00Z");
    for language in Language::ALL {
        let words = Words::of(language);
        let mut said = std::collections::BTreeSet::new();
        for minute in 0..1440 {
            let at = time::after(base, Duration::from_secs(minute * 60));
            let text = words.moment_said(at, call(base, Some(&TimeZone::UTC), None));
            assert!(!text.contains(|c: char| c.is_ascii_digit()), "{text}");
            assert!(!text.contains("  "), "{text}");
            said.insert(text);
        }
        assert_eq!(said.len(), 1440, "{language:?}: no two minutes sound alike");
    }
}

#[test]
fn callers_hear_their_own_clock_or_which_it_is() {
    let zone = TimeZone::get("Europe/Copenhagen").expect("a zone");
    let (now, since) = (at("2026-11-18T23:30:00Z"), at("2026-11-18T22:10:00Z"));
    let answer = Answer::Harm {
        components: vec![("Login", Status::MajorOutage)],
        since,
    };
    let words = Words::of(Language::English);
    let next = Some(at("2026-11-19T00:05:00Z"));
    // In Copenhagen it is the next day already.
    assert_eq!(
        words.spoken(&answer, call(now, Some(&zone), next)).text(),
        "Login does not work. The fault is on our side, and we are working on it. \
         We have known of it since Wednesday, eleven ten pm. You will hear more by one oh five am."
    );
    assert_eq!(
        words.spoken(&answer, call(now, None, next)).text(),
        "Login does not work. The fault is on our side, and we are working on it. \
         We have known of it since ten ten pm UTC. You will hear more by Thursday, twelve oh five am UTC."
    );
    // A promise that has passed is not repeated, and no weekday is more than a week ago.
    let late = at("2026-11-28T00:05:00Z");
    assert_eq!(
        words.spoken(&answer, call(late, None, next)).text(),
        "Login does not work. The fault is on our side, and we are working on it. \
         We have known of it for more than a week."
    );
}

#[test]
fn nothing_is_said_when_all_is_well() {
    let now = at("2026-11-18T23:30:00Z");
    for language in Language::ALL {
        let words = Words::of(language);
        for answer in [Answer::Well, Answer::NothingWatched] {
            let spoken = words.spoken(&answer, call(now, None, Some(now)));
            assert_eq!(spoken.sentences, Vec::<String>::new());
            assert_eq!(
                (spoken.text().as_str(), spoken.takes(language)),
                ("", Duration::ZERO)
            );
        }
    }
}
