//! From tensors to images.

use crate::{
    backend::{About, Failure, Image},
    elements,
    model::{INPUT, Kind},
};
use bytes::Bytes;

/// Images of a request at the most.
const MOST: i64 = 1024;

/// A tensor of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    pub name: String,
    pub datatype: String,
    pub shape: Vec<i64>,
    pub elements: Elements,
}

/// What a tensor holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elements {
    /// In little-endian order; strings with their lengths before them.
    Raw(Bytes),
    /// Of BYTES, one by one.
    Strings(Vec<Bytes>),
    /// Of UINT8.
    Numbers(Bytes),
}

/// Parameters that change what an answer is or where the data lies, and are not understood here. All others may be passed over.
const NOT_UNDERSTOOD: [(&str, &str); 5] = [
    ("classification", "outputs are whole: take the likeliest of `probabilities`, or the output `class`"),
    ("shared_memory_region", "send the data in the request"),
    ("sequence_id", "each request stands for itself"),
    ("sequence_start", "each request stands for itself"),
    ("sequence_end", "each request stands for itself"),
];

/// Refuses parameters with which an answer would be another than was asked for.
pub fn check_parameters<'a>(names: impl IntoIterator<Item = &'a String>) -> Result<(), Failure> {
    for name in names {
        if let Some((name, instead)) = NOT_UNDERSTOOD.iter().find(|(known, _)| known == name) {
            return Err(Failure::Invalid(format!("the parameter {name:?} is not understood: {instead}")));
        }
    }
    Ok(())
}

/// The images in the tensors of a request.
pub fn images(about: &About, kind: Kind, tensors: Vec<Tensor>) -> Result<Vec<Image>, Failure> {
    let wanted = kind.input(about);
    let [tensor] = <[Tensor; 1]>::try_from(tensors)
        .map_err(|found| Failure::Invalid(format!("the model takes one input, {INPUT}, and not {}", found.len())))?;
    let Tensor { name, datatype, shape, elements } = tensor;
    if name != wanted.name {
        return Err(Failure::Invalid(format!("there is no input {name:?}: the model takes {INPUT}")));
    }
    if datatype != wanted.datatype {
        let why = format!("input {INPUT} is of {datatype:?}, and the model takes {}", wanted.datatype);
        return Err(Failure::Invalid(why));
    }
    let count = count(about, kind, &shape)?;
    match kind {
        Kind::Files => files(count, elements),
        Kind::Pixels => pixels(about, count, elements),
    }
}

/// How many images a tensor of `shape` holds.
fn count(about: &About, kind: Kind, shape: &[i64]) -> Result<usize, Failure> {
    let wanted = kind.input(about).shape;
    let rest = &wanted[1..];
    let (first, fits) = match shape {
        // A column of files is a usual form as well.
        [count, 1] if kind == Kind::Files => (*count, true),
        [count, sizes @ ..] => (*count, sizes == rest),
        [] => (0, false),
    };
    if !fits {
        return Err(Failure::Invalid(format!("input {INPUT} has the shape {shape:?}, and the model takes {wanted:?}")));
    }
    if !(1..=MOST).contains(&first) {
        return Err(Failure::Invalid(format!("{first} images in a request: there can be from 1 to {MOST}")));
    }
    Ok(first as usize)
}

fn files(count: usize, elements: Elements) -> Result<Vec<Image>, Failure> {
    let files = match elements {
        Elements::Raw(bytes) => elements::strings(bytes)?,
        Elements::Strings(files) => files,
        Elements::Numbers(_) => return Err(Failure::Invalid("a tensor of BYTES holds numbers".to_owned())),
    };
    if files.len() != count {
        return Err(Failure::Invalid(format!("input {INPUT} holds {} files, and its shape says {count}", files.len())));
    }
    Ok(files.into_iter().map(Image::File).collect())
}

fn pixels(about: &About, count: usize, elements: Elements) -> Result<Vec<Image>, Failure> {
    let bytes = match elements {
        Elements::Raw(bytes) | Elements::Numbers(bytes) => bytes,
        Elements::Strings(_) => return Err(Failure::Invalid("a tensor of UINT8 holds strings".to_owned())),
    };
    let size: usize = about.shape.iter().product();
    if bytes.len() != count * size {
        let why = format!("input {INPUT} holds {} bytes, and {count} images have {}", bytes.len(), count * size);
        return Err(Failure::Invalid(why));
    }
    Ok((0..count).map(|index| Image::Pixels(bytes.slice(index * size..(index + 1) * size))).collect())
}
