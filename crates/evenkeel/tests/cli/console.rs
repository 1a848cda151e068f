//! The console as a browser meets it: who gets in, what a form needs, what is kept of it.

use evenkeel::web::operator;
use serde_json::Value;

use crate::browser::{Browser, location, token};
use crate::place::Place;

const JOB: &str = "[[job]]\nid = \"export\"\ncommand = [\"sh\", \"-c\", \"echo done\"]\n";

/// Waits until the audit has all of these, as `who what about`.
fn audited(place: &Place, wanted: &[&str]) {
    place.until(&["journal", "tail", "-n", "200"], |entries| {
        let acts = acts(entries);
        wanted
            .iter()
            .all(|act| acts.iter().any(|known| known.ends_with(act)))
    });
}

fn acts(entries: &Value) -> Vec<String> {
    let acts = entries.as_array().expect("entries").iter();
    acts.filter(|entry| entry["kind"] == "person_acted")
        .map(|entry| {
            let body = &entry["body"];
            let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("by"), text("act"), text("about"))
        })
        .collect()
}

#[test]
fn nothing_but_what_is_listed_answers_without_a_login() {
    let place = Place::with(JOB);
    let server = place.serve();
    let mut nobody = Browser::of(&server.operator);
    for (path, _) in operator::routes() {
        let path = path.replace(['{', '}'], "x");
        let answer = nobody.send("GET", &path, "");
        if operator::OPEN.contains(&path.as_str()) {
            assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        } else if path == "/live" {
            // A script asks, and no page.
            assert!(answer.starts_with("HTTP/1.1 401"), "{path}: {answer}");
        } else {
            let to = location(&answer).unwrap_or_default();
            assert!(to.starts_with("/login"), "{path}: {answer}");
        }
        let answer = nobody.send("POST", &path, "order=hold_actions&reason=x");
        let refused = ["HTTP/1.1 401", "HTTP/1.1 403", "HTTP/1.1 405"];
        assert!(
            refused.iter().any(|is| answer.starts_with(is)),
            "{path}: {answer}"
        );
    }
    let elsewhere = nobody.send("GET", "/no/such/page", "");
    assert!(location(&elsewhere).is_some_and(|to| to.starts_with("/login")));
    // Nobody is on the list yet: the login says what to type.
    let page = nobody.get("/");
    assert!(
        page.contains("evenkeel people add NAME --role operator"),
        "{page}"
    );
    server.stop();
}

#[test]
fn an_operator_gives_orders_and_a_viewer_looks() {
    let place = Place::with(JOB);
    let server = place.serve();
    place.let_in("ana", "operator");
    place.let_in("ben", "viewer");

    let mut ana = Browser::of(&server.operator);
    let wrong = ana.try_log_in("ana", "not the password");
    assert!(wrong.starts_with("HTTP/1.1 403"), "{wrong}");
    assert!(wrong.contains("do not belong together"), "{wrong}");
    ana.log_in("ana");
    let asked = ana.post(
        "/authority",
        "/orders",
        "order=hold_actions&reason=looking&back=/authority",
    );
    assert_eq!(location(&asked).as_deref(), Some("/authority"), "{asked}");
    let page = ana.get("/authority");
    assert!(
        page.contains("Actions are held: nothing that ends something is done"),
        "{page}"
    );
    assert!(
        !ana.get("/authority")
            .contains("role=\"status\">Actions are held:")
    );
    assert_eq!(place.json(&["status"])["held"]["by"], "operator:ana");

    let mut ben = Browser::of(&server.operator);
    ben.log_in("ben");
    let page = ben.get("/authority");
    assert!(
        page.contains("looking") && !page.contains("Release actions"),
        "{page}"
    );
    let refused = ben.post(
        "/authority",
        "/orders",
        "order=release_actions&reason=x&back=/",
    );
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    assert_eq!(place.json(&["status"])["held"]["by"], "operator:ana");

    // An order that cannot be, in words, and nothing is done.
    ana.post("/", "/orders", "order=start_job&job=no-such-job&back=/jobs");
    assert!(ana.get("/jobs").contains("there is no job no-such-job"));
    ana.post("/", "/orders", "order=refuse&action=A-1&reason=+&back=/");
    assert!(ana.get("/").contains("say why"));

    let out = ana.post("/", "/logout", "");
    assert_eq!(location(&out).as_deref(), Some("/login"));
    assert!(ana.cookie("evenkeel").is_none());

    let acts = [
        "operator:ana login_failed ",
        "operator:ana logged_in ",
        "operator:ana ordered hold-actions, because: looking",
        "operator:ben logged_in ",
        "operator:ana logged_out ",
    ];
    audited(&place, &acts);
    let page = ben.get("/audit");
    assert!(page.contains("ordered: hold-actions"), "{page}");
    server.stop();
}

#[test]
fn a_form_from_elsewhere_is_refused() {
    let place = Place::with(JOB);
    let server = place.serve();
    place.let_in("ana", "operator");
    let mut ana = Browser::of(&server.operator);
    ana.log_in("ana");
    let order = "order=hold_actions&reason=x&back=/";
    let without = ana.send("POST", "/orders", order);
    assert!(without.starts_with("HTTP/1.1 403"), "{without}");
    let guessed = ana.send(
        "POST",
        "/orders",
        &format!("csrf={}&{order}", "0".repeat(64)),
    );
    assert!(guessed.starts_with("HTTP/1.1 403"), "{guessed}");
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "http://evil.example"),
        ("origin", "null"),
    ] {
        ana.extra = vec![(name, value.to_owned())];
        let answer = ana.post("/", "/orders", order);
        assert!(answer.starts_with("HTTP/1.1 403"), "{name}: {answer}");
    }
    ana.extra.clear();
    assert_eq!(place.json(&["status"])["held"], Value::Null);

    // Nor is the reader sent elsewhere afterwards.
    let sent = ana.post(
        "/",
        "/orders",
        "order=hold_actions&reason=x&back=//evil.example/",
    );
    assert_eq!(location(&sent).as_deref(), Some("/"), "{sent}");
    // A login needs the token of its own page.
    let mut other = Browser::of(&server.operator);
    let token = token(&other.get("/login"));
    let mut third = Browser::of(&server.operator);
    let body = format!(
        "csrf={token}&name=ana&password={}",
        crate::browser::PASSWORD.replace(' ', "+")
    );
    let answer = third.send("POST", "/login", &body);
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    server.stop();
}

