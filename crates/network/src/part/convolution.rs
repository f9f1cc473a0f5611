//! Convolution and batch normalisation, and what follows them.

use super::{Gradient, Kept, Part};
use crate::{
    buffers::{Place, Views},
    error::{NetworkError, at},
};
use operations::{
    Convolution,
    norm::{self, Affine, Statistics, Upstream},
};
use plan::Precision;
use tch::{Kind, TchError, Tensor};

#[derive(Debug)]
pub(super) struct ConvolutionNorm {
    pub name: String,
    relu: bool,
    convolution: Convolution,
    weight: Tensor,
    affine: Affine,
    running: [Tensor; 2],
    batch: [Tensor; 2],
    /// Of the convolution's weight, the normalisation's weight and its bias.
    places: [Place; 3],
}

/// What a layer keeps for its backward pass.
#[derive(Debug)]
pub(super) struct KeptConvolution {
    input: Tensor,
    weight: Tensor,
    /// What the convolution made of the input.
    convolved: Tensor,
    statistics: Statistics,
    output: Tensor,
    relu: bool,
    shortcut: bool,
}

/// What follows the normalisation.
#[derive(Debug, Clone, Copy)]
pub(super) struct After<'a> {
    /// What is added to it.
    pub shortcut: Option<&'a Tensor>,
    /// Whether ReLU is the end.
    pub relu: bool,
}

impl ConvolutionNorm {
    /// The layer that `described` is.
    pub fn new(described: &resnet::Convolution, views: &Views<'_>) -> Result<Self, NetworkError> {
        let resnet::Convolution { name, norm, kernel, stride, relu, .. } = described;
        let [weight, scale, shift] =
            [format!("{name}.weight"), format!("{norm}.weight"), format!("{norm}.bias")].map(|name| views.place(&name));
        let places = [weight?, scale?, shift?];
        let [mean, variance] = ["running_mean", "running_var"]
            .map(|what| views.place(&format!("{norm}.{what}")).and_then(|place| views.statistic(&place, name)));
        let ([running_mean, batch_mean], [running_variance, batch_variance]) = (mean?, variance?);
        Ok(Self {
            name: name.clone(),
            relu: *relu,
            convolution: Convolution { stride: i64::from(*stride), padding: i64::from(kernel / 2) },
            weight: views.parameter(&places[0], name)?,
            affine: Affine { weight: views.parameter(&places[1], name)?, bias: views.parameter(&places[2], name)? },
            running: [running_mean, running_variance],
            batch: [batch_mean, batch_variance],
            places,
        })
    }

    /// What follows where no shortcut ends here.
    pub fn alone(&self) -> After<'static> {
        After { shortcut: None, relu: self.relu }
    }

    /// The weight as the convolution takes it. For cuDNN it has its channels last, as the images have: else every call
    /// would lay it out anew.
    fn weight(&self, precision: Precision) -> Result<Tensor, TchError> {
        if !operations::is_processors(self.weight.device()) {
            return operations::channels_last(&self.weight, precision == Precision::Bf16);
        }
        match precision {
            Precision::Fp32 => Ok(self.weight.shallow_clone()),
            Precision::Bf16 => self.weight.f_to_kind(Kind::BFloat16),
        }
    }

    pub fn infer_then(&self, x: &Tensor, after: After<'_>, precision: Precision) -> Result<Tensor, NetworkError> {
        let After { shortcut, relu } = after;
        let output = self
            .weight(precision)
            .and_then(|weight| self.convolution.forward(x, &weight))
            .and_then(|y| norm::infer(y, &self.affine, &self.running, shortcut, relu));
        output.map_err(at(&self.name))
    }

    pub fn forward_then(
        &mut self,
        x: &Tensor,
        after: After<'_>,
        precision: Precision,
    ) -> Result<(Tensor, KeptConvolution), NetworkError> {
        let After { shortcut, relu } = after;
        let weight = self.weight(precision).map_err(at(&self.name))?;
        let convolved = self.convolution.forward(x, &weight).map_err(at(&self.name))?;
        let (output, statistics) =
            norm::train(&convolved, &self.affine, &mut self.batch, shortcut, relu).map_err(at(&self.name))?;
        let kept = KeptConvolution {
            input: x.shallow_clone(),
            weight,
            convolved,
            statistics,
            output: output.shallow_clone(),
            relu,
            shortcut: shortcut.is_some(),
        };
        Ok((output, kept))
    }

    /// Writes the gradients of the parameters into `flat`. Returns those of the input, if they are wanted, and of what
    /// the shortcut brought.
    pub fn backward_of(
        &self,
        kept: KeptConvolution,
        gradient: Gradient,
        input_wanted: bool,
        flat: &Tensor,
    ) -> Result<(Option<Tensor>, Tensor), NetworkError> {
        let KeptConvolution { input, weight, convolved, statistics, output, relu, shortcut } = kept;
        let Gradient { direct, second } = gradient;
        let work = || {
            let [place, norm_weight, norm_bias] = &self.places;
            let mut parameters = Affine { weight: norm_weight.of(flat)?, bias: norm_bias.of(flat)? };
            let upstream = Upstream { gradient: direct, second: second.as_ref(), output: &output, relu, shortcut };
            let gradients = norm::backward(upstream, convolved, &self.affine, &statistics, &mut parameters)?;
            let (input, weight) = self.convolution.backward(&gradients.input, &input, &weight, input_wanted)?;
            place.of(flat)?.f_copy_(&weight)?;
            Ok((input, gradients.sum))
        };
        work().map_err(at(&self.name))
    }
}

impl Part for ConvolutionNorm {
    fn infer(&self, x: &Tensor, precision: Precision) -> Result<Tensor, NetworkError> {
        self.infer_then(x, self.alone(), precision)
    }

    fn forward(&mut self, x: &Tensor, precision: Precision) -> Result<(Tensor, Kept), NetworkError> {
        let (output, kept) = self.forward_then(x, self.alone(), precision)?;
        Ok((output, Kept::new(kept)))
    }

    fn backward(
        &self,
        kept: Kept,
        gradient: Gradient,
        input_wanted: bool,
        flat: &Tensor,
    ) -> Result<Option<Gradient>, NetworkError> {
        let (input, _) = self.backward_of(kept.take()?, gradient, input_wanted, flat)?;
        Ok(input.map(Gradient::of))
    }

    fn first_parameter(&self) -> Option<i64> {
        Some(self.places[0].offset)
    }
}
