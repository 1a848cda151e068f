//! Blocks in a file: a mark, a kind, a length, a checksum, the bytes.
//!
//! A block that was torn by a crash or damaged by a disk does not pass its checksum. The
//! reader then looks for the next mark, so that a damaged block costs itself.

use sha2::{Digest, Sha256};

/// What a file of the recorder begins with.
pub(super) const FILE_HEAD: &[u8; 16] = b"evenkeel ring 1\n";

const MARK: &[u8; 4] = b"\xf7EKB";
const SUM: usize = 8;
/// Mark, kind, length, checksum.
pub(super) const HEAD: usize = MARK.len() + 1 + 4 + SUM;

/// The largest block that is read. The largest ones are segment starts: the record, the
/// memory and the policy, compressed.
pub(super) const BLOCK_MAX: usize = 64 << 20;

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What replay needs to start here.
    Base,
    /// Steps.
    Steps,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Base => b'B',
            Self::Steps => b'S',
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Base, Self::Steps]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

fn sum(kind: u8, payload: &[u8]) -> [u8; SUM] {
    let mut sha = Sha256::new();
    sha.update([kind]);
    sha.update((payload.len() as u64).to_le_bytes());
    sha.update(payload);
    let mut sum = [0; SUM];
    sum.copy_from_slice(&sha.finalize()[..SUM]);
    sum
}

/// A block as it is written.
pub(super) fn framed(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + payload.len());
    bytes.extend_from_slice(MARK);
    bytes.push(kind.code());
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&sum(kind.code(), payload));
    bytes.extend_from_slice(payload);
    bytes
}

/// What stands next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// A whole block.
    Block(Kind, &'a [u8]),
    /// Bytes that are no block, with another block after them.
    Damaged(usize),
    /// Bytes at the end that are no whole block: torn, or still being written.
    Torn(usize),
}

/// The blocks of a file, from behind its head.
#[derive(Debug)]
pub(super) struct Blocks<'a> {
    rest: &'a [u8],
}

impl<'a> Blocks<'a> {
    /// `None` where the file does not begin as ours do.
    pub(super) fn of(file: &'a [u8]) -> Option<Self> {
        let rest = file.strip_prefix(FILE_HEAD)?;
        Some(Self { rest })
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Next<'a>;

    fn next(&mut self) -> Option<Next<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some((kind, payload, rest)) = whole(self.rest) {
            self.rest = rest;
            return Some(Next::Block(kind, payload));
        }
        let lost = (1..self.rest.len())
            .find(|at| self.rest[*at..].starts_with(MARK) && whole(&self.rest[*at..]).is_some());
        match lost {
            Some(lost) => {
                self.rest = &self.rest[lost..];
                Some(Next::Damaged(lost))
            }
            None => {
                let lost = self.rest.len();
                self.rest = &[];
                Some(Next::Torn(lost))
            }
        }
    }
}

fn whole(bytes: &[u8]) -> Option<(Kind, &[u8], &[u8])> {
    let rest = bytes.strip_prefix(MARK)?;
    let (head, rest) = rest.split_at_checked(1 + 4 + SUM)?;
    let kind = Kind::of(head[0])?;
    let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if length > BLOCK_MAX {
        return None;
    }
    let (payload, rest) = rest.split_at_checked(length)?;
    (sum(head[0], payload)[..] == head[5..]).then_some((kind, payload, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let mut file = FILE_HEAD.to_vec();
        file.extend(framed(Kind::Base, b"base"));
        file.extend(framed(Kind::Steps, b"one"));
        file.extend(framed(Kind::Steps, b"two"));
        file
    }

    fn read(file: &[u8]) -> Vec<Next<'_>> {
        Blocks::of(file).unwrap().collect()
    }

    #[test]
    fn blocks_come_back_in_order() {
        let expected = [
            Next::Block(Kind::Base, b"base".as_slice()),
            Next::Block(Kind::Steps, b"one"),
            Next::Block(Kind::Steps, b"two"),
        ];
        assert_eq!(read(&file()), expected);
    }

    #[test]
    fn a_torn_end_costs_the_block_it_was_in() {
        let file = file();
        let last = HEAD + 3;
        for cut in 1..last {
            let read = read(&file[..file.len() - cut]);
            assert_eq!(read.len(), 3, "cut by {cut}");
            assert_eq!(read[2], Next::Torn(last - cut));
        }
    }

    #[test]
    fn a_damaged_block_costs_itself_whichever_byte_it_is() {
        let good = file();
        let start = FILE_HEAD.len() + HEAD + 4;
        for at in start..start + HEAD + 3 {
            let mut file = good.clone();
            file[at] ^= 0x20;
            let read = read(&file);
            let expected = [
                Next::Block(Kind::Base, b"base".as_slice()),
                Next::Damaged(HEAD + 3),
                Next::Block(Kind::Steps, b"two"),
            ];
            assert_eq!(read, expected, "byte {at}");
        }
    }

    #[test]
    fn another_file_is_none_of_ours() {
        assert!(Blocks::of(b"").is_none());
        assert!(Blocks::of(b"SQLite format 3\0").is_none());
    }
}
