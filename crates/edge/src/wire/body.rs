//! How the end of a body is known, and its pieces (RFC 9112 sections 6 and 7).
//!
//! Strict where two readers could differ: one way to say the length, chunk sizes of
//! hexadecimal digits alone, CRLF and nothing else for the end of a line. Chunk extensions
//! mean nothing to anybody and are dropped.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::HeaderMap;

use super::head::{BadHead, put_fields};

/// The longest line with a chunk's size. With extensions; no known client sends any.
const SIZE_LINE_MAX: usize = 512;

/// Bytes of all trailers.
const TRAILERS_MAX: usize = 8 * 1024;

/// Trailer fields that are read.
const TRAILER_FIELDS_MAX: usize = 64;

/// Digits of a chunk's size: more than anybody can send.
const SIZE_DIGITS_MAX: usize = 15;

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none, or it has ended.
    None,
    /// So many bytes are to come.
    Length(u64),
    /// In chunks.
    Chunked(Chunk),
    /// The connection ends with it.
    UntilClose,
}

/// Where in a chunked body the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// Before a size.
    Size,
    /// Inside a chunk, so many bytes before its end.
    Data(u64),
    /// Before the CRLF that ends a chunk.
    End,
    /// After the last chunk.
    Trailers,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is: its length was said, or the connection ends with it.
    Plain,
    /// In chunks.
    Chunked,
}

/// A body that is not what the protocol says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadBody(pub(crate) &'static str);

/// What there is of a body.
#[derive(Debug)]
pub(crate) enum Decoded {
    /// A piece.
    Data(Bytes),
    /// What came after the last piece; the end.
    Trailers(HeaderMap),
    /// The end.
    End,
    /// Nothing before more is read.
    More,
}

impl Framing {
    /// Takes the next piece from what was read.
    pub(crate) fn decode(&mut self, input: &mut BytesMut) -> Result<Decoded, BadBody> {
        match self {
            Self::None => Ok(Decoded::End),
            Self::Length(left) => {
                if input.is_empty() {
                    return Ok(Decoded::More);
                }
                let piece = take(input, left);
                if *left == 0 {
                    *self = Self::None;
                }
                Ok(Decoded::Data(piece))
            }
            Self::UntilClose => Ok(match input.is_empty() {
                true => Decoded::More,
                false => Decoded::Data(input.split().freeze()),
            }),
            Self::Chunked(chunk) => {
                let decoded = chunk.decode(input)?;
                if matches!(decoded, Decoded::End | Decoded::Trailers(_)) {
                    *self = Self::None;
                }
                Ok(decoded)
            }
        }
    }

    /// Whether the other side may close here.
    pub(crate) fn may_close(self) -> bool {
        matches!(self, Self::None | Self::UntilClose)
    }
}

fn take(input: &mut BytesMut, left: &mut u64) -> Bytes {
    let len = usize::try_from(*left).unwrap_or(usize::MAX);
    let len = len.min(input.len());
    *left -= len as u64;
    input.split_to(len).freeze()
}

impl Chunk {
    fn decode(&mut self, input: &mut BytesMut) -> Result<Decoded, BadBody> {
        loop {
            match self {
                Self::Size => {
                    let Some(line) = line_end(input, SIZE_LINE_MAX)? else {
                        return Ok(Decoded::More);
                    };
                    let size = size(&input[..line])?;
                    input.advance(line + 2);
                    *self = match size {
                        0 => Self::Trailers,
                        size => Self::Data(size),
                    };
                }
                Self::Data(left) => {
                    if input.is_empty() {
                        return Ok(Decoded::More);
                    }
                    let piece = take(input, left);
                    if *left == 0 {
                        *self = Self::End;
                    }
                    return Ok(Decoded::Data(piece));
                }
                Self::End => {
                    if input.len() < 2 {
                        return Ok(Decoded::More);
                    }
                    if &input[..2] != b"\r\n" {
                        return Err(BadBody("a chunk is longer than was said"));
                    }
                    input.advance(2);
                    *self = Self::Size;
                }
                Self::Trailers => return trailers(input),
            }
        }
    }
}

/// Where the line ends that the input begins with.
fn line_end(input: &[u8], max: usize) -> Result<Option<usize>, BadBody> {
    let seen = &input[..input.len().min(max)];
    match memchr::memchr(b'\n', seen) {
        Some(at) if at > 0 && seen[at - 1] == b'\r' => Ok(Some(at - 1)),
        Some(_) => Err(BadBody("a line of a chunked body ends without CR")),
        None if seen.len() == max => Err(BadBody("a line of a chunked body is too long")),
        None => Ok(None),
    }
}

/// The size in a chunk's first line.
fn size(line: &[u8]) -> Result<u64, BadBody> {
    let bad = BadBody("a chunk's size is not a number");
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let digits = digits.count();
    let (number, rest) = line.split_at(digits);
    if digits == 0 || digits > SIZE_DIGITS_MAX {
        return Err(bad);
    }
    let after = rest.trim_ascii_start().strip_prefix(b";");
    // A semicolon with nothing behind it is no extension (RFC 9112, 7.1.1).
    let is_extension = after.is_some_and(|after| !after.trim_ascii().is_empty());
    if !(rest.is_empty() || is_extension) || memchr::memchr(b'\r', rest).is_some() {
        return Err(bad);
    }
    let number = std::str::from_utf8(number).map_err(|_| bad)?;
    u64::from_str_radix(number, 16).map_err(|_| bad)
}

