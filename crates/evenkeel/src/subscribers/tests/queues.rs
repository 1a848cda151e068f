//! What goes into the queue, what comes out of it, and who is told nothing more.

use super::super::store::Store;
use super::super::store::people::{Asked, Brought};
use super::super::store::queue::{Due, FAILURES_MAX, GIVE_UP_AFTER, Pace, Verdict, Went};
use super::super::token::Key;
use super::*;
use evenkeel_core::time;

fn taken(place: &Place, now: Timestamp) -> Vec<Due> {
    let store = place.own.store();
    let bite = store.take(Kind::Mail, now, 100, |_| Pace::Now);
    bite.expect("a file").taken
}

fn said(place: &Place, due: &Due, verdict: Verdict, now: Timestamp) -> usize {
    let went = Went {
        subscriber: due.subscriber,
        word: due.word,
        verdict,
    };
    place
        .own
        .store()
        .went(Kind::Mail, &[went], now)
        .expect("a file")
        .len()
}

fn refused() -> Verdict {
    Verdict::Refused("550 5.1.1 no such mailbox".into())
}

#[test]
fn a_word_is_queued_once_and_for_whom_it_concerns() {
    let place = Place::new(settings());
    place.bring("all@example.com", wishes(&[]));
    place.bring("login@example.com", wishes(&["login"]));
    place.bring("quotes@example.com", wishes(&["quotes"]));
    place.bring("both@example.com", wishes(&["login", "quotes"]));
    let planned = Wishes {
        maintenance_only: true,
        ..wishes(&[])
    };
    place.bring("planned@example.com", planned);
    let store = place.own.store();
    let asked = store.ask("waits@example.com", &wishes(&[]), 1000, second(0));
    assert_eq!(asked.unwrap(), Asked::Letter);
    assert_eq!(place.queue(&login_down(7)), Some(3));
    assert_eq!(place.queue(&login_down(7)), None, "the same word");
    let due = taken(&place, second(10));
    let mut to: Vec<&str> = due
        .iter()
        .filter(|due| due.word > 0)
        .map(|due| due.address.as_str())
        .collect();
    to.sort_unstable();
    assert_eq!(
        to,
        ["all@example.com", "both@example.com", "login@example.com"]
    );
    // What is under way is not taken twice.
    assert_eq!(taken(&place, second(11)), []);
    // Until the server is gone that took it.
    assert_eq!(store.let_go().unwrap(), due.len());
    assert_eq!(taken(&place, second(12)).len(), due.len());
}

#[test]
fn what_was_sent_is_gone_and_what_came_later_replaces_what_was_not() {
    let place = Place::new(settings());
    place.bring("one@example.com", wishes(&[]));
    place.bring("two@example.com", wishes(&[]));
    place.queue(&login_down(7));
    let due = taken(&place, second(8));
    said(&place, &due[0], Verdict::Taken, second(8));
    said(
        &place,
        &due[1],
        Verdict::Later("450 later".into()),
        second(8),
    );
    place.queue(&update(
        9,
        IncidentStatus::Resolved,
        &[("login", Status::Operational)],
    ));
    let words = place.own.store().words(10).unwrap();
    assert_eq!(
        (words[1].sent, words[1].superseded, words[1].waiting()),
        (1, 1, 0)
    );
    let due = taken(&place, second(3600));
    assert_eq!(due.len(), 2, "each the newest, once");
    assert_eq!(due[0].word, due[1].word);
}

#[test]
fn words_of_one_reader_go_in_their_order() {
    let place = Place::new(settings());
    place.bring("one@example.com", wishes(&[]));
    place.queue(&login_down(7));
    let mut other = login_down(8);
    other.incident = Some(IncidentId(4));
    place.queue(&other);
    let first = taken(&place, second(10));
    assert_eq!(first.len(), 1);
    said(&place, &first[0], Verdict::Later("450".into()), second(10));
    // The second waits behind it, although it is due.
    assert_eq!(taken(&place, second(11)), []);
    let again = taken(&place, second(60));
    assert_eq!(again[0].word, first[0].word);
    said(&place, &again[0], Verdict::Taken, second(60));
    assert_eq!(taken(&place, second(61)).len(), 1);
}

