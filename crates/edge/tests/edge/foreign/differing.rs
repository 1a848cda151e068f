//! Where the edge reads other projects' cases otherwise than they do, and why.

/// A request, or an answer, in one coding: `chunked`.
const CODINGS: &str = "of codings chunked is taken alone: what else was done to the body an \
    instance may not know, and readers differ about which of several counts";

/// What is no HTTP.
const OTHER: &str = "another protocol than HTTP/1.0 and HTTP/1.1";

/// CONNECT.
const CONNECT: &str = "CONNECT is for forward proxies, and this is none";

/// Names and passwords in a target.
const USER: &str = "user information in a target hides which host is meant (RFC 9110, 4.2.4)";

/// Quotes in a target.
const QUOTES: &str = "quotes have no place in a target; clients write %22 (RFC 3986, 2)";

/// An empty line before an answer.
const EMPTY_LINE: &str = "empty lines are forgiven before requests alone (RFC 9112, 2.2)";

/// Another size.
const LIMIT: &str = "the case sets gunicorn's bound; ours are larger, and proved in bounds.rs";

/// Names with `_`.
const ALIAS: &str = "a name that CGI could take for one of framing is dropped, the rest goes on";

/// What a trailer may not be.
const TRAILER: &str = "a trailer that would change what went before is dropped (RFC 9110, 6.5.1)";

/// After the end.
const AFTER_CLOSE: &str = "what comes after the last message is not read: the connection ends";

/// Requests that they take.
pub(super) const REQUESTS_REFUSED: &[(&str, &str)] = &[
    ("gunicorn/valid/014", QUOTES),
    ("gunicorn/valid/025", CODINGS),
    ("gunicorn/valid/025_line", CODINGS),
    ("gunicorn/valid/029", CODINGS),
    ("gunicorn/valid/030", CODINGS),
    ("gunicorn/valid/rfc9112_smuggle_gzip_chunked_01", CODINGS),
    (
        "gunicorn/valid/rfc9112_smuggle_te_identity_chunked_01",
        CODINGS,
    ),
    ("gunicorn/valid/rfc9112_target_absolute_userinfo_01", USER),
    (
        "gunicorn/valid/rfc9112_target_authority_connect_01",
        CONNECT,
    ),
    ("gunicorn/valid/rfc9112_target_authority_ipv6_01", CONNECT),
    (
        "llhttp/request/method/REPORT request / ANNOUNCE request with RTSP",
        OTHER,
    ),
    (
        "llhttp/request/method/REPORT request / M-SEARCH request",
        "* is for OPTIONS alone; M-SEARCH is spoken on UDP (RFC 9112, 3.2.4)",
    ),
    (
        "llhttp/request/method/REPORT request / OPTIONS request with RTSP",
        OTHER,
    ),
    (
        "llhttp/request/method/REPORT request / SOURCE request with ICE",
        OTHER,
    ),
    ("llhttp/request/sample/No HTTP version", OTHER),
    (
        "llhttp/request/transfer-encoding/POST with `chunked` as last transfer-encoding",
        CODINGS,
    ),
    (
        "llhttp/request/transfer-encoding/POST with `chunked` as last transfer-encoding (multiple headers)",
        CODINGS,
    ),
    ("llhttp/request/uri/Quotes in URI", QUOTES),
    ("llhttp/request/uri/`host:port` and basic auth", USER),
];

/// Requests that they refuse.
pub(super) const REQUESTS_TAKEN: &[(&str, &str)] = &[
    (
        "gunicorn/invalid/003c",
        "a method may begin with - (RFC 9110, 5.6.2); gunicorn keeps to custom",
    ),
    ("gunicorn/invalid/006", LIMIT),
    ("gunicorn/invalid/007", LIMIT),
    ("gunicorn/invalid/008", LIMIT),
    ("gunicorn/invalid/009", LIMIT),
    ("gunicorn/invalid/010", LIMIT),
    ("gunicorn/invalid/011", LIMIT),
    ("gunicorn/invalid/012", LIMIT),
    ("gunicorn/invalid/017", LIMIT),
    ("gunicorn/invalid/limit_header_default_01", LIMIT),
    (
        "gunicorn/invalid/019",
        "two X-Forwarded fields that differ are dropped: who sent them is not trusted",
    ),
    ("gunicorn/invalid/040", ALIAS),
    ("gunicorn/invalid/chunked_07", ALIAS),
    (
        "gunicorn/invalid/041",
        "two content types say nothing of where a body ends; instances judge them",
    ),
    ("gunicorn/invalid/rfc9110_trailer_forbidden_cl_01", TRAILER),
    (
        "gunicorn/invalid/rfc9110_trailer_forbidden_host_01",
        TRAILER,
    ),
    ("gunicorn/invalid/rfc9110_trailer_forbidden_te_01", TRAILER),
    (
        "gunicorn/invalid/rfc9112_leading_crlf_02",
        "four empty lines before a request are forgiven: nobody takes them for one",
    ),
    (
        "llhttp/request/connection/`close` / CRLF between requests, explicit `close`",
        AFTER_CLOSE,
    ),
    (
        "llhttp/request/connection/`close` / CRLF between requests, explicit `close` followed by tab",
        AFTER_CLOSE,
    ),
    (
        "llhttp/request/connection/`keep-alive` / No restart when keep-alive is off (1.0)",
        AFTER_CLOSE,
    ),
    (
        "llhttp/request/invalid/ICE protocol and GET method / HTTP protocol and ANNOUNCE method",
        "any token is a method; instances judge what it means",
    ),
];

/// Answers that they take.
pub(super) const ANSWERS_REFUSED: &[(&str, &str)] = &[
    (
        "llhttp/response/connection/HTTP 100 first, then 400",
        EMPTY_LINE,
    ),
    ("llhttp/response/sample/HTTP version 0.9", OTHER),
    ("llhttp/response/sample/ICE response", OTHER),
    ("llhttp/response/sample/RTSP response", OTHER),
    (
        "llhttp/response/sample/Response starting with CRLF",
        EMPTY_LINE,
    ),
    (
        "llhttp/response/transfer-encoding/`chunked` before other transfer-encoding",
        CODINGS,
    ),
    (
        "llhttp/response/transfer-encoding/`chunkedchunked` transfer-encoding does not enable chunked enconding",
        CODINGS,
    ),
    (
        "llhttp/response/transfer-encoding/multiple transfer-encoding where chunked is not the last one",
        CODINGS,
    ),
];

/// Answers that they refuse.
pub(super) const ANSWERS_TAKEN: &[(&str, &str)] = &[
    (
        "llhttp/response/connection/HTTP/1.1 with keep-alive disabled and 204 status",
        AFTER_CLOSE,
    ),
    (
        "llhttp/response/connection/HTTP/1.1 with keep-alive disabled, content-length",
        AFTER_CLOSE,
    ),
];
