//! The models that there are, by name.

use crate::{Architecture, Sizes, Stem, node::BlockKind};
use thiserror::Error;

/// A model: the residual stages of a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Model {
    /// What `--model` takes.
    pub name: &'static str,
    /// The kind of its blocks.
    pub kind: BlockKind,
    /// Channels of the first stage. Each later stage has twice as many.
    pub width: u32,
    /// Blocks of each stage.
    pub blocks: &'static [u32],
}

impl Model {
    const fn new(name: &'static str, kind: BlockKind, width: u32, blocks: &'static [u32]) -> Self {
        Self { name, kind, width, blocks }
    }
}

/// He et al., "Deep Residual Learning for Image Recognition" (2015): table 1 and, for 32x32 images, section 4.2.
const TABLE: [Model; 10] = [
    Model::new("resnet18", BlockKind::Basic, 64, &[2, 2, 2, 2]),
    Model::new("resnet34", BlockKind::Basic, 64, &[3, 4, 6, 3]),
    Model::new("resnet50", BlockKind::Bottleneck, 64, &[3, 4, 6, 3]),
    Model::new("resnet101", BlockKind::Bottleneck, 64, &[3, 4, 23, 3]),
    Model::new("resnet152", BlockKind::Bottleneck, 64, &[3, 8, 36, 3]),
    Model::new("resnet20", BlockKind::Basic, 16, &[3; 3]),
    Model::new("resnet32", BlockKind::Basic, 16, &[5; 3]),
    Model::new("resnet44", BlockKind::Basic, 16, &[7; 3]),
    Model::new("resnet56", BlockKind::Basic, 16, &[9; 3]),
    Model::new("resnet110", BlockKind::Basic, 16, &[18; 3]),
];

/// The names of all models.
pub const MODELS: [&str; TABLE.len()] = {
    let mut names = [""; TABLE.len()];
    let mut index = 0;
    while index < TABLE.len() {
        names[index] = TABLE[index].name;
        index += 1;
    }
    names
};

/// A name that is no model's.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("there is no model {name:?}: did you mean {nearest}? Models: {}", MODELS.join(", "))]
pub struct UnknownModel {
    /// The name, as it was given.
    pub name: String,
    /// The model whose name is nearest.
    pub nearest: &'static str,
}

fn find(name: &str) -> Result<&'static Model, UnknownModel> {
    TABLE.iter().find(|model| model.name == name).ok_or_else(|| {
        let distance = |model: &&str| strsim::damerau_levenshtein(name, model);
        let nearest = MODELS.into_iter().min_by_key(distance).unwrap_or(MODELS[0]);
        UnknownModel { name: name.to_owned(), nearest }
    })
}

/// The model named `name`, as it is in [`MODELS`].
///
/// # Errors
/// If there is none; the error names the nearest.
pub fn known(name: &str) -> Result<&'static str, UnknownModel> {
    find(name).map(|model| model.name)
}

impl Architecture {
    /// The model of that name, with this stem, for images and classes of these sizes.
    ///
    /// # Errors
    /// If there is none; the error names the nearest.
    pub fn named(name: &str, stem: Stem, sizes: Sizes) -> Result<Self, UnknownModel> {
        find(name).map(|model| Self::new(*model, stem, sizes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let error = known("resnet-20").unwrap_err();
        assert_eq!(error.nearest, "resnet20");
        assert!(error.to_string().starts_with("there is no model \"resnet-20\": did you mean resnet20?"));
        assert_eq!(known("resent18").unwrap_err().nearest, "resnet18");
    }
}
