//! W3C trace context (w3.org/TR/trace-context): passed on where it is whole, dropped where
//! it is not, and begun where requests are logged, so that a line of the access log leads
//! to the lines of the service.

use bytes::BytesMut;
use http::HeaderMap;

use crate::wire::put_field;

/// A trace's id, as text.
pub(crate) type TraceId = [u8; 32];

/// What is known of a request's trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trace {
    /// None, and none is begun.
    None,
    /// The client's, passed on.
    Theirs(TraceId),
    /// Begun here, with the id of our part.
    Ours(TraceId, [u8; 16]),
    /// The client's words make no sense and are dropped.
    Dropped,
}

impl Trace {
    /// The client's trace; `begin` one where there is none.
    pub(crate) fn of(headers: &HeaderMap, begin: bool) -> Self {
        let mut values = headers.get_all("traceparent").iter();
        match (values.next(), values.next()) {
            (None, _) => match begin {
                true => Self::begin(),
                false => Self::None,
            },
            (Some(value), None) => match trace_id(value.as_bytes()) {
                Some(id) => Self::Theirs(id),
                None if begin => Self::begin(),
                None => Self::Dropped,
            },
            _ => Self::Dropped,
        }
    }

    fn begin() -> Self {
        let mut random = [0; 24];
        if getrandom::fill(&mut random).is_err() {
            return Self::Dropped;
        }
        let (mut id, mut part) = ([0; 32], [0; 16]);
        hex(&random[..16], &mut id);
        hex(&random[16..], &mut part);
        Self::Ours(id, part)
    }

    /// Whether the client's own fields are passed on.
    pub(crate) fn passes(self) -> bool {
        matches!(self, Self::Theirs(_) | Self::None)
    }

    /// Its id.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Theirs(id) | Self::Ours(id, _) => std::str::from_utf8(id).ok(),
            Self::None | Self::Dropped => None,
        }
    }

    /// Writes what was begun here. Not sampled: who records traces decides that.
    pub(crate) fn put(&self, output: &mut BytesMut) {
        if let Self::Ours(id, part) = self {
            let mut value = *b"00-00000000000000000000000000000000-0000000000000000-00";
            value[3..35].copy_from_slice(id);
            value[36..52].copy_from_slice(part);
            put_field(output, "traceparent", &value);
        }
    }
}

fn hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// The id in a `traceparent` that is whole.
fn trace_id(value: &[u8]) -> Option<TraceId> {
    let is_hex = |text: &[u8]| {
        text.iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_zero = |text: &[u8]| text.iter().all(|byte| *byte == b'0');
    let (version, id) = (value.get(..2)?, value.get(3..35)?);
    let (part, flags) = (value.get(36..52)?, value.get(53..55)?);
    let has_dashes = [2, 35, 52].iter().all(|at| value[*at] == b'-');
    // Later versions may go on behind a further dash.
    let ends = match version {
        b"00" => value.len() == 55,
        _ => value.len() == 55 || value[55] == b'-',
    };
    let fits = [version, id, part, flags].into_iter().all(is_hex);
    let is_whole = fits && has_dashes && ends && version != b"ff" && !is_zero(id) && !is_zero(part);
    is_whole.then(|| id.try_into().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_is_passed_on_and_the_rest_is_not() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (value, expected) in [
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                Some(id),
            ),
            (
                "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-new",
                Some(id),
            ),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-new",
                None,
            ),
            (
                "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                None,
            ),
            (
                "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                None,
            ),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                None,
            ),
            (
                "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                None,
            ),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", value.parse().unwrap());
            let trace = Trace::of(&headers, false);
            assert_eq!(trace.id(), expected, "{value}");
            assert_eq!(trace.passes(), expected.is_some());
        }
    }

    #[test]
    fn what_is_begun_can_be_read() {
        let mut output = BytesMut::new();
        Trace::of(&HeaderMap::new(), true).put(&mut output);
        let value = output.strip_prefix(b"traceparent: ").unwrap();
        assert!(trace_id(value.trim_ascii_end()).is_some());
    }
}
