//! What Evenkeel has and does not need: `evenkeel check` tells it.
//!
//! Evenkeel holds rights to end things. Whoever takes it over holds them too, so it should
//! have no more than the configuration uses. What is told here stands in nobody's way: it
//! is advice, with what to type.

use std::path::Path;

use crate::config::Config;

/// Linux capabilities by number (`capabilities(7)`); those that are named to the operator.
const CAPABILITIES: &[(u8, &str)] = &[
    (0, "CAP_CHOWN"),
    (1, "CAP_DAC_OVERRIDE"),
    (2, "CAP_DAC_READ_SEARCH"),
    (5, "CAP_KILL"),
    (6, "CAP_SETGID"),
    (7, "CAP_SETUID"),
    (10, "CAP_NET_BIND_SERVICE"),
    (12, "CAP_NET_ADMIN"),
    (13, "CAP_NET_RAW"),
    (19, "CAP_SYS_PTRACE"),
    (21, "CAP_SYS_ADMIN"),
    (23, "CAP_SYS_NICE"),
];

/// What the process may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// The effective user.
    pub uid: u32,
    /// The effective capabilities, one bit each.
    pub capabilities: u64,
}

impl Rights {
    /// What this process may do, as the kernel says; none where it does not say.
    pub fn of_this_process() -> Option<Self> {
        let status = procfs::process::Process::myself().ok()?.status().ok()?;
        Some(Self {
            uid: status.euid,
            capabilities: status.capeff,
        })
    }
}

/// What is more than `config` needs, a sentence each with what to do.
pub fn excess(config: &Config, rights: Option<Rights>) -> Vec<String> {
    let mut told = Vec::new();
    if let Some(rights) = rights {
        told.extend(of_process(rights, &needed(config)));
    }
    told.extend(of_files(config));
    told
}

/// Capabilities the configuration has a use for.
fn needed(config: &Config) -> Vec<&'static str> {
    let mut needed = Vec::new();
    let others = |job: &crate::config::Job| job.launch.user.is_some() || job.launch.group.is_some();
    if config.jobs.iter().any(others) {
        // To become another user, and to end what then runs as that user.
        needed.extend(["CAP_SETUID", "CAP_SETGID", "CAP_KILL"]);
    }
    let listens = [
        Some(config.page.listen),
        Some(config.operator.listen),
        config.metrics_listen,
        config.pings.as_ref().map(|pings| pings.listen),
    ];
    if listens
        .into_iter()
        .flatten()
        .any(|at| (1..1024).contains(&at.port()))
    {
        needed.push("CAP_NET_BIND_SERVICE");
    }
    if config
        .jobs
        .iter()
        .any(|job| job.launch.nice.is_some_and(|nice| nice < 0))
    {
        needed.push("CAP_SYS_NICE");
    }
    needed
}

fn of_process(rights: Rights, needed: &[&str]) -> Option<String> {
    if rights.uid == 0 {
        let how = match needed {
            [] => "nothing in the configuration needs that: give it a user of its own".to_owned(),
            needed => format!(
                "a user of its own with AmbientCapabilities={} in its unit is enough",
                needed.join(" ")
            ),
        };
        return Some(format!("Evenkeel runs as root, and {how}"));
    }
    let has = (0..64_u8).filter(|bit| rights.capabilities >> bit & 1 == 1);
    let more: Vec<String> = has
        .map(
            |bit| match CAPABILITIES.iter().find(|(number, _)| *number == bit) {
                Some((_, name)) => (*name).to_owned(),
                None => format!("capability {bit}"),
            },
        )
        .filter(|name| !needed.contains(&name.as_str()))
        .collect();
    (!more.is_empty()).then(|| {
        format!(
            "Evenkeel has {}, which nothing in the configuration needs: take it out of \
             AmbientCapabilities in its unit, or away from the program with `setcap -r`",
            more.join(" ")
        )
    })
}

fn of_files(config: &Config) -> Vec<String> {
    let mut told = Vec::new();
    let data = &config.data_dir;
    if mode(data).is_some_and(|mode| mode & 0o077 != 0) {
        told.push(format!(
            "others on this host can look into {0}, where queries and output are kept: chmod 700 {0}",
            data.display()
        ));
    }
    let file = &config.file;
    if mode(file).is_some_and(|mode| mode & 0o022 != 0) {
        told.push(format!(
            "others on this host can change {0}, and so what Evenkeel runs: chmod go-w {0}",
            file.display()
        ));
    }
    let programs = config.jobs.iter().filter_map(|job| {
        let program = Path::new(job.launch.command.first()?);
        program.is_absolute().then_some((job, program))
    });
    for (job, program) in programs {
        if mode(program).is_some_and(|mode| mode & 0o002 != 0) {
            told.push(format!(
                "everyone on this host can change {0}, which job {1} runs: chmod o-w {0}",
                program.display(),
                job.spec.id
            ));
        }
    }
    told
}

fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(std::fs::metadata(path).ok()?.permissions().mode())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const BASE: &str =
        "[page]\nlisten = \"127.0.0.1:8080\"\n[[component]]\nid = \"a\"\nname = \"A\"\n";

    fn config(folder: &Path, more: &str) -> Config {
        let file = folder.join("evenkeel.toml");
        let text = format!("data_dir = \"data\"\n{BASE}{more}");
        std::fs::write(&file, &text).unwrap();
        Config::read(&text, &file).unwrap()
    }

    fn said(config: &Config, uid: u32, capabilities: u64) -> Vec<String> {
        excess(config, Some(Rights { uid, capabilities }))
    }

    #[test]
    fn root_and_capabilities_are_told_unless_something_needs_them() {
        let folder = tempfile::tempdir().unwrap();
        let plain = config(folder.path(), "");
        assert_eq!(said(&plain, 1000, 0), Vec::<String>::new());
        assert!(said(&plain, 0, !0)[0].contains("a user of its own"));
        let kill = 1 << 5;
        let told = said(&plain, 1000, kill | 1 << 40);
        assert!(told[0].contains("CAP_KILL capability 40"), "{told:?}");

        let job = "[[job]]\nid = \"j\"\ncommand = [\"/bin/true\"]\nuser = \"nobody\"\n";
        let switching = config(folder.path(), job);
        assert_eq!(
            said(&switching, 1000, kill | 1 << 6 | 1 << 7),
            Vec::<String>::new()
        );
        let told = said(&switching, 0, !0);
        assert!(
            told[0].contains("AmbientCapabilities=CAP_SETUID CAP_SETGID CAP_KILL"),
            "{told:?}"
        );
    }

    #[test]
    fn what_others_can_read_or_change_is_told_with_what_to_type() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("export");
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        let job = format!(
            "[[job]]\nid = \"j\"\ncommand = [\"{}\"]\n",
            program.display()
        );
        let config = config(folder.path(), &job);
        std::fs::create_dir(&config.data_dir).unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        for (path, bad, good, what) in [
            (&config.data_dir, 0o750, 0o700, "chmod 700 "),
            (&config.file, 0o664, 0o644, "chmod go-w "),
            (&program, 0o757, 0o755, "chmod o-w "),
        ] {
            set(&config.data_dir, 0o700);
            set(&config.file, 0o640);
            set(&program, 0o755);
            set(path, bad);
            let told = said(&config, 1000, 0);
            let shown = format!("{what}{}", path.display());
            assert!(told.len() == 1 && told[0].ends_with(&shown), "{told:?}");
            set(path, good);
            assert_eq!(said(&config, 1000, 0), Vec::<String>::new());
        }
    }
}
