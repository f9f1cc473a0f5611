//! Between the messages and what they mean.

use crate::v1;
use plan::{Blame, ChunkResult, Confusion, Held, Position, Totals};
use thiserror::Error;

/// A message that means nothing.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("the other side sent {what}: does it run the same version?")]
pub struct Malformed {
    /// What is wrong with it.
    pub what: String,
}

impl Malformed {
    /// A message that lacks something or holds something impossible.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

impl From<Position> for v1::Position {
    fn from(position: Position) -> Self {
        Self { epoch: position.epoch, step: position.step }
    }
}

impl From<v1::Position> for Position {
    fn from(position: v1::Position) -> Self {
        Self { epoch: position.epoch, step: position.step }
    }
}

impl From<Totals> for v1::Totals {
    fn from(totals: Totals) -> Self {
        Self { loss: totals.loss, correct: totals.correct, samples: totals.samples }
    }
}

impl From<v1::Totals> for Totals {
    fn from(totals: v1::Totals) -> Self {
        Self { loss: totals.loss, correct: totals.correct, samples: totals.samples }
    }
}

impl From<Held> for v1::Held {
    /// Without its digest.
    fn from(Held { position, totals, lineage }: Held) -> Self {
        Self { position: Some(position.into()), totals: Some(totals.into()), lineage, digest: None }
    }
}

impl TryFrom<v1::Held> for Held {
    type Error = Malformed;

    fn try_from(held: v1::Held) -> Result<Self, Malformed> {
        let missing = |what: &str| Malformed::new(format!("a state without {what}"));
        Ok(Self {
            position: held.position.ok_or_else(|| missing("its position"))?.into(),
            totals: held.totals.ok_or_else(|| missing("its totals"))?.into(),
            lineage: held.lineage,
        })
    }
}

impl From<Blame> for v1::Blame {
    fn from(blame: Blame) -> Self {
        match blame {
            Blame::Own => Self::Own,
            Blame::Suffered => Self::Suffered,
            Blame::Diverged => Self::Diverged,
            Blame::Withheld => Self::Withheld,
        }
    }
}

impl TryFrom<v1::Blame> for Blame {
    type Error = Malformed;

    fn try_from(blame: v1::Blame) -> Result<Self, Malformed> {
        match blame {
            v1::Blame::Own => Ok(Self::Own),
            v1::Blame::Suffered => Ok(Self::Suffered),
            v1::Blame::Diverged => Ok(Self::Diverged),
            v1::Blame::Withheld => Ok(Self::Withheld),
            v1::Blame::Unspecified => Err(Malformed::new("a failure that is nobody's")),
        }
    }
}

impl From<ChunkResult> for v1::ChunkResult {
    fn from(result: ChunkResult) -> Self {
        Self { chunk: result.chunk, loss: result.loss, confusion: result.confusion.counts().to_vec() }
    }
}

impl TryFrom<v1::ChunkResult> for ChunkResult {
    type Error = Malformed;

    fn try_from(result: v1::ChunkResult) -> Result<Self, Malformed> {
        let confusion = Confusion::from_counts(result.confusion)
            .ok_or_else(|| Malformed::new("an evaluation without all its counts"))?;
        Ok(Self { chunk: result.chunk, loss: result.loss, confusion })
    }
}
