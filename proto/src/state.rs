//! A training state as the messages of a stream.

use crate::{
    CHUNK_BYTES, Malformed,
    v1::{StateChunk, StateHeader, state_chunk::Chunk},
};
use checkpoint::State;

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
        parameters: state.parameters.len() as u64,
        statistics: state.statistics.len() as u64,
    };
    let mut chunks = vec![StateChunk { chunk: Some(Chunk::Header(header)) }];
    for buffer in [&state.parameters, &state.statistics, &state.momentum] {
        for values in buffer.chunks(CHUNK_BYTES / 4) {
            let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            chunks.push(StateChunk { chunk: Some(Chunk::Data(data)) });
        }
    }
    chunks
}

/// A state that is being received, of a model whose size is known.
#[derive(Debug)]
pub struct Assembly {
    header: StateHeader,
    parameters: usize,
    statistics: usize,
    bytes: Vec<u8>,
}

impl Assembly {
    /// A state whose header has come, of a model with so many parameters and running statistics.
    ///
    /// # Errors
    /// If the header is of another model.
    pub fn new(header: &StateHeader, parameters: usize, statistics: usize) -> Result<Self, Malformed> {
        if (header.parameters, header.statistics) != (parameters as u64, statistics as u64) {
            return Err(Malformed::new(format!(
                "a state of {} parameters and {} statistics, and the model has {parameters} and {statistics}",
                header.parameters, header.statistics
            )));
        }
        Ok(Self { header: header.clone(), parameters, statistics, bytes: Vec::new() })
    }

    /// The bytes of the whole state.
    fn expected(&self) -> usize {
        4 * (2 * self.parameters + self.statistics)
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
        let (parameters, statistics, expected) = (self.parameters, self.statistics, self.expected());
        if self.bytes.len() != expected {
            return Err(Malformed::new(format!("a state of {} bytes instead of {expected}", self.bytes.len())));
        }
        let missing = |what: &str| Malformed::new(format!("a state without {what}"));
        let floats = |bytes: &[u8]| -> Vec<f32> {
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        };
        let (first, rest) = self.bytes.split_at(4 * parameters);
        let (second, third) = rest.split_at(4 * statistics);
        let state = State {
            position: self.header.position.ok_or_else(|| missing("its position"))?.into(),
            totals: self.header.totals.ok_or_else(|| missing("its totals"))?.into(),
            parameters: floats(first),
            statistics: floats(second),
            momentum: floats(third),
        };
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

    #[test]
    fn a_state_survives_the_wire() {
        let state = State {
            position: plan::Position { epoch: 3, step: 4 },
            totals: plan::Totals { loss: 0.1 + 0.2, correct: 5, samples: 6 },
            parameters: (0..300_000).map(|i| i as f32).collect(),
            statistics: vec![1.0, f32::MIN_POSITIVE],
            momentum: (0..300_000).map(|i| -(i as f32)).collect(),
        };
        let mut assembly = None;
        for message in state_chunks("run", 7, &state) {
            match message.chunk.unwrap() {
                Chunk::Header(header) => assembly = Some(Assembly::new(&header, 300_000, 2).unwrap()),
                Chunk::Data(data) => assembly.as_mut().unwrap().push(&data).unwrap(),
            }
        }
        assert_eq!(assembly.unwrap().finish().unwrap(), (state.clone(), state.digest(1)));
    }

    fn header(parameters: u64) -> StateHeader {
        let (position, totals) = (Some(v1::Position::default()), Some(v1::Totals::default()));
        StateHeader { parameters, position, totals, ..StateHeader::default() }
    }

    #[test]
    fn nothing_else_is_taken_for_a_state() {
        assert!(Assembly::new(&header(2), 1, 0).is_err(), "of another model");
        assert!(Assembly::new(&header(u64::MAX), 1, 0).is_err(), "larger than any");
        let mut short = Assembly::new(&header(1), 1, 0).unwrap();
        short.push(&[0; 7]).unwrap();
        assert!(short.push(&[0; 2]).is_err(), "too long");
        assert!(short.finish().is_err(), "too short");
        let mut altered = Assembly::new(&header(1), 1, 0).unwrap();
        altered.push(&[1; 8]).unwrap();
        assert!(altered.finish().is_err(), "another than what was sent");
        let mut whole = Assembly::new(&header(1), 1, 0).unwrap();
        whole.push(&[0; 8]).unwrap();
        assert!(whole.finish().is_ok());
    }
}
