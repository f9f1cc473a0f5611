//! A training state as the messages of a stream.

use crate::{
    CHUNK_BYTES, Malformed,
    v1::{StateChunk, StateHeader, state_chunk::Chunk},
};
use checkpoint::State;

/// A state as the messages of a stream.
#[must_use]
pub fn state_chunks(run_id: &str, generation: u64, state: &State) -> Vec<StateChunk> {
    let header = StateHeader {
        run_id: run_id.to_owned(),
        generation,
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

/// A state that is being received.
#[derive(Debug)]
pub struct Assembly {
    header: StateHeader,
    bytes: Vec<u8>,
}

impl Assembly {
    /// A state whose header has come.
    #[must_use]
    pub fn new(header: &StateHeader) -> Self {
        Self { header: header.clone(), bytes: Vec::new() }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, data: &[u8]) {
        self.bytes.extend_from_slice(data);
    }

    /// The state, when all has come.
    ///
    /// # Errors
    /// If bytes are missing or left over.
    pub fn finish(self) -> Result<State, Malformed> {
        let (parameters, statistics) = (self.header.parameters as usize, self.header.statistics as usize);
        let expected = 4 * (2 * parameters + statistics);
        if self.bytes.len() != expected {
            return Err(Malformed::new(format!("a state of {} bytes instead of {expected}", self.bytes.len())));
        }
        let values: Vec<f32> =
            self.bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Ok(State {
            position: self.header.position.unwrap_or_default().into(),
            totals: self.header.totals.unwrap_or_default().into(),
            parameters: values[..parameters].to_vec(),
            statistics: values[parameters..parameters + statistics].to_vec(),
            momentum: values[parameters + statistics..].to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                Chunk::Header(header) => assembly = Some(Assembly::new(&header)),
                Chunk::Data(data) => assembly.as_mut().unwrap().push(&data),
            }
        }
        let mut short = Assembly::new(&StateHeader { parameters: 1, ..StateHeader::default() });
        short.push(&[0; 7]);
        assert!(short.finish().is_err());
        assert_eq!(assembly.unwrap().finish().unwrap(), state);
    }
}
