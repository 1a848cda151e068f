//! What the edge itself shows and writes: pages, banner, access log.

use evenkeel_core::edge::{Banner, EdgePlan};
use evenkeel_edge::settings::AccessLog;

use crate::world::{OK, Upstream, edge, exchange, get, settings, start};

fn banner() -> EdgePlan {
    EdgePlan {
        revision: 1,
        banner: Some(Banner {
            id: "b1".into(),
            texts: [("en".to_owned(), "Logins are slow".to_owned())].into(),
            link: Some("https://status.example/".into()),
            tenants: [].into(),
        }),
        ..EdgePlan::default()
    }
}

#[tokio::test]
async fn the_banner_stands_in_pages_and_nowhere_else() {
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\netag: x\r\ncontent-length: 27\r\n\r\n\
        <html><body>Hi</body></html>";
    let upstream = Upstream::answering(page.replace("27", "28"));
    let edge = edge(&upstream);
    edge.apply(banner()).await.unwrap();
    let ask = |more: &str| {
        exchange(
            &edge,
            format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{more}\r\n"),
        )
    };
    let html = "accept: text/html\r\naccept-encoding: gzip, br\r\nif-none-match: x\r\n";
    let shown = ask(html);
    assert!(
        shown.contains("<body><div role=\"status\"") && shown.contains("Logins are slow"),
        "{shown}"
    );
    assert!(
        shown.contains("</div>Hi</body></html>") && !shown.contains("etag"),
        "{shown}"
    );
    let seen = upstream.seen().concat();
    assert!(
        seen.contains("accept-encoding: identity\r\n") && !seen.contains("gzip"),
        "{seen}"
    );
    assert!(!seen.contains("if-none-match"), "{seen}");
    assert!(ask("accept: */*\r\n").ends_with("<html><body>Hi</body></html>"));
    let hidden = ask(&format!("{html}cookie: evenkeel-banner=b1\r\n"));
    assert!(hidden.ends_with("<html><body>Hi</body></html>"), "{hidden}");
    let json = exchange(&edge, get("/.evenkeel/banner.json"));
    assert!(json.contains("\"text\":\"Logins are slow\""), "{json}");
    edge.apply(EdgePlan {
        revision: 2,
        ..EdgePlan::default()
    })
    .await
    .unwrap();
    assert!(exchange(&edge, get("/.evenkeel/banner.json")).ends_with("{\"banner\":null}\n"));
}

/// While a banner is shown: what an instance answers, what is asked, and what must be in what
/// the client gets.
#[tokio::test]
async fn what_no_banner_can_be_put_into_goes_through_as_it_is() {
    let html = "accept: text/html\r\naccept-encoding: gzip\r\nrange: bytes=0-3\r\n";
    let cases = [
        // Packed although it was asked not to be: precompressed files.
        (
            "GET",
            "200 OK",
            "content-type: text/html\r\ncontent-encoding: br\r\netag: \"x\"\r\n",
            "PACKED",
        ),
        // A part of a page, although the whole was asked for.
        (
            "GET",
            "206 Partial Content",
            "content-type: text/html\r\ncontent-range: bytes 0-5/9\r\n",
            "<body>",
        ),
        (
            "GET",
            "404 Not Found",
            "content-type: text/html\r\n",
            "<body>",
        ),
        ("GET", "200 OK", "content-type: text/css\r\n", "body{}"),
        // The head of a page is that of the page.
        (
            "HEAD",
            "200 OK",
            "content-type: text/html\r\netag: \"x\"\r\n",
            "",
        ),
    ];
    for (method, status, fields, body) in cases {
        let page = format!("HTTP/1.1 {status}\r\n{fields}content-length: 6\r\n\r\n{body}");
        let upstream = Upstream::answering(page);
        let edge = edge(&upstream);
        edge.apply(banner()).await.unwrap();
        let asked = format!("{method} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{html}\r\n");
        let got = exchange(&edge, asked).to_ascii_lowercase();
        for field in fields.trim_end().split("\r\n") {
            assert!(got.contains(field), "{field}: {got}");
        }
        assert!(got.contains("content-length: 6\r\n"), "{got}");
        let end = format!("\r\n\r\n{}", body.to_ascii_lowercase());
        assert!(got.ends_with(&end) && !got.contains("evenkeel"), "{got}");
        // Only for a page is anything asked for in another way.
        let seen = upstream.seen().concat();
        assert_eq!(seen.contains("range: "), method == "HEAD", "{seen}");
    }
}

#[test]
fn the_log_has_a_line_for_each_request_that_did_not_go_well() {
    let upstream = Upstream::answering(OK);
    let mut settings = settings(&[upstream.address]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("access.log");
    settings.access_log = Some(AccessLog {
        file: Some(file.clone()),
        sample: 10,
    });
    settings.routes[0].hosts = vec![evenkeel_core::policy::Pattern::new("a.example")];
    let edge = start(settings);
    for _ in 0..20 {
        exchange(&edge, get("/path?secret=1"));
    }
    exchange(
        &edge,
        "GET /nowhere HTTP/1.1\r\nhost: else.example\r\nconnection: close\r\n\r\n",
    );
    drop(edge);
    let log = std::fs::read_to_string(file).unwrap();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3, "{log}");
    assert_eq!(lines[0]["path"], "/path");
    assert_eq!(lines[0]["instance"], "web-0");
    assert_eq!(lines[0]["status"], 200);
    assert_eq!(lines[0]["bytes_out"], 2);
    assert_eq!(
        (&lines[2]["what"], &lines[2]["status"]),
        (&"no_route".into(), &404.into())
    );
    let trace = lines[0]["trace"].as_str().unwrap();
    assert!(
        upstream.seen().concat().contains(trace),
        "the service knows the trace"
    );
    assert!(!log.contains("secret"), "{log}");
}
