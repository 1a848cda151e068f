//! An answer that an instance is giving, piece by piece, with all that is held for it: the
//! place in the pool, the instance's count, the connection. All of it is free again when the
//! instance is done, or whoever reads it goes away; the place of an answer that goes on for
//! hours, when it is open.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use tokio::time::Instant;

use super::account::Account;
use crate::banner::Rewriting;
use crate::traffic::{Ending, Failure, Kind, Permit, Pick, Stays};
use crate::upstream::{Broken, Exchange};
use crate::wire::Framing;

/// See the module.
#[derive(Debug)]
pub(crate) struct Streaming {
    exchange: Option<Exchange>,
    pick: Option<Pick>,
    permit: Option<Permit>,
    /// It goes on, without a place.
    open: Option<Stays>,
    account: Account,
    status: u16,
    /// From sending the request to the answer's head.
    head_after: Duration,
    /// How long nothing may come.
    idle_timeout: Duration,
    /// What is put in on the way.
    rewriting: Option<Rewriting>,
}

impl Streaming {
    pub(crate) fn new(
        exchange: Exchange,
        pick: Pick,
        permit: Permit,
        mut account: Account,
        status: u16,
        head_after: Duration,
        idle_timeout: Duration,
    ) -> Self {
        account.kind = Kind::Answered { status };
        account.status = Some(status);
        Self {
            exchange: Some(exchange),
            pick: Some(pick),
            permit: Some(permit),
            open: None,
            account,
            status,
            head_after,
            idle_timeout,
            rewriting: None,
        }
    }

    /// Something is put in on the way: nobody knows the length any more.
    pub(crate) fn rewrite(&mut self, rewriting: Rewriting) {
        self.rewriting = Some(rewriting);
    }

    /// It is an event stream: its place is free for others, if not too many are open.
    pub(crate) fn stays_open(&mut self) {
        match self.permit.take().map(Permit::stays_open) {
            Some(Ok(open)) => self.opened(open),
            Some(Err(permit)) => self.permit = Some(permit),
            None => {}
        }
    }

    /// It was answered well: what comes later says nothing more of the instance.
    fn opened(&mut self, open: Stays) {
        self.open = Some(open);
        if let Some(pick) = &self.pick {
            pick.stays_open();
            let (status, head) = (self.status, self.head_after);
            let ending = Ending::Answered { status, head };
            self.account.shared().traffic.ended(pick, ending);
        }
    }

    /// How long nothing may come.
    pub(crate) fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// How the body ends.
    pub(crate) fn framing(&self) -> Framing {
        match (&self.rewriting, &self.exchange) {
            (Some(_), _) => Framing::UntilClose,
            (None, Some(exchange)) => exchange.framing(),
            (None, None) => Framing::None,
        }
    }

    /// The next piece; `None` at the end.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            let Some(exchange) = &mut self.exchange else {
                return Poll::Ready(None);
            };
            let frame = match exchange.poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(None) => {
                    let rest = self.rewriting.take();
                    let rest = rest.map(|mut rewriting| rewriting.end());
                    let rest = rest.filter(|rest| !rest.is_empty());
                    let len = rest.as_ref().map_or(0, Bytes::len);
                    self.account.bytes_out += len as u64;
                    self.end();
                    return Poll::Ready(rest.map(|rest| Ok(Frame::data(rest))));
                }
                Poll::Ready(Some(Err(broken))) => {
                    self.cut(&broken);
                    return Poll::Ready(Some(Err(broken)));
                }
                Poll::Pending if exchange.line().is_cut(Instant::now()) => {
                    self.cut(&Broken::Cut);
                    return Poll::Ready(Some(Err(Broken::Cut)));
                }
                Poll::Pending => return Poll::Pending,
            };
            let Some(rewriting) = &mut self.rewriting else {
                let len = frame.data_ref().map_or(0, Bytes::len);
                self.account.bytes_out += len as u64;
                return Poll::Ready(Some(Ok(frame)));
            };
            // A page with trailers loses them: they speak of the page without the banner.
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let data = rewriting.write(data);
            if !data.is_empty() {
                self.account.bytes_out += data.len() as u64;
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
    }

    /// It ended well.
    pub(crate) fn end(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            self.account.bytes_in = exchange.bytes_in;
            exchange.finish();
        }
        self.tell(None);
    }

    fn cut(&mut self, broken: &Broken) {
        if let Some(exchange) = self.exchange.take() {
            self.account.bytes_in = exchange.bytes_in;
        }
        let (kind, ending) = match broken {
            Broken::Client(_) => (Kind::Gone, Ending::ClientGone),
            _ => {
                let after = self.account.began.elapsed();
                let how = Failure::CutOff;
                (Kind::Failed, Ending::Failed { how, after })
            }
        };
        self.account.kind = kind;
        self.tell(Some(ending));
    }

    /// Nothing came for too long.
    pub(crate) fn give_up(&mut self) {
        self.cut(&Broken::Cut);
    }

    fn tell(&mut self, ending: Option<Ending>) {
        let open = self.open.take();
        if let Some(pick) = self.pick.take()
            && open.is_none()
        {
            let (status, head) = (self.status, self.head_after);
            let ending = ending.unwrap_or(Ending::Answered { status, head });
            self.account.shared().traffic.ended(&pick, ending);
        }
        self.permit = None;
    }

    /// The instance's connection, for another protocol. Its place is free for others: an
    /// open socket is no work.
    pub(crate) fn take_exchange(&mut self) -> Option<Exchange> {
        if let Some(permit) = self.permit.take() {
            self.opened(permit.upgraded());
        }
        self.exchange.take()
    }

    /// Counts what went over an upgraded connection.
    pub(crate) fn count(&mut self, bytes_in: u64, bytes_out: u64) {
        self.account.bytes_in += bytes_in;
        self.account.bytes_out += bytes_out;
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        if self.exchange.is_some() {
            // Whoever read it has gone before the end; the instance answered well.
            self.account.kind = Kind::Gone;
        }
        self.tell(None);
    }
}
