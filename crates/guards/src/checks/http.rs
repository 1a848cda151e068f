//! One HTTP request and what must be true of its answer.
//!
//! Every request opens a connection of its own and asks the server to close it: what a
//! customer meets who comes now is a listener that accepts, a certificate that is served
//! now, a name as it is resolved now. A connection kept from the last check would go on
//! working after all of that is broken. The price is small (see `examples/checks_cost.rs`).
//!
//! What a server may cost is bounded: 64 KiB of head, 100 headers, `body_max` of body, and
//! the check's own timeout over all of it. Of the body only what claims need is kept.

use std::error::Error as _;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use url::Url;

use super::capture::Capture;
use super::claim::{JsonClaim, StatusSet, quoted};
use super::cookies::Cookies;
use super::net::{Address, Net, broken};
use super::secure::{Trust, handshake};
use super::template::{Known, Template};
use super::trial::{Trial, Tried, Trouble, target};

/// The longest head of an answer, bytes.
const HEAD_MAX: usize = 64 * 1024;

/// How a probe introduces itself.
const USER_AGENT: &str = concat!("evenkeel/", env!("CARGO_PKG_VERSION"), " (check)");

/// One request and what must be true of its answer.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name in the journey.
    pub name: String,
    /// The method.
    pub method: Method,
    /// The address; in a journey it may be relative to the answer before.
    pub url: Template,
    /// Headers beyond the usual.
    pub headers: Vec<(HeaderName, Template)>,
    /// What is sent.
    pub body: Body,
    /// The statuses that are expected. A redirect that is expected is not followed.
    pub status: StatusSet,
    /// What must be true of the answer as JSON.
    pub json: Vec<JsonClaim>,
    /// What must stand in the answer.
    pub contains: Vec<Template>,
    /// What must not.
    pub not_contains: Vec<Template>,
    /// What is taken from the answer for later steps.
    pub captures: Vec<Capture>,
    /// How many redirects are followed.
    pub redirects_max: u32,
    /// How much of the body is read, bytes.
    pub body_max: usize,
    /// Whether it is made also after another step failed.
    pub always: bool,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    None,
    /// A text.
    Text(Template),
    /// A form, as pages send it.
    Form(Vec<(String, Template)>),
}

impl Step {
    /// `GET url`, expecting 200-299 after at most five redirects, reading at most 1 MiB.
    pub fn get(url: &str) -> Self {
        Self {
            name: String::new(),
            method: Method::GET,
            url: Template::parse(url),
            headers: Vec::new(),
            body: Body::None,
            status: StatusSet::default(),
            json: Vec::new(),
            contains: Vec::new(),
            not_contains: Vec::new(),
            captures: Vec::new(),
            redirects_max: 5,
            body_max: 1 << 20,
            always: false,
        }
    }

    /// Scheme, host and port, where the step itself names them.
    pub fn site(&self) -> Option<Url> {
        let beginning = self.url.beginning();
        let (scheme, rest) = beginning.split_once("://")?;
        // A place within the host's name could name any host.
        let ends = rest.find(['/', '?', '#']);
        if ends.is_none() && self.url.names().next().is_some() {
            return None;
        }
        let host = &rest[..ends.unwrap_or(rest.len())];
        let url = Url::parse(&format!("{scheme}://{host}/")).ok()?;
        let good = matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none();
        good.then_some(url)
    }

    /// The names of all its places.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let of_body: Vec<&Template> = match &self.body {
            Body::None => Vec::new(),
            Body::Text(text) => vec![text],
            Body::Form(fields) => fields.iter().map(|(_, value)| value).collect(),
        };
        std::iter::once(&self.url)
            .chain(self.headers.iter().map(|(_, value)| value))
            .chain(&self.contains)
            .chain(&self.not_contains)
            .chain(of_body)
            .flat_map(Template::names)
    }
}

/// What the steps of a journey share.
pub(super) struct Session<'a> {
    pub(super) net: &'a Net,
    pub(super) trust: &'a Trust,
    pub(super) cookies: Cookies,
    pub(super) known: Known,
    /// The address of the last answer, for relative ones.
    pub(super) at: Option<Url>,
    /// Where requests may go: what the configuration names.
    pub(super) sites: Vec<Url>,
}

/// A request as it is sent.
struct Ask {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

/// An answer, as far as it was kept.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
    /// Which of the texts looked for stand in it.
    found: Vec<bool>,
}

