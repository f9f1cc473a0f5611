//! Numbers and strings as bytes: little-endian, and each string after its length in 4 bytes.

use crate::backend::Failure;
use bytes::{Bytes, BytesMut};

/// Bytes of the length before a string.
const LENGTH: usize = 4;

/// The strings in `bytes`.
pub fn strings(mut bytes: Bytes) -> Result<Vec<Bytes>, Failure> {
    let mut strings = Vec::new();
    while !bytes.is_empty() {
        let cut = || Failure::Invalid("a tensor of BYTES ends within an element".to_owned());
        let length =
            bytes.first_chunk::<LENGTH>().map(|length| u32::from_le_bytes(*length) as usize).ok_or_else(cut)?;
        let end = LENGTH.checked_add(length).filter(|end| *end <= bytes.len()).ok_or_else(cut)?;
        strings.push(bytes.split_to(end).slice(LENGTH..));
    }
    Ok(strings)
}

/// `strings` as bytes.
pub fn of_strings<'a>(strings: impl IntoIterator<Item = &'a str>) -> Bytes {
    let mut bytes = BytesMut::new();
    for string in strings {
        bytes.extend_from_slice(&(string.len() as u32).to_le_bytes());
        bytes.extend_from_slice(string.as_bytes());
    }
    bytes.freeze()
}

/// `numbers` as bytes.
pub fn of_floats(numbers: &[f32]) -> Bytes {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}
