//! Evaluation of one chunk of the test set.

use crate::error::EngineError;
use crate::replica::Replica;
use crate::shard::to_device;
use data::{Augmentations, Batches, Dataset};
use plan::{ChunkResult, Chunks, Confusion};
use tch::{Kind, Tensor, no_grad};

/// Loss and answers of chunk `chunk` of `data`, by the running statistics. The loss is computed from the logits in f64.
/// `layer_done` is called as the network goes.
///
/// # Errors
/// If libtorch fails.
pub fn evaluate_chunk(
    replica: &Replica,
    data: &Dataset,
    chunk: u32,
    layer_done: impl FnMut(),
) -> Result<ChunkResult, EngineError> {
    let torch = || EngineError::torch("evaluate a chunk");
    let images = Chunks::new(data.len() as u32).images(chunk);
    let mut pixels = vec![0.0; images.len() * data.spec().shape.len()];
    let mut labels = vec![0; images.len()];
    let batches = Batches::new(data, Augmentations::none());
    batches.plain(data, images.start as usize..images.end as usize, &mut pixels, &mut labels);
    no_grad(|| {
        let (images, targets) = to_device(&pixels, &labels, data.spec().shape, replica.hardware)?;
        let logits = replica.model().infer(&images, layer_done)?;
        let loss = logits
            .f_to_kind(Kind::Double)
            .and_then(|logits| logits.f_cross_entropy_loss(&targets, None::<&Tensor>, tch::Reduction::Sum, -100, 0.0))
            .and_then(|loss| f64::try_from(&loss))
            .map_err(torch())?;
        let answers = logits.f_argmax(-1, false).and_then(|answers| Vec::<i64>::try_from(&answers)).map_err(torch())?;
        let mut confusion = Confusion::new(data.spec().classes.len());
        for (truth, answer) in labels.iter().zip(answers) {
            confusion.count(*truth as usize, answer as usize);
        }
        Ok(ChunkResult { chunk, loss, confusion })
    })
}
