//! A training state as the messages of a stream.

use crate::{
    CHUNK_BYTES, Malformed,
    v1::{StateChunk, StateHeader, StateSlot, state_chunk::Chunk},
};
use state::{Slot, Slots, State};

/// Threads that compute a digest.
const THREADS: usize = 2;

/// A state as the messages of a stream, sent for the order with this `ticket`.
#[must_use]
pub fn state_chunks(run_id: &str, ticket: u64, state: &State) -> Vec<StateChunk> {
    let header = StateHeader {
        run_id: run_id.to_owned(),
        ticket,
        digest: state.digest(THREADS),
        position: Some(state.position.into()),
        totals: Some(state.totals.into()),
        slots: state
            .slots()
            .map(|(slot, values)| StateSlot { name: slot.name.to_owned(), elements: values.len() as u64 })
            .collect(),
    };
    let mut chunks = vec![StateChunk { chunk: Some(Chunk::Header(header)) }];
    for (_, buffer) in state.slots() {
        for values in buffer.chunks(CHUNK_BYTES / 4) {
            let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            chunks.push(StateChunk { chunk: Some(Chunk::Data(data)) });
        }
    }
    chunks
}

/// A state that is being received, of a run whose slots are known.
#[derive(Debug)]
pub struct Assembly {
    header: StateHeader,
    slots: Slots,
    bytes: Vec<u8>,
}

impl Assembly {
    /// A state whose header has come, of a run with these `slots`.
    ///
    /// # Errors
    /// If the header names other slots, or other sizes.
    pub fn new(header: &StateHeader, slots: Slots) -> Result<Self, Malformed> {
        let found = header.slots.iter().map(|slot| (slot.name.as_str(), slot.elements));
        slots.check(found).map_err(|wrong| Malformed::new(format!("a state of another run: {wrong}")))?;
        Ok(Self { header: header.clone(), slots, bytes: Vec::new() })
    }

    /// The bytes of the whole state.
    fn expected(&self) -> usize {
        size_of::<f32>() * self.slots.elements()
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// If they are more than the state has.
    pub fn push(&mut self, data: &[u8]) -> Result<(), Malformed> {
        let expected = self.expected();
        if self.bytes.is_empty() {
            self.bytes.reserve_exact(expected);
        }
        if self.bytes.len() + data.len() > expected {
            return Err(Malformed::new(format!("a state of more than {expected} bytes")));
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    /// The state and its digest, when all has come.
    ///
    /// # Errors
    /// If bytes are missing, or the state is not the one that was sent.
    pub fn finish(self) -> Result<(State, u64), Malformed> {
        let expected = self.expected();
        if self.bytes.len() != expected {
            return Err(Malformed::new(format!("a state of {} bytes instead of {expected}", self.bytes.len())));
        }
        let missing = |what: &str| Malformed::new(format!("a state without {what}"));
        let mut values = self.bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let mut next = |slot: Slot| (slot, values.by_ref().take(self.slots.len_of(slot)).collect());
        let state = State::of_buffers(
            self.header.position.ok_or_else(|| missing("its position"))?.into(),
            self.header.totals.ok_or_else(|| missing("its totals"))?.into(),
            self.slots.iter().map(&mut next).collect(),
        );
        let digest = state.digest(THREADS);
        if digest != self.header.digest {
            return Err(Malformed::new("a state whose digest is another than that of what came"));
        }
        Ok((state, digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1;
    use state::Slot;

    const MOMENTUM: Slot = Slot::of_parameters("momentum");

    #[test]
    fn a_state_survives_the_wire() {
        let slots = Slots::new(300_000, 2, &[MOMENTUM]);
        let parameters = (0..300_000).map(|i| i as f32).collect();
        let mut state = State::initial(&slots, parameters, vec![1.0, f32::MIN_POSITIVE]);
        state.position = plan::Position { epoch: 3, step: 4 };
        state.totals = plan::Totals { loss: 0.1 + 0.2, correct: 5, samples: 6 };
        state.of_mut(MOMENTUM).iter_mut().enumerate().for_each(|(i, value)| *value = -(i as f32));
        let mut assembly = None;
        for message in state_chunks("run", 7, &state) {
            match message.chunk.unwrap() {
                Chunk::Header(header) => assembly = Some(Assembly::new(&header, slots.clone()).unwrap()),
                Chunk::Data(data) => assembly.as_mut().unwrap().push(&data).unwrap(),
            }
        }
        assert_eq!(assembly.unwrap().finish().unwrap(), (state.clone(), state.digest(1)));
    }

    fn header(parameters: u64) -> StateHeader {
        let (position, totals) = (Some(v1::Position::default()), Some(v1::Totals::default()));
        let slot = |name: &str, elements| StateSlot { name: name.to_owned(), elements };
        let slots = vec![slot("parameters", parameters), slot("running_statistics", 0), slot("momentum", parameters)];
        StateHeader { slots, position, totals, ..StateHeader::default() }
    }

    fn of_one(header: &StateHeader) -> Result<Assembly, Malformed> {
        Assembly::new(header, Slots::new(1, 0, &[MOMENTUM]))
    }

    #[test]
    fn nothing_else_is_taken_for_a_state() {
        assert!(of_one(&header(2)).is_err(), "of another model");
        assert!(of_one(&StateHeader::default()).is_err(), "without slots");
        assert!(of_one(&header(u64::MAX)).is_err(), "larger than any");
        let mut short = of_one(&header(1)).unwrap();
        short.push(&[0; 7]).unwrap();
        assert!(short.push(&[0; 2]).is_err(), "too long");
        assert!(short.finish().is_err(), "too short");
        let mut altered = of_one(&header(1)).unwrap();
        altered.push(&[1; 8]).unwrap();
        assert!(altered.finish().is_err(), "another than what was sent");
        let mut whole = of_one(&header(1)).unwrap();
        whole.push(&[0; 8]).unwrap();
        assert!(whole.finish().is_ok());
    }
}
