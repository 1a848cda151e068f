//! Certificates by ACME, from a real authority: `pebble`, Let's Encrypt's own for tests, which
//! comes to the edge's TLS listener to see that the name is ours.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_edge::settings::{Authority, Backoff, Certificates, Listener, Settings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use crate::world::{OK, Running, Upstream, exchange, get, settings, start_in};

/// How long an authority may take to come up, or to issue, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The name that every machine resolves to itself.
const NAME: &str = "localhost";

/// Where an authority will be: its ports and its own certificate, before it runs.
struct Place {
    dir: TempDir,
    port: u16,
    management: u16,
    /// Names that it refuses.
    refused: Vec<&'static str>,
}

/// An authority that runs; it ends when it is dropped.
struct Pebble {
    child: Child,
    log: PathBuf,
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
        std::fs::write(dir.path().join("web.pem"), made.cert.pem()).unwrap();
        std::fs::write(dir.path().join("web.key"), made.signing_key.serialize_pem()).unwrap();
        // Both at once, so that they differ.
        let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [port, management] = free.map(|free| free.local_addr().unwrap().port());
        Self {
            dir,
            port,
            management,
            refused: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What a listener is told of it.
    fn authority(&self) -> Authority {
        Authority {
            directory: format!("https://{NAME}:{}/dir", self.port),
            domains: vec![NAME.to_owned()],
            contact: Some("mailto:ops@example.com".to_owned()),
            root: Some(self.path("web.pem")),
            backoff: Backoff {
                first: Duration::from_millis(200),
                most: Duration::from_secs(1),
            },
        }
    }

    /// An authority that looks at this port, and issues for so many seconds.
    fn pebble(&self, tls_port: u16, seconds: u64, environment: &[(&str, &str)]) -> Pebble {
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{}", self.port),
            "managementListenAddress": format!("127.0.0.1:{}", self.management),
            "certificate": self.path("web.pem"),
            "privateKey": self.path("web.key"),
            "httpPort": 1,
            "tlsPort": tls_port,
            "certificateValidityPeriod": seconds,
            "domainBlocklist": self.refused,
        }});
        std::fs::write(self.path("config.json"), config.to_string()).unwrap();
        let log = self.path("log");
        let out = std::fs::File::create(&log).unwrap();
        let child = Command::new("pebble")
            .arg("-config")
            .arg(self.path("config.json"))
            .env_remove("PEBBLE_VA_ALWAYS_VALID")
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_AUTHZREUSE", "0")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn();
        let child =
            child.unwrap_or_else(|error| panic!("pebble: {error}; cargo xtask setup installs it"));
        let pebble = Pebble { child, log };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.management)).is_err() {
            assert!(Instant::now() < until, "{}", pebble.said());
            std::thread::yield_now();
        }
        pebble
    }

    /// The root of what it issues; another one each time that it starts.
    fn root(&self) -> Vec<u8> {
        let own = std::fs::read(self.path("web.pem")).unwrap();
        let address = ([127, 0, 0, 1], self.management).into();
        let answer = https(address, &own, "/roots/0").unwrap().0;
        let at = answer.find("-----BEGIN").unwrap();
        answer.as_bytes()[at..].to_vec()
    }
}

impl Pebble {
    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// How often it issued.
    fn issued(&self) -> usize {
        self.said().matches("Issued certificate serial").count()
    }
}

/// What is answered over HTTPS to who believes this root only, and with which certificate.
fn https(address: SocketAddr, root: &[u8], path: &str) -> std::io::Result<(String, Vec<u8>)> {
    let (client, tcp) = connect(address, root, &[])?;
    let mut stream = StreamOwned::new(client, tcp);
    std::io::Write::write_all(&mut stream, get(path).as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let own = stream.conn.peer_certificates().unwrap()[0].to_vec();
    Ok((String::from_utf8_lossy(&answer).into_owned(), own))
}

/// A client that believes this root only, and speaks this.
fn connect(
    address: SocketAddr,
    root: &[u8],
    alpn: &[&[u8]],
) -> std::io::Result<(ClientConnection, TcpStream)> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(root).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|spoken| spoken.to_vec()).collect();
    let name = ServerName::try_from(NAME).unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    Ok((client, tcp))
}

/// Asks until it is answered over HTTPS, and with another certificate than this.
fn served(edge: &Running, root: &[u8], other_than: &[u8], pebble: &Pebble) -> Vec<u8> {
    let until = Instant::now() + PATIENCE;
    loop {
        let asked = https(edge.started().addresses[1], root, "/");
        if let Ok((answer, own)) = &asked
            && own != other_than
        {
            assert!(answer.ends_with("\r\n\r\nok"), "{answer:?}");
            return own.clone();
        }
        assert!(Instant::now() < until, "{asked:?}\n{}", pebble.said());
        pause();
    }
}

/// A plain listener, and one whose certificate the authority issues.
fn with(authority: Authority, upstream: &Upstream) -> Settings {
    let mut settings = settings(&[upstream.address]);
    settings.listeners.push(Listener {
        address: ([127, 0, 0, 1], 0).into(),
        tls: Some(Certificates::Acme(authority)),
        proxy_protocol: false,
        redirect_to_https: false,
    });
    settings
}