/// What comes after the last chunk, whole, or nothing yet.
fn trailers(input: &mut BytesMut) -> Result<Decoded, BadBody> {
    if input.starts_with(b"\r\n") {
        input.advance(2);
        return Ok(Decoded::End);
    }
    let Some(end) = memchr::memmem::find(input, b"\r\n\r\n") else {
        return match input.len() > TRAILERS_MAX {
            true => Err(BadBody("trailers are too long")),
            false => Ok(Decoded::More),
        };
    };
    let text = input.split_to(end + 4).freeze();
    if text.len() > TRAILERS_MAX {
        return Err(BadBody("trailers are too long"));
    }
    let mut fields = [httparse::EMPTY_HEADER; TRAILER_FIELDS_MAX];
    let parsed = httparse::parse_headers(&text, &mut fields);
    let Ok(httparse::Status::Complete((_, fields))) = parsed else {
        return Err(BadBody("trailers cannot be read"));
    };
    let mut trailers = HeaderMap::with_capacity(fields.len());
    put_fields(&mut trailers, &text, fields).map_err(|bad| match bad {
        BadHead::Malformed(why) => BadBody(why),
        _ => BadBody("trailers are too long"),
    })?;
    // What would change the meaning of what was passed on already (RFC 9110, 6.5.1).
    for name in [
        http::header::TRANSFER_ENCODING,
        http::header::CONTENT_LENGTH,
        http::header::HOST,
        http::header::CONNECTION,
        http::header::TRAILER,
        http::header::SET_COOKIE,
        http::header::AUTHORIZATION,
        http::header::CONTENT_TYPE,
        http::header::CONTENT_ENCODING,
    ] {
        trailers.remove(name);
    }
    Ok(Decoded::Trailers(trailers))
}

/// A chunk's first line.
pub(crate) fn put_chunk_size(output: &mut BytesMut, size: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - size.max(1).leading_zeros()).div_ceil(4);
    for digit in (0..digits).rev() {
        output.put_u8(DIGITS[(size >> (4 * digit)) & 15]);
    }
    output.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a body that comes in pieces of `step` bytes.
    fn read(text: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>), BadBody> {
        let mut framing = Framing::Chunked(Chunk::Size);
        let (mut input, mut body) = (BytesMut::new(), Vec::new());
        let mut rest = text;
        loop {
            match framing.decode(&mut input)? {
                Decoded::Data(data) => body.extend_from_slice(&data),
                Decoded::End | Decoded::Trailers(_) => {
                    input.extend_from_slice(rest);
                    return Ok((body, input.to_vec()));
                }
                Decoded::More if rest.is_empty() => return Err(BadBody("more")),
                Decoded::More => {
                    let (piece, after) = rest.split_at(step.min(rest.len()));
                    input.extend_from_slice(piece);
                    rest = after;
                }
            }
        }
    }

    #[test]
    fn chunks_are_read_however_they_come() {
        let text = b"3\r\nabc\r\nA;x=\"1\"\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\nGET";
        for step in 1..text.len() {
            let read = read(text, step);
            let expected = (b"abc0123456789".to_vec(), b"GET".to_vec());
            assert_eq!(read, Ok(expected), "in pieces of {step}");
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for text in [
            "3\nabc\r\n0\r\n\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "3\r\nab\r\n0\r\n\r\n",
            "0x3\r\nabc\r\n0\r\n\r\n",
            "+3\r\nabc\r\n0\r\n\r\n",
            "-3\r\nabc\r\n0\r\n\r\n",
            " 3\r\nabc\r\n0\r\n\r\n",
            "3 4\r\nabc\r\n0\r\n\r\n",
            "\r\nabc\r\n0\r\n\r\n",
            ";x\r\nabc\r\n0\r\n\r\n",
            "3;\r\nabc\r\n0\r\n\r\n",
            "3; \r\nabc\r\n0\r\n\r\n",
            "3;a\rb\r\nabc\r\n0\r\n\r\n",
            "ffffffffffffffff1\r\nabc\r\n0\r\n\r\n",
            "10000000000000003\r\nabc\r\n0\r\n\r\n",
            "3\r\nabc\r\n0\r\nbad name: 1\r\n\r\n",
            "3\r\nabc\r\n0\r\n folded: 1\r\n\r\n",
        ] {
            let read = read(text.as_bytes(), 1024);
            assert!(read.is_err(), "{text:?}: {read:?}");
        }
    }

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for value in [1, 9, 15, 16, 255, 256, 4096, 65_535, 1 << 40] {
            let mut output = BytesMut::new();
            put_chunk_size(&mut output, value);
            assert_eq!(size(&output[..output.len() - 2]), Ok(value as u64));
        }
    }

    #[test]
    fn nothing_makes_the_reader_panic() {
        let mut random = fastrand::Rng::with_seed(7);
        let letters = b"0123456789abcdefABC\r\n\r\n\r\n;=x: ";
        for _ in 0..20_000 {
            let len = random.usize(..60);
            let text: Vec<u8> = (0..len)
                .map(|_| letters[random.usize(..letters.len())])
                .collect();
            let whole = read(&text, 1024);
            // However it is cut, it is read alike.
            assert_eq!(whole.is_ok(), read(&text, 1).is_ok(), "{text:?}");
        }
    }
}
