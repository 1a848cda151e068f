//! Buffers that nobody uses at the moment, so that ten thousand idle connections hold none.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::BytesMut;

/// Buffers that are kept: what a busy thread has in use at once between two reads.
const KEPT_MAX: usize = 128;

/// Larger ones are not worth holding.
const KEPT_SIZE_MAX: usize = 64 * 1024;

/// A new one: an ordinary head with a small body fits.
const NEW_SIZE: usize = 8 * 1024;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers(Rc<RefCell<Vec<BytesMut>>>);

impl Buffers {
    /// An empty buffer.
    pub(crate) fn take(&self) -> BytesMut {
        let kept = self.0.borrow_mut().pop();
        kept.unwrap_or_else(|| BytesMut::with_capacity(NEW_SIZE))
    }

    /// Keeps an empty buffer for the next.
    pub(crate) fn give(&self, buffer: BytesMut) {
        let mut kept = self.0.borrow_mut();
        if kept.len() < KEPT_MAX && (1..=KEPT_SIZE_MAX).contains(&buffer.capacity()) {
            kept.push(buffer);
        }
    }
}
