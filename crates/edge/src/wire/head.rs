//! Heads of requests and answers (RFC 9112 sections 2 to 6): read, refused, written.
//!
//! What is refused in a request is refused with an answer and the end of the connection,
//! because nobody knows any more where the next one begins: both `Content-Length` and
//! `Transfer-Encoding`, more than one of either, a coding other than `chunked`, lines that
//! do not end with CRLF, folded lines, space before a colon, no `Host` or several.

use std::mem::MaybeUninit;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode, Version};

use super::body::{Chunk, Framing};

/// The most fields that can be configured.
const FIELDS_MAX: usize = 512;

/// Empty lines before a request that are forgiven (RFC 9112, 2.2).
const EMPTY_LINES_MAX: usize = 4;

/// A head that is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHead {
    /// It is not what the protocol says.
    #[error("{0}")]
    Malformed(&'static str),
    /// It has too many bytes or fields.
    #[error("the head is too large")]
    TooLarge,
    /// Its target is too long.
    #[error("the target is too long")]
    TargetTooLong,
    /// A version of the protocol that is not spoken.
    #[error("HTTP of another version than 1.0 and 1.1")]
    Version,
    /// What only a forward proxy does.
    #[error("CONNECT is not for us")]
    Connect,
}

/// The head of a request.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    /// As the client named it, with port; in `headers` too.
    pub(crate) host: HeaderValue,
    pub(crate) target: PathAndQuery,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) framing: Framing,
    /// Whether the client takes another request on this connection.
    pub(crate) keeps: bool,
    /// Whether it asks for another protocol.
    pub(crate) upgrades: bool,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct AnswerHead {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) framing: Framing,
    /// Whether the connection can be used again after it.
    pub(crate) keeps: bool,
}

/// How much of a head is looked for, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadBounds {
    pub(crate) bytes: usize,
    pub(crate) fields: usize,
}

/// What is known of a head that is not there whole yet.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Begun {
    /// Bytes that were looked at before.
    scanned: usize,
    /// Empty lines that were passed over.
    empty_lines: usize,
}

/// Where the head ends that the input begins with, blank line included; no bare LF is in it.
/// `scanned` are bytes that were looked at before.
fn head_end(input: &[u8], scanned: &mut usize) -> Result<Option<usize>, BadHead> {
    // A line's end may have come in two pieces.
    let from = scanned.saturating_sub(3);
    for at in memchr::memchr_iter(b'\n', &input[from..]) {
        let at = from + at;
        if at == 0 || input[at - 1] != b'\r' {
            return Err(BadHead::Malformed("a line ends without CR"));
        }
        if at >= 3 && &input[at - 3..at] == b"\r\n\r" {
            return Ok(Some(at + 1));
        }
    }
    *scanned = input.len();
    Ok(None)
}

/// The next request's head, once it is there whole.
pub(crate) fn parse_request(
    input: &mut BytesMut,
    begun: &mut Begun,
    bounds: HeadBounds,
) -> Result<Option<RequestHead>, BadHead> {
    if begun.scanned == 0 {
        while begun.empty_lines < EMPTY_LINES_MAX && input.starts_with(b"\r\n") {
            input.advance(2);
            begun.empty_lines += 1;
        }
        if **input == *b"\r" {
            // It may become an empty line, too.
            return Ok(None);
        }
    }
    let Some(end) = head_end(input, &mut begun.scanned)? else {
        if input.len() >= bounds.bytes {
            let is_one_line = memchr::memchr(b'\n', input).is_none();
            return Err(match is_one_line {
                true => BadHead::TargetTooLong,
                false => BadHead::TooLarge,
            });
        }
        return Ok(None);
    };
    if end > bounds.bytes {
        return Err(BadHead::TooLarge);
    }
    *begun = Begun::default();
    let text = input.split_to(end).freeze();
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let fields = &mut fields[..bounds.fields.min(FIELDS_MAX)];
    let mut parsed = httparse::Request::new(&mut []);
    let status = parsed.parse_with_uninit_headers(&text, fields);
    match status {
        Ok(httparse::Status::Complete(len)) if len == text.len() => {}
        Ok(_) => return Err(BadHead::Malformed("a blank line inside a head")),
        Err(httparse::Error::Version) if !names_version(&text) => {
            return Err(BadHead::Malformed("the first line cannot be read"));
        }
        Err(error) => return Err(why(error)),
    }
    let (Some(method), Some(path), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(BadHead::Malformed("the first line is not whole"));
    };
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| BadHead::Malformed("no method"))?;
    if method == Method::CONNECT {
        return Err(BadHead::Connect);
    }
    let version = version(minor);
    let mut headers = HeaderMap::with_capacity(parsed.headers.len() + 4);
    put_fields(&mut headers, &text, parsed.headers)?;
    let (target, authority) = target(&text, path, &method)?;
    if let Some(authority) = authority {
        // The absolute form's authority is the host, whatever the field says (9112, 3.2.2).
        headers.insert(HOST, authority);
    }
    let host = one_host(&headers, version)?;
    let framing = request_framing(&headers, version)?;
    let said = Said::of(&headers);
    let upgrades = said.upgrade
        && headers.contains_key(UPGRADE)
        && framing == Framing::None
        && version == Version::HTTP_11;
    Ok(Some(RequestHead {
        keeps: said.keeps(version),
        method,
        host,
        target,
        version,
        headers,
        framing,
        upgrades,
    }))
}

