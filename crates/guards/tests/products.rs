//! Products where they really lie: on this host, on an FTP server, and on an SFTP server.

#[path = "support/supervised.rs"]
#[expect(dead_code, reason = "no run is started here")]
mod supervised;

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::observation::{ProductState, Seen};
use evenkeel_core::policy::Pattern;
use evenkeel_drill::ftp::FtpServer;
use evenkeel_drill::process::Process;
use evenkeel_drill::sshd::{BANNER, Sshd};
use evenkeel_guards::guard::Watchlist;
use evenkeel_guards::jobs::JobSpec;
use evenkeel_guards::jobs::product::{Place, ProductSpec, Remote};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use supervised::{Bench, JOB};
use tempfile::TempDir;
use tokio::net::TcpSocket;

const NAME: &str = "payroll.csv";
const WHOLE: &str = "# name;amount\nanna;100\nbert;200\n# rows=2\n";
const TRUNCATED: &str = "# name;amount\nanna;100\nber";

fn bench(place: Place, counts_rows: bool) -> Bench {
    let product = ProductSpec {
        place,
        marker: Some(Pattern::new("# rows=*")),
        counts_rows,
    };
    bench_of(product)
}

fn bench_of(product: ProductSpec) -> Bench {
    let spec = JobSpec {
        id: JOB.into(),
        schedule: None,
        zone: TimeZone::UTC,
        due: None,
        product: Some(product),
        startable: false,
    };
    Bench::with("", "", spec)
}

async fn report(mut bench: Bench) -> ProductState {
    bench
        .until("look at the product", |seen| match seen {
            Seen::ProductReport(report) => Some(report.state),
            _ => None,
        })
        .await
}

/// What is told of a product that has an end marker and whose rows count.
async fn look(place: Place) -> ProductState {
    report(bench(place, true)).await
}

/// Why the product cannot be looked at.
async fn unreachable(place: Place) -> String {
    match look(place).await {
        ProductState::Unreachable(why) => why,
        other => panic!("it can be looked at: {other:?}"),
    }
}

/// A whole second: FTP tells no fractions.
fn changed_at() -> Timestamp {
    "2026-03-29T01:30:00Z".parse().expect("a time")
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
    let file = File::options().append(true).open(path).expect("the file");
    file.set_modified(changed_at().into()).expect("its time");
}

fn present(text: &str, complete: bool, rows: Option<u64>) -> ProductState {
    ProductState::Present {
        bytes: text.len() as u64,
        modified_at: changed_at(),
        complete: Some(complete),
        rows,
    }
}

/// More than any one read brings.
fn long() -> String {
    let rows: String = (0..20_000)
        .map(|row| format!("person {row};100\n"))
        .collect();
    format!("# name;amount\n{rows}# rows=20000\n")
}

/// Looks at a folder's whole, empty, truncated, long and absent files.
async fn looks_right(folder: &Path, place: impl Fn(&str) -> Place) {
    for (text, complete, rows) in [
        (WHOLE, true, 2),
        (TRUNCATED, false, 2),
        ("", false, 0),
        (&long(), true, 20_000),
    ] {
        write(&folder.join(NAME), text);
        assert_eq!(look(place(NAME)).await, present(text, complete, Some(rows)));
        // Only its end is read.
        let end = report(bench(place(NAME), false)).await;
        assert_eq!(end, present(text, complete, None));
    }
    assert_eq!(look(place("other.csv")).await, ProductState::Absent);
    assert_eq!(look(place("no/folder.csv")).await, ProductState::Absent);
}

#[tokio::test]
async fn a_local_product_is_told_whole_truncated_empty_or_absent() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| Place::File(folder.path().join(name));
    looks_right(folder.path(), place).await;
}

#[tokio::test]
async fn a_folder_is_no_product() {
    let folder = tempfile::tempdir().expect("a folder");
    let why = unreachable(Place::File(folder.path().into())).await;
    assert!(why.ends_with("it is not a file"), "{why}");
}

