//! Taking over the state of one member.

use crate::engine::{EngineError, Source, thread::Thread};
use checkpoint::State;
use plan::{Position, Totals};
use std::{sync::mpsc, time::Duration};
use tch::{Device, Kind, Tensor};

/// Between two looks at whether the generation is over.
const GLANCE: Duration = Duration::from_millis(5);

impl Thread {
    /// Takes over the state of `source_rank`, which has it from `source`, together with all other ranks.
    ///
    /// # Errors
    /// If the state does not come or does not fit, or the broadcast fails or is aborted.
    pub(super) fn synchronise(&mut self, generation: u64, source_rank: u32, source: Source) -> Result<(), EngineError> {
        let own = self.formation.is_some_and(|formation| formation.rank == source_rank);
        match source {
            Source::Given(state) if own => {
                let state = self.given(generation, &state)?;
                self.replica.load(&state)?;
            }
            Source::Initial => {
                let state = State::initial(&self.replica.layout, self.options.config.seed);
                self.replica.load(&state)?;
            }
            Source::Held | Source::Given(_) => {}
        }
        let Some(reducer) = &self.reducer else {
            return Err(EngineError::OutOfOrder {
                order: "synchronise".to_owned(),
                state: "no process group stands".to_owned(),
            });
        };
        let replica = &mut self.replica;
        for tensor in [&replica.parameters, &replica.statistics, &replica.momentum] {
            reducer.broadcast(tensor, source_rank, &self.control)?;
        }
        // Counts are exact in f64 up to 2^53.
        let position = replica.position.unwrap_or_default();
        let scalars = [
            f64::from(position.epoch),
            f64::from(position.step),
            replica.totals.loss,
            replica.totals.correct as f64,
            replica.totals.samples as f64,
        ];
        let torch = || EngineError::torch("synchronise");
        let scalars = Tensor::f_from_slice(&scalars)
            .and_then(|scalars| scalars.f_to_device(self.options.device))
            .map_err(torch())?;
        reducer.broadcast(&scalars, source_rank, &self.control)?;
        let scalars = scalars
            .f_to_device(Device::Cpu)
            .and_then(|scalars| Vec::<f64>::try_from(&scalars.f_to_kind(Kind::Double)?))
            .map_err(torch())?;
        replica.position = Some(Position { epoch: scalars[0] as u32, step: scalars[1] as u32 });
        replica.totals = Totals { loss: scalars[2], correct: scalars[3] as u64, samples: scalars[4] as u64 };
        Ok(())
    }

    /// The state that is on its way.
    fn given(&self, generation: u64, state: &mpsc::Receiver<Result<State, EngineError>>) -> Result<State, EngineError> {
        loop {
            match state.recv_timeout(GLANCE) {
                Ok(result) => return result,
                Err(mpsc::RecvTimeoutError::Timeout) if !self.control.is_aborted(generation) => {}
                // Who was to give it has given up too.
                Err(_) => return Err(EngineError::Aborted { generation }),
            }
        }
    }
}
