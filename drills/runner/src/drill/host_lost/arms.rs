//! The host with its network, and who speaks elsewhere, by arm.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::VALID_S;
use super::elsewhere::{Place, Web};
use crate::Scratch;
use crate::drill::Arm;
use crate::drill::outside::chain;
use crate::drill::scene::sibling;
use crate::drill::service::Service;
use crate::process::Process;
use crate::proxy::{Fault, FaultProxy};

const PATIENCE: Duration = Duration::from_secs(30);

/// What a careful engineer's script does: a check every ten seconds, two in a row that count
/// either way, and a static page that is put in place whole.
const SCRIPT: &str = include_str!("peers.sh");

/// The host that is lost: everything that goes in or out passes a proxy.
pub(super) struct Host {
    keeper: Option<Process>,
    /// From Evenkeel to the service, within the host.
    pub(super) inside: FaultProxy,
    /// From outside to the service, and to Evenkeel's page.
    door: FaultProxy,
    page: Option<FaultProxy>,
    /// From Evenkeel to the rest of the world.
    out: Vec<FaultProxy>,
    references: [Web; 2],
    folder: Scratch,
    witness_key: Option<String>,
    keeper_key: Option<String>,
}

impl Host {
    pub(super) async fn start(
        service: &Service,
        places: &[Place; 2],
        arm: Arm,
    ) -> Result<Self, String> {
        let proxy = async |to| FaultProxy::start(to).await.map_err(|error| chain(&error));
        let office = service
            .group("web")
            .first()
            .ok_or("there is no front end")?;
        let folder = Scratch::new("host-lost").map_err(|error| chain(&error))?;
        let references = [Web::always().await?, Web::always().await?];
        let mut host = Self {
            keeper: None,
            inside: proxy(office.address).await?,
            door: proxy(office.address).await?,
            page: None,
            out: Vec::new(),
            references,
            folder,
            witness_key: None,
            keeper_key: None,
        };
        if arm == Arm::Peers {
            return Ok(host);
        }
        let mut uplinks = Vec::new();
        for to in [host.references[0].address, host.references[1].address] {
            host.out.push(proxy(to).await?);
        }
        for place in places {
            let uplink = proxy(place.ssh()).await?;
            uplinks.push(uplink.address());
            host.out.push(uplink);
        }
        let own = [host.out[0].address(), host.out[1].address()];
        let mut text = configuration("keeper", host.inside.address(), own, places[0].address());
        text.push_str("[operator]\nlisten = \"127.0.0.1:0\"\n\n");
        if arm == Arm::With {
            // The witness's key is made first, so that the keeper knows it.
            let witness = host.config(
                "witness",
                "data_dir = \"witness\"\n[[component]]\nid = \"x\"\nname = \"X\"\n",
            )?;
            host.witness_key = Some(signing_key(&witness).await?);
            let page = format!(
                "[page]\nwitness_key = \"{}\"\n",
                host.witness_key.as_deref().unwrap_or_default()
            );
            text = text.replacen("[page]\n", &page, 1);
            for (id, (place, uplink)) in ["first", "second"].iter().zip(places.iter().zip(&uplinks))
            {
                text.push_str(&place.section(id, *uplink)?);
            }
        }
        let config = host.config("keeper", &text)?;
        if arm == Arm::With {
            host.keeper_key = Some(signing_key(&config).await?);
        }
        let keeper = started("keeper", "serve", &config, host.folder.path())?;
        let said = keeper
            .wait_for_line("public page: http://", PATIENCE)
            .await
            .map_err(|error| chain(&error))?;
        let address = said.trim_end_matches('/').parse();
        let address = address.map_err(|_| format!("`{said}` is no address"))?;
        host.page = Some(proxy(address).await?);
        host.keeper = Some(keeper);
        Ok(host)
    }

    /// Evenkeel's own page, as it is seen from outside.
    pub(super) fn page(&self) -> SocketAddr {
        self.page
            .as_ref()
            .map_or(self.door.address(), FaultProxy::address)
    }

    fn network(&self) -> impl Iterator<Item = &FaultProxy> {
        self.out.iter().chain(&self.page).chain([&self.door])
    }

    /// Nothing goes in or out any more; nothing is refused either.
    pub(super) fn lose(&self) {
        self.network().for_each(|proxy| proxy.set(Fault::Stall));
    }