/// Makes the step and judges its answer.
pub(super) async fn make(step: &Step, session: &mut Session<'_>, trial: &mut Trial) -> Tried<()> {
    let mut ask = ask(step, session)?;
    let fill = |template: &Template| template.fill(&session.known, |_, value| value.to_owned());
    let mut wanted = Vec::new();
    for template in step.contains.iter().chain(&step.not_contains) {
        wanted.push(fill(template).map_err(Trouble::Target)?);
    }
    let mut followed = 0;
    let answer = loop {
        let answer = exchange(&ask, step, &wanted, session, trial).await?;
        for value in session.cookies.keep(&ask.url, &answer.headers) {
            hide(&value, trial);
        }
        let is_redirect = matches!(answer.status, 301 | 302 | 303 | 307 | 308);
        let place = answer.headers.get(header::LOCATION);
        let (true, Some(place)) = (is_redirect && !step.status.has(answer.status), place) else {
            break answer;
        };
        let next = place
            .to_str()
            .ok()
            .and_then(|place| ask.url.join(place).ok());
        let Some(next) = next.filter(|next| matches!(next.scheme(), "http" | "https")) else {
            return target("it redirects to what is no web address");
        };
        if followed == step.redirects_max {
            return target(match followed {
                0 => format!("it redirects to {}, and redirects = 0", shown(&next)),
                _ => format!(
                    "after {followed} redirects it redirects again, to {}",
                    shown(&next)
                ),
            });
        }
        followed += 1;
        trial.say(|| format!("{} sends on to {}", answer.status, shown(&next)));
        follow(&mut ask, answer.status, next)?;
    };
    session.at = Some(ask.url.clone());
    judge(step, &wanted, &answer, session, trial)
}

/// The request of a step, with everything filled in.
fn ask(step: &Step, session: &Session<'_>) -> Tried<Ask> {
    let own = |why: String| Trouble::Target(why);
    let known = &session.known;
    let link = step.url.fill(known, |at, value| match at {
        // A link that was captured as a whole stands as it is.
        0 => value.to_owned(),
        _ => encoded(value),
    });
    let link = link.map_err(own)?;
    let url = match &session.at {
        Some(base) => base.join(&link),
        None => Url::parse(&link),
    };
    let url = url.map_err(|error| own(format!("what was captured makes no address: {error}")))?;
    let is_named = |site: &Url| {
        (site.scheme(), site.host_str(), site.port_or_known_default())
            == (url.scheme(), url.host_str(), url.port_or_known_default())
    };
    if !session.sites.iter().any(is_named) {
        // What a page says must not send the next step's password somewhere else.
        return target(format!(
            "what was captured leads to {}, which this check does not name",
            shown(&url)
        ));
    }
    let mut headers = HeaderMap::new();
    let mut body = Bytes::new();
    match &step.body {
        Body::None => {}
        Body::Form(fields) => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in fields {
                let value = value
                    .fill(known, |_, value| value.to_owned())
                    .map_err(own)?;
                form.append_pair(name, &value);
            }
            body = Bytes::from(form.finish());
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(header::CONTENT_TYPE, kind);
        }
        Body::Text(text) => {
            let is_json = text.beginning().trim_start().starts_with(['{', '[']);
            let filled = text.fill(known, |_, value| match is_json {
                true => in_json(value),
                false => value.to_owned(),
            });
            body = Bytes::from(filled.map_err(own)?);
            let kind = if is_json {
                "application/json"
            } else {
                "text/plain; charset=utf-8"
            };
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
    }
    for (name, value) in &step.headers {
        let value = value
            .fill(known, |_, value| value.to_owned())
            .map_err(own)?;
        let value = HeaderValue::from_str(&value);
        let value =
            value.map_err(|_| own(format!("what stands in the header {name} is no header")))?;
        headers.insert(name.clone(), value);
    }
    Ok(Ask {
        method: step.method.clone(),
        url,
        headers,
        body,
    })
}

/// Turns `ask` into what a browser would ask after a redirect.
fn follow(ask: &mut Ask, status: u16, next: Url) -> Tried<()> {
    let is_elsewhere = ask.url.origin() != next.origin();
    let keeps_method = matches!(status, 307 | 308);
    if is_elsewhere {
        if keeps_method && !ask.body.is_empty() {
            return target(format!("it passes on what was sent to {}", shown(&next)));
        }
        // They may hold a token, which is for the first host.
        ask.headers.clear();
    }
    if !keeps_method && ask.method != Method::HEAD {
        ask.method = Method::GET;
        ask.body = Bytes::new();
        ask.headers.remove(header::CONTENT_TYPE);
    }
    ask.url = next;
    Ok(())
}

