//! Evenkeel in a drill: its configuration, `evenkeel serve` as a child the way a user
//! starts it, and its command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::outside::chain;
use super::scene::{DATABASE, DELIVERED, Scene, WATCHER, sibling};
use crate::Scratch;
use crate::ftp::FtpServer;
use crate::process::Process;

/// How long `serve` may take to answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Its configuration, in the drill's folder.
const CONFIGURATION: &str = "evenkeel.toml";

/// The job under guard.
pub(super) const EXPORT: &str = "payroll-export";

pub(super) struct Keeper {
    process: Process,
    program: PathBuf,
    config: PathBuf,
    pub(super) page: SocketAddr,
    pub(super) operator: SocketAddr,
}

/// What Evenkeel is told.
pub(super) struct Told {
    /// Whether it may end things, or only watches.
    pub(super) may_act: bool,
    /// Where pages to the operator go.
    pub(super) pager: SocketAddr,
    /// Where the edge listens, if it stands in front.
    pub(super) edge: Option<SocketAddr>,
}

impl Keeper {
    pub(super) async fn start(scene: &Scene, told: &Told) -> Result<Self, String> {
        let password = scene.folder.join("ftp-password");
        std::fs::write(&password, FtpServer::PASSWORD).map_err(|error| chain(&error))?;
        private(&password)?;
        let user = scene.users.last().ok_or("the back office has no users")?;
        let password = scene.folder.join("check-password");
        std::fs::write(&password, &user.password).map_err(|error| chain(&error))?;
        private(&password)?;
        Self::start_with(&scene.folder, &configuration(scene, told)?).await
    }

    /// Starts it with a configuration of its own.
    pub(super) async fn start_with(folder: &Scratch, configuration: &str) -> Result<Self, String> {
        let program = sibling("evenkeel")?;
        let config = folder.join(CONFIGURATION);
        std::fs::write(&config, configuration).map_err(|error| chain(&error))?;
        let mut command = Command::new(&program);
        command.arg("--config").arg(&config).arg("serve");
        let process = Process::start("evenkeel", command, folder.path())
            .map_err(|error| chain(&error))?
            .stopped_by(Signal::TERM, Duration::from_secs(10));
        let page = address(&process, "public page: http://").await?;
        let operator = address(&process, "operator page: http://").await?;
        Ok(Self {
            process,
            program,
            config,
            page,
            operator,
        })
    }

    /// Lets an operator in to the console; the password.
    pub(super) async fn let_in(&self, folder: &Scratch, name: &str) -> Result<String, String> {
        let password = format!("even-keel-{:06}", fastrand::u32(..1_000_000));
        let file = folder.join("operator-password");
        std::fs::write(&file, &password).map_err(|error| chain(&error))?;
        private(&file)?;
        let file = file.to_string_lossy();
        let add = [
            "people",
            "add",
            name,
            "--role",
            "operator",
            "--password-file",
            &*file,
        ];
        self.command(&add).await?;
        Ok(password)
    }

    /// Runs the command line; its standard output.
    pub(super) async fn command(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = tokio::process::Command::new(&self.program);
        command.arg("--config").arg(&self.config).args(arguments);
        command.kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output()).await;
        let output = output
            .map_err(|_| format!("evenkeel {} gave no answer", arguments.join(" ")))?
            .map_err(|error| chain(&error))?;
        if !output.status.success() {
            return Err(format!(
                "evenkeel {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            ));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The same with `--json`, read.
    pub(super) async fn json(&self, arguments: &[&str]) -> Result<Value, String> {
        let text = self.command(&[&["--json"], arguments].concat()).await?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    /// Stops Evenkeel and has it decide everything again; what it tells, also where it
    /// decided otherwise.
    pub(super) async fn replay(mut self) -> Result<Value, String> {
        self.process.stop();
        let mut command = tokio::process::Command::new(&self.program);
        command.arg("--config").arg(&self.config);
        command.args(["--json", "replay"]).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output()).await;
        let output = output
            .map_err(|_| "evenkeel replay gave no answer".to_owned())?
            .map_err(|error| chain(&error))?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let why = String::from_utf8_lossy(&output.stderr);
            format!("evenkeel replay: {}", why.trim())
        })
    }

    /// Starts a command under `evenkeel run`, as another scheduler would.
    pub(super) fn wrapped(
        &self,
        scene: &Scene,
        name: &str,
        words: &[String],
    ) -> Result<Process, String> {
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(&self.config)
            .args(["run", "--job", name, "--"])
            .args(words);
        Process::start(name, command, scene.logs()).map_err(|error| chain(&error))
    }

    /// Its configuration.
    pub(super) fn config(&self) -> &std::path::Path {
        &self.config
    }

    /// Whether it still runs.
    pub(super) fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// The end of its log.
    pub(super) fn log_tail(&self) -> String {
        self.process.tail()
    }
}

async fn address(process: &Process, line: &str) -> Result<SocketAddr, String> {
    let said = process
        .wait_for_line(line, PATIENCE)
        .await
        .map_err(|error| chain(&error))?;
    let said = said.trim_end_matches('/');
    said.parse()
        .map_err(|_| format!("evenkeel answers at `{said}`, which is no address"))
}

fn private(path: &std::path::Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| chain(&error))
}