#[tokio::test]
async fn yesterdays_product_is_looked_for_under_yesterdays_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let yesterday = Timestamp::now() - SignedDuration::from_hours(24);
    let name = yesterday.strftime("payroll-%Y-%m-%d.csv").to_string();
    write(&folder.path().join(name), WHOLE);
    let bench = bench(
        Place::File(folder.path().join("payroll-%Y-%m-%d.csv")),
        true,
    );
    // Nothing has been awaited yet, so that the first look already knows the slot.
    bench.watchlist.send_replace(
        Watchlist {
            last_slots: [(JOB.into(), yesterday)].into(),
            ..Watchlist::default()
        }
        .into(),
    );
    assert_eq!(report(bench).await, present(WHOLE, true, Some(2)));
}

struct Ftp {
    server: FtpServer,
    secrets: TempDir,
}

impl Ftp {
    async fn start() -> Self {
        let server = FtpServer::start(0).await.expect("an FTP server");
        let secrets = tempfile::tempdir().expect("a folder");
        Self { server, secrets }
    }

    fn place(&self, password: &str, name: &str) -> Place {
        let secret_file = self.secrets.path().join("password");
        // An editor ends the line; the line end is not part of the password.
        std::fs::write(&secret_file, format!("{password}\n")).expect("a password file");
        Place::Ftp(Remote {
            host: "127.0.0.1".into(),
            port: Some(self.server.port()),
            user: Some(FtpServer::USER.into()),
            secret_file: Some(secret_file),
            ssh_config: None,
            path: name.into(),
        })
    }
}

#[tokio::test]
async fn a_product_on_an_ftp_server_is_told_whole_truncated_empty_or_absent() {
    let ftp = Ftp::start().await;
    let place = |name: &str| ftp.place(FtpServer::PASSWORD, name);
    looks_right(&ftp.server.root(), place).await;
}

#[tokio::test]
async fn a_refused_ftp_login_is_unknown_and_not_missing() {
    let ftp = Ftp::start().await;
    let why = unreachable(ftp.place("not-the-word", NAME)).await;
    assert!(why.contains("login refused"), "{why}");
    assert!(!why.contains("not-the-word"), "a password is told: {why}");
}

#[tokio::test]
async fn an_ftp_password_that_cannot_be_read_names_its_file() {
    let ftp = Ftp::start().await;
    let Place::Ftp(mut remote) = ftp.place(FtpServer::PASSWORD, NAME) else {
        unreachable!("an FTP place");
    };
    remote.secret_file = Some(ftp.secrets.path().join("forgotten"));
    let why = unreachable(Place::Ftp(remote)).await;
    assert!(why.contains("/forgotten: "), "{why}");
}

/// An FTP server on IPv6 loopback; its arguments are its folder, a user and a password.
const FTP_ON_IPV6: &str = r#"
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_user(sys.argv[2], sys.argv[3], sys.argv[1])
server = FTPServer(("::1", 0), FTPHandler)
print("port", server.address[1], flush=True)
server.serve_forever()
"#;

#[tokio::test]
async fn a_product_on_an_ftp_server_behind_ipv6_is_read() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        // A container without IPv6 has no such server.
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    std::fs::create_dir(&root).expect("a folder");
    write(&root.join(NAME), WHOLE);
    let secret_file = folder.path().join("password");
    std::fs::write(&secret_file, FtpServer::PASSWORD).expect("a password file");
    // Debian's interpreter: pyftpdlib is installed for it.
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-W", "ignore", "-c", FTP_ON_IPV6]).arg(&root);
    command.args([FtpServer::USER, FtpServer::PASSWORD]);
    let process = Process::start("ftp", command, folder.path()).expect("an FTP server");
    let port = process
        .wait_for_line("port ", Duration::from_secs(30))
        .await;
    let port = port.expect("a port");
    let address = format!("ftp://{}@[::1]:{port}/{NAME}", FtpServer::USER);
    let place = Place::parse(&address, Some(secret_file)).expect("a place");
    assert_eq!(look(place).await, present(WHOLE, true, Some(2)));
}

