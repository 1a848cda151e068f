//! `[banner]` and `[[group]]`: who is told in the application that they are affected.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;

use super::reader::{At, Report, Section};
use super::secrets::{readable, secret};
use super::settings::Kind;
use crate::web::public::settings::Banner;

/// A shorter key can be guessed from a ticket, and with it every tenant's.
const KEY_MIN: usize = 32;

/// Groups, and tenants in one: every visitor reads a mark of 15 bytes for each.
const GROUPS_MAX: usize = 100;
const TENANTS_MAX: usize = 2000;

/// A file of as many names; the longest in use have some hundred bytes.
const FILE_MAX: u64 = 512 << 10;

pub(super) fn read(root: &mut Section<'_>, report: &mut Report<'_>) -> Banner {
    let mut section = root.below_root(report, "banner");
    let key = secret(&mut section, report, "secret_file");
    let key = key.and_then(|given| {
        if given.value.len() < KEY_MIN {
            let what = format!(
                "the key is shorter than {KEY_MIN} bytes and could be guessed; make one with: openssl \
                 rand -hex 32"
            );
            report.error(&given.at, what);
            return None;
        }
        Some(given.value.into_bytes())
    });
    let has_key = key.is_some() || section.has("secret_file");
    section.finish(report);
    let groups = root.many(report, "group", "[group]");
    if groups.len() > GROUPS_MAX {
        let what = format!("there can be {GROUPS_MAX} groups at most");
        report.error(&groups[GROUPS_MAX].at, what);
    }
    if let (Some(first), false) = (groups.first(), has_key) {
        let what = "nobody can be told that they are affected: give [banner] a `secret_file`; make one \
                    with: openssl rand -hex 32";
        report.error(&first.at, what);
    }
    let mut known = BTreeMap::new();
    for group in groups.into_iter().take(GROUPS_MAX) {
        let at = group.at.clone();
        let Some((name, tenants)) = one(group, report) else {
            continue;
        };
        if known.insert(name.clone(), tenants).is_some() {
            report.error(&at, format!("there are two groups `{name}`"));
        }
    }
    Banner {
        key: key.unwrap_or_default(),
        groups: known,
    }
}

fn one(mut section: Section<'_>, report: &mut Report<'_>) -> Option<(String, Vec<String>)> {
    let at = section.at.clone();
    let name = section.required(report, "name");
    let listed = section.list(report, "tenants");
    let mut tenants: BTreeSet<String> = listed.into_iter().map(|at| at.value).collect();
    let path = section.path(report, "tenants_file", Kind::Folder);
    let read = path.map(|path| file(&path, report));
    section.finish(report);
    match read {
        Some(None) => return None,
        Some(Some(names)) => tenants.extend(names),
        None => {}
    }
    tenants.remove("");
    if tenants.is_empty() || tenants.len() > TENANTS_MAX {
        let what = format!(
            "a group has between 1 and {TENANTS_MAX} tenants, by `tenants` or `tenants_file`; this one \
             has {}",
            tenants.len()
        );
        report.error(&at, what);
        return None;
    }
    Some((name?.value, tenants.into_iter().collect()))
}

/// The names in a file, one on each line; none where it cannot be read, which is said.
fn file(path: &At<PathBuf>, report: &mut Report<'_>) -> Option<Vec<String>> {
    let mut text = String::new();
    let file = readable(path, false, report)?;
    if let Err(error) = file.take(FILE_MAX).read_to_string(&mut text) {
        let what = format!(
            "{} cannot be read: {error}; it has to hold a tenant's name on each line",
            path.value.display()
        );
        report.error(&path.at, what);
        return None;
    }
    Some(text.lines().map(|line| line.trim().to_owned()).collect())
}
