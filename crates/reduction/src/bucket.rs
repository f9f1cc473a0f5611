//! A piece of the vector on its way through the reduction.

use crate::{error::ReductionError, tree::Tree};
use nccl_rs::{ProcessGroup, Work};
use std::ops::Range;
use tch::{Kind, TchError, Tensor};

#[derive(Debug)]
pub(crate) struct Bucket {
    /// Its elements in the vector.
    pub range: Range<usize>,
    /// Whether every node of the tree is rounded to bf16. A rounded node loses nothing on the wire. So the sum does not
    /// depend on which nodes are sent.
    rounded: bool,
    stage: Stage,
    /// The parts of all ranks for this rank's slice, `[parts, slice]`. The buffer is kept from step to step.
    received: Option<Tensor>,
}

#[derive(Debug)]
enum Stage {
    Idle,
    /// The all-to-all is under way.
    Exchange(Work),
    /// The all-gather, or the backend's all-reduce, is under way into `output`. Unless `in_place`, it is copied to its
    /// place afterwards.
    Gather {
        work: Work,
        output: Tensor,
        in_place: bool,
    },
}

impl Bucket {
    pub fn new(range: Range<usize>, rounded: bool) -> Self {
        Self { range, rounded, stage: Stage::Idle, received: None }
    }

    /// This bucket's piece of `vector`.
    pub fn of(&self, vector: &Tensor) -> Result<Tensor, TchError> {
        vector.f_narrow(0, self.range.start as i64, self.range.len() as i64)
    }

    /// Rounds a node of the tree to bf16, if this bucket's nodes are rounded.
    pub fn round(&self, node: &mut Tensor) -> Result<(), TchError> {
        if self.rounded {
            node.f_copy_(&node.f_to_kind(Kind::BFloat16)?)?;
        }
        Ok(())
    }

    fn wire(&self) -> Kind {
        if self.rounded { Kind::BFloat16 } else { Kind::Float }
    }

    /// How many elements each of `world` ranks finishes; the last ones may have fewer.
    fn slice(&self, world: usize) -> i64 {
        self.range.len().div_ceil(world) as i64
    }

    /// The elements of the vector that `rank` of `world` finishes.
    pub fn share(&self, rank: usize, world: usize) -> Range<usize> {
        let (slice, end) = (self.slice(world) as usize, self.range.end);
        let at = |rank: usize| (self.range.start + rank * slice).min(end);
        at(rank)..at(rank + 1)
    }

    /// Finishes the tree in the memory of `parts`. Only the last addition goes to `output`.
    pub fn finish_tree_into(&self, parts: &mut [Tensor], tree: &Tree, mut output: Tensor) -> Result<(), TchError> {
        let Some(((left, right), before)) = tree.additions.split_last() else { return output.f_copy_(&parts[0]) };
        self.add(parts, before)?;
        let _ = parts[*left].f_add_out(&output, &parts[*right])?;
        self.round(&mut output)
    }

    /// Finishes the tree of a single worker.
    pub fn finish_alone(&self, mut parts: Vec<Tensor>, tree: &Tree) -> Result<(), ReductionError> {
        self.finish_tree(&mut parts, tree).map_err(ReductionError::torch("finish the tree"))
    }

    fn finish_tree(&self, parts: &mut [Tensor], tree: &Tree) -> Result<(), TchError> {
        self.add(parts, &tree.additions)
    }

    fn add(&self, parts: &mut [Tensor], additions: &[(usize, usize)]) -> Result<(), TchError> {
        for (left, right) in additions {
            let right = parts[*right].shallow_clone();
            let _ = parts[*left].f_add_(&right)?;
            self.round(&mut parts[*left])?;
        }
        Ok(())
    }

    /// Adds up the parts, and starts the backend's own all-reduce.
    pub fn all_reduce(
        &mut self,
        group: &ProcessGroup,
        parts: &[Tensor],
        gathered: &Tensor,
    ) -> Result<(), ReductionError> {
        let torch = || ReductionError::torch("add partial sums");
        let mut output = self.of(gathered).map_err(torch())?;
        for (index, part) in parts.iter().enumerate() {
            if index == 0 {
                output.f_copy_(part).map_err(torch())?;
            } else {
                let _ = output.f_add_(part).map_err(torch())?;
            }
        }
        if self.rounded {
            output = output.f_to_kind(Kind::BFloat16).map_err(torch())?;
        }
        self.stage = Stage::Gather { work: group.all_reduce(&output)?, output, in_place: !self.rounded };
        Ok(())
    }

