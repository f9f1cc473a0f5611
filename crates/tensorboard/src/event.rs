//! The messages of an event file, as far as they are written here. Names and numbers are those of TensorBoard's
//! `tensorboard/compat/proto/event.proto` and `summary.proto`.

use prost::{Enumeration, Message, Oneof};

/// Something at a step.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// From 0.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// What there is.
    #[prost(oneof = "What", tags = "3, 5, 7")]
    pub what: Option<What>,
}

/// What an event is.
#[derive(Clone, PartialEq, Oneof)]
pub enum What {
    /// Of the file; its first event.
    #[prost(string, tag = "3")]
    FileVersion(String),
    /// Figures and pictures.
    #[prost(message, tag = "5")]
    Summary(Summary),
    /// A beginning.
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

/// Figures and pictures.
#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    /// Each with its name.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Value>,
}

/// A figure or a picture.
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    /// Its name.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// A figure.
    #[prost(float, optional, tag = "2")]
    pub simple: Option<f32>,
    /// A picture.
    #[prost(message, optional, tag = "4")]
    pub image: Option<Image>,
}

/// A picture.
#[derive(Clone, PartialEq, Message)]
pub struct Image {
    /// In pixels.
    #[prost(int32, tag = "1")]
    pub height: i32,
    /// In pixels.
    #[prost(int32, tag = "2")]
    pub width: i32,
    /// 3: red, green and blue.
    #[prost(int32, tag = "3")]
    pub colorspace: i32,
    /// The bytes of a PNG file.
    #[prost(bytes = "vec", tag = "4")]
    pub encoded_image_string: Vec<u8>,
}

/// A beginning or an end.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct SessionLog {
    /// Which of them.
    #[prost(enumeration = "Start", tag = "1")]
    pub status: i32,
}

/// What a session log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum Start {
    /// Nothing.
    Unspecified = 0,
    /// A beginning: what earlier files say of this step and later ones is void.
    Start = 1,
}
