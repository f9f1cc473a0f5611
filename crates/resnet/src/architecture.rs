//! Which layers a network has, under which names.
//!
//! Names, shapes and order are those of the article's PyTorch module. Its parts are `features`, `layer1` to `layer4`,
//! and `classifer`, as it spells it. So its own class loads our weights with `strict=True`.

use thiserror::Error;

/// The names of all models.
pub const MODELS: [&str; 10] = [
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet20",
    "resnet32",
    "resnet44",
    "resnet56",
    "resnet110",
];

/// A name that is no model's.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("there is no model {name:?}: did you mean {nearest}? Models: {}", MODELS.join(", "))]
pub struct UnknownModel {
    /// The name, as it was given.
    pub name: String,
    /// The model whose name is nearest.
    pub nearest: &'static str,
}

/// The model named `name`, as it is in [`MODELS`].
///
/// # Errors
/// If there is none; the error names the nearest.
pub fn known(name: &str) -> Result<&'static str, UnknownModel> {
    MODELS.into_iter().find(|known| *known == name).ok_or_else(|| {
        let distance = |model: &&str| strsim::damerau_levenshtein(name, model);
        let nearest = MODELS.into_iter().min_by_key(distance).unwrap_or(MODELS[0]);
        UnknownModel { name: name.to_owned(), nearest }
    })
}

/// The sizes that a data set gives a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Channels of an image.
    pub channels: u32,
    /// Pixels along each side of an image.
    pub side: u32,
    /// Classes.
    pub classes: u32,
}

impl Sizes {
    /// The side of an image has to be a multiple of this: the deepest models halve it three times.
    pub const MULTIPLE: u32 = 8;
    /// The shortest side. Of a shorter one a single image would be normalised by a single value, and its variance is no number.
    pub const SHORTEST: u32 = 16;
}

/// A convolution without bias, followed by a batch normalisation. Its kernel is square, and padded to keep the size at
/// stride 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Convolution {
    /// The module's name, such as `layer1.0.features.0`.
    pub name: String,
    /// The name of the batch normalisation that follows.
    pub norm: String,
    /// Channels in.
    pub inputs: u32,
    /// Channels out.
    pub outputs: u32,
    /// Side of the kernel, 1 or 3.
    pub kernel: u32,
    /// Stride, 1 or 2.
    pub stride: u32,
    /// Whether ReLU follows the normalisation. The last one of a block has it after the shortcut instead.
    pub relu: bool,
}

/// A part of a network, in the order of computation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Convolution, batch normalisation, ReLU.
    Stem(Convolution),
    /// `relu(branch(x) + shortcut(x))`. Without a shortcut convolution the shortcut is `x`.
    Block {
        /// The module's name, such as `layer1.0`.
        name: String,
        /// The convolutions of the branch.
        branch: Vec<Convolution>,
        /// The convolution of the shortcut, where the shape changes.
        shortcut: Option<Convolution>,
    },
    /// Mean over the remaining square, then a linear layer with bias.
    Head {
        /// The module's name.
        name: String,
        /// Side of the square that is averaged.
        square: u32,
        /// Features in.
        inputs: u32,
        /// Classes.
        classes: u32,
    },
}

/// A network: its parts in the order of computation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    name: &'static str,
    sizes: Sizes,
    nodes: Vec<Node>,
}

/// Which kind of block, and how many times wider its output is than its inner width.
#[derive(Clone, Copy)]
enum Kind {
    Basic,
    Bottleneck,
}