#[test]
fn an_address_is_paused_after_some_words_and_only_where_others_are_taken() {
    let place = Place::new(settings());
    let dead = place.bring("dead@example.com", wishes(&[]));
    place.bring("well@example.com", wishes(&[]));
    let mut at = 0;
    for number in 1..=u64::from(FAILURES_MAX) {
        at += 10_000;
        let mut word = login_down(number);
        word.incident = Some(IncidentId(number));
        word.at = second(at);
        place.queue(&word);
        let of = |due: Vec<Due>, address: &str| {
            due.into_iter()
                .find(|due| due.address.starts_with(address))
                .expect("due")
        };
        let mut due = taken(&place, second(at));
        let well = due
            .iter()
            .position(|due| due.address.starts_with("well"))
            .expect("due");
        let well = due.swap_remove(well);
        said(&place, &of(due, "dead"), refused(), second(at));
        said(&place, &well, Verdict::Taken, second(at));
        let again = of(taken(&place, second(at + 100)), "dead");
        let paused = said(&place, &again, refused(), second(at + 100));
        assert_eq!(
            paused,
            usize::from(number == u64::from(FAILURES_MAX)),
            "{number}"
        );
    }
    let one = place.own.store().subscriber(dead).unwrap().expect("there");
    assert_eq!(one.standing, Standing::Paused);
    assert!(one.last_error.unwrap().contains("5.1.1"));
    assert_eq!(place.queue(&login_down(90)), Some(1), "only who is reached");
}

#[test]
fn a_server_that_refuses_everything_pauses_nobody_and_is_asked_again() {
    let place = Place::new(settings());
    for n in 0..30 {
        place.bring(&format!("reader{n}@example.com"), wishes(&[]));
    }
    let mut at = 0;
    for number in 1..=5 {
        at += 200_000;
        let mut word = login_down(number);
        word.at = second(at);
        place.queue(&word);
        // Hours of it, and then it is no news any more.
        for minute in 0..i64::try_from(GIVE_UP_AFTER.as_secs() / 60 + 60).unwrap() {
            let now = second(at + minute * 60);
            for due in taken(&place, now) {
                assert_eq!(said(&place, &due, refused(), now), 0);
            }
        }
        assert_eq!(place.own.store().backlog(Kind::Mail).unwrap().rows, 0);
    }
    let counts = place.own.store().counts().unwrap();
    assert_eq!(counts.len(), 1);
    assert_eq!(
        (counts[0].standing, counts[0].count),
        (Standing::Active, 30)
    );
}

#[test]
fn one_letter_an_hour_goes_to_an_address_and_it_changes_nothing() {
    let place = Place::new(settings());
    let store = place.own.store();
    let ask = |address: &str, at: i64| {
        store
            .ask(address, &wishes(&["quotes"]), 3, second(at))
            .unwrap()
    };
    assert_eq!(ask("Ana@example.com", 0), Asked::Letter);
    assert_eq!(ask("ana@example.com", 10), Asked::Lately);
    assert_eq!(ask("ANA@example.com", 3599), Asked::Lately);
    assert_eq!(ask("ana@example.com", 3600), Asked::Letter);
    // Who is told already keeps what they want, whoever types their address.
    let told = place.bring("told@example.com", wishes(&["login"]));
    assert_eq!(ask("told@example.com", 0), Asked::Letter);
    let one = store.subscriber(told).unwrap().unwrap();
    assert_eq!(
        (one.wishes, one.standing),
        (wishes(&["login"]), Standing::Active)
    );
    place.bring("third@example.com", wishes(&[]));
    assert_eq!(ask("fourth@example.com", 0), Asked::Full);
    // Who never confirmed is erased.
    assert_eq!(store.sweep(second(3600 + 2 * 86400)).unwrap(), 0);
    assert_eq!(store.sweep(second(3700 + 3 * 86400)).unwrap(), 1);
    assert_eq!(store.counts().unwrap().len(), 1);
}

fn traces_of(folder: &std::path::Path, text: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let holding = files.filter(|file| {
        let bytes = std::fs::read(file.path()).unwrap();
        bytes
            .windows(text.len())
            .any(|some| some.eq_ignore_ascii_case(text.as_bytes()))
    });
    holding
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn who_leaves_is_erased_from_the_disk_and_not_brought_back_by_a_list() {
    let place = Place::new(settings());
    let store = place.own.store();
    let id = place.bring("unmistakable@example.com", wishes(&["login"]));
    place.queue(&login_down(7));
    assert!(!traces_of(place.folder.path(), "unmistakable").is_empty());
    let one = store.subscriber(id).unwrap().unwrap();
    store.unsubscribe(&one, second(100)).unwrap();
    assert_eq!(
        traces_of(place.folder.path(), "unmistakable"),
        Vec::<String>::new()
    );
    assert_eq!(store.backlog(Kind::Mail).unwrap().rows, 0);
    let again = [(Kind::Mail, "Unmistakable@example.com".into(), wishes(&[]))];
    let brought = store.bring(&again, 10, second(200)).unwrap();
    assert_eq!(brought, [Brought::Left(second(100))]);
    // Only they can come back.
    store
        .ask("unmistakable@example.com", &wishes(&[]), 10, second(300))
        .unwrap();
    let due = taken(&place, second(301));
    store.confirm(due[0].subscriber, second(302)).unwrap();
    let brought = store.bring(&again, 10, second(400)).unwrap();
    assert!(matches!(brought[0], Brought::Same(_)), "{brought:?}");
    // Erased on request: not even that they were here is left.
    assert!(store.erase(Kind::Mail, "unmistakable@example.com").unwrap());
    assert!(!store.erase(Kind::Mail, "unmistakable@example.com").unwrap());
    let brought = store.bring(&again, 10, second(500)).unwrap();
    assert!(matches!(brought[0], Brought::New(_)), "{brought:?}");
}

#[test]
fn a_file_is_opened_again_as_it_was_and_one_of_a_later_version_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let key = || Key::from_text(&"k".repeat(64));
    let store = Store::open(&path, key()).unwrap();
    let one = [(Kind::Mail, "ana@example.com".to_owned(), wishes(&[]))];
    store.bring(&one, 10, second(0)).unwrap();
    // Beside a server that runs.
    let second_one = Store::open(&path, key()).unwrap();
    assert_eq!(second_one.counts().unwrap()[0].count, 1);
    drop((store, second_one));
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("PRAGMA user_version = 99").unwrap();
    let refused = Store::open(&path, key())
        .err()
        .expect("refused")
        .to_string();
    assert!(
        refused.contains("99") && refused.contains("newer"),
        "{refused}"
    );
}

