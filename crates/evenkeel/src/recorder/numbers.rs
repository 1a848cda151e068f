//! Columns of numbers and texts as bytes, and back.
//!
//! A column that holds one value costs that value, a short one its differences, a longer
//! one what `pco` makes of it. Reading never trusts a length: what it announces must be
//! there, and bounded.

use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress};

use super::Damage;

/// A column shorter than this is written as plain differences: pco's own head costs more.
const PCO_FROM: usize = 48;

/// The most values in one column that is read: blocks are cut long before.
const VALUES_MAX: usize = 1 << 22;

const SAME: u8 = 0;
const DIFFERENCES: u8 = 1;
const PCO: u8 = 2;

/// Bytes being written.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn count(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(super) fn signed(&mut self, value: i64) {
        self.count(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// One column.
    pub(super) fn column(&mut self, values: &[i64]) {
        self.count(values.len() as u64);
        let Some(first) = values.first() else {
            return;
        };
        if values.iter().all(|value| value == first) {
            self.0.push(SAME);
            self.signed(*first);
            return;
        }
        if values.len() >= PCO_FROM
            && let Ok(packed) = simple_compress(values, &ChunkConfig::default())
        {
            self.0.push(PCO);
            self.count(packed.len() as u64);
            self.0.extend_from_slice(&packed);
            return;
        }
        self.0.push(DIFFERENCES);
        let mut before = 0_i64;
        for value in values {
            self.signed(value.wrapping_sub(before));
            before = *value;
        }
    }

    pub(super) fn texts<'a>(&mut self, texts: impl ExactSizeIterator<Item = &'a str> + Clone) {
        self.count(texts.len() as u64);
        for text in texts.clone() {
            self.count(text.len() as u64);
        }
        for text in texts {
            self.0.extend_from_slice(text.as_bytes());
        }
    }
}

/// Bytes being read.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn count(&mut self) -> Result<u64, Damage> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Damage::SHORT)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Damage("a number that does not end"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, Damage> {
        let value = self.count()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// A count of things of which each takes room in memory.
    pub(super) fn length(&mut self) -> Result<usize, Damage> {
        let length = usize::try_from(self.count()?).unwrap_or(usize::MAX);
        if length > VALUES_MAX {
            return Err(Damage("more values than a block holds"));
        }
        Ok(length)
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Damage::SHORT)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// One column.
    pub(super) fn column(&mut self) -> Result<Vec<i64>, Damage> {
        let length = self.length()?;
        if length == 0 {
            return Ok(Vec::new());
        }
        match self.bytes(1)?[0] {
            SAME => Ok(vec![self.signed()?; length]),
            DIFFERENCES => {
                let mut values = Vec::with_capacity(length.min(self.0.len()));
                let mut before = 0_i64;
                for _ in 0..length {
                    before = before.wrapping_add(self.signed()?);
                    values.push(before);
                }
                Ok(values)
            }
            PCO => {
                let size = self.length()?;
                let values = simple_decompress::<i64>(self.bytes(size)?)
                    .map_err(|_| Damage("a column that pco does not read"))?;
                if values.len() != length {
                    return Err(Damage("a column of another length"));
                }
                Ok(values)
            }
            _ => Err(Damage("a column of an unknown sort")),
        }
    }

    pub(super) fn texts(&mut self) -> Result<Vec<&'a str>, Damage> {
        let count = self.length()?;
        let mut lengths = Vec::with_capacity(count.min(self.0.len()));
        for _ in 0..count {
            lengths.push(self.length()?);
        }
        let mut texts = Vec::with_capacity(lengths.len());
        for length in lengths {
            let bytes = self.bytes(length)?;
            texts.push(std::str::from_utf8(bytes).map_err(|_| Damage("a text that is none"))?);
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn columns_come_back(values in prop_oneof![
            proptest::collection::vec(any::<i64>(), 0..200),
            proptest::collection::vec(-3_i64..3, 0..200),
            (any::<i64>(), 0_usize..200).prop_map(|(value, n)| vec![value; n]),
        ]) {
            let mut writer = Writer::default();
            writer.column(&values);
            let mut reader = Reader(&writer.0);
            prop_assert_eq!(reader.column().unwrap(), values);
            prop_assert!(reader.0.is_empty());
        }

        #[test]
        fn texts_come_back(texts in proptest::collection::vec(any::<String>(), 0..20)) {
            let mut writer = Writer::default();
            writer.texts(texts.iter().map(String::as_str));
            let mut reader = Reader(&writer.0);
            prop_assert_eq!(reader.texts().unwrap(), texts);
        }

        #[test]
        fn anything_is_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _any = Reader(&bytes).column();
            let _any = Reader(&bytes).texts();
        }
    }
}
