//! People are called by the real program: who cannot be reached is followed by the next,
//! and who acknowledges is the last.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::place::Place;

/// Takes calls for ever: refuses those to `/ana`, takes the others; tells of each.
fn receiver() -> (u16, mpsc::Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let (told, calls) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(&stream);
            let (mut path, mut length) = (String::new(), 0);
            for line in reader.by_ref().lines().map_while(Result::ok) {
                if let Some(rest) = line.strip_prefix("POST ") {
                    path = rest.split(' ').next().unwrap_or_default().to_owned();
                }
                if let Some(rest) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = rest.trim().parse().unwrap_or_default();
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            let _cut = reader.read_exact(&mut body);
            let answer = match path.as_str() {
                "/ana" => {
                    "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                }
                _ => "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
            };
            let _gone = (&stream).write_all(answer.as_bytes());
            let body = serde_json::from_slice(&body).unwrap_or_default();
            if told.send((path, body)).is_err() {
                return;
            }
        }
    });
    (port, calls)
}

#[test]
fn who_cannot_be_reached_is_followed_by_the_next_and_all_of_it_is_on_record() {
    let (port, calls) = receiver();
    let person = |name: &str| {
        format!("[[person]]\nname = \"{name}\"\nwebhook_url = \"http://127.0.0.1:{port}/{name}\"\n")
    };
    let place = Place::with(&format!(
        "{}{}{}[[job]]\nid = \"export\"\ncommand = [\"false\"]\n",
        person("ana"),
        person("ben"),
        person("cem")
    ));
    let server = place.serve();
    place.good(&["start", "export"]);
    let next = || {
        let call = calls.recv_timeout(Duration::from_secs(60));
        call.expect("a call")
    };
    let critical = |(_, body): &(String, Value)| body["headline"].to_string().contains("export");
    let mut heard = Vec::new();
    // A failed run is a warning first; a job whose tries are spent is critical.
    while !heard.iter().any(|(path, _)| path == "/ben") {
        heard.push(next());
    }
    assert_eq!(heard[0].0, "/ana");
    assert!(critical(&heard[0]), "{heard:?}");
    let (_, to_ben) = heard.last().expect("a call");
    let details = to_ben["details"].to_string();
    assert!(
        details.contains("ana was to be called and could not be reached"),
        "{details}"
    );
    let incident = to_ben["incident"].as_str().expect("an incident").to_owned();
    place.good(&["acknowledge", &incident]);

    let told = place.until(&["incidents", &incident], |incident| {
        let ended = |message: &Value| !message["outcome"].is_null();
        let messages = incident["messages"].as_array();
        messages.is_some_and(|messages| messages.iter().all(ended))
    });
    let messages = told["messages"].to_string();
    assert!(
        messages.contains("to ben, by webhook") && messages.contains("to ana, by webhook"),
        "{told:#}"
    );
    assert!(!messages.contains("to cem"), "{told:#}");
    server.stop();
}
