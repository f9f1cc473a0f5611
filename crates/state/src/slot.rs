//! What a slot is, and those that a run has whatever its optimiser. An optimiser declares its own.

/// What a slot's elements stand beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaidOut {
    /// One element a parameter of the model.
    Parameters,
    /// One element a running statistic.
    Statistics,
}

/// One flat buffer of a state, of f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// By which checkpoints, messages and errors name it.
    pub name: &'static str,
    /// What its elements stand beside.
    pub laid_out: LaidOut,
}

impl Slot {
    /// A slot with an element a parameter, as most have.
    #[must_use]
    pub const fn of_parameters(name: &'static str) -> Self {
        Self { name, laid_out: LaidOut::Parameters }
    }
}

/// The parameters that are trained.
pub const PARAMETERS: Slot = Slot::of_parameters("parameters");

/// Running means and variances of normalisation.
pub const STATISTICS: Slot = Slot { name: "running_statistics", laid_out: LaidOut::Statistics };

/// The average of the parameters over the last steps, in a run that keeps one.
pub const AVERAGE: Slot = Slot::of_parameters("average");

/// The average of the running statistics, likewise.
pub const AVERAGE_STATISTICS: Slot = Slot { name: "average_statistics", laid_out: LaidOut::Statistics };
