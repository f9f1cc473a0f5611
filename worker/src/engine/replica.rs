//! This worker's copy of the model and its state, in flat buffers.

use crate::engine::EngineError;
use checkpoint::State;
use network::{Buffers, Network};
use plan::{Position, RunConfig, Totals};
use resnet::{Architecture, Layout};
use std::ops::Range;
use tch::{Device, Kind, Tensor, no_grad};

/// The scalars at the end of a shard's vector, after gradients and batch statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Tail {
    /// The sum of cross-entropies.
    Loss,
    /// Correct answers.
    Correct,
    /// Samples.
    Samples,
    /// How many workers were asked to halt. All workers see the same sum after the same step, so all of them stop
    /// there without a word between them.
    Halt,
}

impl Tail {
    /// How many there are.
    pub const COUNT: usize = 4;

    /// No samples, and whether this worker is asked to halt.
    pub(crate) fn zeros(halt: bool) -> [f32; Self::COUNT] {
        let mut tail = [0.0; Self::COUNT];
        tail[Self::Halt as usize] = f32::from(u8::from(halt));
        tail
    }
}

/// This worker's copy of the model and its state.
#[derive(Debug)]
pub struct Replica {
    /// The run's configuration.
    pub config: RunConfig,
    /// Where the tensors live.
    pub device: Device,
    /// Where each tensor lies in the flat buffers.
    pub layout: Layout,
    /// The network over the flat buffers.
    pub network: Network,
    /// f32, `layout.parameters()`.
    pub parameters: Tensor,
    /// f32, `layout.statistics()`: running means and variances.
    pub statistics: Tensor,
    /// f32, laid out as the parameters.
    pub momentum: Tensor,
    /// f32, laid out as `statistics`: what the last forward pass in training measured.
    pub batch_statistics: Tensor,
    /// The next step. `None` until a state was loaded, and while one is being written.
    pub position: Option<Position>,
    /// Of the epoch in progress.
    pub totals: Totals,
    /// The generation in which the state was taken over.
    pub lineage: u64,
}

impl Replica {
    /// A copy without a state yet.
    ///
    /// # Errors
    /// If the model is unknown, or memory for it cannot be had.
    pub fn new(config: &RunConfig, device: Device) -> Result<Self, EngineError> {
        let architecture = Architecture::named(&config.model).map_err(checkpoint::Error::from)?;
        let layout = Layout::new(&architecture);
        let zeros = |elements: usize| {
            Tensor::f_zeros([elements as i64], (Kind::Float, device)).map_err(EngineError::torch("allocate state"))
        };
        let (parameters, momentum) = (zeros(layout.parameters())?, zeros(layout.parameters())?);
        let (statistics, batch_statistics) = (zeros(layout.statistics())?, zeros(layout.statistics())?);
        let buffers = Buffers { parameters: &parameters, running: &statistics, batch: &batch_statistics };
        let network = Network::new(&architecture, &layout, buffers, config.precision)?;
        Ok(Self {
            config: config.clone(),
            device,
            layout,
            network,
            parameters,
            statistics,
            momentum,
            batch_statistics,
            position: None,
            totals: Totals::default(),
            lineage: 0,
        })
    }

    /// The state's buffers: parameters, running statistics and momentum.
    pub(crate) fn buffers(&self) -> [&Tensor; 3] {
        [&self.parameters, &self.statistics, &self.momentum]
    }

    /// The position of the state that is held.
    ///
    /// # Errors
    /// If none is.
    pub(crate) fn held(&self) -> Result<Position, EngineError> {
        self.position.ok_or_else(|| EngineError::OutOfOrder {
            order: "use the state".to_owned(),
            state: "none is loaded".to_owned(),
        })
    }

    /// Takes over what is in `aside`, all of it or nothing: until it is there, no state is held.
    ///
    /// # Errors
    /// If libtorch fails; no state is held then.
    pub(crate) fn take_over(
        &mut self,
        aside: [&Tensor; 3],
        position: Position,
        totals: Totals,
        lineage: u64,
    ) -> Result<(), EngineError> {
        self.position = None;
        no_grad(|| {
            let live = [&mut self.parameters, &mut self.statistics, &mut self.momentum];
            live.into_iter().zip(aside).try_for_each(|(live, aside)| live.f_copy_(aside))
        })
        .map_err(EngineError::torch("take a state over"))?;
        (self.position, self.totals, self.lineage) = (Some(position), totals, lineage);
        Ok(())
    }

    /// Elements of a shard's vector: gradients, batch statistics, [`Tail`].
    #[must_use]
    pub fn vector_len(&self) -> usize {
        self.layout.parameters() + self.layout.statistics() + Tail::COUNT
    }

    /// Where in a shard's vector the batch statistics are.
    #[must_use]
    pub fn statistics_range(&self) -> Range<usize> {
        self.layout.parameters()..self.layout.parameters() + self.layout.statistics()
    }

    /// Where in a shard's vector the [`Tail`] is.
    #[must_use]
    pub fn tail_range(&self) -> Range<usize> {
        self.statistics_range().end..self.vector_len()
    }

    /// Takes over `state`, as of the generation `lineage`.
    ///
    /// # Errors
    /// If it is of another model, or libtorch fails; no state is held in the latter case.
    pub fn load(&mut self, state: &State, lineage: u64) -> Result<(), EngineError> {
        state.check(&self.config.model, &self.layout)?;
        let tensors = [&state.parameters, &state.statistics, &state.momentum].map(|values| Tensor::from_slice(values));
        self.take_over(tensors.each_ref(), state.position, state.totals, lineage)
    }

    /// Forgets the state, to the last byte: what is wrong with it may be in the next step as well.
    ///
    /// # Errors
    /// If libtorch fails.
    pub(crate) fn forget(&mut self) -> Result<(), EngineError> {
        self.position = None;
        for buffer in [&mut self.parameters, &mut self.statistics, &mut self.momentum] {
            let _ = no_grad(|| buffer.f_zero_()).map_err(EngineError::torch("forget a state"))?;
        }
        Ok(())
    }

    /// A copy of the state.
    ///
    /// # Errors
    /// If there is none yet, or libtorch fails.
    pub fn state(&self) -> Result<State, EngineError> {
        let position = self.held()?;
        let values = |tensor: &Tensor| {
            tensor
                .f_to_device(Device::Cpu)
                .and_then(|tensor| Vec::<f32>::try_from(&tensor))
                .map_err(EngineError::torch("copy state"))
        };
        Ok(State {
            position,
            totals: self.totals,
            parameters: values(&self.parameters)?,
            statistics: values(&self.statistics)?,
            momentum: values(&self.momentum)?,
        })
    }
}
