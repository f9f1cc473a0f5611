//! From probabilities to tensors.

use crate::{
    backend::{About, Answer},
    elements,
    model::Output,
};
use bytes::Bytes;

/// A tensor of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Column<'a> {
    pub name: &'static str,
    pub datatype: &'static str,
    pub shape: Vec<i64>,
    pub values: Values<'a>,
}

/// What a tensor of an answer holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Values<'a> {
    Floats(Vec<f32>),
    Strings(Vec<&'a str>),
}

impl Values<'_> {
    /// As bytes.
    pub fn bytes(&self) -> Bytes {
        match self {
            Self::Floats(numbers) => elements::of_floats(numbers),
            Self::Strings(strings) => elements::of_strings(strings.iter().copied()),
        }
    }
}

/// The outputs that are wanted.
pub fn columns<'a>(about: &'a About, answer: &Answer, wanted: &[Output]) -> Vec<Column<'a>> {
    let count = answer.probabilities.len() as i64;
    let column = |output: &Output| {
        let described = output.described(about);
        let mut shape = described.shape;
        if let Some(first) = shape.first_mut() {
            *first = count;
        }
        let values = match output {
            Output::Probabilities => Values::Floats(answer.probabilities.concat()),
            Output::Class => {
                Values::Strings(answer.probabilities.iter().map(|each| class(&about.classes, each)).collect())
            }
        };
        Column { name: described.name, datatype: described.datatype, shape, values }
    };
    wanted.iter().map(column).collect()
}

/// The name of the most probable class: the first of equal ones.
fn class<'a>(classes: &'a [String], probabilities: &[f32]) -> &'a str {
    let mut best = 0;
    for (index, probability) in probabilities.iter().enumerate() {
        if probability.total_cmp(&probabilities[best]).is_gt() {
            best = index;
        }
    }
    classes.get(best).map_or("", String::as_str)
}