#[test]
fn a_file_of_an_earlier_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let open = || Store::open(&path, Key::from_text(&"k".repeat(64))).unwrap();
    let brings = |store: &Store, addresses: &[&str]| {
        let many = addresses.iter();
        let many = many.map(|one| (Kind::Mail, (*one).to_owned(), wishes(&[])));
        let many: Vec<_> = many.collect();
        store.bring(&many, 3, second(0)).unwrap()
    };
    brings(&open(), &["ana@example.com", "bea@example.com"]);
    // What version 1 did not have.
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch(
        "DROP TRIGGER subscriber_came; DROP TRIGGER subscriber_turned;
         DROP TRIGGER subscriber_left; DROP TABLE headcount; PRAGMA user_version = 1",
    )
    .unwrap();
    drop(raw);
    let store = open();
    assert_eq!(store.counts().unwrap()[0].count, 2);
    let brought = brings(&store, &["cem@example.com", "dan@example.com"]);
    assert!(matches!(brought[..], [Brought::New(_), Brought::Full]));
    assert_eq!(store.counts().unwrap(), there_are(&path));
}

#[test]
fn what_waits_for_long_is_no_news_and_given_up() {
    let place = Place::new(settings());
    place.bring("one@example.com", wishes(&[]));
    place.queue(&login_down(7));
    let mut now = second(8);
    let mut tries = 0;
    while let [due] = &taken(&place, now)[..] {
        tries += 1;
        said(&place, due, Verdict::Later("451 greylisted".into()), now);
        now = time::after(now, Duration::from_secs(1800));
    }
    assert!((20..30).contains(&tries), "{tries}");
    assert_eq!(place.own.store().words(1).unwrap()[0].failed, 1);
    assert_eq!(
        place.own.store().counts().unwrap()[0].standing,
        Standing::Active
    );
}

#[test]
fn planned_work_goes_to_who_wants_only_that_and_to_everybody_else_of_its_functions() {
    use evenkeel_core::ids::MaintenanceId;
    use evenkeel_core::maintenance::{
        MaintenanceNews, MaintenanceStatus, MaintenanceWord, Stretch,
    };
    let place = Place::new(settings());
    let planned = Wishes {
        maintenance_only: true,
        ..wishes(&["login"])
    };
    place.bring("planned@example.com", planned);
    place.bring("all@example.com", wishes(&[]));
    place.bring("quotes@example.com", wishes(&["quotes"]));
    let said = |number: u64, news, status| {
        let mut message = login_down(number);
        message.incident = None;
        message.body = Body::Maintenance(Box::new(MaintenanceWord {
            maintenance: MaintenanceId(5),
            news,
            status,
            when: Stretch {
                from: second(90_000),
                until: second(97_200),
            },
            components: BTreeMap::from([("login".into(), Status::UnderMaintenance)]),
            text: None,
        }));
        message
    };
    let announced = said(7, MaintenanceNews::Announced, MaintenanceStatus::Scheduled);
    assert_eq!(place.queue(&announced), Some(2));
    let word = place.word(&announced);
    assert_eq!(word.path(Language::German), "/de/maintenance/MW-5");
    for language in Language::ALL {
        let words = crate::public::words::Words::of(language);
        assert!(word.title(words).contains("Login"), "{}", word.title(words));
        let said: Vec<String> = word.paragraphs(words).into_iter().map(|p| p.text).collect();
        // Danish writes them with a dot.
        let said = said[0].replace("12.06", "12:06").replace("14.06", "14:06");
        assert!(said.contains("12:06") && said.contains("14:06"), "{said}");
    }
    // What was not sent of it yet is told as it is by then.
    let moved = said(9, MaintenanceNews::Moved, MaintenanceStatus::Scheduled);
    assert_eq!(place.queue(&moved), Some(2));
    assert_eq!(place.own.store().words(2).unwrap()[1].superseded, 2);
}
