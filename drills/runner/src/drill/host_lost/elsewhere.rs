//! What is not on the host: servers that take the page by SFTP and give it out, somebody
//! else's sites, and a browser.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::Scratch;
use crate::drill::outside::chain;
use crate::sshd::Sshd;

/// How long a browser may take on a busy machine.
const BROWSER_WITHIN: Duration = Duration::from_secs(60);

/// A server elsewhere: SFTP in, HTTP out.
pub(super) struct Place {
    sshd: Sshd,
    folder: PathBuf,
    web: Web,
}

impl Place {
    pub(super) async fn start() -> Result<Self, String> {
        let sshd = Sshd::start().map_err(|error| chain(&error))?;
        let folder = sshd.files();
        let web = Web::start(folder.join("current")).await?;
        Ok(Self { sshd, folder, web })
    }

    /// Where it is read.
    pub(super) fn address(&self) -> SocketAddr {
        self.web.address
    }

    /// Where it takes files, without anything between.
    pub(super) fn ssh(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.sshd.port))
    }

    /// What it serves from, for who writes there himself.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A `[[publish]]` section to it, by way of `through`.
    pub(super) fn section(&self, id: &str, through: SocketAddr) -> Result<String, String> {
        let host_key = std::fs::read_to_string(self.sshd.path("host_key.pub"));
        let host_key = host_key.map_err(|error| chain(&error))?;
        let port = through.port();
        let known = self.sshd.path(&format!("known-{port}"));
        std::fs::write(&known, format!("[127.0.0.1]:{port} {host_key}"))
            .map_err(|error| chain(&error))?;
        let config = self.sshd.path(&format!("config-{port}"));
        let text = format!(
            "UserKnownHostsFile {}\nGlobalKnownHostsFile none\nStrictHostKeyChecking yes\n\
             IdentitiesOnly yes\nIdentityAgent none\n",
            known.display()
        );
        std::fs::write(&config, text).map_err(|error| chain(&error))?;
        Ok(format!(
            "[[publish]]\nid = \"{id}\"\nto = \"sftp://127.0.0.1:{port}{}\"\n\
             identity_file = \"{}\"\nssh_config = \"{}\"\n\n",
            self.folder.display(),
            self.sshd.path("user_key").display(),
            config.display()
        ))
    }

    /// Keeps the front page as it stands, for a reader who opens it late.
    pub(super) fn keep(&self) -> Result<Kept, String> {
        let folder = Scratch::new("kept").map_err(|error| chain(&error))?;
        // An arm without copies keeps nothing.
        if let Ok(page) = std::fs::read(self.folder.join("current/index.html")) {
            std::fs::write(folder.join("index.html"), page).map_err(|error| chain(&error))?;
        }
        Ok(Kept { folder })
    }
}

/// A copy that nobody renews.
pub(super) struct Kept {
    folder: Scratch,
}

/// What a real browser makes of a kept copy: its document after scripts.
pub(super) async fn browser_dom(kept: &Kept) -> Result<String, String> {
    let web = Web::start(kept.folder.path().to_owned()).await?;
    let profile = kept.folder.join("profile");
    let mut command = tokio::process::Command::new("chromium");
    command
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--virtual-time-budget=3000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("http://{}/", web.address))
        .kill_on_drop(true);
    let output = tokio::time::timeout(BROWSER_WITHIN, command.output()).await;
    let output = output
        .map_err(|_| "Chromium gave no document within a minute".to_owned())?
        .map_err(|error| {
            format!("chromium cannot be started ({error}): run `cargo xtask setup`")
        })?;
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    if dom.contains("data-until=") {
        return Ok(dom);
    }
    Err(format!(
        "Chromium did not show the copy: {}",
        String::from_utf8_lossy(&output.stderr)
            .lines()
            .last()
            .unwrap_or("nothing said")
    ))
}

/// A web server that gives out files, as any does.
pub(super) struct Web {
    pub(super) address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Web {
    pub(super) async fn start(folder: PathBuf) -> Result<Self, String> {
        Self::serve(move |path| {
            let plain = path.trim_matches('/');
            let file = match plain.rsplit('/').next().unwrap_or_default().contains('.') {
                true => folder.join(plain),
                false => folder.join(plain).join("index.html"),
            };
            let inside = !plain.split('/').any(|part| part == "..");
            inside.then(|| std::fs::read(file).ok()).flatten()
        })
        .await
    }

    /// Somebody else's site: always there.
    pub(super) async fn always() -> Result<Self, String> {
        Self::serve(|_| Some(b"well".to_vec())).await
    }

    async fn serve(
        answer: impl Fn(&str) -> Option<Vec<u8>> + Clone + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.map_err(|error| chain(&error))?;
        let address = listener.local_addr().map_err(|error| chain(&error))?;
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let answer = answer.clone();
                tokio::spawn(async move {
                    let given = give(stream, answer);
                    let _gone = tokio::time::timeout(Duration::from_secs(10), given).await;
                });
            }
        });
        Ok(Self {
            address,
            _serving: serving,
        })
    }
}

async fn give(
    mut stream: TcpStream,
    answer: impl Fn(&str) -> Option<Vec<u8>>,
) -> std::io::Result<()> {
    let mut asked = Vec::new();
    let mut buffer = [0; 2048];
    while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).await?;
        if count == 0 || asked.len() > 64 * 1024 {
            return Ok(());
        }
        asked.extend(&buffer[..count]);
    }
    let head = String::from_utf8_lossy(&asked).into_owned();
    let path = head.split_whitespace().nth(1).unwrap_or("/");
    let path = path.split('?').next().unwrap_or("/");
    let kind = match path.rsplit('.').next() {
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        _ => "text/html; charset=utf-8",
    };
    let (status, body) = match answer(path) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", b"not here".to_vec()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await
}
