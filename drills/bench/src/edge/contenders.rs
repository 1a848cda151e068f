//! Who is compared: each a real process on a core of its own, set up for the same work.
//! The peers are tuned as their own documentation says for a single core.

use std::path::Path;
use std::process::Command;

use evenkeel_drill::Scratch;
use evenkeel_drill::process::Process;
use rustix::process::Signal;

use crate::serve::{beside, free_port, wait_until};
use crate::{Failure, usage};

/// The core of the proxy, and the one of load and upstream.
pub(super) const PROXY_CORE: u32 = 0;
pub(super) const LOAD_CORE: u32 = 1;

/// One that serves.
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) port: u16,
    pub(super) process: Process,
    _folder: Scratch,
}

impl Contender {
    /// CPU time used so far, seconds.
    pub(super) fn cpu_s(&self) -> Result<f64, Failure> {
        Ok(usage::cpu(self.process.pid())?.as_secs_f64())
    }

    /// Memory in RAM, bytes.
    pub(super) fn memory(&self) -> Result<f64, Failure> {
        Ok(usage::memory(self.process.pid())? as f64)
    }
}

/// Where a proxy's requests end, and with which certificate it speaks, if with any.
pub(super) struct Place<'a> {
    pub(super) upstream: u16,
    pub(super) certificate: Option<&'a Certificate>,
}

/// A self-signed certificate for `localhost`, its key, and both in one file.
pub(super) struct Certificate {
    folder: Scratch,
}

impl Certificate {
    pub(super) fn make() -> Result<Self, Failure> {
        let folder = Scratch::new("bench-certificate")?;
        let made = Command::new("openssl")
            .args(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
                    .split(' '),
            )
            .args([
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
            ])
            .arg("-keyout")
            .arg(folder.join("key.pem"))
            .arg("-out")
            .arg(folder.join("chain.pem"))
            .output()?;
        if !made.status.success() {
            let why = String::from_utf8_lossy(&made.stderr);
            return Err(format!("openssl made no certificate: {why}").into());
        }
        let certificate = Self { folder };
        let both = std::fs::read_to_string(certificate.file("chain.pem"))?
            + &std::fs::read_to_string(certificate.file("key.pem"))?;
        std::fs::write(certificate.file("both.pem"), both)?;
        Ok(certificate)
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

/// nginx with fixed answers: 1 KiB at `/`, 1 MiB at `/large`.
pub(super) fn upstream() -> Result<Contender, Failure> {
    let small = "x".repeat(1024);
    let folder = Scratch::new("bench-upstream")?;
    std::fs::write(folder.join("large"), vec![b'x'; 1 << 20])?;
    let root = folder.path().display().to_string();
    nginx("direct", folder, LOAD_CORE, |port| {
        format!(
            "server {{ listen 127.0.0.1:{port} backlog=4096; \
             location = /large {{ root {root}; }} \
             location / {{ default_type text/plain; return 200 \"{small}\"; }} }}"
        )
    })
}

pub(super) fn nginx_proxy(place: &Place<'_>) -> Result<Contender, Failure> {
    let upstream = place.upstream;
    let tls = place.certificate.map(|files| {
        format!(
            "ssl_certificate {}; ssl_certificate_key {}; ssl_session_tickets off;",
            files.file("chain.pem"),
            files.file("key.pem")
        )
    });
    let ssl = if tls.is_some() { " ssl" } else { "" };
    let tls = tls.unwrap_or_default();
    let folder = Scratch::new("bench-nginx")?;
    nginx("nginx", folder, PROXY_CORE, |port| {
        format!(
            "upstream service {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests \
             1000000000; }}\n  server {{ listen 127.0.0.1:{port}{ssl} backlog=4096; {tls} location / \
             {{ proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
             proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; }} }}"
        )
    })
}

fn nginx(
    name: &'static str,
    folder: Scratch,
    core: u32,
    servers: impl FnOnce(u16) -> String,
) -> Result<Contender, Failure> {
    let port = free_port()?;
    let config = folder.join("nginx.conf");
    let at = folder.path().display();
    // One process, master and worker in one: its CPU is then one process's.
    std::fs::write(
        &config,
        format!(
            "daemon off;\nmaster_process off;\nworker_processes 1;\nworker_rlimit_nofile 20000;\n\
             pid {at}/nginx.pid;\nerror_log {at}/error.log;\n\
             events {{ worker_connections 19000; }}\nhttp {{\n  access_log off;\n  sendfile on;\n  \
             keepalive_timeout 600s;\n  keepalive_requests 1000000000;\n  \
             client_body_temp_path {at}/a;\n  proxy_temp_path {at}/b;\n  fastcgi_temp_path {at}/c;\n  \
             uwsgi_temp_path {at}/d;\n  scgi_temp_path {at}/e;\n  {}\n}}\n",
            servers(port)
        ),
    )?;
    let mut command = pinned(core, Path::new("nginx"));
    command.arg("-c").arg(&config);
    start(name, port, command, folder)
}

