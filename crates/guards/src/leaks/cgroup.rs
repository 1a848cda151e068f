//! What a process's control groups allow it: the lowest limit on the way up, because that
//! one is met first.
//!
//! Both hierarchies are read (`cgroups(7)`): version 2 in one tree, version 1 in one for
//! each controller. What lies outside our own view of the tree is left out.

use std::fs;
use std::path::{Path, PathBuf};

use procfs::process::Process;

/// Version 1 says "none" with a number near the largest (`PAGE_COUNTER_MAX`).
const NO_LIMIT: u64 = 1 << 60;

/// What is allowed; `None` where nothing limits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Allowed {
    /// Bytes of memory.
    pub(super) memory: Option<u64>,
    /// Tasks: threads of all processes.
    pub(super) tasks: Option<u64>,
}

/// A mounted hierarchy.
#[derive(Debug, Clone)]
struct Mount {
    /// Controllers; empty for version 2.
    controllers: Vec<String>,
    at: PathBuf,
    root: String,
}

/// What the control groups of `pid` allow.
pub(super) fn allowed(pid: i32) -> Allowed {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    allowed_by(&groups, &mounts())
}

fn mounts() -> Vec<Mount> {
    let mounts = Process::myself().and_then(|me| me.mountinfo());
    let mounts = mounts.map(|mounts| mounts.0).unwrap_or_default();
    let mounts = mounts.into_iter();
    mounts
        .filter(|mount| matches!(mount.fs_type.as_str(), "cgroup" | "cgroup2"))
        .map(|mount| Mount {
            controllers: match mount.fs_type.as_str() {
                "cgroup2" => Vec::new(),
                _ => mount.super_options.into_keys().collect(),
            },
            at: mount.mount_point,
            root: mount.root,
        })
        .collect()
}

fn allowed_by(groups: &str, mounts: &[Mount]) -> Allowed {
    let mut allowed = Allowed::default();
    let lower = |known: &mut Option<u64>, found: Option<u64>| {
        *known = (*known).into_iter().chain(found).min();
    };
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let has = |name: &str| controllers.split(',').any(|one| one == name);
        let is_two = controllers.is_empty();
        if is_two || has("memory") {
            let file = if is_two {
                "memory.max"
            } else {
                "memory.limit_in_bytes"
            };
            let name = if is_two { "" } else { "memory" };
            lower(&mut allowed.memory, lowest(mounts, name, path, file));
        }
        if is_two || has("pids") {
            let name = if is_two { "" } else { "pids" };
            lower(&mut allowed.tasks, lowest(mounts, name, path, "pids.max"));
        }
    }
    allowed
}

/// The lowest limit in `file` from the group at `path` up to where the hierarchy begins.
fn lowest(mounts: &[Mount], controller: &str, path: &str, file: &str) -> Option<u64> {
    let mount = mounts.iter().find(|mount| match controller {
        "" => mount.controllers.is_empty(),
        _ => mount.controllers.iter().any(|one| one == controller),
    })?;
    let below = match mount.root.as_str() {
        "/" => path,
        root => path.strip_prefix(root)?,
    };
    // A group outside of our own namespace shows as a way up.
    if below.split('/').any(|part| part == "..") {
        return None;
    }
    let leaf = mount.at.join(below.trim_start_matches('/'));
    let groups = leaf.ancestors().take_while(|at| at.starts_with(&mount.at));
    groups.filter_map(|group| limit(&group.join(file))).min()
}

fn limit(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let limit: u64 = text.trim().parse().ok()?;
    (limit < NO_LIMIT).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, file: &str, text: &str) {
        let file = root.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn mount(root: &Path, at: &str, controllers: &[&str], inside: &str) -> Mount {
        Mount {
            controllers: controllers.iter().map(|one| (*one).to_owned()).collect(),
            at: root.join(at),
            root: inside.into(),
        }
    }

    #[test]
    fn the_lowest_limit_on_the_way_up_holds() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "two/app.slice/memory.max", "400\n");
        write(root, "two/app.slice/web.service/memory.max", "max\n");
        write(root, "two/app.slice/web.service/pids.max", "77\n");
        let mounts = [mount(root, "two", &[], "/")];
        let found = allowed_by("0::/app.slice/web.service\n", &mounts);
        assert_eq!(found.memory, Some(400));
        assert_eq!(found.tasks, Some(77));
    }

    #[test]
    fn version_one_is_read_and_its_none_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(
            root,
            "memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        );
        write(root, "memory/web/memory.limit_in_bytes", "512\n");
        write(root, "pids/web/pids.max", "max\n");
        let mounts = [
            mount(root, "memory", &["rw", "memory"], "/docker"),
            mount(root, "pids", &["rw", "pids"], "/"),
        ];
        let groups = "4:memory:/docker/web\n8:pids:/web\n0::/\n";
        let expected = Allowed {
            memory: Some(512),
            tasks: None,
        };
        assert_eq!(allowed_by(groups, &mounts), expected);
        // Elsewhere in the tree, or beyond our view: nothing is known.
        for groups in [
            "4:memory:/other\n",
            "4:memory:/docker/../../x\n",
            "nonsense",
        ] {
            assert_eq!(allowed_by(groups, &mounts), Allowed::default(), "{groups}");
        }
    }

    #[test]
    fn our_own_groups_are_readable() {
        let _ = allowed(std::process::id().cast_signed());
        assert_eq!(allowed(-1), Allowed::default());
    }
}
