//! The frame of a message in a file, as TFRecord has it: a length, its checksum, the message, and its checksum.
//!
//! Source: tensorflow/core/lib/io/record_writer.h. Checksums are CRC-32C, rotated and shifted as crc32c.h has it.

use std::{error::Error, fmt};

/// Bytes of a length, and of a checksum.
const LENGTH: usize = 8;
const CHECKSUM: usize = 4;

/// A message with its frame.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let (of_length, of_message) = (masked(&length).to_le_bytes(), masked(message).to_le_bytes());
    [&length[..], &of_length, message, &of_message].concat()
}

fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Bytes that are no whole records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged {
    /// Where the record begins that is not whole, in bytes from the beginning.
    pub at: usize,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no whole record begins at byte {}", self.at)
    }
}

impl Error for Damaged {}

/// The messages of a file.
///
/// # Errors
/// If it does not hold whole records alone.
pub fn records(file: &[u8]) -> Result<Vec<&[u8]>, Damaged> {
    let mut messages = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        let (message, after) = first(rest).ok_or(Damaged { at: file.len() - rest.len() })?;
        messages.push(message);
        rest = after;
    }
    Ok(messages)
}

/// The first message, and what follows its frame.
fn first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(LENGTH)?;
    let (sum, rest) = rest.split_at_checked(CHECKSUM)?;
    let whole = sum == masked(length).to_le_bytes();
    let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok().filter(|_| whole)?;
    let (message, rest) = rest.split_at_checked(length)?;
    let (sum, rest) = rest.split_at_checked(CHECKSUM)?;
    (sum == masked(message).to_le_bytes()).then_some((message, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What `tensorboard.summary.writer.record_writer.RecordWriter` of tensorboard 2.21 writes of `b"coxswain"`.
    const GOLDEN: &[u8] =
        b"\x08\x00\x00\x00\x00\x00\x00\x00\xff\x86\x24\x0f\x63\x6f\x78\x73\x77\x61\x69\x6e\x6b\x9b\x53\x23";

    #[test]
    fn a_frame_is_that_of_tensorboard() {
        assert_eq!(frame(b"coxswain"), GOLDEN);
    }

    proptest! {
        #[test]
        fn what_is_framed_is_read_and_a_flipped_bit_is_found(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..5),
            place in any::<prop::sample::Index>(),
            bit in 0..8_u32,
        ) {
            let mut file: Vec<u8> = messages.iter().flat_map(|message| frame(message)).collect();
            let read = records(&file).map(|read| read.iter().map(|message| message.to_vec()).collect::<Vec<_>>());
            prop_assert_eq!(read, Ok(messages));
            let place = place.index(file.len());
            file[place] ^= 1 << bit;
            let damaged = records(&file).unwrap_err();
            prop_assert!(damaged.at <= place);
        }
    }
}
