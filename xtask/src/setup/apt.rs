//! Installing Debian packages, and leaving nothing running.
//!
//! Debian's server packages start what they install, and PostgreSQL's makes a
//! cluster besides. Neither is wanted here: tests start their own on free ports.
//! So while apt works, `policy-rc.d` refuses starts and a file in
//! `createcluster.d` refuses the cluster; both are taken away again, whatever
//! apt did, and a `policy-rc.d` that was there already is left as it is. An SSH
//! server that this brought in is also kept from starting with the machine.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::run;

/// One shell program for root, so that `sudo` is asked once.
const INSTALL: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/evenkeel-setup.conf
had_sshd=no; [ -e /usr/sbin/sshd ] && had_sshd=yes
made_policy=no
put_back() {
    rm -f "$cluster"
    rmdir --ignore-fail-on-non-empty "${cluster%/*}" 2>/dev/null || true
    [ "$made_policy" = no ] || rm -f "$policy"
}
trap put_back EXIT
trap 'exit 130' INT TERM HUP
if [ ! -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
mkdir -p "${cluster%/*}"
echo 'create_main_cluster = false' > "$cluster"
apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 update
apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 \
    install --yes --no-install-recommends "$@"
if [ "$had_sshd" = no ] && [ -e /usr/sbin/sshd ] && command -v systemctl > /dev/null; then
    for unit in ssh.service ssh.socket; do
        systemctl disable "$unit" 2> /dev/null || true
    done
fi
"#;

/// Fetching Chromium over a slow line takes minutes; half an hour is a fault.
const INSTALL_LIMIT: Duration = Duration::from_secs(1800);

pub(super) fn install(packages: &[&str]) -> Result<(), String> {
    if run::on_path(&["apt-get"]).is_none() {
        return Err(format!(
            "there is no apt-get here. Install what Debian calls {} with your package manager, \
             and run cargo xtask setup again.",
            packages.join(", ")
        ));
    }
    let Some(mut shell) = root_shell() else {
        return Err(format!("may not install here. {}", line_to_type(packages)));
    };
    println!("Installing with apt: {}", packages.join(" "));
    shell
        .args(["-c", INSTALL, "setup"])
        .args(packages)
        .stdin(Stdio::null());
    if run::shown(&mut shell, INSTALL_LIMIT)? {
        return Ok(());
    }
    Err(format!(
        "apt did not install everything. {}",
        line_to_type(packages)
    ))
}

fn line_to_type(packages: &[&str]) -> String {
    format!(
        "Type: sudo apt-get update && sudo apt-get install --yes --no-install-recommends {}",
        packages.join(" ")
    )
}

/// `sh` as root: our own where we are root, else through a sudo that asks nothing.
fn root_shell() -> Option<Command> {
    if owner_is_root(Path::new("/proc/self")) {
        return Some(Command::new("sh"));
    }
    run::output_of(Command::new("sudo").args(["-n", "true"])).ok()?;
    let mut sudo = Command::new("sudo");
    sudo.args(["-n", "sh"]);
    Some(sudo)
}

fn owner_is_root(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).is_ok_and(|m| m.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_type_names_every_package() {
        let line = line_to_type(&["postgresql", "chromium"]);
        assert!(line.ends_with("postgresql chromium"), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }

    #[test]
    fn the_install_program_is_valid_shell() {
        let checked = run::output_of(Command::new("sh").args(["-n", "-c", INSTALL]));
        assert_eq!(checked, Ok(String::new()));
    }
}
