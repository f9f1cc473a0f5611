//! What a slot is, and those that every run has. An optimiser declares its own.

/// What a slot's elements stand beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaidOut {
    /// One element a parameter of the model.
    Parameters,
    /// One element a running statistic.
    Statistics,
}

/// Where a checkpoint keeps a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Home {
    /// With the model, under the names of its tensors. Anybody who loads the model gets it, and all of it has to be finite.
    Model,
    /// With what only training needs. A tensor has the slot's name before its own: `momentum.conv1.weight`.
    Training,
}

/// One flat buffer of a state, of f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// By which checkpoints, messages and errors name it.
    pub name: &'static str,
    /// What its elements stand beside.
    pub laid_out: LaidOut,
    /// Where a checkpoint keeps it.
    pub home: Home,
}

/// The parameters.
pub const PARAMETERS: Slot = Slot { name: "parameters", laid_out: LaidOut::Parameters, home: Home::Model };

/// Running means and variances of normalisation.
pub const STATISTICS: Slot = Slot { name: "running_statistics", laid_out: LaidOut::Statistics, home: Home::Model };
