//! A reader of HTTP/1.1 as the edge writes it, and as it may be read in one way only.
//!
//! It forgives nothing: what it cannot read in one way is an error, and with that the
//! failure of a test.

/// A message that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The words of its first line.
    pub(crate) start: Vec<String>,
    /// Names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether it came to its end.
    pub(crate) is_whole: bool,
}

/// Everything that was sent on a connection; an answer without length or chunks runs to its
/// end.
pub(crate) fn readings(bytes: &[u8]) -> Result<Vec<Reading>, String> {
    let (mut rest, mut read) = (bytes, Vec::new());
    while !rest.is_empty() {
        let end = find(rest, b"\r\n\r\n").ok_or("a head without end")?;
        // Values may hold bytes that are no UTF-8.
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 4..];
        read.push(message(&head, &mut rest)?);
    }
    Ok(read)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|piece| piece == what)
}

fn message(head: &str, rest: &mut &[u8]) -> Result<Reading, String> {
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let start: Vec<String> = first.splitn(3, ' ').map(str::to_owned).collect();
    let is_request = start.len() == 3 && start[2] == "HTTP/1.1";
    let is_answer = start.len() == 3 && start[0] == "HTTP/1.1";
    if !is_request && !is_answer {
        return Err(format!("the first line {first:?}"));
    }
    let mut fields = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or(format!("the field {line:?}"))?;
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) || line.contains(['\r', '\n', '\0']) {
            return Err(format!("the field {line:?}"));
        }
        fields.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    // What follows CGI reads `_` as `-`.
    let is_alias = |name: &str| is_framing(&name.replace('_', "-")) && name.contains('_');
    if let Some((name, _)) = fields.iter().find(|(name, _)| is_request && is_alias(name)) {
        return Err(format!("the field {name}"));
    }
    let all = |wanted: &str| -> Vec<&str> {
        let found = fields.iter().filter(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str()).collect()
    };
    let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
    if is_request && all("host").len() != 1 {
        return Err(format!("its hosts {:?}", all("host")));
    }
    let (body, is_whole) = match (&lengths[..], &codings[..]) {
        ([], ["chunked"]) => chunks(rest)?,
        ([length], []) => {
            let digits = length.bytes().all(|byte| byte.is_ascii_digit());
            let length = length.parse().ok().filter(|_| digits);
            let length: usize = length.ok_or(format!("its lengths {lengths:?}"))?;
            let there = length.min(rest.len());
            (take(rest, there).to_vec(), there == length)
        }
        ([], []) if is_request || start[1].starts_with('1') || start[1] == "204" => {
            (Vec::new(), true)
        }
        ([], []) if start[1] == "304" => (Vec::new(), true),
        ([], []) => (take(rest, rest.len()).to_vec(), true),
        _ => return Err(format!("lengths {lengths:?} and codings {codings:?}")),
    };
    Ok(Reading {
        start,
        fields,
        body,
        is_whole,
    })
}

fn take<'b>(rest: &mut &'b [u8], len: usize) -> &'b [u8] {
    let (piece, after) = rest.split_at(len);
    *rest = after;
    piece
}

/// A body in chunks: what there is of it, and whether that is all.
fn chunks(rest: &mut &[u8]) -> Result<(Vec<u8>, bool), String> {
    let mut body = Vec::new();
    loop {
        let Some(end) = find(rest, b"\r\n") else {
            return Ok((body, false));
        };
        let line = String::from_utf8_lossy(take(rest, end)).into_owned();
        take(rest, 2);
        let is_hex = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = usize::from_str_radix(&line, 16).ok().filter(|_| is_hex);
        let size = size.ok_or(format!("the size {line:?}"))?;
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[..size.min(rest.len())]);
        if rest.len() < size + 2 {
            *rest = b"";
            return Ok((body, false));
        }
        take(rest, size);
        if take(rest, 2) != b"\r\n" {
            return Err("a chunk that does not end with CRLF".to_owned());
        }
    }
    if rest.starts_with(b"\r\n") {
        take(rest, 2);
        return Ok((body, true));
    }
    let Some(end) = find(rest, b"\r\n\r\n") else {
        *rest = b"";
        return Ok((body, false));
    };
    let trailers = String::from_utf8_lossy(take(rest, end)).to_ascii_lowercase();
    take(rest, 4);
    let mut names = trailers.split("\r\n").map(|line| line.split(':').next());
    match names.find(|name| name.is_none_or(is_framing)) {
        Some(name) => Err(format!("the trailer {name:?}")),
        None => Ok((body, true)),
    }
}

/// Whether a field says where a message ends or goes.
fn is_framing(name: &str) -> bool {
    matches!(name, "content-length" | "transfer-encoding" | "host")
}

#[test]
fn what_can_be_read_in_two_ways_is_not_read() {
    for bytes in [
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: 1\nb: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\na",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\na",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nhost: b\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent_length: 2\r\n\r\na",
        "nonsense\r\n\r\n",
    ] {
        assert!(readings(bytes.as_bytes()).is_err(), "{bytes:?}");
    }
    let whole = "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n\
        GET /y HTTP/1.1\r\nhost: a\r\n\r\n";
    let read = readings(whole.as_bytes()).unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!(
        (read[0].body.as_slice(), read[0].is_whole),
        (&b"a"[..], true)
    );
    let cut = readings(&whole.as_bytes()[..60]).unwrap();
    assert!(!cut[0].is_whole);
}