/// The next answer's head, once it is there whole. `is_head`: the request was a HEAD.
pub(crate) fn parse_answer(
    input: &mut BytesMut,
    scanned: &mut usize,
    bounds: HeadBounds,
    is_head: bool,
) -> Result<Option<AnswerHead>, BadHead> {
    // What is no HTTP at all is known by its first bytes, not when the bound is reached.
    let start = &input[..input.len().min(5)];
    if !b"HTTP/".starts_with(start) {
        return Err(BadHead::Malformed("it is not HTTP"));
    }
    let Some(end) = head_end(input, scanned)? else {
        return match input.len() >= bounds.bytes {
            true => Err(BadHead::TooLarge),
            false => Ok(None),
        };
    };
    if end > bounds.bytes {
        return Err(BadHead::TooLarge);
    }
    *scanned = 0;
    let text = input.split_to(end).freeze();
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let fields = &mut fields[..bounds.fields.min(FIELDS_MAX)];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut parsed, &text, fields) {
        Ok(httparse::Status::Complete(len)) if len == text.len() => {}
        Ok(_) => return Err(BadHead::Malformed("a blank line inside a head")),
        Err(error) => return Err(why(error)),
    }
    let (Some(code), Some(minor)) = (parsed.code, parsed.version) else {
        return Err(BadHead::Malformed("the first line is not whole"));
    };
    let status = StatusCode::from_u16(code).map_err(|_| BadHead::Malformed("no such status"))?;
    let mut headers = HeaderMap::with_capacity(parsed.headers.len() + 4);
    put_fields(&mut headers, &text, parsed.headers)?;
    let version = version(minor);
    let framing = answer_framing(&headers, status, is_head)?;
    Ok(Some(AnswerHead {
        keeps: Said::of(&headers).keeps(version) && framing != Framing::UntilClose,
        status,
        headers,
        framing,
    }))
}

/// Whether a head's first line ends with some version of HTTP.
fn names_version(text: &[u8]) -> bool {
    let line = text.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<_> = line.split(|byte| *byte == b' ').collect();
    matches!(words[..], [_, _, version] if version.starts_with(b"HTTP/"))
}

fn version(minor: u8) -> Version {
    match minor {
        0 => Version::HTTP_10,
        _ => Version::HTTP_11,
    }
}

fn why(error: httparse::Error) -> BadHead {
    use httparse::Error;
    match error {
        Error::TooManyHeaders => BadHead::TooLarge,
        Error::Version => BadHead::Version,
        Error::HeaderName => BadHead::Malformed("the name of a field has letters it may not have"),
        Error::HeaderValue => BadHead::Malformed("the value of a field has bytes it may not have"),
        Error::NewLine => BadHead::Malformed("a line ends without CRLF"),
        Error::Status => BadHead::Malformed("the status is no number"),
        Error::Token => BadHead::Malformed("the first line cannot be read"),
    }
}

/// Takes fields over without copying their values.
pub(super) fn put_fields(
    headers: &mut HeaderMap,
    text: &Bytes,
    fields: &[httparse::Header<'_>],
) -> Result<(), BadHead> {
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes())
            .map_err(|_| BadHead::Malformed("the name of a field has letters it may not have"))?;
        let value = HeaderValue::from_maybe_shared(text.slice_ref(field.value))
            .map_err(|_| BadHead::Malformed("the value of a field has bytes it may not have"))?;
        headers
            .try_append(name, value)
            .map_err(|_| BadHead::TooLarge)?;
    }
    Ok(())
}

/// Path and query, and the authority where the target names one.
fn target(
    text: &Bytes,
    path: &str,
    method: &Method,
) -> Result<(PathAndQuery, Option<HeaderValue>), BadHead> {
    let bad = BadHead::Malformed("the target cannot be read");
    // What is beyond ASCII has to be written with % (RFC 3986, 2); readers differ about it.
    if !path.is_ascii() {
        return Err(bad);
    }
    if path.starts_with('/') {
        let bytes = text.slice_ref(path.as_bytes());
        let target = PathAndQuery::from_maybe_shared(bytes).map_err(|_| bad)?;
        return Ok((target, None));
    }
    if path == "*" && *method == Method::OPTIONS {
        return Ok((PathAndQuery::from_static("*"), None));
    }
    let uri = http::Uri::try_from(path).map_err(|_| bad)?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority().filter(|_| is_http).ok_or(bad)?;
    if authority.as_str().contains('@') {
        return Err(bad);
    }
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| bad)?;
    let target = uri.path_and_query().cloned();
    Ok((target.unwrap_or(PathAndQuery::from_static("/")), Some(host)))
}

