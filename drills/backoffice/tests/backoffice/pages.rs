use evenkeel_drill::browser::Browser;

use crate::office::{Office, until};

#[tokio::test]
async fn a_user_logs_in_works_and_logs_out() {
    let office = Office::open().await;
    let mut browser = office.browser();
    assert_eq!(
        browser.get("/invoices").await.unwrap().location.as_deref(),
        Some("/login")
    );

    let mut wrong = office.users[0].clone();
    wrong.password = "guess".to_owned();
    assert_eq!(browser.log_in(&wrong).await.unwrap().status, 401);

    let home = browser.log_in(&office.users[0]).await.unwrap();
    assert_eq!(home.status, 200, "{}", home.body);
    for slug in [
        "invoices",
        "quotes",
        "expenses",
        "appointments",
        "transport",
        "payroll",
        "vat",
        "scanning",
    ] {
        for path in [
            format!("/{slug}"),
            format!("/{slug}/new"),
            format!("/{slug}?q=zzz%25&page=2"),
        ] {
            let page = browser.get(&path).await.unwrap();
            assert_eq!(page.status, 200, "{path}: {}", page.body);
        }
    }

    browser.log_out(&home).await.unwrap();
    assert_eq!(browser.get("/").await.unwrap().status, 303);
}

#[tokio::test]
async fn every_function_creates_shows_and_changes_a_row() {
    let office = Office::open().await;
    let mut browser = office.browser();
    let home = browser.log_in(&office.users[0]).await.unwrap();
    let csrf = home.hidden_field("csrf").unwrap();
    let typed = [
        ("customer", "Café 't Anker"),
        ("supplier", "Café 't Anker"),
        ("employee", "Café 't Anker"),
        ("subject", "Keel"),
        ("category", "Meals"),
        ("place", "Harlingen"),
        ("loading_place", "Harlingen"),
        ("unloading_place", "Esbjerg"),
        ("goods", "Rope"),
        ("weight_kg", "1200"),
        ("plate", "FR-1-AB"),
        ("issued_on", "2026-03-31"),
        ("spent_on", "2026-03-31"),
        ("loads_on", "2026-03-31"),
        ("scanned_on", "2026-03-31"),
        ("period", "2026-03-01"),
        ("period_start", "2026-01-01"),
        ("starts_at", "2026-03-31T14:30"),
        ("net_cents", "1 000,00"),
        ("gross_cents", "1.000,00"),
        ("price_cents", "1000"),
        ("title", "Café 't Anker"),
        ("body", "Café 't Anker\nTotal 1000.00"),
    ];
    for (slug, first, then, shows) in [
        ("invoices", "draft", "sent", "210.00"),
        ("quotes", "draft", "accepted", "2026-05-15"),
        ("expenses", "submitted", "approved", "173.55"),
        ("appointments", "planned", "done", "2026-03-31 14:30"),
        ("transport", "planned", "loaded", "1200 kg"),
        ("payroll", "calculated", "paid", "670.00"),
        ("vat", "open", "filed", "2026-01-01"),
        ("scanning", "recognised", "booked", "1\u{202f}000.00"),
    ] {
        let mut form = typed.to_vec();
        form.extend([("status", first), ("csrf", csrf)]);
        let made = browser.post(&format!("/{slug}"), &form).await.unwrap();
        assert_eq!(made.status, 303, "{slug}: {}", made.body);
        let path = made.location.unwrap();
        let page = browser.get(&path).await.unwrap();
        assert!(
            page.body.contains(shows),
            "{slug} lacks {shows}: {}",
            page.body
        );

        let changed = browser
            .post(&path, &[("status", then), ("csrf", csrf)])
            .await
            .unwrap();
        assert_eq!(changed.status, 303, "{slug}: {}", changed.body);
        let badge = format!("data-status=\"{then}\"");
        assert!(
            browser.get(&path).await.unwrap().body.contains(&badge),
            "{slug}"
        );
    }

    let forged = browser.post("/quotes", &[("csrf", "no")]).await.unwrap();
    assert_eq!(forged.status, 403);
    let unusable = browser
        .post("/quotes", &[("csrf", csrf), ("customer", "X")])
        .await
        .unwrap();
    assert_eq!(unusable.status, 422);
}

