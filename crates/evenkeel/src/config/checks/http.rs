//! Requests of checks: `kind = "http"`, and `[[check.step]]` of a journey.

use std::collections::BTreeSet;

use evenkeel_guards::checks::{
    Body, Capture, JsonClaim, Secret, StatusSet, Step, Template, UNIQUE, is_name,
};
use hyper::Method;
use hyper::header::HeaderName;

use super::super::names::those;
use super::super::reader::{At, Report, Section};
use super::super::secrets::first_line;

/// The most steps of a journey: each is a request to your service, every interval.
const STEPS_MAX: usize = 50;

/// The methods that make sense in a check.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// Headers whose value is a secret.
const SECRET_HEADERS: [&str; 5] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "x-auth-token",
];

/// `secret_files`: the secrets by their names.
pub(super) fn secrets(section: &mut Section<'_>, report: &mut Report<'_>) -> Vec<(String, Secret)> {
    let Some(given) = section.map(report, "secret_files") else {
        return Vec::new();
    };
    let mut secrets = Vec::new();
    for (name, path) in given.value {
        if !named(&name, &given.at, report) {
            continue;
        }
        let path = At {
            value: report.folder.join(path),
            at: given.at.clone(),
        };
        // One that cannot be read is told, and is known by its name all the same.
        let line = first_line(path, report).map_or_else(String::new, |line| line.value);
        secrets.push((name, Secret(line)));
    }
    secrets
}

fn named(name: &str, at: &std::ops::Range<usize>, report: &mut Report<'_>) -> bool {
    let good = is_name(name) && name != UNIQUE;
    if !good {
        let what = match name {
            UNIQUE => "`unique` is there already: a text no other journey has".to_owned(),
            _ => format!("`{name}` cannot stand in {{ }}"),
        };
        report.error(
            at,
            what + "; use letters, digits and `_`, beginning with a letter",
        );
    }
    good
}

/// The one request of `kind = "http"`.
pub(super) fn single(
    section: &mut Section<'_>,
    secrets: &[(String, Secret)],
    report: &mut Report<'_>,
) -> Option<Step> {
    let known = known(secrets);
    let url = section.required(report, "url");
    let mut step = request(section, url.as_ref(), report);
    let text = section.text(report, "body");
    if let Some(text) = text {
        step.body = Body::Text(Template::parse(&text.value));
        bodiless(&step, &text.at, report);
    }
    let url = url?;
    if site(&step, &url, report) && step.site().is_none() {
        wrong_url(&url, report);
    }
    uses(&step, &known, &url.at, report);
    Some(step)
}

/// `[[check.step]]`.
pub(super) fn steps(
    section: &mut Section<'_>,
    secrets: &[(String, Secret)],
    report: &mut Report<'_>,
) -> Option<Vec<Step>> {
    let sections = section.many(report, "step", "[check.step]");
    if sections.is_empty() {
        report.error(
            &section.at,
            "this journey has no [[check.step]]: name its requests, in order",
        );
    }
    if sections.len() > STEPS_MAX {
        let what = format!("this journey has {} steps", sections.len());
        report.error(&section.at, format!("{what}; at most {STEPS_MAX} are made"));
    }
    let mut known = known(secrets);
    let count = sections.len();
    let mut steps = Vec::new();
    let mut names = BTreeSet::new();
    for (number, mut section) in sections.into_iter().enumerate() {
        let name = section.required(report, "name");
        let url = section.required(report, "url");
        let mut step = request(&mut section, url.as_ref(), report);
        body(&mut section, &mut step, report);
        step.always = section.yes_no(report, "always").unwrap_or(false);
        let captures = section.map(report, "capture");
        if let Some(url) = &url {
            let is_link = url.value.starts_with(['/', '{', '?']);
            if !(is_link && number > 0) && site(&step, url, report) && step.site().is_none() {
                wrong_url(url, report);
            }
            uses(&step, &known, &url.at, report);
        }
        for (name, from) in captures.iter().flat_map(|at| &at.value) {
            let at = captures
                .as_ref()
                .map_or(section.at.clone(), |at| at.at.clone());
            if !named(name, &at, report) {
                continue;
            }
            if secrets.iter().any(|(secret, _)| secret == name) {
                report.error(
                    &at,
                    format!("`{name}` is a secret; capture it under another name"),
                );
            }
            match Capture::parse(name, from) {
                Ok(capture) => step.captures.push(capture),
                Err(why) => report.error(&at, format!("`{name}`: {why}")),
            }
            known.insert(name.clone());
        }
        section.finish(report);
        let (Some(name), Some(_)) = (name, url) else {
            continue;
        };
        if !names.insert(name.value.clone()) {
            report.error(&name.at, format!("there are two steps `{}`", name.value));
        }
        step.name = name.value;
        steps.push(step);
    }
    (steps.len() == count && count > 0).then_some(steps)
}

fn known(secrets: &[(String, Secret)]) -> BTreeSet<String> {
    let secrets = secrets.iter().map(|(name, _)| name.clone());
    secrets.chain([UNIQUE.to_owned()]).collect()
}