/// The one host of a request (RFC 9112, 3.2).
fn one_host(headers: &HeaderMap, version: Version) -> Result<HeaderValue, BadHead> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => match is_host(host.as_bytes()) {
            true => Ok(host.clone()),
            false => Err(BadHead::Malformed("the host cannot be read")),
        },
        (Some(_), Some(_)) => Err(BadHead::Malformed("several hosts")),
        (None, _) if version == Version::HTTP_10 => Ok(HeaderValue::from_static("")),
        (None, _) => Err(BadHead::Malformed("no host")),
    }
}

/// Letters of names, addresses and ports; nothing that could end a name elsewhere.
pub(crate) fn is_host(host: &[u8]) -> bool {
    let is_fine = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+,;=".contains(byte);
    host.len() <= 255 && host.iter().all(is_fine)
}

fn request_framing(headers: &HeaderMap, version: Version) -> Result<Framing, BadHead> {
    let length = one_length(headers)?;
    let is_chunked = is_chunked(headers)?;
    match (is_chunked, length) {
        (true, Some(_)) => Err(BadHead::Malformed("both a length and a coding")),
        (true, None) if version == Version::HTTP_10 => {
            Err(BadHead::Malformed("a coding in HTTP/1.0"))
        }
        (true, None) => Ok(Framing::Chunked(Chunk::Size)),
        (false, Some(0)) | (false, None) => Ok(Framing::None),
        (false, Some(length)) => Ok(Framing::Length(length)),
    }
}

fn answer_framing(
    headers: &HeaderMap,
    status: StatusCode,
    is_head: bool,
) -> Result<Framing, BadHead> {
    let length = one_length(headers)?;
    let is_chunked = is_chunked(headers)?;
    if is_chunked && length.is_some() {
        return Err(BadHead::Malformed("both a length and a coding"));
    }
    let has_none = status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if is_head || has_none {
        return Ok(Framing::None);
    }
    Ok(match (is_chunked, length) {
        (true, _) => Framing::Chunked(Chunk::Size),
        (false, Some(0)) => Framing::None,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::UntilClose,
    })
}

/// The length, said once and in digits alone.
fn one_length(headers: &HeaderMap) -> Result<Option<u64>, BadHead> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else {
        return Ok(None);
    };
    if lengths.next().is_some() {
        return Err(BadHead::Malformed("several lengths"));
    }
    let bad = BadHead::Malformed("the length is no number");
    let digits = length.as_bytes();
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(bad);
    }
    let fold = |sum: u64, digit: &u8| sum * 10 + u64::from(digit - b'0');
    Ok(Some(digits.iter().fold(0, fold)))
}

/// Whether the body comes in chunks; no other coding is taken.
fn is_chunked(headers: &HeaderMap) -> Result<bool, BadHead> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(false);
    };
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(BadHead::Malformed("a coding other than chunked"));
    }
    Ok(true)
}

/// What `Connection` says.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
}

impl Said {
    fn of(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        for value in headers.get_all(CONNECTION) {
            for option in options(value) {
                said.close |= option.eq_ignore_ascii_case(b"close");
                said.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                said.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
            }
        }
        said
    }

    fn keeps(self, version: Version) -> bool {
        match version {
            Version::HTTP_10 => self.keep_alive && !self.close,
            _ => !self.close,
        }
    }
}

/// The options of a `Connection` field.
pub(crate) fn options(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let options = value.as_bytes().split(|byte| *byte == b',');
    options.map(<[u8]>::trim_ascii)
}

/// Writes an answer's first line.
pub(crate) fn put_answer_line(output: &mut BytesMut, status: StatusCode) {
    if status == StatusCode::OK {
        output.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    output.extend_from_slice(b"HTTP/1.1 ");
    output.extend_from_slice(status.as_str().as_bytes());
    output.put_u8(b' ');
    let reason = status.canonical_reason().unwrap_or_default();
    output.extend_from_slice(reason.as_bytes());
    output.extend_from_slice(b"\r\n");
}

/// Writes fields, without the blank line.
pub(crate) fn put_headers(output: &mut BytesMut, headers: &HeaderMap) {
    for (name, value) in headers {
        put_field(output, name.as_str(), value.as_bytes());
    }
}

/// Writes one field.
pub(crate) fn put_field(output: &mut BytesMut, name: &str, value: &[u8]) {
    output.reserve(name.len() + value.len() + 4);
    output.extend_from_slice(name.as_bytes());
    output.extend_from_slice(b": ");
    output.extend_from_slice(value);
    output.extend_from_slice(b"\r\n");
}
