//! This worker's copy of the model and its state, in flat buffers.

use crate::error::EngineError;
use crate::hardware::Hardware;
use config::RunConfig;
use learn::Group;
use network::{Buffers, Network};
use plan::{Position, Totals};
use resnet::Layout;
use state::{PARAMETERS, STATISTICS, Slot, State};
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
    /// Images whose losses and answers were counted.
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
    pub hardware: Hardware,
    /// Where each tensor lies in the flat buffers.
    pub layout: Layout,
    /// The network over the parameters that are trained.
    pub network: Network,
    /// The network over their average, if one is kept.
    average: Option<Network>,
    /// Parameters that the optimiser treats alike.
    pub groups: Vec<Group>,
    /// The slots of the state, f32, in their order.
    slots: Vec<(Slot, Tensor)>,
    /// f32, laid out as the running statistics: what the last forward pass in training measured.
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
        let architecture = config.architecture().map_err(checkpoint::Error::from)?;
        let layout = architecture.layout().clone();
        let zeros = |elements: usize| {
            Tensor::f_zeros([elements as i64], (Kind::Float, device)).map_err(EngineError::torch("allocate state"))
        };
        let sizes = checkpoint::slots(config, &layout);
        let slots =
            sizes.iter().map(|slot| Ok((slot, zeros(sizes.len_of(slot))?))).collect::<Result<Vec<_>, EngineError>>()?;
        let batch_statistics = zeros(layout.statistics())?;
        let network_over = |[parameters, running]: [Slot; 2]| {
            let (parameters, running) = (tensor_of(&slots, parameters), tensor_of(&slots, running));
            let buffers = Buffers { parameters: &parameters, running: &running, batch: &batch_statistics };
            Network::new(&architecture, buffers, config.precision)
        };
        let trained = [PARAMETERS, STATISTICS];
        let average = (sizes.model() != trained).then(|| network_over(sizes.model())).transpose()?;
        let network = network_over(trained)?;
        let groups = learn::groups(&layout, config.decay);
        Ok(Self {
            config: config.clone(),
            hardware: Hardware::of(device),
            groups,
            layout,
            network,
            average,
            slots,
            batch_statistics,
            position: None,
            totals: Totals::default(),
            lineage: 0,
        })
    }

    /// The network that is the model: what is evaluated.
    pub(crate) fn model(&self) -> &Network {
        self.average.as_ref().unwrap_or(&self.network)
    }

    /// The elements of a slot of the state: the same memory, and none if the state does not have it.
    pub fn slot(&self, slot: Slot) -> Tensor {
        tensor_of(&self.slots, slot)
    }

    /// The elements of all slots, in their order.
    pub(crate) fn buffers(&self) -> impl Iterator<Item = &Tensor> {
        self.slots.iter().map(|(_, tensor)| tensor)
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
        aside: &[Tensor],
        position: Position,
        totals: Totals,
        lineage: u64,
    ) -> Result<(), EngineError> {
        self.position = None;
        no_grad(|| {
            let live = self.slots.iter_mut().map(|(_, live)| live);
            live.zip(aside).try_for_each(|(live, aside)| live.f_copy_(aside))
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
        let wrong = |source| checkpoint::Error::WrongSlots { model: self.config.model.clone(), source };
        state.check(&checkpoint::slots(&self.config, &self.layout)).map_err(wrong)?;
        let tensors = state.slots().map(|(_, values)| Tensor::f_from_slice(values)).collect::<Result<Vec<_>, _>>();
        self.take_over(
            &tensors.map_err(EngineError::torch("take a state over"))?,
            state.position,
            state.totals,
            lineage,
        )
    }

    /// Forgets the state, to the last byte: what is wrong with it may be in the next step as well.
    ///
    /// # Errors
    /// If libtorch fails.
    pub(crate) fn forget(&mut self) -> Result<(), EngineError> {
        self.position = None;
        for (_, buffer) in &mut self.slots {
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
        let buffers = self.slots.iter().map(|(slot, tensor)| Ok((*slot, values(tensor)?)));
        Ok(State::of_buffers(position, self.totals, buffers.collect::<Result<_, EngineError>>()?))
    }
}

/// The tensor of `slot`: the same memory.
fn tensor_of(slots: &[(Slot, Tensor)], slot: Slot) -> Tensor {
    slots.iter().find(|(other, _)| *other == slot).map_or_else(Tensor::new, |(_, tensor)| tensor.shallow_clone())
}
