//! Evenkeel's journey through the real back office: what a customer does from logging in
//! to logging out, and what it says when one function is ill while the front page answers.
//!
//! It needs the back office's program, which `cargo build --workspace --bins` makes.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::observation::CheckOutcome;
use evenkeel_drill::Scratch;
use evenkeel_drill::browser::Login;
use evenkeel_drill::postgres::{Postgres, Settings};
use evenkeel_drill::process::Process;
use evenkeel_guards::checks::{
    Body, Capture, CheckSpec, Journey, Probe, Secret, StatusSet, Step, Template, Trust, try_once,
};

const CSRF: &str = "regex name=\"csrf\" value=\"([^\"]+)\"";

const PATIENCE: Duration = Duration::from_secs(60);

/// A seeded back office on a PostgreSQL of its own.
struct Office {
    // In the order in which they end.
    _server: Process,
    address: String,
    admin: String,
    users: Vec<Login>,
    postgres: Postgres,
    _folder: Scratch,
}

impl Office {
    async fn open() -> Self {
        let postgres = Postgres::start(Settings::default()).await.unwrap();
        postgres.create("office").await.unwrap();
        let folder = Scratch::new("office").unwrap();
        let mut seed = command(&postgres, &["seed", "--tenants", "1", "--users"]);
        seed.arg(folder.join("users.csv"));
        let mut seed = Process::start("seed", seed, folder.path()).unwrap();
        let status = seed.wait(PATIENCE).await.unwrap();
        assert!(status.success(), "{}", seed.tail());
        let users = std::fs::read_to_string(folder.join("users.csv")).unwrap();
        let serve = ["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let server = Process::start("serve", command(&postgres, &serve), folder.path()).unwrap();
        let line = async |words| server.wait_for_line(words, PATIENCE).await.unwrap();
        let address = line("listening on http://").await;
        let admin = line("faults on http://").await;
        Self {
            _server: server,
            address,
            admin,
            users: Login::list(&users),
            postgres,
            _folder: folder,
        }
    }

    /// Makes it ill: with a check, too, which can PUT.
    async fn faults(&self, json: &str) {
        let mut put = page("", &format!("http://{}", self.admin));
        put.method = "PUT".parse().unwrap();
        put.body = Body::Text(Template::parse(json));
        let account = try_once(&check(vec![put], Vec::new())).await;
        assert_eq!(account.result.outcome, CheckOutcome::Passed, "{account:?}");
    }
}

fn command(postgres: &Postgres, arguments: &[&str]) -> Command {
    let own = std::env::current_exe().unwrap();
    let programs = own.parent().and_then(|deps| deps.parent()).unwrap();
    let program = programs.join("backoffice");
    assert!(
        program.exists(),
        "{} is not there: cargo build --workspace --bins",
        program.display()
    );
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(postgres.environment("office", "office"));
    command
}

fn check(steps: Vec<Step>, secrets: Vec<(String, Secret)>) -> CheckSpec {
    let probe = Probe::Journey(Journey {
        steps,
        secrets,
        trust: Arc::new(Trust::of_browsers()),
    });
    let mut spec = CheckSpec::new("it".into(), probe);
    spec.timeout = Duration::from_secs(30);
    spec
}

fn page(name: &str, url: &str) -> Step {
    let mut step = Step::get(url);
    step.name = name.into();
    step
}

fn form(name: &str, url: &str, fields: &[(&str, &str)]) -> Step {
    let mut step = page(name, url);
    step.method = "POST".parse().unwrap();
    let fields = fields.iter();
    let fields = fields.map(|(name, value)| ((*name).to_owned(), Template::parse(value)));
    step.body = Body::Form(fields.collect());
    step
}

fn journey(office: &Office) -> CheckSpec {
    let user = &office.users[0];
    let open = page("open", &format!("http://{}/login", office.address));
    let mut log_in = form(
        "log in",
        "/login",
        &[("email", &user.email), ("password", "{password}")],
    );
    log_in.captures = vec![Capture::parse("csrf", CSRF).unwrap()];
    let mut create = form(
        "write a quote",
        "/quotes",
        &[
            ("customer", "{unique}"),
            ("subject", "A check"),
            ("issued_on", "2026-03-31"),
            ("net_cents", "1.00"),
            ("status", "draft"),
            ("csrf", "{csrf}"),
        ],
    );
    create.status = StatusSet::parse("303").unwrap();
    create.captures = vec![Capture::parse("quote", "header location").unwrap()];
    let mut read = page("read it", "{quote}");
    read.contains = vec![Template::parse("{unique}")];
    let mut delete = form("delete it", "{quote}/delete", &[("csrf", "{csrf}")]);
    delete.always = true;
    let mut log_out = form("log out", "/logout", &[("csrf", "{csrf}")]);
    log_out.always = true;
    check(
        vec![open, log_in, create, read, delete, log_out],
        vec![("password".into(), Secret(user.password.clone()))],
    )
}

#[tokio::test]
async fn a_journey_passes_and_leaves_nothing_behind() {
    let office = Office::open().await;
    let database = office.postgres.connect("postgres", "office", "test");
    let database = database.await.unwrap();
    let quotes = async || -> i64 {
        let row = database.query_one("select count(*) from quotes", &[]).await;
        row.unwrap().get(0)
    };
    let before = quotes().await;
    let account = try_once(&journey(&office)).await;
    assert_eq!(
        account.result.outcome,
        CheckOutcome::Passed,
        "{:?}",
        account.story
    );
    assert_eq!(quotes().await, before);
    let sessions = database
        .query_one("select count(*) from sessions", &[])
        .await;
    assert_eq!(sessions.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_function_that_is_ill_is_named_while_the_front_page_answers() {
    let office = Office::open().await;
    for (faults, step) in [
        ("{\"failing\": [\"login\"]}", "log in"),
        ("{\"failing\": [\"quotes\"]}", "write a quote"),
        ("{\"vanished\": [\"quotes\"]}", "write a quote"),
    ] {
        office.faults(faults).await;
        let front = page("", &format!("http://{}/login", office.address));
        let front = check(vec![front], Vec::new());
        let front = try_once(&front).await;
        assert_eq!(front.result.outcome, CheckOutcome::Passed, "{faults}");
        let account = try_once(&journey(&office)).await;
        let CheckOutcome::Failed { step: Some(at), .. } = &account.result.outcome else {
            panic!("{faults}: {account:?}");
        };
        assert_eq!(at, step, "{faults}: {account:?}");
    }
}
