//! Records one after the other in a file, each with its length and checksums, as TensorFlow frames them: the
//! length as a little-endian `u64`, its masked CRC-32C, the bytes, their masked CRC-32C.

use std::io::{self, Read, Write};

/// Bytes before a record's own: its length, and the checksum of that.
const HEAD: u64 = 12;

/// Bytes after a record's own: their checksum.
const TAIL: u64 = 4;

/// A checksum as it stands in a file. It is masked because files hold checksums of data that holds checksums.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Writes one record.
pub(crate) fn write_record(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = (bytes.len() as u64).to_le_bytes();
    to.write_all(&length)?;
    to.write_all(&masked_crc(&length).to_le_bytes())?;
    to.write_all(bytes)?;
    to.write_all(&masked_crc(bytes).to_le_bytes())
}

/// What stands at a place in a file of records.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    /// A whole record.
    Record(Vec<u8>),
    /// The end of the file.
    End,
    /// The beginning of a record that the file ends in.
    Torn,
    /// Bytes that are no record, with more after them.
    Damaged,
}

/// Reads records from the beginning of a file of `length` bytes.
pub(crate) struct RecordReader<R> {
    from: R,
    at: u64,
    length: u64,
}

impl<R: Read> RecordReader<R> {
    pub(crate) fn new(from: R, length: u64) -> Self {
        Self { from, at: 0, length }
    }

    /// Where the next record begins, in bytes.
    pub(crate) fn position(&self) -> u64 {
        self.at
    }

    /// The next record. After anything but a record there is no other.
    pub(crate) fn next(&mut self) -> io::Result<Found> {
        let left = self.length - self.at;
        if left == 0 {
            return Ok(Found::End);
        }
        if left < HEAD {
            return Ok(Found::Torn);
        }
        let length: [u8; 8] = self.take()?;
        let crc = u32::from_le_bytes(self.take()?);
        if masked_crc(&length) != crc {
            return Ok(Found::Damaged);
        }
        let length = u64::from_le_bytes(length);
        // Compared before anything is allocated, so that a wrong length costs nothing.
        let Some(rest) = length.checked_add(TAIL).filter(|&rest| rest <= left - HEAD) else {
            return Ok(Found::Torn);
        };
        let mut bytes = vec![0; length as usize];
        self.from.read_exact(&mut bytes)?;
        if masked_crc(&bytes) != u32::from_le_bytes(self.take()?) {
            return Ok(if rest == left - HEAD { Found::Torn } else { Found::Damaged });
        }
        self.at += HEAD + rest;
        Ok(Found::Record(bytes))
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8]) -> (Vec<Vec<u8>>, Found, u64) {
        let mut reader = RecordReader::new(bytes, bytes.len() as u64);
        let mut records = Vec::new();
        loop {
            match reader.next().unwrap() {
                Found::Record(record) => records.push(record),
                end => return (records, end, reader.position()),
            }
        }
    }

    #[test]
    fn the_checksum_is_the_one_that_is_published() {
        // RFC 3720, B.4: 32 bytes of zeros have the CRC-32C 0x8a9136aa. Rotated right by 15 bits it is
        // 0x6d551522, and that plus 0xa282ead8 is this.
        assert_eq!(masked_crc(&[0; 32]), 0x0fd7_fffa);
    }

    #[test]
    fn a_file_cut_anywhere_gives_the_whole_records_before_the_cut() {
        let records = [b"one".to_vec(), Vec::new(), vec![7; 300]];
        let (mut bytes, mut ends) = (Vec::new(), vec![0]);
        for record in &records {
            write_record(&mut bytes, record).unwrap();
            ends.push(bytes.len());
        }
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|&&end| end <= cut).count() - 1;
            let (read, end, at) = read_all(&bytes[..cut]);
            assert_eq!(read, records[..whole], "{cut}");
            assert_eq!(end, if ends.contains(&cut) { Found::End } else { Found::Torn }, "{cut}");
            assert_eq!(at, ends[whole] as u64, "{cut}");
        }
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let mut bytes = Vec::new();
        write_record(&mut bytes, b"first").unwrap();
        let first = bytes.len();
        write_record(&mut bytes, b"second").unwrap();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            let (read, end, _) = read_all(&bytes);
            assert_eq!(read.len(), usize::from(at >= first), "{at}");
            assert!(matches!(end, Found::Damaged | Found::Torn), "{at}");
        }
    }
}
