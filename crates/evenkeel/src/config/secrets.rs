//! Files that are named and must be there, above all those that hold a secret.

use std::io::Read;
use std::path::PathBuf;

use super::reader::{At, Report, Section};
use super::settings::Kind;

/// What is read of a file that holds a secret, bytes; the longest in use are some hundred.
const SECRET_MAX: u64 = 64 * 1024;

/// The first line of a file that holds a secret.
pub(super) fn secret(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    key: &'static str,
) -> Option<At<String>> {
    let path = secret_path(section, report, key)?;
    first_line(path, report)
}

/// The first line of the file that is named.
pub(super) fn first_line(path: At<PathBuf>, report: &mut Report<'_>) -> Option<At<String>> {
    let file = readable(&path, true, report)?;
    let mut text = String::new();
    match file.take(SECRET_MAX).read_to_string(&mut text) {
        Err(error) => {
            let what = format!("{} cannot be read: {error}", path.value.display());
            report.error(&path.at, what + "; it has to hold one line of text");
            None
        }
        Ok(_) => {
            let line = text.lines().next().unwrap_or_default().trim().to_owned();
            if line.is_empty() {
                let what = format!("{} is empty", path.value.display());
                report.error(&path.at, what + "; write the secret on its first line");
                return None;
            }
            Some(At {
                value: line,
                at: path.at,
            })
        }
    }
}

/// A file that is named and must be there; `is_secret` from others on this host.
pub(super) fn readable(
    path: &At<PathBuf>,
    is_secret: bool,
    report: &mut Report<'_>,
) -> Option<std::fs::File> {
    use std::os::unix::fs::PermissionsExt;
    let shown = path.value.display();
    // A folder can be opened, and cannot be read.
    if path.value.is_dir() {
        let what = format!("{shown} is a folder; name a file");
        report.error(&path.at, what);
        return None;
    }
    let opened = std::fs::File::open(&path.value).and_then(|file| {
        let mode = file.metadata()?.permissions().mode();
        Ok((file, mode))
    });
    match opened {
        Err(error) => {
            let what = format!(
                "{shown} cannot be read: {error}; make the file, and let only the user who runs \
                 Evenkeel read it"
            );
            report.error(&path.at, what);
            None
        }
        Ok((file, mode)) => {
            if is_secret && mode & 0o004 != 0 {
                let what = format!("everyone on this host can read {shown}; chmod 600 it");
                report.warn(&path.at, what);
            }
            Some(file)
        }
    }
}

pub(super) fn secret_path(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    key: &'static str,
) -> Option<At<PathBuf>> {
    section.path(report, key, Kind::Secret)
}