impl Kind {
    fn expansion(self) -> u32 {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

impl Architecture {
    /// The model of that name, for images and classes of these sizes.
    ///
    /// # Errors
    /// If there is none; the error names the nearest.
    pub fn named(name: &str, sizes: Sizes) -> Result<Self, UnknownModel> {
        use Kind::{Basic, Bottleneck};
        let known = known(name)?;
        // He et al., "Deep Residual Learning for Image Recognition" (2015): table 1 and, for 32x32 images, section 4.2.
        let (kind, width, blocks): (Kind, u32, Vec<u32>) = match known {
            "resnet18" => (Basic, 64, vec![2, 2, 2, 2]),
            "resnet34" => (Basic, 64, vec![3, 4, 6, 3]),
            "resnet50" => (Bottleneck, 64, vec![3, 4, 6, 3]),
            "resnet101" => (Bottleneck, 64, vec![3, 4, 23, 3]),
            "resnet152" => (Bottleneck, 64, vec![3, 8, 36, 3]),
            "resnet20" => (Basic, 16, vec![3; 3]),
            "resnet32" => (Basic, 16, vec![5; 3]),
            "resnet44" => (Basic, 16, vec![7; 3]),
            "resnet56" => (Basic, 16, vec![9; 3]),
            _ => (Basic, 16, vec![18; 3]),
        };
        Ok(Self { name: known, sizes, nodes: nodes(kind, width, &blocks, sizes) })
    }

    /// The model's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it is made for.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// The parts, in the order of computation.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

fn nodes(kind: Kind, width: u32, blocks: &[u32], sizes: Sizes) -> Vec<Node> {
    let stem = Convolution {
        name: "features.0".to_owned(),
        norm: "features.1".to_owned(),
        inputs: sizes.channels,
        outputs: width,
        kernel: 3,
        stride: 1,
        relu: true,
    };
    let mut nodes = vec![Node::Stem(stem)];
    let mut channels = width;
    for (stage, count) in blocks.iter().enumerate() {
        let inner = width << stage;
        for index in 0..*count {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            nodes.push(block(kind, format!("layer{}.{index}", stage + 1), channels, inner, stride));
            channels = inner * kind.expansion();
        }
    }
    let square = sizes.side >> (blocks.len() - 1);
    nodes.push(Node::Head { name: "classifer".to_owned(), square, inputs: channels, classes: sizes.classes });
    nodes
}

fn block(kind: Kind, name: String, inputs: u32, inner: u32, stride: u32) -> Node {
    let outputs = inner * kind.expansion();
    // (kernel, outputs, stride) of each convolution.
    let shapes: &[(u32, u32, u32)] = match kind {
        Kind::Basic => &[(3, inner, stride), (3, inner, 1)],
        Kind::Bottleneck => &[(1, inner, 1), (3, inner, stride), (1, outputs, 1)],
    };
    let mut channels = inputs;
    let mut branch = Vec::new();
    for (index, (kernel, outputs, stride)) in shapes.iter().copied().enumerate() {
        // `nn.Sequential` counts convolution, normalisation and ReLU.
        branch.push(Convolution {
            name: format!("{name}.features.{}", 3 * index),
            norm: format!("{name}.features.{}", 3 * index + 1),
            inputs: channels,
            outputs,
            kernel,
            stride,
            relu: index + 1 < shapes.len(),
        });
        channels = outputs;
    }
    let shortcut = (stride != 1 || inputs != outputs).then(|| Convolution {
        name: format!("{name}.shortcut.0"),
        norm: format!("{name}.shortcut.1"),
        inputs,
        outputs,
        kernel: 1,
        stride,
        relu: false,
    });
    Node::Block { name, branch, shortcut }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_made_for_its_data_set() {
        let sizes = Sizes { channels: 1, side: 64, classes: 7 };
        let architecture = Architecture::named("resnet20", sizes).unwrap();
        let nodes = architecture.nodes();
        assert!(matches!(&nodes[0], Node::Stem(stem) if stem.inputs == 1));
        assert!(matches!(nodes.last(), Some(Node::Head { square: 16, classes: 7, .. })));
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let error = known("resnet-20").unwrap_err();
        assert_eq!(error.nearest, "resnet20");
        assert!(error.to_string().starts_with("there is no model \"resnet-20\": did you mean resnet20?"));
        assert_eq!(known("resent18").unwrap_err().nearest, "resnet18");
    }
}
