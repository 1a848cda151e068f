//! A share of the safe requests is sent to another pool, too, whose answers nobody sees: a
//! release is tried on real questions before anybody depends on it.
//!
//! The copy waits for nothing and takes nothing from anybody: where its pool has no place
//! at once it is not sent, it is not tried again, and its request's client never knows.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use http::Method;
use tokio::time::Instant;

use super::{Asker, Request, Why, attempt};
use crate::client::Peer;
use crate::clock::Alarm;
use crate::shared::Shared;
use crate::traffic::{Class, Ending, Tried};
use crate::upstream::Exchange;
use crate::wire::Framing;

/// Bytes of an answer that are read so that its connection can be used again.
const READ_MAX: usize = 1 << 20;

/// Sends a copy, if there is one to send.
pub(super) fn mirror(shared: &Rc<Shared>, request: &Request, peer: &Peer, class: &Class) {
    let is_safe = matches!(request.method, Method::GET | Method::HEAD);
    if !is_safe || request.framing != Framing::None || request.upgrades {
        return;
    }
    let Some(class) = shared.traffic.mirror(class) else {
        return;
    };
    let copy = Request {
        method: request.method.clone(),
        host: request.host.clone(),
        target: request.target.clone(),
        headers: request.headers.clone(),
        framing: Framing::None,
        body: None,
        upgrades: false,
        trace: request.trace,
        plain: false,
    };
    tokio::task::spawn_local(send(shared.clone(), copy, *peer, class));
}

async fn send(shared: Rc<Shared>, mut request: Request, peer: Peer, class: Class) {
    let Some(_permit) = shared.traffic.try_admit(&class) else {
        return;
    };
    let Some(pick) = shared.traffic.pick(&class, &Tried::default(), None) else {
        return;
    };
    let route = &shared.settings.routes[usize::from(class.route)];
    let alarm = shared.clock.alarm();
    let from = Instant::now();
    let (peer, alarm) = (&peer, &alarm);
    let asker = Asker { peer, alarm };
    let attempt = attempt(&shared, &mut request, &asker, &pick, route, &mut |_| {}).await;
    let ending = match attempt {
        Ok((head, exchange)) => {
            let (status, head) = (head.status.as_u16(), from.elapsed());
            alarm.set_in(route.timeout);
            read(exchange, alarm).await;
            Ending::Answered { status, head }
        }
        Err(failed) => match failed.why {
            Why::Failed(how) => Ending::Failed {
                how,
                after: from.elapsed(),
            },
            Why::Client(_) => Ending::ClientGone,
        },
    };
    shared.traffic.ended(&pick, ending);
}

/// Reads an answer to its end, within bounds; else its connection is closed.
async fn read(mut exchange: Exchange, alarm: &Alarm) {
    let mut room = READ_MAX;
    let is_whole = poll_fn(|cx| {
        loop {
            match exchange.poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(true),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(false),
                Poll::Ready(Some(Ok(frame))) => {
                    let len = frame.data_ref().map_or(0, bytes::Bytes::len);
                    if len > room {
                        return Poll::Ready(false);
                    }
                    room -= len;
                }
                Poll::Pending => return alarm.poll_due(cx).map(|()| false),
            }
        }
    });
    if is_whole.await {
        exchange.finish();
    }
}
