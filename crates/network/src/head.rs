//! The end of a network: the mean over the remaining square, a linear layer, and the loss. In f32 whatever the precision.

use crate::convolution_norm::Place;
use tch::{Kind, TchError, Tensor};

#[derive(Debug)]
pub(crate) struct Head {
    pub name: String,
    pub weight: Tensor,
    pub bias: Tensor,
    /// Of weight and bias.
    pub places: [Place; 2],
}

/// What the head keeps for its backward pass.
#[derive(Debug)]
pub(crate) struct KeptHead {
    features: Tensor,
    size: Vec<i64>,
    kind: Kind,
}

impl Head {
    /// Logits, `[n, classes]`, of `x`, `[n, features, h, w]`.
    pub fn forward(&self, x: &Tensor) -> Result<(Tensor, KeptHead), TchError> {
        let features = x.f_mean_dim([2, 3].as_slice(), false, Kind::Float)?;
        let logits = features.f_linear(&self.weight, Some(&self.bias))?;
        Ok((logits, KeptHead { features, size: x.size(), kind: x.kind() }))
    }

    /// Writes the gradients of the parameters into `flat`; returns that of `x`, with channels last.
    pub fn backward(&self, kept: &KeptHead, gradient: &Tensor, flat: &Tensor) -> Result<Tensor, TchError> {
        let [weight, bias] = &self.places;
        weight.of(flat)?.f_copy_(&gradient.f_tr()?.f_matmul(&kept.features)?)?;
        bias.of(flat)?.f_copy_(&gradient.f_sum_dim_intlist([0].as_slice(), false, Kind::Float)?)?;
        let (n, h, w) = (kept.size[0], kept.size[2], kept.size[3]);
        let pixel = gradient.f_matmul(&self.weight)?.f_div_scalar((h * w) as f64)?.f_to_kind(kept.kind)?;
        pixel.f_view([n, 1, 1, -1])?.f_expand([n, h, w, -1], false)?.f_contiguous()?.f_permute([0, 3, 1, 2])
    }
}
