//! Where each tensor of a network lies in the flat buffers.
//!
//! All parameters are one f32 buffer, and all running statistics another. So the optimiser is one kernel, the reduction
//! one message, and a state one slice of bytes a slot.

use crate::Node;

/// What a tensor of the state dict is. It decides where the tensor lies, how it begins and whether it decays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The weight of a convolution or a linear layer.
    Weight {
        /// Inputs of one output.
        fan_in: u32,
    },
    /// The bias of a linear layer.
    Bias {
        /// Inputs of one output.
        fan_in: u32,
    },
    /// What a normalisation multiplies by.
    Scale,
    /// What a normalisation adds.
    Shift,
    /// A normalisation's mean over the steps so far.
    RunningMean,
    /// A normalisation's variance over the steps so far.
    RunningVariance,
    /// `num_batches_tracked`, an i64 scalar: the number of steps so far, in no buffer.
    BatchesTracked,
}

impl Role {
    /// The buffer in which such a tensor lies, if it lies in one.
    #[must_use]
    pub fn buffer(self) -> Option<Buffer> {
        match self {
            Self::Weight { .. } | Self::Bias { .. } | Self::Scale | Self::Shift => Some(Buffer::Parameters),
            Self::RunningMean | Self::RunningVariance => Some(Buffer::Statistics),
            Self::BatchesTracked => None,
        }
    }
}

/// A flat buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buffer {
    /// What is trained.
    Parameters,
    /// Running means and variances.
    Statistics,
}

/// A tensor of the state dict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in PyTorch.
    pub name: String,
    /// Its shape; empty for a scalar.
    pub shape: Vec<i64>,
    /// It decides the buffer, and how the tensor begins.
    pub role: Role,
    /// Its place in the buffer of its role, in elements.
    pub offset: usize,
}

impl Entry {
    /// The number of its elements; 1 for a scalar.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.shape.iter().product::<i64>() as usize
    }
}

/// Where each tensor lies in the flat buffers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    entries: Vec<Entry>,
    parameters: usize,
    statistics: usize,
}

/// A layout to which tensors are added.
pub(crate) struct Tensors(Layout);

impl Tensors {
    /// Adds a tensor at the end of its buffer.
    pub(crate) fn add(&mut self, name: String, shape: &[u32], role: Role) {
        let shape: Vec<i64> = shape.iter().copied().map(i64::from).collect();
        let mut entry = Entry { name, shape, role, offset: 0 };
        let elements = entry.elements();
        let end = match role.buffer() {
            Some(Buffer::Parameters) => Some(&mut self.0.parameters),
            Some(Buffer::Statistics) => Some(&mut self.0.statistics),
            None => None,
        };
        if let Some(end) = end {
            entry.offset = *end;
            *end += elements;
        }
        self.0.entries.push(entry);
    }
}

impl Layout {
    pub(crate) fn new(nodes: &[Node]) -> Self {
        let mut tensors = Tensors(Self::default());
        for node in nodes {
            node.described().tensors(&mut tensors);
        }
        tensors.0
    }

    /// The tensors, in the order of PyTorch's state dict.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The tensors of one buffer, in that order.
    pub fn of(&self, buffer: Buffer) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.role.buffer() == Some(buffer))
    }

    /// Elements of the buffer of parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Elements of the buffer of running statistics.
    #[must_use]
    pub fn statistics(&self) -> usize {
        self.statistics
    }
}