/// The stored certificate.
fn stored(dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(dir.join("acme")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    files
        .find(|path| path.extension().is_some_and(|ending| ending == "pem"))
        .unwrap()
}

/// Between two looks at what another process does in its own time.
fn pause() {
    // waits: for pebble, which tells nobody when it is done; every loop has an end.
    std::thread::sleep(Duration::from_millis(20));
}

fn port(edge: &Running) -> u16 {
    edge.started().addresses[1].port()
}

#[test]
fn a_certificate_is_ordered_when_the_authority_is_there_and_not_again_after_a_restart() {
    let (upstream, place) = (Upstream::answering(OK), Place::new());
    let settings = with(place.authority(), &upstream);
    // Nobody is there to ask: plain requests are served, handshakes fail.
    let edge = start_in(settings.clone(), Arc::new(TempDir::new().unwrap()));
    assert!(exchange(&edge, get("/")).ends_with("\r\n\r\nok"));
    let nobody = std::fs::read(place.path("web.pem")).unwrap();
    assert!(https(edge.started().addresses[1], &nobody, "/").is_err());
    // It comes up; a part of what it is asked it refuses, as authorities may.
    let nonces = [("PEBBLE_WFE_NONCEREJECT", "30")];
    let pebble = place.pebble(port(&edge), 86_400, &nonces);
    let root = place.root();
    let first = served(&edge, &root, &[], &pebble);
    assert_eq!(pebble.issued(), 1);
    // For nobody else's eyes.
    let dir = edge.dir.clone();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("acme")), 0o700);
    for file in std::fs::read_dir(dir.path().join("acme")).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    // Another edge takes over: the same certificate at once.
    let mut again = settings.clone();
    again.listeners[1].address = edge.started().addresses[1];
    let second = start_in(again.clone(), dir.clone());
    assert_eq!(second.started().problems, Vec::<String>::new());
    let own = https(second.started().addresses[1], &root, "/").unwrap().1;
    assert_eq!(own, first);
    drop((edge, second));
    assert_eq!(pebble.issued(), 1);
    // What is stored cannot be used: it is said, and replaced, also by an authority that
    // knows the account no more, because it was set up anew.
    std::fs::write(stored(dir.path()), "nonsense").unwrap();
    let of_third = again.listeners[1].address.port();
    drop(pebble);
    let pebble = place.pebble(of_third, 86_400, &nonces);
    let root = place.root();
    let third = start_in(again, dir);
    let problems = third.started().problems.join("\n");
    assert!(
        problems.contains("a new certificate is ordered"),
        "{problems}"
    );
    let own = served(&third, &root, &first, &pebble);
    assert_ne!(own, first);
    assert_eq!(pebble.issued(), 1);
    // An authority's question without an order is not answered.
    let asked = connect(third.started().addresses[1], &root, &[b"acme-tls/1"]);
    assert!(
        asked
            .and_then(|mut asked| asked.0.complete_io(&mut asked.1))
            .is_err()
    );
}

#[test]
fn a_certificate_is_renewed_before_it_ends_and_no_request_fails_meanwhile() {
    let (upstream, place) = (Upstream::answering(OK), Place::new());
    let mut settings = with(place.authority(), &upstream);
    let edge = start_in(settings.clone(), Arc::new(TempDir::new().unwrap()));
    let pebble = place.pebble(port(&edge), 15, &[]);
    let root = place.root();
    let mut last = served(&edge, &root, &[], &pebble);
    // One renews it, then the other that takes over.
    let mut serving = vec![edge];
    let until = Instant::now() + PATIENCE;
    for _ in 0..2 {
        let edge = &serving[serving.len() - 1];
        loop {
            // The client verifies that what it is served has not ended.
            let (answer, own) = https(edge.started().addresses[1], &root, "/").unwrap();
            assert!(answer.ends_with("\r\n\r\nok"), "{answer:?}");
            if own != last {
                last = own;
                break;
            }
            assert!(Instant::now() < until, "{}", pebble.said());
            pause();
        }
        settings.listeners[1].address = edge.started().addresses[1];
        let next = start_in(settings.clone(), edge.dir.clone());
        serving.push(next);
    }
    assert_eq!(pebble.issued(), 3);
}

#[test]
fn an_authority_that_cannot_see_us_issues_nothing_and_others_are_served() {
    let (upstream, place) = (Upstream::answering(OK), Place::new());
    let edge = start_in(
        with(place.authority(), &upstream),
        Arc::new(TempDir::new().unwrap()),
    );
    // It looks at the plain listener, which proves nothing.
    let elsewhere = edge.started().addresses[0].port();
    let pebble = place.pebble(elsewhere, 86_400, &[]);
    let until = Instant::now() + PATIENCE;
    let refused = || {
        pebble
            .said()
            .matches("INVALID by completed challenge")
            .count()
    };
    while refused() < 2 {
        assert!(exchange(&edge, get("/")).ends_with("\r\n\r\nok"));
        assert!(Instant::now() < until, "{}", pebble.said());
        pause();
    }
    assert_eq!(pebble.issued(), 0);
    assert!(https(edge.started().addresses[1], &place.root(), "/").is_err());
}

#[test]
fn an_authority_that_refuses_is_asked_again_and_others_are_served() {
    let (upstream, mut place) = (Upstream::answering(OK), Place::new());
    let edge = start_in(
        with(place.authority(), &upstream),
        Arc::new(TempDir::new().unwrap()),
    );
    place.refused = vec![NAME];
    let pebble = place.pebble(port(&edge), 86_400, &[]);
    let until = Instant::now() + PATIENCE;
    let asked = || pebble.said().matches("POST /order-plz").count();
    while asked() < 3 {
        assert!(exchange(&edge, get("/")).ends_with("\r\n\r\nok"));
        assert!(Instant::now() < until, "{}", pebble.said());
        pause();
    }
    assert!(!pebble.said().contains("Added order"), "{}", pebble.said());
    drop(pebble);
    // It thinks better of it.
    place.refused.clear();
    let pebble = place.pebble(port(&edge), 86_400, &[]);
    served(&edge, &place.root(), &[], &pebble);
}