fn judge(
    step: &Step,
    wanted: &[String],
    answer: &Answer,
    session: &mut Session<'_>,
    trial: &mut Trial,
) -> Tried<()> {
    if !step.status.has(answer.status) {
        let name = hyper::StatusCode::from_u16(answer.status);
        let name = name.ok().and_then(|status| status.canonical_reason());
        let name = name.map_or_else(String::new, |name| format!(" ({name})"));
        return target(format!(
            "answered {}{name}, expected {}",
            answer.status, step.status
        ));
    }
    let (contains, not_contains) = wanted.split_at(step.contains.len());
    let (is_there, is_wrongly_there) = answer.found.split_at(step.contains.len());
    for (text, is_there) in contains.iter().zip(is_there) {
        if !is_there {
            return target(format!("`{}` does not stand in the answer", quoted(text)));
        }
        trial.say(|| format!("`{}` stands in the answer", quoted(text)));
    }
    for (text, is_there) in not_contains.iter().zip(is_wrongly_there) {
        if *is_there {
            return target(format!("`{}` stands in the answer", quoted(text)));
        }
        trial.say(|| {
            format!(
                "`{}` does not stand in the answer, as it should be",
                quoted(text)
            )
        });
    }
    let document = match keeps_body(step) {
        true => serde_json::from_str(&answer.body).ok(),
        false => None,
    };
    if !step.json.is_empty() && document.is_none() {
        return target("the answer is no JSON");
    }
    for claim in &step.json {
        if let Some(document) = &document {
            claim.holds(document).map_err(Trouble::Target)?;
        }
        trial.say(|| "the JSON is as expected".into());
    }
    for capture in &step.captures {
        let taken = capture.take(&answer.headers, &answer.body, document.as_ref());
        let taken = taken.map_err(|why| Trouble::Target(format!("`{}`: {why}", capture.name)))?;
        hide(&taken, trial);
        trial.say(|| format!("took `{}`, {} bytes", capture.name, taken.len()));
        session.known.insert(capture.name.clone(), taken);
    }
    Ok(())
}

fn keeps_body(step: &Step) -> bool {
    !step.json.is_empty() || step.captures.iter().any(Capture::needs_body)
}

/// What a page gave us may be the key of a session. What is short is no key, and hiding
/// `7` would hide half of every sentence.
fn hide(value: &str, trial: &mut Trial) {
    if value.len() >= 8 {
        trial.hide(value);
    }
}

/// Connects, asks, and reads the answer.
async fn exchange(
    ask: &Ask,
    step: &Step,
    wanted: &[String],
    session: &Session<'_>,
    trial: &mut Trial,
) -> Tried<Answer> {
    let host = ask.url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = Address {
        host: host.to_owned(),
        port: ask.url.port_or_known_default().unwrap_or(80),
    };
    trial.say(|| format!("{} {}", ask.method, shown(&ask.url)));
    let stream = session.net.connect(&address, trial).await?;
    let request = request(ask, session)?;
    if ask.url.scheme() == "https" {
        let stream = handshake(session.trust, host, stream, trial).await?;
        converse(stream, request, step, wanted, trial).await
    } else {
        converse(stream, request, step, wanted, trial).await
    }
}

fn request(ask: &Ask, session: &Session<'_>) -> Tried<Request<Full<Bytes>>> {
    let path = &ask.url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &ask.url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut builder = Request::builder()
        .method(ask.method.clone())
        .uri(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close");
    if let Some(cookies) = session.cookies.header(&ask.url) {
        builder = builder.header(header::COOKIE, cookies);
    }
    if let Some(headers) = builder.headers_mut() {
        for (name, value) in &ask.headers {
            headers.insert(name.clone(), value.clone());
        }
    }
    let made = builder.body(Full::new(ask.body.clone()));
    made.map_err(|error| Trouble::Target(format!("what was captured makes no request: {error}")))
}

async fn converse<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    step: &Step,
    wanted: &[String],
    trial: &mut Trial,
) -> Tried<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD_MAX)
        .handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|error| wrong(&error))?;
    // The connection is driven here and not in a task: with the probe it is gone.
    let driving = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    let asking = async {
        trial.stage("waiting for the answer");
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| wrong(&error))?;
        let status = response.status();
        trial.say(|| format!("answered {status}"));
        read(response, step, wanted, trial).await
    };
    tokio::select! {
        answer = asking => answer,
        () = driving => target("the connection was closed before the answer was whole"),
    }
}

