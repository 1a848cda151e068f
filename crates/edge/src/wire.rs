//! HTTP/1.1 on a socket, the same on both sides: bytes in, bytes out, and what they mean.
//!
//! Why not hyper here, as for HTTP/2: a proxy has to refuse what a server may repair. hyper
//! drops a `Content-Length` that comes with a `Transfer-Encoding` before anybody sees it,
//! takes a bare LF for the end of a line, and keeps 1xx answers to itself. And the two
//! halves of a proxied request are one task here: no channel between them, no second task
//! to wake, and the head and the beginning of a body in one write. Heads are parsed by
//! `httparse`, which hyper uses, too.
//!
//! What always holds: a buffer grows to the bounds given and no further; a connection that
//! is idle holds none.

mod body;
mod buffers;
mod head;
mod stream;

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http_body::Frame;
use tokio::io::{AsyncReadExt, AsyncWrite};

pub(crate) use body::{BadBody, Coding, Decoded, Framing};
pub(crate) use buffers::Buffers;
pub(crate) use head::{
    AnswerHead, BadHead, Begun, HeadBounds, RequestHead, is_host, options, parse_answer,
    parse_request, put_answer_line, put_field, put_headers,
};
pub(crate) use stream::Stream;

/// What is read at once. An ordinary head with a small body fits.
const READ_MIN: usize = 8 * 1024;

/// What is read at once from who fills the smaller one.
pub(crate) const READ_MAX: usize = 64 * 1024;

/// Pieces of bodies up to this are copied behind what goes before; larger ones are written
/// from where they are.
const COPIED_MAX: usize = 4 * 1024;

/// Copied pieces wait for each other up to this.
const OUTPUT_MAX: usize = 16 * 1024;

/// A socket with what was read from it and not yet understood, and what is to be written.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    /// Read and not yet understood.
    pub(crate) input: BytesMut,
    /// To be written, first.
    output: BytesMut,
    /// To be written after that, from where it is.
    piece: Bytes,
    /// To be written after that.
    closing: &'static [u8],
    read_size: usize,
    /// Bytes that the kernel has taken.
    pub(crate) written: u64,
    /// Nothing more will come.
    is_over: bool,
    buffers: Buffers,
}

impl Wire {
    pub(crate) fn new(stream: Stream, buffers: Buffers) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            piece: Bytes::new(),
            closing: b"",
            read_size: READ_MIN,
            written: 0,
            is_over: false,
            buffers,
        }
    }

    /// Reads what there is behind what is there. `Ok(0)`: nothing more will come.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.is_over {
            return Poll::Ready(Ok(0));
        }
        if self.input.capacity() == 0 {
            self.input = self.buffers.take();
        }
        let room = self.input.capacity() - self.input.len();
        if room < self.read_size / 4 {
            self.input.reserve(self.read_size);
        }
        let read = pin!(self.stream.read_buf(&mut self.input)).poll(cx);
        match read {
            Poll::Pending => {
                if self.input.is_empty() {
                    self.buffers.give(std::mem::take(&mut self.input));
                    self.read_size = READ_MIN;
                }
                Poll::Pending
            }
            Poll::Ready(Ok(0)) => {
                self.is_over = true;
                Poll::Ready(Ok(0))
            }
            Poll::Ready(Ok(read)) => {
                if read >= self.read_size {
                    self.read_size = READ_MAX;
                }
                Poll::Ready(Ok(read))
            }
            Poll::Ready(Err(error)) => {
                self.is_over = true;
                Poll::Ready(Err(error))
            }
        }
    }

    /// Whether the other side has closed, as far as can be told without waiting.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.input.is_empty() && !self.is_over {
            // It speaks before it is asked: how much is none of our affair yet.
            return Poll::Pending;
        }
        match ready!(self.poll_fill(cx)) {
            Ok(0) | Err(_) => Poll::Ready(()),
            Ok(_) => Poll::Pending,
        }
    }

    /// Where heads and small pieces are put to be written.
    pub(crate) fn output(&mut self) -> &mut BytesMut {
        debug_assert!(self.piece.is_empty(), "written in order");
        if self.output.capacity() == 0 {
            self.output = self.buffers.take();
        }
        &mut self.output
    }

    /// Whether what is to be written has to be written before there is more.
    pub(crate) fn is_full(&self) -> bool {
        !self.piece.is_empty() || self.output.len() >= OUTPUT_MAX
    }

    /// Whether there is something to write.
    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty() || !self.piece.is_empty() || !self.closing.is_empty()
    }

    /// Puts a piece of a body; not while [`is_full`](Self::is_full). Gives the bytes of
    /// the body in it.
    pub(crate) fn put_frame(&mut self, frame: Frame<Bytes>, coding: Coding) -> usize {
        match frame.into_data() {
            Ok(data) => {
                let len = data.len();
                self.put_data(data, coding);
                len
            }
            Err(frame) => {
                if let (Coding::Chunked, Ok(trailers)) = (coding, frame.into_trailers()) {
                    let output = self.output();
                    output.extend_from_slice(b"0\r\n");
                    put_headers(output, &trailers);
                    output.extend_from_slice(b"\r\n");
                }
                0
            }
        }
    }

    fn put_data(&mut self, data: Bytes, coding: Coding) {
        if data.is_empty() {
            return;
        }
        let is_chunked = coding == Coding::Chunked;
        let output = self.output();
        if is_chunked {
            body::put_chunk_size(output, data.len());
        }
        if data.len() <= COPIED_MAX {
            output.extend_from_slice(&data);
            if is_chunked {
                output.extend_from_slice(b"\r\n");
            }
        } else {
            self.piece = data;
            if is_chunked {
                self.closing = b"\r\n";
            }
        }
    }

    /// Writes everything there is to write.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.has_output() {
            let slices = [
                IoSlice::new(&self.output),
                IoSlice::new(&self.piece),
                IoSlice::new(self.closing),
            ];
            let stream = Pin::new(&mut self.stream);
            let written = if self.piece.is_empty() && self.closing.is_empty() {
                ready!(stream.poll_write(cx, &self.output))
            } else {
                ready!(stream.poll_write_vectored(cx, &slices))
            };
            let mut written = written?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written as u64;
            let first = written.min(self.output.len());
            self.output.advance(first);
            written -= first;
            let second = written.min(self.piece.len());
            self.piece.advance(second);
            written -= second;
            self.closing = &self.closing[written..];
        }
        // An empty piece would still keep the buffer it was cut from.
        self.piece = Bytes::new();
        if self.output.capacity() > 0 {
            self.output.clear();
            self.buffers.give(std::mem::take(&mut self.output));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Says that nothing more will be written.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// The socket alone, and what was read from it already.
    pub(crate) fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream, self.input)
    }

    /// The socket.
    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }
}
