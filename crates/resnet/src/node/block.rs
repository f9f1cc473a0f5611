//! A residual block.

use super::{Convolution, Described, Shape};
use crate::{Row, layout::Tensors};

/// `branch(x) + shortcut(x)`. Without a shortcut convolution the shortcut is `x`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// How many convolutions the branch has, and how wide they are.
    pub kind: BlockKind,
    /// The convolutions of the branch.
    pub branch: Vec<Convolution>,
    /// The convolution of the shortcut, where the shape changes.
    pub shortcut: Option<Convolution>,
    /// Whether ReLU follows the sum of branch and shortcut.
    pub relu: bool,
}

/// The kinds of blocks of He et al., "Deep Residual Learning for Image Recognition" (2015), figure 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// Two convolutions of 3x3.
    Basic,
    /// 1x1, 3x3, 1x1; its output is four times as wide as its inside.
    Bottleneck,
}

impl BlockKind {
    fn expansion(self) -> u32 {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }

    /// The name of PyTorch's class.
    fn name(self) -> &'static str {
        match self {
            Self::Basic => "BasicBlock",
            Self::Bottleneck => "Bottleneck",
        }
    }
}

impl Block {
    /// A block from `inputs` channels to as many as its kind makes of `inner`. The module is called `name`, such as
    /// `layer1.0`.
    pub(crate) fn new(kind: BlockKind, name: &str, inputs: u32, inner: u32, stride: u32) -> Self {
        let outputs = inner * kind.expansion();
        // (kernel, outputs, stride) of each convolution.
        let shapes: &[(u32, u32, u32)] = match kind {
            BlockKind::Basic => &[(3, inner, stride), (3, inner, 1)],
            BlockKind::Bottleneck => &[(1, inner, 1), (3, inner, stride), (1, outputs, 1)],
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
        Self { kind, branch, shortcut, relu: true }
    }

    /// Channels of its output.
    pub(crate) fn outputs(&self) -> u32 {
        self.branch.last().map_or(0, |last| last.outputs)
    }
}

impl Described for Block {
    fn tensors(&self, tensors: &mut Tensors) {
        for convolution in self.branch.iter().chain(&self.shortcut) {
            convolution.tensors(tensors);
        }
    }

    fn output(&self, input: Shape) -> Shape {
        self.branch.iter().fold(input, |shape, convolution| convolution.output(shape))
    }

    fn rows(&self, input: Shape, rows: &mut Vec<Row>) {
        let mut shape = input;
        for convolution in &self.branch {
            convolution.rows(shape, rows);
            shape = convolution.output(shape);
        }
        if let Some(shortcut) = &self.shortcut {
            shortcut.rows(input, rows);
        }
        rows.push(Row::of_image(self.kind.name(), shape, 0));
    }
}