/// Reads the body, and keeps what is needed of it.
async fn read(
    response: Response<Incoming>,
    step: &Step,
    wanted: &[String],
    trial: &mut Trial,
) -> Tried<Answer> {
    let (head, mut body) = response.into_parts();
    trial.stage("reading the answer");
    let has_length = head.headers.contains_key(header::CONTENT_LENGTH)
        || head.headers.contains_key(header::TRANSFER_ENCODING);
    let keeps = keeps_body(step) && step.status.has(head.status.as_u16());
    let mut looking = Looking::new(wanted);
    let (mut kept, mut bytes) = (Vec::new(), 0_usize);
    trial.body_bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            // Old servers end TLS without saying so; without a length the end is the end.
            Err(error) if !has_length && is_end(&error) => break,
            Err(error) => return Err(wrong(&error)),
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let room = step.body_max - bytes;
        let part = &data[..data.len().min(room)];
        bytes += part.len();
        trial.body_bytes = bytes as u64;
        looking.at(part);
        if keeps {
            kept.extend_from_slice(part);
        }
        if data.len() > room {
            if keeps {
                return target(format!(
                    "the answer is larger than {} bytes; raise body_max to look at all of it",
                    step.body_max
                ));
            }
            trial.say(|| format!("stopped reading after {bytes} bytes (body_max)"));
            break;
        }
    }
    trial.body_bytes = 0;
    trial.say(|| format!("read {bytes} bytes"));
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: match String::from_utf8(kept) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        },
        found: looking.found,
    })
}

/// Looks for texts in a body that is not kept.
struct Looking<'a> {
    texts: Vec<memchr::memmem::Finder<'a>>,
    found: Vec<bool>,
    /// The end of what was seen: a text may begin there.
    tail: Vec<u8>,
    longest: usize,
}

impl<'a> Looking<'a> {
    fn new(texts: &'a [String]) -> Self {
        Self {
            texts: texts.iter().map(memchr::memmem::Finder::new).collect(),
            found: texts.iter().map(String::is_empty).collect(),
            tail: Vec::new(),
            longest: texts.iter().map(String::len).max().unwrap_or_default(),
        }
    }

    fn at(&mut self, part: &[u8]) {
        if self.longest == 0 {
            return;
        }
        self.tail.extend_from_slice(part);
        for (text, found) in self.texts.iter().zip(&mut self.found) {
            *found = *found || text.find(&self.tail).is_some();
        }
        let done = self.tail.len().saturating_sub(self.longest - 1);
        self.tail.drain(..done);
    }
}

/// A value as part of a path or a query.
fn encoded(value: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    encoded.replace('+', "%20")
}

/// A value within the quotes of a JSON text.
fn in_json(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// An address without its query, where secrets stand.
fn shown(url: &Url) -> String {
    url[url::Position::BeforeScheme..url::Position::AfterPath].to_owned()
}

fn is_end(error: &hyper::Error) -> bool {
    let io = error
        .source()
        .and_then(|inner| inner.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::UnexpectedEof)
}

/// A failed conversation in an operator's words.
fn wrong(error: &hyper::Error) -> Trouble {
    let io = error
        .source()
        .and_then(|inner| inner.downcast_ref::<std::io::Error>());
    if let Some(io) = io {
        return broken("the answer broke off", io);
    }
    Trouble::Target(match () {
        () if error.is_incomplete_message() || error.is_canceled() => {
            "the connection was closed before the answer was whole".into()
        }
        () if error.is_parse() && error.to_string().contains("too large") => {
            "the head of the answer is larger than 64 KiB".into()
        }
        () if error.is_parse() => format!("the answer is no HTTP: {error}"),
        () => format!("the answer broke off: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_step_names_its_site_itself_or_not_at_all() {
        for (url, site) in [
            (
                "https://app.example.com/login",
                Some("https://app.example.com/"),
            ),
            ("http://127.0.0.1:8000", Some("http://127.0.0.1:8000/")),
            (
                "https://app.example.com/{id}?x={y}",
                Some("https://app.example.com/"),
            ),
            ("https://{host}/login", None),
            ("https://app.{host}/login", None),
            ("https://app.example.com{rest}", None),
            ("https://user:pass@app.example.com/", None),
            ("ftp://app.example.com/", None),
            ("/login", None),
            ("{link}", None),
        ] {
            let found = Step::get(url).site().map(|site| site.to_string());
            assert_eq!(found.as_deref(), site, "{url}");
        }
    }

    #[test]
    fn values_cannot_leave_their_place() {
        assert_eq!(encoded("a b&c=d/e?f#g"), "a%20b%26c%3Dd%2Fe%3Ff%23g");
        assert_eq!(in_json("say \"hi\"\n"), "say \\\"hi\\\"\\n");
    }

    proptest! {
        #[test]
        fn a_text_is_found_however_the_body_is_cut(
            before in "[ab]{0,20}", after in "[ab]{0,20}", text in "[ab]{1,5}",
            cuts in proptest::collection::vec(1_usize..6, 1..20),
        ) {
            let body = format!("{before}{text}{after}");
            let texts = [text, "c".to_owned()];
            let mut looking = Looking::new(&texts);
            let mut rest = body.as_bytes();
            for cut in cuts {
                let (part, other) = rest.split_at(cut.min(rest.len()));
                looking.at(part);
                rest = other;
            }
            looking.at(rest);
            prop_assert_eq!(looking.found, vec![true, false]);
        }
    }
}