#[tokio::test]
async fn a_user_of_one_tenant_never_sees_or_changes_rows_of_another() {
    let office = Office::open().await;
    let database = office.database().await;
    let mut browser = office.browser();
    let home = browser.log_in(&office.users[0]).await.unwrap();
    let csrf = home.hidden_field("csrf").unwrap();
    for (slug, table, status) in [
        ("invoices", "invoices", "paid"),
        ("quotes", "quotes", "declined"),
        ("expenses", "expenses", "approved"),
        ("appointments", "appointments", "cancelled"),
        ("transport", "transport_orders", "loaded"),
        ("payroll", "payslips", "calculated"),
        ("vat", "vat_returns", "open"),
        ("scanning", "documents", "checked"),
    ] {
        let rows = database
            .query(
                &format!("select id, tenant_id = 1 from {table} where tenant_id in (1, 2) and status <> $1 order by id"),
                &[&status],
            )
            .await
            .unwrap();
        let (mut own, mut others) = (0, 0);
        for row in &rows {
            let path = format!("/{slug}/{}", row.get::<_, i64>(0));
            let page = browser.get(&path).await.unwrap();
            if row.get(1) {
                own += 1;
                assert_eq!(page.status, 200, "own {path}");
                continue;
            }
            others += 1;
            assert_eq!(page.status, 404, "other tenant's {path}");
            let changed = browser
                .post(&path, &[("status", status), ("csrf", csrf)])
                .await
                .unwrap();
            assert_eq!(changed.status, 404, "change of other tenant's {path}");
        }
        assert!(own > 0 && others > 0, "{table} proves nothing");
        let foreign: i64 = database
            .query_one(
                &format!("select count(*) from {table} where tenant_id = 2 and status <> $1"),
                &[&status],
            )
            .await
            .unwrap()
            .get(0);
        assert_eq!(
            foreign, others,
            "{table}: a status of the other tenant changed"
        );

        // Every row the lists show, page by page, is one of the tenant's own.
        let mut listed = Vec::new();
        for page in 1..20 {
            let body = browser
                .get(&format!("/{slug}?page={page}"))
                .await
                .unwrap()
                .body;
            let link = format!("href=\"/{slug}/");
            let ids = body
                .split(&link)
                .skip(1)
                .filter_map(|rest| rest.split('"').next()?.parse::<i64>().ok());
            let before = listed.len();
            listed.extend(ids);
            if listed.len() == before {
                break;
            }
        }
        let all_own = database
            .query(
                &format!("select id from {table} where tenant_id = 1 order by id"),
                &[],
            )
            .await
            .unwrap();
        listed.sort_unstable();
        let all_own: Vec<i64> = all_own.iter().map(|row| row.get(0)).collect();
        assert_eq!(listed, all_own, "{slug}");
    }
}

#[tokio::test]
async fn fault_switches_make_it_ill_and_well_again() {
    let office = Office::open().await;
    let mut browser = office.browser();
    browser.log_in(&office.users[0]).await.unwrap();

    office
        .faults(r#"{"failing":["expenses"],"vanished":["quotes"],"slow_ms":{"vat":150},"heavy_query_rows":1000,"lock_session":true}"#)
        .await;
    assert_eq!(browser.get("/expenses").await.unwrap().status, 500);
    assert_eq!(browser.get("/quotes").await.unwrap().status, 404);
    let home = browser.get("/").await.unwrap();
    assert!(!home.body.contains("/quotes") && home.body.contains("/invoices"));
    let asked = std::time::Instant::now();
    assert_eq!(browser.get("/vat").await.unwrap().status, 200);
    assert!(asked.elapsed().as_millis() >= 150);
    assert_eq!(
        Browser::new(office.address)
            .get("/healthz")
            .await
            .unwrap()
            .body,
        "ok\n"
    );

    // One slow request of the same user makes the next one wait in the database.
    office
        .faults(r#"{"slow_ms":{"vat":60000},"lock_session":true}"#)
        .await;
    let mut second = office.browser();
    second.log_in(&office.users[0]).await.unwrap();
    let stuck = tokio::spawn(async move { browser.get("/vat").await });
    let database = office.database().await;
    until("the session is locked", async || {
        advisory_locks(&database, true).await == 1
    })
    .await;
    let behind = tokio::spawn(async move { second.get("/invoices").await });
    until("the second request waits", async || {
        advisory_locks(&database, false).await == 1
    })
    .await;
    stuck.abort();
    assert_eq!(behind.await.unwrap().unwrap().status, 200);

    office.faults("{}").await;
    let mut browser = office.browser();
    browser.log_in(&office.users[1]).await.unwrap();
    assert_eq!(browser.get("/quotes").await.unwrap().status, 200);
    let before = office.resident_kib();
    office.faults(r#"{"leak_bytes_per_request":4194304}"#).await;
    for _ in 0..16 {
        browser.get("/invoices").await.unwrap();
    }
    let grown = office.resident_kib().saturating_sub(before);
    assert!(
        grown > 40 << 10,
        "64 MiB leaked, but only {grown} KiB more are resident"
    );
}

async fn advisory_locks(database: &tokio_postgres::Client, granted: bool) -> i64 {
    let count = "select count(*) from pg_locks l join pg_database d on d.oid = l.database \
                 where locktype = 'advisory' and d.datname = current_database() and granted = $1";
    database.query_one(count, &[&granted]).await.unwrap().get(0)
}