#[tokio::test]
async fn a_server_where_nobody_listens_is_unknown_and_not_missing() {
    // Bound and not listening: nobody else can come to listen there meanwhile.
    let socket = TcpSocket::new_v4().expect("a socket");
    let any = "127.0.0.1:0".parse().expect("an address");
    socket.bind(any).expect("a port");
    let remote = Remote {
        host: "127.0.0.1".into(),
        port: Some(socket.local_addr().expect("an address").port()),
        user: None,
        secret_file: None,
        ssh_config: Some("/dev/null".into()),
        path: NAME.into(),
    };
    for place in [Place::Ftp(remote.clone()), Place::Sftp(remote)] {
        let why = unreachable(place).await;
        assert!(why.contains("refused"), "{why}");
    }
}

/// A place as a client sees it that trusts the hosts in `known_hosts`, and shows `key`.
fn place_on(sshd: &Sshd, known_hosts: &str, key: &str, name: &str) -> Place {
    let config = sshd.client(known_hosts, key).expect("a configuration");
    Place::Sftp(Remote {
        host: "127.0.0.1".into(),
        port: Some(sshd.port),
        user: None,
        secret_file: None,
        ssh_config: Some(config),
        path: sshd.files().join(name).display().to_string(),
    })
}

#[tokio::test]
async fn a_product_on_an_sftp_server_is_told_whole_truncated_empty_or_absent() {
    let sshd = Sshd::start().expect("sshd");
    let place = |name: &str| place_on(&sshd, "known_hosts", "user_key", name);
    looks_right(&sshd.files(), place).await;
}

#[tokio::test]
async fn the_key_of_an_sftp_login_can_be_named_beside_the_address() {
    let sshd = Sshd::start().expect("sshd");
    write(&sshd.files().join(NAME), WHOLE);
    let Place::Sftp(mut remote) = place_on(&sshd, "known_hosts", "strange_key", NAME) else {
        unreachable!("an SFTP place");
    };
    remote.secret_file = Some(sshd.path("user_key"));
    let seen = look(Place::Sftp(remote)).await;
    assert_eq!(seen, present(WHOLE, true, Some(2)));
}

#[tokio::test]
async fn an_unknown_host_key_is_told_in_the_words_of_ssh() {
    let sshd = Sshd::start().expect("sshd");
    write(&sshd.files().join(NAME), WHOLE);
    let why = unreachable(place_on(&sshd, "no_known_hosts", "user_key", NAME)).await;
    assert!(why.contains("Host key verification failed"), "{why}");
}

#[tokio::test]
async fn a_key_the_sftp_server_does_not_know_is_told_in_the_words_of_ssh() {
    let sshd = Sshd::start().expect("sshd");
    write(&sshd.files().join(NAME), WHOLE);
    let why = unreachable(place_on(&sshd, "known_hosts", "strange_key", NAME)).await;
    assert!(why.contains("Permission denied (publickey)"), "{why}");
}

#[tokio::test]
async fn a_folder_on_an_sftp_server_is_no_product() {
    let sshd = Sshd::start().expect("sshd");
    std::fs::create_dir(sshd.files().join(NAME)).expect("a folder");
    // Nothing in it is read, so that only what it is can tell.
    let product = ProductSpec {
        place: place_on(&sshd, "known_hosts", "user_key", NAME),
        marker: None,
        counts_rows: false,
    };
    let ProductState::Unreachable(why) = report(bench_of(product)).await else {
        panic!("a folder is taken for a file");
    };
    assert!(why.ends_with("it is not a file"), "{why}");
}

#[tokio::test]
async fn the_greeting_of_an_sftp_server_is_not_taken_for_its_error() {
    let sshd = Sshd::start().expect("sshd");
    // Longer than any file system allows: the server answers with an error of its own.
    let name = "n".repeat(300);
    let why = unreachable(place_on(&sshd, "known_hosts", "user_key", &name)).await;
    assert!(!why.contains(BANNER), "{why}");
    assert!(why.to_lowercase().contains("bad message"), "{why}");
}
