//! The client's side of a request: who it is, and the body it sends.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;

use crate::h2::STREAM_WINDOW;
use crate::wire::{BadBody, Decoded, Framing, READ_MAX, Wire};

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// The address it has, or that a trusted peer's PROXY header says it has.
    pub(crate) address: SocketAddr,
    /// Whether its `Forwarded` and `X-Forwarded-*` are believed.
    pub(crate) is_trusted: bool,
    /// Whether nobody between can read along.
    pub(crate) is_encrypted: bool,
    /// Whether it is sent on to `https://`, whatever it asks for.
    pub(crate) redirects: bool,
}

/// A client's HTTP/1.1 connection: its task and its request's body have it in turn.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) wire: Wire,
    /// What is to come of the request's body.
    pub(crate) framing: Framing,
}

/// A request's body.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// On an HTTP/1.1 connection.
    Wire(Rc<RefCell<Client>>),
    /// A stream of an HTTP/2 connection.
    Stream(Incoming),
}

/// A body that does not come whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client has gone.
    #[error("the client has gone")]
    Gone,
    /// The client sends nothing more.
    #[error("the client sends nothing more")]
    Slow,
    /// It is not what the protocol says.
    #[error("its body cannot be read: {0}")]
    Bad(BadBody),
    /// It is larger than it may be.
    #[error("its body is too large")]
    TooLarge,
}

impl RequestBody {
    /// The most of it that can be here before it is read: on a connection of its own what
    /// came with the head, else the stream's window.
    pub(crate) fn unread_max(&self) -> u64 {
        match self {
            Self::Wire(_) => READ_MAX as u64,
            Self::Stream(_) => u64::from(STREAM_WINDOW),
        }
    }

    /// The next piece; `None` at the end.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Wire(client) => client.borrow_mut().poll_frame(cx),
            Self::Stream(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map(|frame| frame.map(|frame| frame.map_err(|_| BodyError::Gone)))
            }
        }
    }
}

impl Client {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            match self.framing.decode(&mut self.wire.input) {
                Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Decoded::Trailers(fields)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(fields))));
                }
                Ok(Decoded::End) => return Poll::Ready(None),
                Ok(Decoded::More) => {}
                Err(bad) => return Poll::Ready(Some(Err(BodyError::Bad(bad)))),
            }
            match self.wire.poll_fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Some(Err(BodyError::Gone))),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
