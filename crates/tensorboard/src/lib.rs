//! Event files as TensorBoard reads them: scalars and images, as bytes to be appended to a file.
//!
//! The crate is pure: values in, bytes out. A file begins with [`header`]. [`begin`] after it says from which step on the file
//! replaces what earlier files of the directory say.
//!
//! # Layout
//!
//! - `event`: the messages, with the numbers of tensorboard/compat/proto/{event,summary}.proto.
//! - `record`: the frame of a message in a file.
//!
//! # Example
//!
//! ```
//! use tensorboard::{begin, header, scalars};
//!
//! let mut file = header(1.0);
//! file.extend(begin(1.0, 0));
//! file.extend(scalars(2.0, 1, &[("train/loss", 1.25), ("train/accuracy", 0.5)]));
//! assert_eq!(tensorboard::records(&file)?.len(), 3);
//! # Ok::<(), tensorboard::Damaged>(())
//! ```

mod event;
mod record;

pub use record::{Damaged, records};

use event::{Event, Image, SessionLog, Start, Summary, Value, What};
use prost::Message;

/// The version of files that TensorBoard knows.
const VERSION: &str = "brain.Event:2";
/// Red, green and blue, in the numbers of `Summary.Image.colorspace`.
const RGB: i32 = 3;

/// What a file begins with. `at` is in seconds since 1970, here and below.
#[must_use]
pub fn header(at: f64) -> Vec<u8> {
    write(at, 0, What::FileVersion(VERSION.to_owned()))
}

/// Says that what follows replaces all that was said of `step` and later ones.
#[must_use]
pub fn begin(at: f64, step: u64) -> Vec<u8> {
    write(at, step, What::SessionLog(SessionLog { status: Start::Start.into() }))
}

/// Figures of a step, each with its name, such as `train/loss`. A figure may be NaN.
#[must_use]
pub fn scalars(at: f64, step: u64, figures: &[(&str, f64)]) -> Vec<u8> {
    let value = |(tag, figure): &(&str, f64)| Value {
        tag: (*tag).to_owned(),
        simple: Some(*figure as f32),
        ..Value::default()
    };
    write(at, step, What::Summary(Summary { value: figures.iter().map(value).collect() }))
}

/// A picture of a step: `png` is the bytes of a PNG file of `width` by `height` pixels.
#[must_use]
pub fn image(at: f64, step: u64, tag: &str, (width, height): (u32, u32), png: Vec<u8>) -> Vec<u8> {
    let (width, height) = (width as i32, height as i32);
    let image = Image { height, width, colorspace: RGB, encoded_image_string: png };
    let value = Value { tag: tag.to_owned(), image: Some(image), ..Value::default() };
    write(at, step, What::Summary(Summary { value: vec![value] }))
}

fn write(wall_time: f64, step: u64, what: What) -> Vec<u8> {
    record::frame(&Event { wall_time, step: step as i64, what: Some(what) }.encode_to_vec())
}
