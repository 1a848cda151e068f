//! What a browser does, without one: keeps cookies, follows redirects to the same host,
//! finds the token in a form.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What everybody in these tests logs in with.
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct Browser {
    address: String,
    cookies: BTreeMap<String, String>,
    /// Headers sent with every request, beside the usual ones.
    pub(crate) extra: Vec<(&'static str, String)>,
}

impl Browser {
    pub(crate) fn of(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            cookies: BTreeMap::new(),
            extra: Vec::new(),
        }
    }

    /// One request as it is written, and the whole answer.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a timeout");
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncookie: {}\r\n",
            self.address,
            pairs.join("; ")
        );
        for (name, value) in &self.extra {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!(
                "content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n",
                body.len()
            ));
        }
        write!(stream, "{head}\r\n{body}").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (headers, _) = answer.split_once("\r\n\r\n").expect("headers");
        for line in headers.lines() {
            let Some(set) = line.strip_prefix("set-cookie: ") else {
                continue;
            };
            let (name, rest) = set.split_once('=').expect("a cookie");
            let value = rest.split(';').next().expect("a value");
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// A page, redirects followed.
    pub(crate) fn get(&mut self, path: &str) -> String {
        let mut answer = self.send("GET", path, "");
        for _ in 0..3 {
            let Some(to) = location(&answer) else { break };
            answer = self.send("GET", &to, "");
        }
        answer
    }

    /// Sends a form with the token of the page it stands on; redirects are not followed.
    pub(crate) fn post(&mut self, on: &str, to: &str, fields: &str) -> String {
        let page = self.get(on);
        let csrf = token(&page);
        self.send("POST", to, &format!("csrf={csrf}&{fields}"))
    }

    pub(crate) fn log_in(&mut self, name: &str) {
        let answer = self.try_log_in(name, PASSWORD);
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    }

    pub(crate) fn try_log_in(&mut self, name: &str, password: &str) -> String {
        let password = password.replace(' ', "+");
        self.post(
            "/login",
            "/login",
            &format!("name={name}&password={password}"),
        )
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&String> {
        self.cookies.get(name)
    }
}

pub(crate) fn location(answer: &str) -> Option<String> {
    let (headers, _) = answer.split_once("\r\n\r\n")?;
    let line = headers
        .lines()
        .find_map(|line| line.strip_prefix("location: "));
    line.map(str::to_owned)
}

/// The token in a page's forms.
pub(crate) fn token(page: &str) -> String {
    let (_, rest) = page
        .split_once("name=\"csrf\" value=\"")
        .unwrap_or_default();
    rest.split('"').next().unwrap_or_default().to_owned()
}
