//! A folder with a configuration, and the real program in it.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

const BASE: &str = r#"
[page]
listen = "127.0.0.1:0"
name = "Back office"
[operator]
listen = "127.0.0.1:0"
[[component]]
id = "login"
name = "Login"
"#;

pub(crate) struct Place {
    pub(crate) folder: TempDir,
}

impl Place {
    pub(crate) fn with(jobs: &str) -> Self {
        let place = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        std::fs::write(place.config(), format!("{BASE}{jobs}")).expect("a configuration");
        place
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("evenkeel.toml")
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command.arg("--config").arg(self.config());
        command.env_remove("EVENKEEL_CONFIG");
        command.env_remove("EVENKEEL_SERVER");
        command.env_remove("EVENKEEL_TOKEN_FILE");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command().args(arguments).output();
        output.expect("the program runs")
    }

    pub(crate) fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.good(&[&["--json"], arguments].concat());
        serde_json::from_str(&text).expect("JSON")
    }

    pub(crate) fn serve(&self) -> Server {
        let mut child = self
            .command()
            .arg("serve")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let out = child.stdout.take().expect("a pipe");
        let mut addresses = BufReader::new(out).lines().map_while(Result::ok);
        let mut next = |what: &str| {
            let line = addresses.next().unwrap_or_default();
            let address = line.strip_prefix(what).map(str::to_owned);
            address.unwrap_or_else(|| panic!("`{line}` instead of {what}"))
        };
        let page = next("public page: http://");
        let operator = next("operator page: http");
        let operator = operator.trim_start_matches('s').trim_start_matches("://");
        let configured = std::fs::read_to_string(self.config()).expect("a configuration");
        let metrics = configured
            .contains("[metrics]")
            .then(|| next("metrics: http://"));
        // Its log is read, so that it never waits for a reader.
        let mut log = child.stderr.take().expect("a pipe");
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ended = log.read_to_end(&mut text);
        });
        Server {
            child,
            page: page.trim_end_matches('/').to_owned(),
            operator: operator.trim_end_matches('/').to_owned(),
            metrics,
        }
    }

    /// Lets somebody in to the console, with the password that tests log in with.
    pub(crate) fn let_in(&self, name: &str, role: &str) {
        let file = self.folder.path().join("password");
        std::fs::write(&file, format!("{}\n", crate::browser::PASSWORD)).expect("a file");
        let file = file.to_str().expect("a path");
        self.good(&[
            "people",
            "add",
            name,
            "--role",
            role,
            "--password-file",
            file,
        ]);
    }

    /// Asks until `holds`; what is asked about changes by itself.
    pub(crate) fn until(&self, arguments: &[&str], holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let value = self.json(arguments);
            if holds(&value) {
                return value;
            }
            assert!(Instant::now() < deadline, "{arguments:?}: {value:#}");
            // waits: for another process; asked again until the deadline above
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) page: String,
    pub(crate) operator: String,
    /// With its path.
    pub(crate) metrics: Option<String>,
}

impl Server {
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a pid");
        kill_process(pid, signal).expect("a signal");
    }

    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
