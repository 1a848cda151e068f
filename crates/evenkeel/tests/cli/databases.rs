//! `check` and `locks` on a real PostgreSQL.

use evenkeel_drill::postgres::{Postgres, Settings};
use tokio_postgres::Client;

use crate::place::Place;

async fn server() -> (Postgres, Client) {
    let postgres = Postgres::start(Settings::default()).await;
    let postgres = postgres.expect("a server");
    let admin = postgres.connect("postgres", "postgres", "test").await;
    let admin = admin.expect("a session");
    for statement in [
        "create role keeper login",
        "create role shop login",
        "create database shop owner shop",
    ] {
        admin.batch_execute(statement).await.expect(statement);
    }
    (postgres, admin)
}

fn guarding(postgres: &Postgres, mode: &str) -> Place {
    Place::with(&format!(
        "[[component.sessions]]\ndatabase = \"main\"\napplication_name = \"shop*\"\n\
         [[database]]\nid = \"main\"\nport = {}\nuser = \"keeper\"\ndbname = \"shop\"\n\
         [database.locks]\nend_applications = [\"report\"]\n\
         [database.may]\nend_backend = \"{mode}\"\n",
        postgres.port()
    ))
}

/// What `check` says of the databases; empty where all is well.
async fn lacks(place: &Place) -> Vec<String> {
    let told = tokio::task::block_in_place(|| place.run(&["--json", "check"]));
    let value: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let lacks: Vec<String> =
        serde_json::from_value(value["databases"].clone()).expect("a list of texts");
    assert_eq!(told.status.success(), lacks.is_empty(), "{told:?}");
    lacks
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_each_grant_that_is_missing_and_typing_it_helps() {
    let (postgres, admin) = server().await;
    let place = guarding(&postgres, "act");
    let said = lacks(&place).await;
    assert_eq!(said.len(), 2, "{said:?}");
    for lack in said {
        let (_, rest) = lack.split_once('`').expect("a statement to type");
        let (statement, _) = rest.split_once('`').expect("its end");
        admin.batch_execute(statement).await.expect(statement);
    }
    assert_eq!(lacks(&place).await, Vec::<String>::new());

    // More than is needed is told too.
    let watching = guarding(&postgres, "watch");
    let said = lacks(&watching).await;
    assert!(
        said.len() == 1 && said[0].contains("revoke pg_signal_backend"),
        "{said:?}"
    );
    admin
        .batch_execute("alter role keeper superuser")
        .await
        .expect("a superuser");
    let said = lacks(&place).await;
    assert!(said.len() == 1 && said[0].contains("superuser"), "{said:?}");
    // And one that is not there at all, with how to make it.
    admin.batch_execute("drop role keeper").await.expect("gone");
    let said = lacks(&place).await;
    assert!(
        said.len() == 1 && said[0].contains("create role"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_what_the_role_may_and_never_needs_and_typing_it_helps() {
    let (postgres, admin) = server().await;
    admin
        .batch_execute("grant pg_monitor to keeper")
        .await
        .expect("granted");
    let shop = postgres.connect("postgres", "shop", "test").await;
    let shop = shop.expect("a session");
    for statement in [
        "create table orders (id int)",
        "grant insert on orders to keeper",
        "alter role keeper createdb bypassrls",
        "grant pg_write_server_files to keeper",
    ] {
        shop.batch_execute(statement).await.expect(statement);
    }
    let place = guarding(&postgres, "watch");
    let more = || {
        let told = tokio::task::block_in_place(|| place.run(&["--json", "check"]));
        assert!(told.status.success(), "it stands in nobody's way: {told:?}");
        let value: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
        let told = value["rights"].as_array().cloned().unwrap_or_default();
        let of_role = told.iter().filter_map(|told| told.as_str());
        of_role
            .filter(|told| told.starts_with("database main"))
            .map(str::to_owned)
            .collect::<Vec<String>>()
    };
    let said = more();
    assert_eq!(said.len(), 3, "{said:?}");
    for told in said {
        let (_, rest) = told.split_once('`').expect("a statement to type");
        let (statement, _) = rest.split_once('`').expect("its end");
        shop.batch_execute(statement).await.expect(statement);
    }
    assert_eq!(more(), Vec::<String>::new());
    shop.batch_execute("alter table orders owner to keeper")
        .await
        .expect("owned");
    assert!(more()[0].contains("owns public.orders"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_chain_is_shown_and_in_watch_mode_left_alone() {
    let (postgres, admin) = server().await;
    admin
        .batch_execute("grant pg_monitor to keeper")
        .await
        .expect("granted");
    let session = async |name: &str| {
        let opened = postgres.connect("shop", "shop", name).await;
        opened.expect("a session")
    };
    let holder = session("report").await;
    for statement in ["create table orders (id int)", "begin", "lock table orders"] {
        holder.batch_execute(statement).await.expect(statement);
    }
    let mut waiters = Vec::new();
    for name in ["shop-1", "shop-2"] {
        let waiter = session(name).await;
        waiters.push(tokio::spawn(async move {
            waiter.batch_execute("select from orders").await
        }));
    }
    let place = guarding(&postgres, "watch");
    tokio::task::block_in_place(|| {
        let server = place.serve();
        let locks = place.until(&["locks"], |locks| {
            let waiters = locks[0]["chains"][0]["waiters"].as_array();
            waiters.is_some_and(|waiters| waiters.len() == 2)
        });
        let root = &locks[0]["chains"][0]["root"]["session"];
        assert_eq!(root["application_name"], "report", "{locks:#}");
        let said = place.good(&["locks"]);
        assert!(
            said.contains("2 wait for pid") && said.contains("shop-2"),
            "{said}"
        );

        let status = place.until(&["status"], |status| !status["incidents"][0].is_null());
        let id = status["incidents"][0]["id"].as_str().expect("an incident");
        let incident = place.until(&["incidents", id], |incident| {
            incident["actions"][0]["phase"]["phase"] == "withheld"
        });
        assert_eq!(
            incident["actions"][0]["phase"]["why"], "watching",
            "{incident:#}"
        );
        let said = place.good(&["incidents", id]);
        assert!(said.contains("end the session of backend"), "{said}");
        server.stop();
    });
    // Nothing was touched: the holder's transaction is still its own.
    holder
        .batch_execute("commit")
        .await
        .expect("it still holds");
    for waiter in waiters {
        waiter.await.expect("it ran").expect("it was let through");
    }
}
