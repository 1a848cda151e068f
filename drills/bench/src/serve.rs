//! A real `evenkeel serve` with a configuration of the bench's, and the peers' processes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use evenkeel_drill::Scratch;
use evenkeel_drill::process::Process;
use rustix::process::Signal;

use crate::{Failure, usage};

/// Ten thousand checks are read and folded within this.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// A running server; ended on drop, before its folder goes.
pub(crate) struct Serve {
    process: Process,
    folder: Scratch,
    /// Where the public page answers.
    pub(crate) page: u16,
}

impl Serve {
    /// Starts one with a component and what `more` configures; answers once it is up.
    pub(crate) fn start(more: &str) -> Result<Self, Failure> {
        let folder = Scratch::new("bench-serve")?;
        let (page, operator) = (free_port()?, free_port()?);
        let file = folder.join("evenkeel.toml");
        let config = format!(
            "data_dir = \"data\"\n[page]\nlisten = \"127.0.0.1:{page}\"\n[operator]\nlisten = \
             \"127.0.0.1:{operator}\"\n[log]\nlevel = \"warn\"\n[[component]]\nid = \"all\"\nname = \
             \"All\"\n{more}"
        );
        std::fs::write(&file, config)?;
        for (name, secret) in [
            ("ping-key", "bench-ping-key-0123456789"),
            ("api-key", "bench-api-key-0123456789"),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, secret)?;
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&path, private)?;
        }
        let mut command = Command::new(beside("evenkeel")?);
        command.arg("--config").arg(&file).arg("serve");
        let process = Process::start("evenkeel", command, folder.path())?
            .stopped_by(Signal::TERM, Duration::from_secs(10));
        let serve = Self {
            process,
            folder,
            page,
        };
        wait_for(&serve.process, page, "/healthz")?;
        Ok(serve)
    }

    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        usage::cpu(self.process.pid())
    }

    /// Where its flight recorder writes.
    pub(crate) fn recorder(&self) -> PathBuf {
        self.folder.join("data/recorder")
    }

    pub(crate) fn memory(&self) -> Result<u64, Failure> {
        usage::memory(self.process.pid())
    }
}

/// A program that was built with this one.
pub(crate) fn beside(name: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let program = own.with_file_name(name);
    if program.is_file() {
        Ok(program)
    } else {
        Err(format!(
            "{} is not there: use `cargo xtask bench`",
            program.display()
        )
        .into())
    }
}

/// A port nobody listens on now.
pub(crate) fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits until `path` is answered with 200.
pub(crate) fn wait_for(process: &Process, port: u16, path: &str) -> Result<(), Failure> {
    wait_until(process, || answers(port, path))
}

/// Waits until `up` says so.
pub(crate) fn wait_until(process: &Process, up: impl Fn() -> bool) -> Result<(), Failure> {
    let until = Instant::now() + UP_WITHIN;
    loop {
        if up() {
            return Ok(());
        }
        if !process.is_running() || Instant::now() > until {
            let said = format!("{}{}", process.stdout(), process.stderr());
            let from = said.len().saturating_sub(2000);
            let tail = said.get(from..).unwrap_or_default();
            return Err(format!("it does not answer; it said: {tail}").into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn answers(port: u16, path: &str) -> bool {
    let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let ask = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut head = [0; 12];
    let patience = Some(Duration::from_secs(2));
    to.set_read_timeout(patience).is_ok()
        && to.write_all(ask.as_bytes()).is_ok()
        && to.read_exact(&mut head).is_ok()
        && head.ends_with(b"200")
}

/// An nginx whose only location says this.
pub(crate) fn nginx(location: &str) -> Result<(Process, u16, Scratch), Failure> {
    let folder = Scratch::new("bench-nginx")?;
    let port = free_port()?;
    let config = folder.join("nginx.conf");
    let at = folder.path().display();
    std::fs::write(
        &config,
        format!(
            "daemon off;\nworker_processes auto;\npid {at}/nginx.pid;\nerror_log {at}/error.log;\n\
             events {{ worker_connections 1024; }}\nhttp {{\n  access_log off;\n  types {{ text/html html; application/json json; }}\n  keepalive_requests \
             1000000000;\n  client_body_temp_path {at}/a;\n  proxy_temp_path {at}/b;\n  \
             fastcgi_temp_path {at}/c;\n  uwsgi_temp_path {at}/d;\n  scgi_temp_path {at}/e;\n  server {{ \
             listen 127.0.0.1:{port}; location / {{ {location} }} }}\n}}\n"
        ),
    )?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&config);
    let process = Process::start("nginx", command, folder.path())?;
    wait_until(&process, || answers(port, "/"))?;
    Ok((process, port, folder))
}

/// CPU time of a process and of everything it started.
pub(crate) fn cpu_of_group(process: &Process) -> Result<Duration, Failure> {
    let group = process.pid();
    let mut sum = Duration::ZERO;
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        let rest = stat.rsplit(')').next().unwrap_or_default();
        if rest.split_whitespace().nth(2) == Some(group.to_string().as_str()) {
            sum += usage::cpu(pid)?;
        }
    }
    Ok(sum)
}
