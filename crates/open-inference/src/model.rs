//! The two models, and what they take and give.

use crate::backend::{About, Failure};

/// Which of the two models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It takes encoded files.
    Files,
    /// It takes raw pixels.
    Pixels,
}

/// An output of both models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// A probability for each class.
    Probabilities,
    /// The name of the most probable class.
    Class,
}

/// A tensor that a model takes or gives. A size of -1 is any number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    pub name: &'static str,
    pub datatype: &'static str,
    pub shape: Vec<i64>,
}

/// The name of both models' input.
pub const INPUT: &str = "image";
/// What the name of the model ends with that takes raw pixels.
const PIXELS: &str = "-pixels";

impl Kind {
    /// The model of that name.
    pub fn named(about: &About, name: &str) -> Result<Self, Failure> {
        let base = &about.model;
        match name.strip_prefix(base.as_str()) {
            Some("") => Ok(Self::Files),
            Some(PIXELS) => Ok(Self::Pixels),
            _ => Err(Failure::NotFound(format!(
                "there is no model {name:?}: {base} takes encoded files, and {base}{PIXELS} takes raw pixels"
            ))),
        }
    }

    /// What it takes.
    pub fn input(self, about: &About) -> Described {
        let (datatype, sizes) = match self {
            Self::Files => ("BYTES", Vec::new()),
            Self::Pixels => ("UINT8", about.shape.map(|size| size as i64).to_vec()),
        };
        Described { name: INPUT, datatype, shape: [vec![-1], sizes].concat() }
    }
}

impl Output {
    /// All of them, in their order.
    pub const ALL: [Self; 2] = [Self::Probabilities, Self::Class];

    /// What it is.
    pub fn described(self, about: &About) -> Described {
        match self {
            Self::Probabilities => {
                Described { name: "probabilities", datatype: "FP32", shape: vec![-1, about.classes.len() as i64] }
            }
            Self::Class => Described { name: "class", datatype: "BYTES", shape: vec![-1] },
        }
    }

    /// Those that `names` ask for; all if there are none.
    pub fn wanted<'a>(about: &About, names: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, Failure> {
        let named = |name: &str| {
            Self::ALL.into_iter().find(|output| output.described(about).name == name).ok_or_else(|| {
                Failure::Invalid(format!("there is no output {name:?}: there are probabilities and class"))
            })
        };
        let wanted: Vec<Self> = names.into_iter().map(named).collect::<Result<_, _>>()?;
        Ok(if wanted.is_empty() { Self::ALL.to_vec() } else { wanted })
    }
}

/// The step of a version; `None` is the newest.
pub fn step(version: &str) -> Result<Option<u64>, Failure> {
    if version.is_empty() {
        return Ok(None);
    }
    let step = version.parse().map_err(|_| {
        Failure::NotFound(format!("there is no version {version:?}: a version is a checkpoint's number of steps"))
    })?;
    Ok(Some(step))
}
