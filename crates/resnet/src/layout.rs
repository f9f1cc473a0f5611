//! Where each tensor of a network lies in the flat buffers.
//!
//! All parameters are one f32 buffer, and all running statistics another. So the optimiser is one kernel, the reduction
//! one message, and a state one slice of bytes a slot.

use crate::{Architecture, Convolution, Node};

/// What a tensor of the state dict is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Trained; in the flat buffer of parameters.
    Parameter,
    /// A running mean or variance; in the flat buffer of statistics.
    Statistic,
    /// `num_batches_tracked`, an i64 scalar: the number of steps so far, in no buffer.
    BatchesTracked,
}

/// A tensor of the state dict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in PyTorch.
    pub name: String,
    /// Its shape; empty for a scalar.
    pub shape: Vec<i64>,
    /// Whether it is trained, a statistic or a count of steps.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    entries: Vec<Entry>,
    parameters: usize,
    statistics: usize,
}

impl Layout {
    /// The layout of `architecture`.
    #[must_use]
    pub fn new(architecture: &Architecture) -> Self {
        let mut layout = Self { entries: Vec::new(), parameters: 0, statistics: 0 };
        for node in architecture.nodes() {
            match node {
                Node::Stem(convolution) => layout.convolution(convolution),
                Node::Block { branch, shortcut, .. } => {
                    branch.iter().chain(shortcut).for_each(|convolution| layout.convolution(convolution));
                }
                Node::Head { name, inputs, classes, .. } => {
                    let (inputs, classes) = (i64::from(*inputs), i64::from(*classes));
                    layout.add(format!("{name}.weight"), vec![classes, inputs], Role::Parameter);
                    layout.add(format!("{name}.bias"), vec![classes], Role::Parameter);
                }
            }
        }
        layout
    }

    fn convolution(&mut self, convolution: &Convolution) {
        let Convolution { name, norm, inputs, outputs, kernel, .. } = convolution;
        let (inputs, outputs, kernel) = (i64::from(*inputs), i64::from(*outputs), i64::from(*kernel));
        self.add(format!("{name}.weight"), vec![outputs, inputs, kernel, kernel], Role::Parameter);
        self.add(format!("{norm}.weight"), vec![outputs], Role::Parameter);
        self.add(format!("{norm}.bias"), vec![outputs], Role::Parameter);
        self.add(format!("{norm}.running_mean"), vec![outputs], Role::Statistic);
        self.add(format!("{norm}.running_var"), vec![outputs], Role::Statistic);
        self.add(format!("{norm}.num_batches_tracked"), Vec::new(), Role::BatchesTracked);
    }

    fn add(&mut self, name: String, shape: Vec<i64>, role: Role) {
        let offset = match role {
            Role::Parameter => self.parameters,
            Role::Statistic => self.statistics,
            Role::BatchesTracked => 0,
        };
        let entry = Entry { name, shape, role, offset };
        match role {
            Role::Parameter => self.parameters += entry.elements(),
            Role::Statistic => self.statistics += entry.elements(),
            Role::BatchesTracked => {}
        }
        self.entries.push(entry);
    }

    /// The tensors, in the order of PyTorch's state dict.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The tensors of one role, in that order.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.role == role)
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

/// Running statistics before the first step: means 0, variances 1.
#[must_use]
pub fn initial_statistics(layout: &Layout) -> Vec<f32> {
    let mut statistics = vec![0.0; layout.statistics()];
    for entry in layout.of(Role::Statistic).filter(|entry| entry.name.ends_with("running_var")) {
        statistics[entry.offset..entry.offset + entry.elements()].fill(1.0);
    }
    statistics
}
