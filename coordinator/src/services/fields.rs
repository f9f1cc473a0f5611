//! How many fields a message has, counted as its bytes come.
//!
//! A field of two bytes can become hundreds in memory. So a message of very many fields is refused before it is decoded.

use tonic::Status;

/// The most fields that a message may have, those within its fields not counted.
const MOST: usize = 8192;

/// Counts the fields of a message.
#[derive(Debug, Default)]
pub struct Fields {
    count: usize,
    at: At,
}

/// Where in a message the next byte is.
#[derive(Debug, Default)]
enum At {
    /// At the beginning of a field, or within its key.
    #[default]
    Key,
    /// Within a key of several bytes, of which the first had this type.
    LongKey(u8),
    /// Within a number of any length.
    Number,
    /// Within the length of a field, as far as it is known.
    Length { length: u64, shift: u32 },
    /// Before the end of a field of so many more bytes.
    Content(u64),
}

impl Fields {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// If there are too many fields. What is no message is found where it is decoded.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Status> {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            let last = byte & 0x80 == 0;
            self.at = match self.at {
                At::Key => {
                    self.count += 1;
                    if self.count > MOST {
                        return Err(Status::invalid_argument(format!("a message of more than {MOST} fields")));
                    }
                    let kind = byte & 7;
                    if last { after_key(kind) } else { At::LongKey(kind) }
                }
                At::LongKey(kind) if last => after_key(kind),
                At::LongKey(kind) => At::LongKey(kind),
                At::Number if last => At::Key,
                At::Number => At::Number,
                At::Length { length, shift } => {
                    let length = length | u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
                    if last { At::of(length) } else { At::Length { length, shift: shift.saturating_add(7) } }
                }
                At::Content(left) => {
                    // The byte that was taken, and as many more as there are.
                    let skipped = (left - 1).min(rest.len() as u64);
                    rest = &rest[skipped as usize..];
                    At::of(left - 1 - skipped)
                }
            };
        }
        Ok(())
    }
}

impl At {
    /// Before so many more bytes of a field.
    fn of(left: u64) -> Self {
        if left == 0 { Self::Key } else { Self::Content(left) }
    }
}

/// What follows a key, by the type of its field.
fn after_key(kind: u8) -> At {
    match kind {
        0 => At::Number,
        1 => At::Content(8),
        2 => At::Length { length: 0, shift: 0 },
        5 => At::Content(4),
        // Groups are fields of their own. Other types are found where the message is decoded.
        _ => At::Key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost::Message;
    use proto::v1::{Image, PredictRequest, image::Content};

    fn count(bytes: &[u8], piece: usize) -> Result<usize, Status> {
        let mut fields = Fields::default();
        for bytes in bytes.chunks(piece) {
            fields.take(bytes)?;
        }
        Ok(fields.count)
    }

    #[test]
    fn a_message_of_very_many_fields_is_refused() {
        // Each pair of bytes is an image without a file.
        let empty = |images: usize| [0x1a, 0].repeat(images);
        assert_eq!(PredictRequest::decode(empty(3).as_slice()).unwrap().images.len(), 3);
        assert_eq!(count(&empty(MOST), 7).unwrap(), MOST);
        assert!(count(&empty(MOST + 1), 7).is_err());
    }

    proptest! {
        #[test]
        fn fields_are_counted_however_the_bytes_come(
            files in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
            request_id in any::<u64>(),
            piece in 1..400_usize,
        ) {
            let wanted = files.len() + usize::from(request_id != 0);
            let images = files.into_iter().map(|file| Image { content: Some(Content::File(file)) }).collect();
            let bytes = PredictRequest { images, request_id, ..PredictRequest::default() }.encode_to_vec();
            prop_assert_eq!(count(&bytes, piece).unwrap(), wanted);
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..500), piece in 1..50_usize) {
            let _ = count(&bytes, piece);
        }
    }
}
