//! Starting an instance afresh: by its unit, by a command, by its own hook.
//!
//! What a way says of itself is a hint only: whether the instance was restarted is seen by
//! its process ([`super::recycle`]).

use std::path::Path;
use std::time::Duration;

use hyper::Method;

use super::web::{Ask, exchange};
use super::{Restart, command};
use crate::evidence::blotted_command;

/// What is looked at of the answer to a hook, bytes.
const BODY_MAX: usize = 64 * 1024;

impl Restart {
    /// Does it.
    ///
    /// # Errors
    /// What did not go as it should; the instance may be restarted all the same.
    pub(super) async fn make(&self, systemctl: &Path, patience: Duration) -> Result<(), String> {
        match self {
            Self::Unit(unit) => {
                let mut arguments = vec!["--no-ask-password", "restart", "--"];
                if unit.is_of_user() {
                    arguments.insert(0, "--user");
                }
                let name = unit.to_string();
                arguments.push(&name);
                let ended = command::run(systemctl, &arguments, patience).await?;
                if ended.status.success() {
                    return Ok(());
                }
                let said = ended.said();
                let denied = ["authentication required", "Access denied", "not authorized"];
                let hint = match denied.iter().any(|text| said.contains(text)) {
                    true => {
                        "; let polkit allow Evenkeel's user to restart this unit (the guide on \
                         leaks has the rule), or run the instance as a user_unit"
                    }
                    false => "",
                };
                Err(format!(
                    "`{self}` ended with {}, {said}{hint}",
                    ended.status
                ))
            }
            Self::Command(words) => {
                let Some((program, arguments)) = words.split_first() else {
                    return Err("recycle_command is empty".into());
                };
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let ended = command::run(Path::new(program), &arguments, patience).await?;
                match ended.status.success() {
                    true => Ok(()),
                    false => Err(format!(
                        "`{self}` ended with {}, {}",
                        ended.status,
                        ended.said()
                    )),
                }
            }
            Self::Hook(address) => {
                let ask = Ask {
                    method: Method::POST,
                    host: address.host(),
                    port: address.port(),
                    authority: address.authority(),
                    path: address.path(),
                    patience,
                    body_max: BODY_MAX,
                };
                match exchange(&ask, |_| {}).await {
                    Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
                    Ok(answer) => Err(format!("{self} was answered with {}", answer.status)),
                    Err(why) => Err(format!("{self}: {why}")),
                }
            }
        }
    }

    /// What starts an instance that is stopped, for a sentence that says "start it with".
    pub(super) fn start_hint(&self) -> String {
        match self {
            Self::Unit(unit) => format!("`{}`", unit.typed("start")),
            Self::Command(_) => format!("`{self}`, or as it is usually started"),
            Self::Hook(_) => "what usually starts it: its hook is down with it".into(),
        }
    }
}

impl std::fmt::Display for Restart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unit(unit) => f.write_str(&unit.typed("restart")),
            Self::Command(words) => f.write_str(&blotted_command(words).join(" ")),
            Self::Hook(address) => write!(f, "POST {address}"),
        }
    }
}
