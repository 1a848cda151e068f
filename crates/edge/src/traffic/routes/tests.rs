use std::time::Duration;

use evenkeel_core::edge::Criticality;
use proptest::prelude::*;

use super::*;

/// A route by `methods hosts paths`, each with commas, `-` for all.
fn route(line: &str) -> Route {
    let mut parts = line.split_whitespace();
    let mut list = || match parts.next() {
        None | Some("-") => Vec::new(),
        Some(part) => part.split(',').map(str::to_owned).collect(),
    };
    let (methods, hosts, paths) = (list(), list(), list());
    Route {
        id: line.into(),
        component: None,
        hosts: hosts.iter().map(|host| Pattern::new(host)).collect(),
        paths,
        methods,
        pool: "web".into(),
        criticality: Criticality::Normal,
        concurrency_max: None,
        timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(30),
        body_max: 1,
    }
}

fn found<'r>(lines: &'r [&str], method: &str, host: &str, path: &str) -> Option<&'r str> {
    let routes: Vec<Route> = lines.iter().map(|line| route(line)).collect();
    let method = method.parse().unwrap();
    let route = Routes::new(&routes).find(&method, host, &normal(path));
    route.map(|route| lines[route])
}

#[test]
fn the_most_specific_route_wins() {
    let lines = [
        "- - -",
        "- - /api",
        "GET - /api",
        "- - /api/v2/invoices",
        "- - /api/*/invoices",
        "- - /login$",
        "- - /login",
        "- app.example.com -",
        "- app.example.com /api",
        "- *.example.com /api/v2",
        "- *.eu.example.com /api",
        "- shop-*.example.com /api/v2/x",
    ];
    for (method, host, path, expected) in [
        ("GET", "other", "/", "- - -"),
        ("GET", "other", "/apis", "- - -"),
        ("POST", "other", "/api", "- - /api"),
        ("POST", "other", "/api/", "- - /api"),
        ("GET", "other", "/api/v1", "GET - /api"),
        ("GET", "other", "/api/v2/invoices/7", "- - /api/v2/invoices"),
        ("GET", "other", "/api/v3/invoices", "- - /api/*/invoices"),
        ("GET", "other", "/login", "- - /login$"),
        ("GET", "other", "/login/", "- - /login$"),
        ("GET", "other", "/login/x", "- - /login"),
        ("GET", "app.example.com", "/login", "- app.example.com -"),
        (
            "GET",
            "APP.example.com:443",
            "/api/v2",
            "- app.example.com /api",
        ),
        ("GET", "app.example.com.", "/x", "- app.example.com -"),
        ("GET", "b.example.com", "/api/v2", "- *.example.com /api/v2"),
        ("GET", "b.example.com", "/api", "GET - /api"),
        (
            "GET",
            "b.eu.example.com",
            "/api/v1",
            "- *.eu.example.com /api",
        ),
        (
            "GET",
            "b.eu.example.com",
            "/api/v2",
            "- *.example.com /api/v2",
        ),
        (
            "GET",
            "shop-1.example.com",
            "/api/v2/x",
            "- shop-*.example.com /api/v2/x",
        ),
        ("GET", "example.com", "/api/v2/q", "GET - /api"),
    ] {
        let found = found(&lines, method, host, path);
        assert_eq!(found, Some(expected), "{method} {host} {path}");
    }
}

#[test]
fn where_nothing_fits_there_is_no_route() {
    let lines = ["GET app /a", "- app /b$"];
    for (method, host, path) in [
        ("POST", "app", "/a"),
        ("GET", "other", "/a"),
        ("GET", "app", "/b/c"),
        ("GET", "app", "/"),
    ] {
        assert_eq!(found(&lines, method, host, path), None);
    }
}

#[test]
fn no_way_of_writing_a_path_slips_past_a_more_specific_route() {
    let lines = ["- - -", "- - /admin", "- - /admin/users$"];
    for path in [
        "/admin/x",
        "//admin/x",
        "/./admin/x",
        "/%2e/admin/x",
        "/x/../admin/x",
        "/x/%2e%2E/admin/x",
        "/x/.%2e/admin/x",
        "/x/..%2fadmin/x",
        "/x/..%5cadmin\\x",
        "\\admin\\x",
        "/%61dmin/x",
        "/adm%69n/x",
        "/admin;a=b/x",
        "/x/..;/admin/x",
        "/x/..;a=b/admin;q/x",
        "/../../admin/x",
        "/admin%2fx",
        "/admin/users/..",
        "./admin/",
    ] {
        assert_eq!(
            found(&lines, "GET", "", path),
            Some("- - /admin"),
            "{path} is {}",
            normal(path)
        );
    }
    for path in [
        "/admin/users",
        "/admin/users/",
        "/admin//users/.",
        "/admin/%75sers",
    ] {
        assert_eq!(
            found(&lines, "GET", "", path),
            Some("- - /admin/users$"),
            "{path}"
        );
    }
    for path in [
        "/",
        "",
        "*",
        "/administrator",
        "/%2561dmin",
        "/admin/..",
        "/%zz/admin",
        "/%",
    ] {
        assert_eq!(found(&lines, "GET", "", path), Some("- - -"), "{path}");
    }
}

#[test]
fn a_plain_path_is_not_copied() {
    for path in [
        "/",
        "/api/v2/invoices/2026-11.pdf",
        "/a.b/c_d/~e",
        "*",
        "/x/",
    ] {
        assert!(matches!(normal(path), Cow::Borrowed(_)), "{path}");
    }
}

proptest! {
    #[test]
    fn the_normal_form_is_its_own_and_leaves_the_root_never(path in "[a-c./%\\\\;2eEfF5]{0,24}") {
        let once = normal(&path).into_owned();
        let segments: Vec<&str> = once.split('/').skip(1).collect();
        prop_assert!(segments.iter().all(|segment| *segment != ".."));
        // What is decoded may hold an escape again, which is not decoded twice: only then
        // may a second pass change it.
        if !once.contains('%') && !once.contains(';') {
            prop_assert_eq!(normal(&once).into_owned(), once);
        }
    }

    #[test]
    fn the_tree_chooses_as_trying_every_route_would(
        paths in prop::collection::vec("(/[ab*]){0,3}\\$?", 1..8),
        path in "(/[abc]){0,4}",
    ) {
        let lines: Vec<String> = paths.iter().map(|path| format!("- - {}", if path.is_empty() || path == "$" { "/" } else { path })).collect();
        let routes: Vec<Route> = lines.iter().map(|line| route(line)).collect();
        let asked: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
        let slow = routes.iter().enumerate().filter_map(|(index, route)| {
            let text = &route.paths[0];
            let (text, whole) = text.strip_suffix('$').map_or((text.as_str(), false), |t| (t, true));
            let own: Vec<&str> = text.split('/').filter(|s| !s.is_empty()).collect();
            let long = if whole { own.len() == asked.len() } else { own.len() <= asked.len() };
            let fits = long && own.iter().zip(&asked).all(|(own, asked)| *own == "*" || own == asked);
            let written = own.iter().filter(|own| **own != "*").count();
            fits.then_some((own.len(), whole, written, std::cmp::Reverse(index)))
        }).max().map(|fit| fit.3.0);
        prop_assert_eq!(Routes::new(&routes).find(&Method::GET, "any", &path), slow);
    }
}
