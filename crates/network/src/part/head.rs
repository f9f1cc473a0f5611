//! The end of a network: the mean over all pixels and a linear layer. In f32 whatever the precision.

use super::{Gradient, Kept, Part};
use crate::{
    buffers::{Place, Views},
    error::{NetworkError, at},
};
use plan::Precision;
use tch::{Kind, TchError, Tensor};

#[derive(Debug)]
pub(super) struct Head {
    name: String,
    weight: Tensor,
    bias: Tensor,
    /// Of weight and bias.
    places: [Place; 2],
}

/// What the head keeps for its backward pass.
struct KeptHead {
    features: Tensor,
    size: Vec<i64>,
    kind: Kind,
}

impl Head {
    pub fn new(described: &resnet::Head, views: &Views<'_>) -> Result<Self, NetworkError> {
        let name = &described.name;
        let places = [views.place(&format!("{name}.weight"))?, views.place(&format!("{name}.bias"))?];
        let [weight, bias] = [views.parameter(&places[0], name)?, views.parameter(&places[1], name)?];
        Ok(Self { name: name.clone(), weight, bias, places })
    }

    /// Logits, `[n, classes]`, of `x`, `[n, features, h, w]`.
    fn logits(&self, x: &Tensor) -> Result<(Tensor, KeptHead), TchError> {
        let features = x.f_mean_dim([2, 3].as_slice(), false, Kind::Float)?;
        let logits = features.f_linear(&self.weight, Some(&self.bias))?;
        Ok((logits, KeptHead { features, size: x.size(), kind: x.kind() }))
    }

    /// Writes the gradients of the parameters into `flat`; returns that of `x`, with channels last.
    fn gradients(&self, kept: &KeptHead, gradient: &Tensor, flat: &Tensor) -> Result<Tensor, TchError> {
        let [weight, bias] = &self.places;
        weight.of(flat)?.f_copy_(&gradient.f_tr()?.f_matmul(&kept.features)?)?;
        bias.of(flat)?.f_copy_(&gradient.f_sum_dim_intlist([0].as_slice(), false, Kind::Float)?)?;
        let (n, h, w) = (kept.size[0], kept.size[2], kept.size[3]);
        let pixel = gradient.f_matmul(&self.weight)?.f_div_scalar((h * w) as f64)?.f_to_kind(kept.kind)?;
        pixel.f_view([n, 1, 1, -1])?.f_expand([n, h, w, -1], false)?.f_contiguous()?.f_permute([0, 3, 1, 2])
    }
}

impl Part for Head {
    fn infer(&self, x: &Tensor, _: Precision) -> Result<Tensor, NetworkError> {
        self.logits(x).map(|(logits, _)| logits).map_err(at(&self.name))
    }

    fn forward(&mut self, x: &Tensor, _: Precision) -> Result<(Tensor, Kept), NetworkError> {
        let (logits, kept) = self.logits(x).map_err(at(&self.name))?;
        Ok((logits, Kept::new(kept)))
    }

    fn backward(
        &self,
        kept: Kept,
        gradient: Gradient,
        _: bool,
        flat: &Tensor,
    ) -> Result<Option<Gradient>, NetworkError> {
        let kept = kept.take()?;
        let of_input = gradient.sum().and_then(|gradient| self.gradients(&kept, &gradient, flat));
        Ok(Some(Gradient::of(of_input.map_err(at(&self.name))?)))
    }

    fn first_parameter(&self) -> Option<i64> {
        Some(self.places[0].offset)
    }
}
