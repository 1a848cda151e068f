//! Reads the ring for replay, beside a running server too. Changes nothing.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use super::block::{Blocks, FILE_HEAD, Kind, Next};
use super::ring::Segment;
use super::segment::Unpacker;
use super::{Base, Step};

/// The largest file that is read: segments end at a few megabytes.
const FILE_MAX: u64 = 1 << 30;

/// What stands in a segment.
#[derive(Debug)]
pub enum Piece {
    /// Where replay starts.
    Base(Box<Base>),
    /// Steps, in order.
    Steps(Vec<Step>),
    /// The file ends with bytes that are no whole block: it is still being written, or was
    /// when Evenkeel was ended.
    Torn,
    /// Something cannot be read: what. What follows in the same segment is not shown.
    Missing(String),
}

/// Reads one segment, piece by piece, until `take` has had enough. One that was removed
/// meanwhile is empty.
pub fn segment(segment: &Segment, take: &mut dyn FnMut(Piece) -> ControlFlow<()>) {
    match whole(&segment.path) {
        Ok(Some(bytes)) => pieces(&bytes, take),
        Ok(None) => {}
        Err(error) => {
            let _enough = take(Piece::Missing(error.to_string()));
        }
    }
}

fn whole(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn pieces(bytes: &[u8], take: &mut dyn FnMut(Piece) -> ControlFlow<()>) {
    let Some(blocks) = Blocks::of(bytes) else {
        // A file that was made and not written yet is being written.
        let piece = if FILE_HEAD.starts_with(bytes) {
            Piece::Torn
        } else {
            Piece::Missing("it does not begin as a recording does".into())
        };
        let _enough = take(piece);
        return;
    };
    let mut unpacker = None;
    for next in blocks {
        let piece = match next {
            Next::Block(Kind::Base, payload) => {
                unpacker = Some(Unpacker::new());
                Base::unpacked(payload).map(|base| Piece::Base(Box::new(base)))
            }
            Next::Block(Kind::Steps, payload) => match &mut unpacker {
                Some(unpacker) => unpacker.block(payload).map(Piece::Steps),
                None => Ok(Piece::Missing("its start is not there".into())),
            },
            Next::Damaged(_) if unpacker.is_none() => Ok(Piece::Missing(
                "its start is damaged: nothing in it can be replayed".into(),
            )),
            Next::Damaged(bytes) => Ok(Piece::Missing(format!(
                "{bytes} bytes are damaged: the rest of the segment cannot be replayed"
            ))),
            Next::Torn(_) => Ok(Piece::Torn),
        };
        let piece = piece.unwrap_or_else(|damage| Piece::Missing(damage.to_string()));
        let ends = matches!(piece, Piece::Missing(_));
        if take(piece).is_break() || ends {
            return;
        }
    }
}
