//! Products where they really are: on this host, on an FTP server, on an SFTP server.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use evenkeel_core::observation::{ProductState, Seen};
use evenkeel_core::policy::Pattern;
use evenkeel_drill::ftp::FtpServer;
use evenkeel_guards::jobs::JobSpec;
use evenkeel_guards::jobs::product::{Place, ProductSpec};
use jiff::tz::TimeZone;

use crate::supervised::{Bench, JOB, eventually};

const WHOLE: &str = "a;b\n1;2\n3;4\n# rows=3\n";

fn file(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
}

/// What the guard tells of a product at `place`, whose last line is to fit `# rows=*`.
async fn told(place: Place) -> ProductState {
    let spec = JobSpec {
        id: JOB.into(),
        schedule: None,
        zone: TimeZone::UTC,
        due: None,
        product: Some(ProductSpec {
            place,
            marker: Some(Pattern::new("# rows=*")),
            counts_rows: true,
        }),
        startable: false,
    };
    let mut bench = Bench::with("no run is started", "", spec);
    bench
        .until("report", |seen| match seen {
            Seen::ProductReport(report) => Some(report.state),
            _ => None,
        })
        .await
}

fn looks(state: &ProductState) -> (u64, Option<bool>, Option<u64>) {
    match state {
        ProductState::Present {
            bytes,
            complete,
            rows,
            ..
        } => (*bytes, *complete, *rows),
        other => panic!("not there: {other:?}"),
    }
}

fn unreachable(state: &ProductState, says: &str) {
    match state {
        ProductState::Unreachable(why) => assert!(why.contains(says), "{why}"),
        other => panic!("not unreachable: {other:?}"),
    }
}

#[tokio::test]
async fn a_file_of_this_host_is_whole_cut_short_empty_or_absent() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pay.csv");
    let place = || Place::File(path.clone());
    assert_eq!(told(place()).await, ProductState::Absent);
    file(&path, WHOLE);
    assert_eq!(looks(&told(place()).await), (21, Some(true), Some(3)));
    file(&path, "a;b\n1;2\n3;");
    assert_eq!(looks(&told(place()).await), (10, Some(false), Some(3)));
    file(&path, "");
    assert_eq!(looks(&told(place()).await), (0, Some(false), Some(0)));
}

#[tokio::test]
async fn a_file_on_an_ftp_server_is_seen_and_a_refused_login_is_not_absence() {
    let server = FtpServer::start(0).await.expect("a server");
    let folder = tempfile::tempdir().expect("a folder");
    let password = folder.path().join("password");
    let place = |name: &str, secret: &str| {
        file(&password, secret);
        let address = format!("ftp://{}@{}/{name}", FtpServer::USER, server.address());
        Place::parse(&address, Some(password.clone())).expect("a place")
    };
    file(&server.root().join("pay.csv"), WHOLE);
    let state = told(place("pay.csv", FtpServer::PASSWORD)).await;
    assert_eq!(looks(&state), (21, Some(true), Some(3)));
    let state = told(place("other.csv", FtpServer::PASSWORD)).await;
    assert_eq!(state, ProductState::Absent);
    unreachable(&told(place("pay.csv", "wrong")).await, "login refused");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    // Bound and not listening any more: nobody else gets the port meanwhile.
    let port = free_port();
    let place = Place::parse(&format!("ftp://127.0.0.1:{port}/x.csv"), None);
    unreachable(&told(place.expect("a place")).await, "cannot connect");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// An SSH server of this test's own, with its own keys.
struct Sshd {
    server: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _gone = self.server.kill();
        let _gone = self.server.wait();
    }
}

fn key(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .status();
    assert!(made.expect("ssh-keygen runs").success());
}

impl Sshd {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        key(&path("host"));
        key(&path("user"));
        std::fs::copy(path("user.pub"), path("authorized")).expect("copied");
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nPidFile none\n\
             AuthorizedKeysFile {0}/authorized\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n",
            folder.path().display()
        );
        file(&path("sshd_config"), &config);
        // As root it wants a place to hide its child in.
        let _made_before = std::fs::create_dir("/run/sshd");
        let server = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(path("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(path("log")).expect("a log"))
            .spawn()
            .expect("sshd runs");
        let sshd = Self {
            server,
            folder,
            port,
        };
        eventually("sshd listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        })
        .await;
        sshd
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The place of a file, for a client that knows the host key or does not.
    fn place(&self, name: &str, knows_host: bool) -> Place {
        let host_key = std::fs::read_to_string(self.path("host.pub")).expect("a key");
        let known = match knows_host {
            true => format!("[127.0.0.1]:{} {host_key}", self.port),
            false => String::new(),
        };
        file(&self.path("known_hosts"), &known);
        let config = format!(
            "UserKnownHostsFile {0}/known_hosts\nGlobalKnownHostsFile /dev/null\n\
             IdentitiesOnly yes\nIdentityAgent none\n",
            self.folder.path().display()
        );
        file(&self.path("ssh_config"), &config);
        let user = std::process::Command::new("id").arg("-un").output();
        let user = String::from_utf8(user.expect("id runs").stdout).expect("a name");
        let address = format!(
            "sftp://{}@127.0.0.1:{}/{}",
            user.trim(),
            self.port,
            self.path(name).display()
        );
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path("user"), private).expect("private");
        let place = Place::parse(&address, Some(self.path("user"))).expect("a place");
        match place {
            Place::Sftp(mut remote) => {
                remote.ssh_config = Some(self.path("ssh_config"));
                Place::Sftp(remote)
            }
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_file_on_an_sftp_server_is_seen_with_the_systems_own_ssh() {
    let server = Sshd::start().await;
    file(&server.path("pay.csv"), WHOLE);
    let state = told(server.place("pay.csv", true)).await;
    assert_eq!(looks(&state), (21, Some(true), Some(3)));
    let state = told(server.place("other.csv", true)).await;
    assert_eq!(state, ProductState::Absent);
    // A host nobody vouched for is not asked, and ssh's own words say so.
    let state = told(server.place("pay.csv", false)).await;
    unreachable(&state, "Host key verification failed");
}