/// The configuration a user would write for this service, with the drill's addresses.
fn configuration(scene: &Scene, told: &Told) -> Result<String, String> {
    let mode = if told.may_act { "act" } else { "watch" };
    let list = |words: &[String]| serde_json::to_string(words).map_err(|error| error.to_string());
    let port = scene.postgres.port();
    let user = scene.users.last().ok_or("the back office has no users")?;
    let mut text = format!(
        r##"
data_dir = "evenkeel-data"

[page]
listen = "127.0.0.1:0"
name = "Back office"

[operator]
listen = "127.0.0.1:0"

[pager]
url = "http://{pager}/page"

# A drill is over before two quiet minutes are.
[incidents]
settle = "5s"

[[component]]
id = "login"
name = "Login"
needs = ["main"]
[[component.sessions]]
database = "main"
application_name = "backoffice"
query = "*last_login_at*"

[[component]]
id = "payroll"
name = "Payroll"
needs = ["main"]

# What customers do. The outage keeps it waiting with them; it gives up later than
# Evenkeel needs to end the outage.
[[check]]
id = "log-in"
name = "Log in and look at the invoices"
kind = "journey"
components = ["login"]
interval = "10s"
timeout = "10s"
secret_files = {{ password = "check-password" }}
[[check.step]]
name = "log in"
method = "POST"
url = "http://{office}/login"
form = {{ email = "{email}", password = "{{password}}" }}
capture = {{ csrf = 'regex name="csrf" value="([^"]+)"' }}
[[check.step]]
name = "look at the invoices"
url = "/invoices"
contains = ["Invoices"]
[[check.step]]
name = "log out"
method = "POST"
url = "/logout"
form = {{ csrf = "{{csrf}}" }}
always = true

[[database]]
id = "main"
port = {port}
user = "{WATCHER}"
dbname = "{DATABASE}"
[database.may]
end_backend = "{mode}"

[[job]]
id = "{EXPORT}"
command = {command}
database = "main"
env = {{ PGUSER = "{DATABASE}" }}
# Nothing at all for so long is a hang; the harm it does to logins is seen sooner.
stall = "10s"
deadline = "10m"
grace = "2s"
components = ["payroll"]
[job.retry]
budget = 2
backoff = "2s"
[job.product]
url = "ftp://{ftp_user}@{ftp}/{DELIVERED}"
password_file = "ftp-password"
bytes_min = 1000
marker = "# rows=*"
[job.may]
end_run = "{mode}"
"##,
        pager = told.pager,
        office = told.edge.unwrap_or(scene.address),
        email = user.email,
        command = list(&scene.export()?)?,
        ftp_user = FtpServer::USER,
        ftp = scene.ftp.address(),
    );
    if let Some(edge) = told.edge {
        text.push_str(&format!(
            r##"
# In front of the service: everything customers ask for comes through here.
[edge]
listen = "{edge}"
session = ["cookie:session"]

[[pool]]
id = "office"
check = "/health"
[[pool.instance]]
id = "office-1"
address = "{office}"
pid_file = "office.pid"

[[route]]
id = "login"
component = "login"
paths = ["/login"]
pool = "office"
criticality = "critical"

[[route]]
id = "payroll"
component = "payroll"
paths = ["/payroll"]
pool = "office"

[[route]]
id = "all-else"
pool = "office"
"##,
            office = scene.address,
        ));
    }
    // Started by another scheduler, through `evenkeel run`: they need no command here.
    for (name, _) in scene.innocents(0)? {
        text.push_str(&format!(
            r##"
[[job]]
id = "{name}"
database = "main"
env = {{ PGUSER = "{DATABASE}" }}
stall = "10s"
deadline = "10m"
[job.may]
end_run = "{mode}"
"##,
        ));
    }
    Ok(text)
}
