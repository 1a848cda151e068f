//! `[[publish]]`: where copies of the public page go.

use evenkeel_core::ids::TargetId;
use evenkeel_core::policy::Policy;
use evenkeel_guards::sftp::Login;

use super::names::identity;
use super::reader::{At, Report, Section};
use super::secrets::{first_line, readable, secret_path};
use super::settings::Kind as Holds;
use crate::publish::targets::objects::{Bucket, Kind};
use crate::publish::targets::{Place, Spec};

/// Targets of one page; each takes a task and a connection.
const TARGETS_MAX: usize = 16;

/// What may stand before `://`, and what else goes with it.
const SCHEMES: &[(&str, &[&str])] = &[
    ("sftp", &["identity_file", "ssh_config"]),
    ("s3", &["region", "endpoint", "access_key", "secret_file"]),
    ("az", &["endpoint", "secret_file"]),
    ("gs", &["secret_file"]),
];

pub(super) fn read(
    sections: Vec<Section<'_>>,
    policy: &mut Policy,
    report: &mut Report<'_>,
) -> Vec<Spec> {
    let mut specs: Vec<Spec> = Vec::new();
    for (count, mut section) in sections.into_iter().enumerate() {
        let at = section.at.clone();
        if count == TARGETS_MAX {
            let what = format!("the page is published to at most {TARGETS_MAX} places");
            report.error(&at, what);
            break;
        }
        let id = identity(&mut section, report, "target");
        let place = place(&mut section, report);
        section.finish(report);
        let (Some(id), Some(place)) = (id, place) else {
            continue;
        };
        let id = TargetId::from(id.value);
        if !policy.targets.insert(id.clone()) {
            report.error(&at, format!("there are two targets `{id}`"));
            continue;
        }
        specs.push(Spec { id, place });
    }
    specs
}

fn place(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<Place> {
    let to = section.required(report, "to");
    let region = section.text(report, "region");
    let endpoint = section.text(report, "endpoint");
    let access_key = section.text(report, "access_key");
    let secret_file = secret_path(section, report, "secret_file");
    let identity_file = section.path(report, "identity_file", Holds::Folder);
    let ssh_config = section.path(report, "ssh_config", Holds::Folder);
    let to = to?;
    let (scheme, rest) = match to.value.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None => ("", to.value.as_str()),
    };
    let wanted = match SCHEMES.iter().find(|(known, _)| *known == scheme) {
        Some((_, wanted)) => *wanted,
        None if scheme.is_empty() => &[],
        None => {
            let what = format!(
                "`{scheme}://` is no place the page can go; write a folder, sftp://, s3://, az:// or gs://"
            );
            report.error(&to.at, what);
            return None;
        }
    };
    let given = [
        ("region", region.as_ref().map(|at| &at.at)),
        ("endpoint", endpoint.as_ref().map(|at| &at.at)),
        ("access_key", access_key.as_ref().map(|at| &at.at)),
        ("secret_file", secret_file.as_ref().map(|at| &at.at)),
        ("identity_file", identity_file.as_ref().map(|at| &at.at)),
        ("ssh_config", ssh_config.as_ref().map(|at| &at.at)),
    ];
    for (key, at) in given {
        if let Some(at) = at.filter(|_| !wanted.contains(&key)) {
            let what = format!("`{key}` is not used with `{}`", to.value);
            report.warn(at, what);
        }
    }
    for (file, is_secret) in [(&identity_file, true), (&ssh_config, false)] {
        if let Some(file) = file {
            readable(file, is_secret, report);
        }
    }
    let endpoint = endpoint.and_then(|at| checked_endpoint(at, report));
    if scheme.is_empty() {
        return Some(Place::Folder(report.folder.join(rest)));
    }
    let incomplete = |report: &mut Report<'_>, example: &str| {
        let what = format!("`{}` is incomplete; write for example {example}", to.value);
        report.error(&to.at, what);
    };
    if scheme == "sftp" {
        let (login, folder) = rest.split_once('/').unwrap_or((rest, ""));
        if login
            .rsplit_once('@')
            .is_some_and(|(user, _)| user.contains(':'))
        {
            // Not shown: what is written there is a secret.
            report.error(
                &to.at,
                "a password does not belong into the address, and `ssh` takes none; name a key in \
                 `identity_file`",
            );
            return None;
        }
        let made = login_of(
            login,
            identity_file.map(|at| at.value),
            ssh_config.map(|at| at.value),
        );
        let Some(login) = made.filter(|_| !folder.is_empty()) else {
            incomplete(report, "sftp://status@web.example.com/srv/status");
            return None;
        };
        return Some(Place::Sftp {
            login,
            folder: format!("/{folder}"),
        });
    }
    let mut parts = rest.splitn(if scheme == "az" { 3 } else { 2 }, '/');
    let mut part = || parts.next().unwrap_or_default().to_owned();
    let account = (scheme == "az").then(&mut part);
    let (name, prefix) = (part(), part());
    if name.is_empty() || account.as_ref().is_some_and(String::is_empty) {
        let example = match account {
            Some(_) => "az://account/container",
            None => "s3://status-example",
        };
        incomplete(report, example);
        return None;
    }
    // A bucket that anybody can write to would be anybody's page.
    let lacks = |report: &mut Report<'_>, keys: &str| {
        let what = format!("nothing is published to `{}` without {keys}", to.value);
        report.error(&to.at, what);
    };
    let Some(secret_file) = secret_file else {
        let keys = if scheme == "s3" {
            "`access_key` and `secret_file`"
        } else {
            "`secret_file`"
        };
        lacks(report, keys);
        return None;
    };
    let kind = match account {
        Some(account) => Kind::Azure {
            account,
            key: first_line(secret_file, report)?.value,
        },
        None if scheme == "gs" => {
            readable(&secret_file, true, report)?;
            Kind::Google {
                service_account: secret_file.value,
            }
        }
        None => {
            let Some(access_key) = access_key else {
                lacks(report, "`access_key`");
                return None;
            };
            Kind::S3 {
                region: region.map_or_else(|| "us-east-1".into(), |at| at.value),
                key: access_key.value,
                secret: first_line(secret_file, report)?.value,
            }
        }
    };
    Some(Place::Objects(Bucket {
        kind,
        name,
        prefix,
        endpoint,
    }))
}

fn checked_endpoint(endpoint: At<String>, report: &mut Report<'_>) -> Option<String> {
    let is_plain = endpoint.value.starts_with("http://");
    let uri = endpoint.value.parse::<hyper::Uri>().ok();
    let Some(host) = uri.as_ref().and_then(|uri| uri.host()) else {
        let what = format!(
            "`{}` is no address; write for example endpoint = \"https://s3.example.net\"",
            endpoint.value
        );
        report.error(&endpoint.at, what);
        return None;
    };
    let is_near = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if is_plain && !is_near {
        report.warn(
            &endpoint.at,
            "without https:// anybody on the way can put other words into the page",
        );
    }
    Some(endpoint.value)
}

fn login_of(
    text: &str,
    identity_file: Option<std::path::PathBuf>,
    ssh_config: Option<std::path::PathBuf>,
) -> Option<Login> {
    let (user, host) = match text.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, text),
    };
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => {
            (host, Some(port.parse().ok().filter(|port| *port > 0)?))
        }
        _ => (host, None),
    };
    let host = host.trim_matches(['[', ']']);
    // What begins with a dash would be an option of `ssh`.
    if host.is_empty() || host.starts_with('-') {
        return None;
    }
    Some(Login {
        host: host.to_owned(),
        port,
        user: user.map(str::to_owned),
        identity_file,
        ssh_config,
    })
}
