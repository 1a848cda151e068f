//! Checks with the real program: what fails is down, what is tried is explained, and a
//! secret is in nobody's mouth.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::place::Place;

/// A service that is well or ill, and wants a token.
struct Service {
    address: SocketAddr,
    is_ill: Arc<AtomicBool>,
}

fn service() -> Service {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let is_ill: Arc<AtomicBool> = Arc::default();
    let ill = is_ill.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut asked = [0; 2048];
            let length = stream.read(&mut asked).unwrap_or_default();
            let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
            let status = match ill.load(Ordering::Relaxed) {
                _ if !asked.contains("sesame-5") => "401 Unauthorized",
                true => "500 Internal Server Error",
                false => "200 OK",
            };
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            let _gone = stream.write_all(answer.as_bytes());
        }
    });
    Service { address, is_ill }
}

fn place(service: &Service) -> Place {
    let place = Place::with(&format!(
        r#"
[incidents]
settle = "1s"
[[check]]
id = "log-in"
name = "Log in"
kind = "journey"
components = ["login"]
interval = "1s"
timeout = "1s"
retry_interval = "1s"
secret_files = {{ token = "token" }}
[[check.step]]
name = "ask"
url = "http://{}/"
headers = {{ authorization = "Bearer {{token}}" }}
contains = ["ok"]
"#,
        service.address
    ));
    std::fs::write(place.folder.path().join("token"), "sesame-5\n").expect("a token");
    place
}

#[test]
fn what_fails_is_down_and_what_passes_again_is_well() {
    let service = service();
    let place = place(&service);
    let server = place.serve();
    let component = |status: &'static str| {
        place.until(&["status"], |now| now["components"][0]["status"] == status)
    };
    component("operational");
    let listed = place.good(&["checks"]);
    assert!(
        listed.contains("log-in") && listed.contains("passed"),
        "{listed}"
    );

    service.is_ill.store(true, Ordering::Relaxed);
    let status = component("major_outage");
    assert!(!status["incidents"].as_array().expect("a list").is_empty());
    let listed = place.good(&["checks"]);
    assert!(
        listed.contains("FAILED at `ask`: answered 500 (Internal Server Error), expected 200-299"),
        "{listed}"
    );
    let incident = place.good(&["incidents", "I-1"]);
    assert!(incident.contains("answered 500"), "{incident}");

    service.is_ill.store(false, Ordering::Relaxed);
    component("operational");
    server.stop();
    let told = place.good(&["journal", "tail", "-n", "100"]);
    assert!(!told.contains("sesame"), "{told}");
}

#[test]
fn a_check_that_is_tried_is_explained_step_by_step() {
    let service = service();
    let place = place(&service);
    let told = place.good(&["checks", "try", "log-in"]);
    for said in [
        "step `ask`",
        &format!("GET http://{}/", service.address),
        &format!("connected to {}", service.address),
        "answered 200 OK",
        "`ok` stands in the answer",
        "It passed after",
    ] {
        assert!(told.contains(said), "{said} is not in\n{told}");
    }
    service.is_ill.store(true, Ordering::Relaxed);
    let output = place.run(&["checks", "try", "log-in"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("It FAILED at `ask`: answered 500"), "{told}");
    assert!(told.contains("show login as major outage"), "{told}");
    assert!(!told.contains("sesame"), "{told}");
}

#[test]
fn what_is_not_there_is_told() {
    let service = service();
    let place = place(&service);
    let output = place.run(&["checks", "try", "login"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains("there is no check `login`; there is log-in"),
        "{told}"
    );
    let output = place.run(&["checks"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("start it with `evenkeel serve`"), "{told}");
    // A file that is not there is told before anything is started.
    std::fs::remove_file(place.folder.path().join("token")).expect("it was there");
    let output = place.run(&["check", "--offline"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("token cannot be read"), "{told}");
}