/// What requests of both have.
fn request(section: &mut Section<'_>, url: Option<&At<String>>, report: &mut Report<'_>) -> Step {
    let mut step = Step::get(url.map_or("", |url| url.value.as_str()));
    if let Some(given) = section.text(report, "method") {
        match METHODS.iter().find(|method| method.as_str() == given.value) {
            Some(method) => step.method = method.clone(),
            None => {
                let names: Vec<&str> = METHODS.iter().map(Method::as_str).collect();
                let what = format!("`{}` is no method; write one of ", given.value);
                report.error(&given.at, what + &names.join(", "));
            }
        }
    }
    step.headers = headers(section, report);
    if let Some(given) = section.text(report, "status") {
        match StatusSet::parse(&given.value) {
            Ok(status) => step.status = status,
            Err(why) => {
                report.error(
                    &given.at,
                    why + "; write for example status = \"200-299, 304\"",
                );
            }
        }
    }
    for given in section.list(report, "json") {
        match JsonClaim::parse(&given.value) {
            Ok(claim) => step.json.push(claim),
            Err(why) => report.error(&given.at, why),
        }
    }
    for (key, texts) in [
        ("contains", &mut step.contains),
        ("not_contains", &mut step.not_contains),
    ] {
        for given in section.list(report, key) {
            if given.value.is_empty() {
                report.error(&given.at, format!("an empty text in `{key}` says nothing"));
            }
            texts.push(Template::parse(&given.value));
        }
    }
    if let Some(given) = section.number(report, "redirects", 0..=20) {
        step.redirects_max = u32::try_from(given.value).unwrap_or_default();
    }
    if let Some(given) = section.number(report, "body_max", 1024..=16 << 20) {
        step.body_max = usize::try_from(given.value).unwrap_or_default();
    }
    step
}

fn headers(section: &mut Section<'_>, report: &mut Report<'_>) -> Vec<(HeaderName, Template)> {
    let Some(given) = section.map(report, "headers") else {
        return Vec::new();
    };
    let mut headers = Vec::new();
    for (name, value) in given.value {
        let template = Template::parse(&value);
        let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
            report.error(&given.at, format!("`{name}` is no header"));
            continue;
        };
        if value.chars().any(char::is_control) {
            report.error(
                &given.at,
                format!("`{name}` has a value that no header can carry"),
            );
        }
        let is_secret = SECRET_HEADERS.contains(&header.as_str());
        if is_secret && template.names().next().is_none() {
            report.error(
                &given.at,
                format!(
                    "what stands in the header `{name}` is a secret: put it into a file, name that in \
                     secret_files = {{ token = \"FILE\" }}, and write {{token}} here"
                ),
            );
        }
        headers.push((header, template));
    }
    headers
}

/// A form or a text.
fn body(section: &mut Section<'_>, step: &mut Step, report: &mut Report<'_>) {
    let form = section.map(report, "form");
    let text = section.text(report, "body");
    if let (Some(form), Some(text)) = (&form, &text)
        && !form.value.is_empty()
    {
        report.error(&text.at, "a step sends a `form` or a `body`, not both");
    }
    if let Some(text) = text {
        step.body = Body::Text(Template::parse(&text.value));
        bodiless(step, &text.at, report);
    }
    let Some(form) = form.filter(|form| !form.value.is_empty()) else {
        return;
    };
    let mut fields = Vec::new();
    for (name, value) in form.value {
        let template = Template::parse(&value);
        let lower = name.to_ascii_lowercase();
        let is_secret = ["password", "passwd", "passwort", "secret"]
            .iter()
            .any(|word| lower.contains(word));
        if is_secret && template.names().next().is_none() && !value.is_empty() {
            report.error(
                &form.at,
                format!(
                    "what stands in the field `{name}` is a secret: put it into a file, name that in \
                     secret_files = {{ password = \"FILE\" }}, and write {{password}} here"
                ),
            );
        }
        fields.push((name, template));
    }
    step.body = Body::Form(fields);
    bodiless(step, &form.at, report);
}

fn bodiless(step: &Step, at: &std::ops::Range<usize>, report: &mut Report<'_>) {
    if matches!(step.method, Method::GET | Method::HEAD) {
        let what = format!("{} sends nothing along, as servers see it", step.method);
        report.warn(at, what + "; write method = \"POST\"");
    }
}

/// Whether the address has no password in it; says so where it has one.
fn site(step: &Step, url: &At<String>, report: &mut Report<'_>) -> bool {
    let beginning = step.url.source();
    let host = beginning.split_once("://").map(|(_, rest)| rest);
    let host = host.and_then(|rest| rest.split(['/', '?', '#']).next());
    let has_password = host.is_some_and(|host| host.contains('@'));
    if has_password {
        report.error(
            &url.at,
            "a name or password does not belong into the address; send a header, with the secret in \
             a file of secret_files",
        );
    }
    !has_password
}

fn wrong_url(url: &At<String>, report: &mut Report<'_>) {
    report.error(
        &url.at,
        format!(
            "`{}` does not begin with http:// or https:// and a host; write for example url = \
             \"https://app.example.com/login\"",
            url.value
        ),
    );
}

/// Says which names nobody has filled by then.
fn uses(
    step: &Step,
    known: &BTreeSet<String>,
    at: &std::ops::Range<usize>,
    report: &mut Report<'_>,
) {
    let mut told = BTreeSet::new();
    for name in step.names() {
        if !known.contains(name) && told.insert(name) {
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            report.error(
                at,
                format!(
                    "nothing before this is captured as `{name}`{}",
                    those(&names)
                ),
            );
        }
    }
}