pub(super) fn haproxy(place: &Place<'_>) -> Result<Contender, Failure> {
    let (port, upstream) = (free_port()?, place.upstream);
    let folder = Scratch::new("bench-haproxy")?;
    let tls = place.certificate.map(|files| {
        let file = files.file("both.pem");
        format!(" ssl crt {file} no-tls-tickets")
    });
    let tls = tls.unwrap_or_default();
    let config = folder.join("haproxy.cfg");
    std::fs::write(
        &config,
        format!(
            "global\n  nbthread 1\n  maxconn 9500\n  tune.ssl.cachesize 0\ndefaults\n  mode http\n  \
             timeout client 600s\n  timeout server 30s\n  timeout connect 2s\n  \
             timeout http-keep-alive 600s\n  option http-keep-alive\n  http-reuse always\n\
             frontend clients\n  bind 127.0.0.1:{port} backlog 4096{tls}\n  option forwardfor\n  \
             default_backend service\nbackend service\n  server one 127.0.0.1:{upstream}\n"
        ),
    )?;
    let mut command = pinned(PROXY_CORE, Path::new("haproxy"));
    command.arg("-db").arg("-f").arg(&config);
    start("HAProxy", port, command, folder)
}

/// Ours, with a route and a pool and nothing else; or with everything a real one has.
pub(super) fn evenkeel(place: &Place<'_>, everything: bool) -> Result<Contender, Failure> {
    let (port, upstream) = (free_port()?, place.upstream);
    let folder = Scratch::new("bench-edge")?;
    let config = folder.join("evenkeel.toml");
    std::fs::write(
        &config,
        configured(port, upstream, place.certificate, everything),
    )?;
    let mut command = pinned(PROXY_CORE, &beside("evenkeel")?);
    command.arg("--config").arg(&config).arg("edge");
    let name = if everything {
        "Evenkeel, everything"
    } else {
        "Evenkeel, bare"
    };
    start(name, port, command, folder)
}

fn configured(port: u16, upstream: u16, tls: Option<&Certificate>, everything: bool) -> String {
    let mut text = "data_dir = \"data\"\n[log]\nlevel = \"warn\"\n[edge]\nconnections_per_address_max = 20000\n".to_owned();
    if everything {
        text.push_str(
            "tenant = [\"header:x-tenant\", \"cookie:tenant\"]\nsession = [\"cookie:session\"]\n",
        );
    }
    text.push_str(&format!(
        "[[edge.listener]]\naddress = \"127.0.0.1:{port}\"\n"
    ));
    if let Some(files) = tls {
        let (chain, key) = (files.file("chain.pem"), files.file("key.pem"));
        text.push_str(&format!(
            "certificate_file = \"{chain}\"\nkey_file = \"{key}\"\n"
        ));
    }
    text.push_str("[[component]]\nid = \"all\"\nname = \"All\"\n[[pool]]\nid = \"service\"\n");
    if everything {
        text.push_str("check = \"/\"\n");
    } else {
        text.push_str("adaptive = false\nconcurrency_max = 1000\n");
    }
    text.push_str(&format!(
        "[[pool.instance]]\nid = \"one\"\naddress = \"127.0.0.1:{upstream}\"\n"
    ));
    let others = if everything { 50 } else { 0 };
    for number in 0..others {
        text.push_str(&format!(
            "[[route]]\nid = \"function-{number}\"\ncomponent = \"all\"\npaths = \
             [\"/function-{number}\"]\npool = \"service\"\ncriticality = \"sheddable\"\n"
        ));
    }
    text + "[[route]]\nid = \"rest\"\ncomponent = \"all\"\npool = \"service\"\n"
}

fn pinned(core: u32, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

fn start(
    name: &'static str,
    port: u16,
    command: Command,
    folder: Scratch,
) -> Result<Contender, Failure> {
    let process = Process::start("contender", command, folder.path())?
        .stopped_by(Signal::TERM, std::time::Duration::from_secs(5));
    wait_until(&process, || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    })?;
    Ok(Contender {
        name,
        port,
        process,
        _folder: folder,
    })
}
