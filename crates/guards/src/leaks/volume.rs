//! How full a file system is, as `df` and `df -i` say it: what only the superuser may use
//! is not there.
//!
//! A file system that hangs (a lost NFS server) holds the thread that asks for ever; so it
//! is asked again only when it has answered.

use std::path::Path;

use evenkeel_core::observation::{Level, Resource};

/// What is used and what there is.
///
/// # Errors
/// Why it cannot be asked, with what to do.
pub(super) fn levels(path: &Path) -> Result<Vec<Level>, String> {
    let found = rustix::fs::statvfs(path).map_err(|error| {
        format!(
            "{} cannot be looked at ({error}); is it mounted, and may Evenkeel see it?",
            path.display()
        )
    })?;
    let used = found.f_blocks.saturating_sub(found.f_bfree);
    let blocks = used.saturating_add(found.f_bavail);
    let mut levels = vec![Level {
        resource: Resource::DiskBytes,
        used: used.saturating_mul(found.f_frsize),
        limit: Some(blocks.saturating_mul(found.f_frsize)),
    }];
    // Some (btrfs, many overlays) make inodes as they need them and say 0.
    if found.f_files > 0 {
        let used = found.f_files.saturating_sub(found.f_ffree);
        levels.push(Level {
            resource: Resource::Inodes,
            used,
            limit: Some(used.saturating_add(found.f_favail)),
        });
    }
    Ok(levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_as_full_as_it_is() {
        let found = levels(Path::new("/")).unwrap();
        let bytes = &found[0];
        assert_eq!(bytes.resource, Resource::DiskBytes);
        assert!(
            bytes
                .limit
                .is_some_and(|limit| limit >= bytes.used && limit > 1 << 20)
        );
    }

    #[test]
    fn what_is_not_there_is_named() {
        let why = levels(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(why.contains("/nowhere/at/all"), "{why}");
    }
}
