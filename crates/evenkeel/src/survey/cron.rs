//! Cron's jobs: `/etc/crontab`, `/etc/cron.d/*`, and the crontabs of users that may be
//! read.

use std::path::Path;

use super::{Starter, Work, folder, name_of, read, shown};

/// Who a table's lines run as.
#[derive(Clone, Copy)]
enum User<'a> {
    /// The sixth field says.
    InLine,
    /// The table's owner.
    Owner(&'a str),
}

pub(super) fn jobs(root: &Path, jobs: &mut Vec<Work>, unreadable: &mut Vec<String>) {
    let mut table = |path: &Path, user: User<'_>| {
        let place = format!("/{}", path.strip_prefix(root).unwrap_or(path).display());
        match read(path) {
            Ok(text) => lines(&text, &place, user, jobs),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => unreadable.push(format!("{place} ({})", error.kind())),
        }
    };
    table(&root.join("etc/crontab"), User::InLine);
    for path in folder(&root.join("etc/cron.d")) {
        // Names with a dot are no tables to cron, nor is what editors leave behind.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.contains('.') && !name.ends_with('~') {
            table(&path, User::InLine);
        }
    }
    for spool in ["var/spool/cron/crontabs", "var/spool/cron"] {
        for path in folder(&root.join(spool)) {
            if path.is_file() {
                let owner = path.file_name().unwrap_or_default().to_string_lossy();
                table(&path, User::Owner(&owner));
            }
        }
    }
}

fn lines(text: &str, place: &str, user: User<'_>, jobs: &mut Vec<Work>) {
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        let Some((when, owner, command)) = job(line, user) else {
            continue;
        };
        // What the system brings along guards itself.
        if command.contains("run-parts") || command.contains("e2scrub") {
            continue;
        }
        jobs.push(Work {
            from: format!("{place} line {number}, user {owner}: {when}"),
            name: name_of(command),
            command: shown(command),
            starter: Starter::Cron,
        });
    }
}

/// When, as whom and what; none where the line is no job.
fn job<'a>(line: &'a str, user: User<'a>) -> Option<(String, &'a str, &'a str)> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let fields = if line.starts_with('@') { 1 } else { 5 };
    let mut rest = line;
    let mut when = Vec::new();
    for _ in 0..fields {
        let (field, after) = word(rest)?;
        // An assignment (`MAILTO=ops`), or no table at all.
        let plain = |c: char| c.is_ascii_alphanumeric() || "*/,-@?#~".contains(c);
        if !field.chars().all(plain) {
            return None;
        }
        when.push(field);
        rest = after;
    }
    let owner = match user {
        User::Owner(owner) => owner,
        User::InLine => {
            let (owner, after) = word(rest)?;
            rest = after;
            owner
        }
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let command = rest.trim();
    (!command.is_empty() && owner.chars().all(plain)).then(|| (when.join(" "), owner, command))
}

fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace)?;
    Some((&text[..end], &text[end..]))
}