    /// Starts the all-to-all of this rank's `parts`.
    pub fn exchange(&mut self, group: &ProcessGroup, parts: &[Tensor], tree: &Tree) -> Result<(), ReductionError> {
        let torch = || ReductionError::torch("send partial sums");
        let world = group.world_size() as usize;
        let slice = self.slice(world);
        let send = self.message(parts, world as i64, slice).map_err(torch())?;
        let received = match self.received.take() {
            Some(received) => received,
            None => Tensor::f_empty([tree.parts() as i64, slice], (self.wire(), send.device())).map_err(torch())?,
        };
        let flat = received.f_view([-1]).map_err(torch())?;
        let receive_sizes: Vec<i64> = tree.counts.iter().map(|count| *count as i64 * slice).collect();
        let send_sizes = vec![parts.len() as i64 * slice; world];
        self.stage = Stage::Exchange(group.all_to_all(&flat, &send, &receive_sizes, &send_sizes)?);
        self.received = Some(received);
        Ok(())
    }

    /// `parts` in the order in which they are sent: by destination, then by part.
    fn message(&self, parts: &[Tensor], world: i64, slice: i64) -> Result<Tensor, TchError> {
        let padding = world * slice - self.range.len() as i64;
        let padded = |part: &Tensor| {
            let part = part.f_to_kind(self.wire())?;
            if padding == 0 { Ok(part) } else { part.f_constant_pad_nd([0, padding]) }
        };
        if let [part] = parts {
            return padded(part);
        }
        let parts = parts.iter().map(padded).collect::<Result<Vec<_>, _>>()?;
        Tensor::f_stack(&parts, 0)?.f_view([-1, world, slice])?.f_transpose(0, 1)?.f_reshape([-1])
    }

    /// Waits for the all-to-all, finishes the tree for this rank's slice, and starts the all-gather.
    pub fn gather(
        &mut self,
        group: &ProcessGroup,
        tree: &Tree,
        gathered: &Tensor,
        wait: impl Fn(Work) -> Result<(), ReductionError>,
    ) -> Result<(), ReductionError> {
        let torch = || ReductionError::torch("finish the tree");
        let work = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Exchange(work) => work,
            other => {
                self.stage = other;
                return Ok(());
            }
        };
        wait(work)?;
        let Some(received) = &self.received else { return Ok(()) };
        let sums = received.f_to_kind(Kind::Float).map_err(torch())?;
        let mut parts =
            (0..tree.parts() as i64).map(|part| sums.f_get(part)).collect::<Result<Vec<_>, _>>().map_err(torch())?;
        self.finish_tree(&mut parts, tree).map_err(torch())?;
        let own = parts[0].f_to_kind(self.wire()).map_err(torch())?;
        let (world, slice) = (i64::from(group.world_size()), own.numel() as i64);
        let in_place = !self.rounded && world * slice == self.range.len() as i64;
        let output =
            if in_place { self.of(gathered) } else { Tensor::f_empty([world * slice], (self.wire(), own.device())) };
        let output = output.map_err(torch())?;
        self.stage = Stage::Gather { work: group.all_gather(&output, &own)?, output, in_place };
        Ok(())
    }

    /// Waits until the sum is in its place in `gathered`.
    pub fn end(
        &mut self,
        gathered: &Tensor,
        wait: impl Fn(Work) -> Result<(), ReductionError>,
    ) -> Result<(), ReductionError> {
        if let Stage::Gather { work, output, in_place } = std::mem::replace(&mut self.stage, Stage::Idle) {
            wait(work)?;
            if !in_place {
                let whole = output.f_narrow(0, 0, self.range.len() as i64);
                whole
                    .and_then(|whole| self.of(gathered)?.f_copy_(&whole))
                    .map_err(ReductionError::torch("take the sum"))?;
            }
        }
        Ok(())
    }
}
