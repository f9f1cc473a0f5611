//! Taking over the state of one member.
//!
//! The state is received aside, and its digest is compared. A worker keeps what it held until all of the new state is
//! there and right.

use crate::digest::{digest, digest_of, digest_of_state};
use crate::error::EngineError;
use crate::messages::{EngineEvent, StateSource};
use crate::thread::Thread;
use plan::{Position, Totals};
use reduction::Reducer;
use state::State;
use std::{
    sync::mpsc,
    time::{Duration, Instant},
};
use tch::{Device, Kind, Tensor};

/// The time between two checks whether the generation is over.
const GLANCE: Duration = Duration::from_millis(5);

/// What goes with the tensors of a state, as f64 numbers. All of it is exact: counts are below 2^53, and a digest goes
/// in two halves.
struct Description {
    position: Position,
    totals: Totals,
    digest: u64,
}

impl Description {
    const NUMBERS: usize = 7;

    fn numbers(&self) -> [f64; Self::NUMBERS] {
        [
            f64::from(self.position.epoch),
            f64::from(self.position.step),
            self.totals.loss,
            self.totals.correct as f64,
            self.totals.samples as f64,
            (self.digest >> 32) as f64,
            (self.digest & 0xFFFF_FFFF) as f64,
        ]
    }

    fn of(numbers: &[f64]) -> Option<Self> {
        let [epoch, step, loss, correct, samples, high, low] = numbers else { return None };
        Some(Self {
            position: Position { epoch: *epoch as u32, step: *step as u32 },
            totals: Totals { loss: *loss, correct: *correct as u64, samples: *samples as u64 },
            digest: (*high as u64) << 32 | *low as u64,
        })
    }
}

impl Thread {
    /// Takes over the state of `source_rank`, together with all other ranks. That rank has it from `source`. Its digest
    /// is `expected`, if that is known.
    ///
    /// # Errors
    /// If the state does not come, does not fit or has another digest, or the broadcast fails or is aborted. A failed
    /// broadcast leaves a receiver what it held before.
    pub(super) fn synchronise(
        &mut self,
        generation: u64,
        source_rank: u32,
        source: StateSource,
        expected: Option<u64>,
    ) -> Result<EngineEvent, EngineError> {
        let rank = self.formation.map(|formation| formation.rank);
        let own = rank == Some(source_rank);
        match source {
            StateSource::Given(state) if own => {
                let state = self.given(generation, &state)?;
                self.load(&state, generation)?;
            }
            StateSource::Initial => {
                let state = checkpoint::initial_state(&self.options.config, &self.replica.layout);
                self.load(&state, generation)?;
            }
            StateSource::Held | StateSource::Given(_) => {}
        }
        // Taken out of `self`, as `exchange` needs all of it. It is put back afterwards.
        let reducer = self.reducer.take().ok_or_else(|| EngineError::OutOfOrder {
            order: "synchronise".to_owned(),
            state: "no process group stands".to_owned(),
        })?;
        let result = self.exchange(generation, source_rank, own, &reducer, expected);
        self.reducer = Some(reducer);
        let digest = result?;
        let position = self.replica.held()?;
        Ok(EngineEvent::Digest { generation, position, digest })
    }

    fn load(&mut self, state: &State, generation: u64) -> Result<(), EngineError> {
        let expected = digest_of_state(state, &self.replica);
        self.replica.load(state, generation)?;
        self.control.beat();
        if digest(&self.replica)? == expected { Ok(()) } else { Err(EngineError::Altered) }
    }

    /// Does the broadcast. Returns the digest of the state that is held in the end.
    fn exchange(
        &mut self,
        generation: u64,
        source_rank: u32,
        own: bool,
        reducer: &Reducer,
        expected: Option<u64>,
    ) -> Result<u64, EngineError> {
        let torch = || EngineError::torch("synchronise");
        let mut description = [0.0; Description::NUMBERS];
        if own {
            let (position, digest) = (self.replica.held()?, digest(&self.replica)?);
            self.control.beat();
            if expected.is_some_and(|expected| expected != digest) {
                return Err(EngineError::Altered);
            }
            self.replica.lineage = generation;
            description = Description { position, totals: self.replica.totals, digest }.numbers();
        }
        let numbers = Tensor::f_from_slice(&description)
            .and_then(|numbers| numbers.f_to_device(self.options.device))
            .map_err(torch())?;
        reducer.broadcast(&numbers, source_rank, self.control.as_ref())?;
        if own {
            for tensor in self.replica.buffers() {
                reducer.broadcast(tensor, source_rank, self.control.as_ref())?;
                let alone = self.formation.is_none_or(|formation| formation.world_size < 2);
                for fault in self.options.faults.iter().filter(|_| !alone) {
                    fault.strike_halfway(generation, self.replica.held()?);
                }
            }
            return Ok((description[5] as u64) << 32 | description[6] as u64);
        }
        let numbers = numbers
            .f_to_device(Device::Cpu)
            .and_then(|numbers| Vec::<f64>::try_from(&numbers.f_to_kind(Kind::Double)?))
            .map_err(torch())?;
        let Description { position, totals, digest } = Description::of(&numbers).ok_or(EngineError::NotWhole)?;
        let mut aside = Vec::new();
        for tensor in self.replica.buffers() {
            aside.push(tensor.f_empty_like().map_err(torch())?);
        }
        for tensor in &aside {
            reducer.broadcast(tensor, source_rank, self.control.as_ref())?;
        }
        let found = digest_of(&self.replica, aside.iter(), position, totals)?;
        self.control.beat();
        if found != digest || expected.is_some_and(|expected| expected != digest) {
            return Err(EngineError::NotWhole);
        }
        self.replica.take_over(&aside, position, totals, generation)?;
        self.control.beat();
        Ok(digest)
    }

    /// Waits for the state that is on its way from the coordinator.
    fn given(&self, generation: u64, state: &mpsc::Receiver<Result<State, EngineError>>) -> Result<State, EngineError> {
        self.control.while_waiting(|| {
            let began = Instant::now();
            loop {
                match state.recv_timeout(GLANCE) {
                    Ok(result) => return result,
                    Err(mpsc::RecvTimeoutError::Timeout) if !self.control.is_aborted(generation) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) if !self.control.is_aborted(generation) => {
                        let cause = format!("it was given up after {:.1} s", began.elapsed().as_secs_f64());
                        return Err(EngineError::NotGiven { checkpoint: "the".to_owned(), cause });
                    }
                    Err(_) => return Err(EngineError::Aborted { generation }),
                }
            }
        })
    }
}
