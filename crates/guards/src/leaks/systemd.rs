//! Units of systemd, through `systemctl`: which process is theirs, and starting it afresh.
//!
//! `systemctl` and not D-Bus: it is what an operator types to see the same, it knows the
//! way to the system's and to a user's manager, and polkit asks the same question.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::command;

/// How long the manager may take to answer a question.
const ASK_PATIENCE: Duration = Duration::from_secs(3);

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unit {
    name: String,
    of_user: bool,
}

impl Unit {
    /// A unit of the system's manager, `unit`, or where `of_user` of the manager of the
    /// user Evenkeel runs as, `user_unit`.
    ///
    /// # Errors
    /// It is no name of a service, for the operator.
    pub fn new(name: &str, of_user: bool) -> Result<Self, String> {
        // systemd.unit(5); without patterns, which systemctl would spread out.
        let plain = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        let fits = !name.is_empty()
            && name.len() <= 255
            && !name.starts_with('-')
            && name.chars().all(plain);
        if !fits {
            return Err(format!(
                "`{name}` is no unit; write for example unit = \"web@1.service\""
            ));
        }
        let name = match name.rsplit_once('.') {
            Some((_, "service")) => name.to_owned(),
            Some((_, "socket" | "target" | "timer" | "slice" | "scope" | "mount" | "path")) => {
                return Err(format!(
                    "`{name}` is no service, and has no process to look at"
                ));
            }
            _ => format!("{name}.service"),
        };
        Ok(Self { name, of_user })
    }

    /// Whether it is of the user's own manager.
    pub(super) fn is_of_user(&self) -> bool {
        self.of_user
    }

    /// What an operator types to do `verb` to it.
    pub(super) fn typed(&self, verb: &str) -> String {
        match self.of_user {
            true => format!("systemctl --user {verb} {}", self.name),
            false => format!("systemctl {verb} {}", self.name),
        }
    }
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// What the manager knows of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// Its main process, where it has one.
    pub(super) main_pid: Option<i32>,
    /// `ActiveState`.
    pub(super) active: String,
    /// Whether it is known at all.
    pub(super) is_loaded: bool,
}

/// What the managers know of `units`, or why not: one question for each manager.
pub(super) async fn states(
    systemctl: &Path,
    units: &[Unit],
) -> BTreeMap<Unit, Result<State, String>> {
    let mut states = BTreeMap::new();
    for of_user in [false, true] {
        let asked: Vec<&Unit> = units.iter().filter(|u| u.of_user == of_user).collect();
        if asked.is_empty() {
            continue;
        }
        match ask(systemctl, &asked, of_user).await {
            Ok(found) => {
                let found = found.into_iter().map(Ok);
                states.extend(asked.into_iter().cloned().zip(found));
            }
            Err(why) => {
                let why = asked
                    .into_iter()
                    .map(|unit| (unit.clone(), Err(why.clone())));
                states.extend(why);
            }
        }
    }
    states
}

async fn ask(systemctl: &Path, units: &[&Unit], of_user: bool) -> Result<Vec<State>, String> {
    let mut arguments = vec![
        "--no-pager",
        "--property=MainPID,ActiveState,LoadState",
        "show",
    ];
    if of_user {
        arguments.insert(0, "--user");
    }
    arguments.push("--");
    arguments.extend(units.iter().map(|unit| unit.name.as_str()));
    let ended = command::run(systemctl, &arguments, ASK_PATIENCE).await?;
    if !ended.status.success() {
        let hint = match of_user {
            true => "; does the user's manager run (loginctl enable-linger USER)?",
            false => "; does systemd run here?",
        };
        return Err(format!("systemctl show: {}{hint}", ended.said()));
    }
    let states = read(&ended.output);
    match states.len() == units.len() {
        true => Ok(states),
        false => Err(format!(
            "systemctl show: asked about {} units, it answered about {}",
            units.len(),
            states.len()
        )),
    }
}

/// The blocks of `systemctl show`, in the order of the units asked about.
fn read(output: &str) -> Vec<State> {
    let blocks = output
        .split("\n\n")
        .filter(|block| !block.trim().is_empty());
    let block = |block: &str| {
        let value = |name: &str| {
            let mut lines = block.lines().filter_map(|line| line.split_once('='));
            let found = lines.find(|(key, _)| key.trim() == name);
            found.map_or("", |(_, value)| value.trim()).to_owned()
        };
        State {
            main_pid: value("MainPID").parse().ok().filter(|pid| *pid > 0),
            active: value("ActiveState"),
            is_loaded: value("LoadState") == "loaded",
        }
    };
    blocks.map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_services_are_taken_and_nothing_else() {
        for (name, taken) in [
            ("web@1.service", Some("web@1.service")),
            ("web@1", Some("web@1.service")),
            ("web.example", Some("web.example.service")),
            ("web.socket", None),
            ("--now", None),
            ("web*", None),
            ("a b", None),
            ("", None),
            ("../x", None),
        ] {
            let unit = Unit::new(name, false).ok().map(|unit| unit.to_string());
            assert_eq!(unit.as_deref(), taken, "{name}");
        }
        let unit = Unit::new("web", true).unwrap();
        assert_eq!(unit.typed("start"), "systemctl --user start web.service");
    }

    #[test]
    fn states_are_read_block_by_block() {
        let output = "MainPID=412\nLoadState=loaded\nActiveState=active\n\n\
                      MainPID=0\nLoadState=not-found\nActiveState=inactive\n";
        let states = read(output);
        assert_eq!(states.len(), 2);
        assert_eq!(states[0].main_pid, Some(412));
        assert!(states[0].is_loaded && states[0].active == "active");
        assert_eq!((states[1].main_pid, states[1].is_loaded), (None, false));
        assert_eq!(
            read("garbage"),
            vec![State {
                main_pid: None,
                active: String::new(),
                is_loaded: false
            }]
        );
        assert!(read("").is_empty());
    }
}