    /// All is as it was.
    pub(super) fn find(&self) {
        self.network().for_each(|proxy| proxy.set(Fault::None));
    }

    /// Whether what runs on it still does.
    pub(super) fn well(&self) -> Result<(), String> {
        running(self.keeper.as_ref())
    }

    fn config(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.folder.join(format!("{name}.toml"));
        std::fs::write(&path, text).map_err(|error| chain(&error))?;
        Ok(path)
    }
}

/// Who speaks while the host is lost.
pub(super) struct Speaker(Option<Process>);

impl Speaker {
    pub(super) async fn start(host: &Host, places: &[Place; 2], arm: Arm) -> Result<Self, String> {
        let direct = [host.references[0].address, host.references[1].address];
        Ok(Self(match arm {
            Arm::Without => None,
            Arm::With => {
                let door = host.door.address();
                let mut text = configuration("witness", door, direct, places[0].address());
                text.push_str(&format!(
                    "[witness]\nkeeper = \"http://{}\"\nkey = \"{}\"\nsilent_after = \"10s\"\n\n",
                    host.page(),
                    host.keeper_key.as_deref().unwrap_or_default()
                ));
                for (id, place) in ["first", "second"].iter().zip(places) {
                    text.push_str(&place.section(id, place.ssh())?);
                }
                let config = host.config("witness", &text)?;
                let witness = started("witness", "witness", &config, host.folder.path())?;
                witness
                    .wait_for_line("public key: ", PATIENCE)
                    .await
                    .map_err(|error| chain(&error))?;
                Some(witness)
            }
            Arm::Peers => {
                let script = host.folder.join("peers.sh");
                std::fs::write(&script, SCRIPT).map_err(|error| chain(&error))?;
                let mut command = Command::new("sh");
                command
                    .arg(&script)
                    .env("SERVICE", format!("http://{}/login", host.door.address()))
                    .env("FIRST", places[0].folder())
                    .env("SECOND", places[1].folder());
                let script = Process::start("peers", command, host.folder.path());
                Some(script.map_err(|error| chain(&error))?)
            }
        }))
    }

    pub(super) fn well(&self) -> Result<(), String> {
        running(self.0.as_ref())
    }
}

fn running(process: Option<&Process>) -> Result<(), String> {
    match process.filter(|process| !process.is_running()) {
        Some(ended) => Err(format!("it ended: {}", ended.tail())),
        None => Ok(()),
    }
}

fn started(name: &str, verb: &str, config: &Path, folder: &Path) -> Result<Process, String> {
    let mut command = Command::new(sibling("evenkeel")?);
    command.arg("--config").arg(config).arg(verb);
    let process = Process::start(name, command, folder).map_err(|error| chain(&error))?;
    Ok(process.stopped_by(Signal::TERM, Duration::from_secs(10)))
}

async fn signing_key(config: &Path) -> Result<String, String> {
    let mut command = tokio::process::Command::new(sibling("evenkeel")?);
    command.arg("--config").arg(config).arg("signing-key");
    let output = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await;
    let output = output
        .map_err(|_| "evenkeel signing-key gave no answer".to_owned())?
        .map_err(|error| chain(&error))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// What keeper and witness are told alike: what there is, how it is asked, and by what they
/// doubt themselves.
fn configuration(
    name: &str,
    office: SocketAddr,
    references: [SocketAddr; 2],
    url: SocketAddr,
) -> String {
    let mut text = format!(
        r#"data_dir = "{name}"

[page]
listen = "127.0.0.1:0"
name = "Back office"
url = "http://{url}"
copies_valid_for = "{VALID_S}s"

# A drill is over before two quiet minutes are.
[incidents]
settle = "3s"

[[component]]
id = "login"
name = "Login"

[[check]]
id = "login"
kind = "http"
url = "http://{office}/login"
components = ["login"]
harm = "major_outage"
interval = "2s"
retry_interval = "1s"
timeout = "2s"

"#
    );
    for (id, address) in ["one", "two"].iter().zip(references) {
        text.push_str(&format!(
            "[[check]]\nid = \"somebody-{id}\"\nkind = \"http\"\nurl = \"http://{address}/\"\n\
             reference = true\ninterval = \"3s\"\nretry_interval = \"1s\"\ntimeout = \"2s\"\n\n"
        ));
    }
    text
}