#[test]
fn answers_carry_what_keeps_them_where_they_belong() {
    let place = Place::with(JOB);
    let server = place.serve();
    place.let_in("ana", "operator");
    let mut ana = Browser::of(&server.operator);
    let login = ana.post(
        "/login",
        "/login",
        "name=ana&password=correct+horse+battery",
    );
    let cookie = login
        .lines()
        .find(|line| line.starts_with("set-cookie: evenkeel="));
    let cookie = cookie.expect("a cookie");
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    let page = ana.get("/");
    for said in [
        "cache-control: no-store",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "default-src 'none'",
        "x-content-type-options: nosniff",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("unsafe-inline"));
    let long = ana.post(
        "/",
        "/orders",
        &format!("order=hold_actions&reason={}", "x".repeat(40_000)),
    );
    assert!(long.starts_with("HTTP/1.1 413"), "{long}");
    server.stop();
}

#[test]
fn too_many_failed_logins_wait_and_the_owner_of_the_data_folder_ends_it() {
    let place = Place::with(JOB);
    let server = place.serve();
    place.let_in("ana", "operator");
    let mut guesser = Browser::of(&server.operator);
    let mut last = String::new();
    for _ in 0..8 {
        last = guesser.try_log_in("ana", "not the password");
    }
    assert!(
        last.starts_with("HTTP/1.1 429") && last.contains("retry-after: "),
        "{last}"
    );
    let mut ana = Browser::of(&server.operator);
    assert!(
        ana.try_log_in("ana", crate::browser::PASSWORD)
            .starts_with("HTTP/1.1 429")
    );
    place.good(&["people", "unlock", "ana"]);
    ana.log_in("ana");
    server.stop();
}

#[test]
fn people_are_let_in_and_shut_out_from_the_command_line_with_and_without_a_server() {
    let place = Place::with(JOB);
    place.let_in("ana", "operator");
    let server = place.serve();
    let mut ana = Browser::of(&server.operator);
    ana.log_in("ana");
    assert_eq!(place.json(&["people", "list"])[0]["role"], "operator");
    place.good(&["people", "role", "ana", "viewer"]);
    let refused = ana.post(
        "/authority",
        "/orders",
        "order=hold_actions&reason=x&back=/",
    );
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    place.good(&["people", "remove", "ana"]);
    assert!(location(&ana.send("GET", "/", "")).is_some_and(|to| to.starts_with("/login")));
    let again = place.run(&["people", "remove", "ana"]);
    assert_eq!(again.status.code(), Some(1));

    // The first was done before a server ran, and is told all the same.
    let acts = [
        "person_added ana as operator",
        "person_added ana as viewer",
        "person_removed ana",
    ];
    audited(&place, &acts);
    // A short password is refused, in words.
    let file = place.folder.path().join("short");
    std::fs::write(&file, "short\n").expect("a file");
    let output = place.run(&[
        "people",
        "add",
        "eve",
        "--role",
        "viewer",
        "--password-file",
        file.to_str().expect("a path"),
    ]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("at least 12 letters"),
        "{said}"
    );
    server.stop();
}

#[test]
fn the_journal_is_searched_from_the_console() {
    let place = Place::with(JOB);
    let server = place.serve();
    place.let_in("ana", "operator");
    let mut ana = Browser::of(&server.operator);
    ana.log_in("ana");
    place.good(&["start", "export"]);
    place.until(&["runs"], |runs| runs[0]["ended"]["exit"]["code"] == 0);
    let page = ana.get("/journal?kind=run_ended&subject=job:export");
    assert!(page.contains("it succeeded"), "{page}");
    let none = ana.get("/journal?subject=job:other");
    assert!(none.contains("Nothing like that"), "{none}");
    let until = ana.get("/journal?until=2001-01-01");
    assert!(until.contains("Nothing like that"), "{until}");
    let one = ana.get("/journal/1");
    assert!(one.contains("Entry 1"), "{one}");
    assert!(
        ana.get("/journal?until=nonsense")
            .starts_with("HTTP/1.1 400")
    );
    assert!(ana.get("/journal/999999").starts_with("HTTP/1.1 404"));
    server.stop();
}

#[test]
fn init_lets_the_first_operator_in_where_it_is_given_a_password() {
    let place = Place {
        folder: tempfile::tempdir().expect("a folder"),
    };
    let file = place.folder.path().join("password");
    std::fs::write(&file, format!("{}\n", crate::browser::PASSWORD)).expect("a file");
    let file = file.to_str().expect("a path");
    let said = place.good(&["init", "--operator", "Ana", "--password-file", file]);
    assert!(said.contains("ana can log in"), "{said}");
    let people = place.json(&["people", "list"]);
    assert_eq!(
        (&people[0]["name"], &people[0]["role"]),
        (&"ana".into(), &"operator".into())
    );
    let list = place.folder.path().join("evenkeel-data/people.toml");
    let list = std::fs::read_to_string(list).expect("a list");
    assert!(list.contains("$argon2id$") && !list.contains(crate::browser::PASSWORD));
}
