//! Convolution and batch normalisation, and what follows them.

use crate::error::{NetworkError, at};
use operations::{
    Convolution,
    norm::{self, Affine, Statistics, Upstream},
};
use plan::Precision;
use tch::{Kind, TchError, Tensor};

/// Where the parameters of a layer lie in the flat buffer.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub offset: i64,
    pub shape: Vec<i64>,
}

impl Place {
    /// This layer's part of `flat`.
    pub fn of(&self, flat: &Tensor) -> Result<Tensor, TchError> {
        flat.f_narrow(0, self.offset, self.shape.iter().product())?.f_view(&self.shape[..])
    }
}

#[derive(Debug)]
pub(crate) struct ConvolutionNorm {
    pub name: String,
    pub convolution: Convolution,
    pub weight: Tensor,
    pub affine: Affine,
    pub running: [Tensor; 2],
    pub batch: [Tensor; 2],
    /// Of the convolution's weight, the normalisation's weight and its bias.
    pub places: [Place; 3],
}

/// What a layer keeps for its backward pass.
#[derive(Debug)]
pub(crate) struct KeptConvolution {
    input: Tensor,
    weight: Tensor,
    /// What the convolution made of the input.
    convolved: Tensor,
    statistics: Statistics,
    output: Tensor,
    relu: bool,
    shortcut: bool,
}

impl ConvolutionNorm {
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

    pub fn infer(
        &self,
        x: &Tensor,
        shortcut: Option<&Tensor>,
        relu: bool,
        precision: Precision,
    ) -> Result<Tensor, NetworkError> {
        let output = self
            .weight(precision)
            .and_then(|weight| self.convolution.forward(x, &weight))
            .and_then(|y| norm::infer(y, &self.affine, &self.running, shortcut, relu));
        output.map_err(at(&self.name))
    }

    pub fn forward(
        &mut self,
        x: &Tensor,
        shortcut: Option<&Tensor>,
        relu: bool,
        precision: Precision,
    ) -> Result<(Tensor, KeptConvolution), NetworkError> {
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
    pub fn backward(
        &self,
        kept: KeptConvolution,
        gradient: Tensor,
        second: Option<&Tensor>,
        input_wanted: bool,
        flat: &Tensor,
    ) -> Result<(Option<Tensor>, Tensor), NetworkError> {
        let KeptConvolution { input, weight, convolved, statistics, output, relu, shortcut } = kept;
        let work = || {
            let [place, norm_weight, norm_bias] = &self.places;
            let mut parameters = Affine { weight: norm_weight.of(flat)?, bias: norm_bias.of(flat)? };
            let upstream = Upstream { gradient, second, output: &output, relu, shortcut };
            let gradients = norm::backward(upstream, convolved, &self.affine, &statistics, &mut parameters)?;
            let (input, weight) = self.convolution.backward(&gradients.input, &input, &weight, input_wanted)?;
            place.of(flat)?.f_copy_(&weight)?;
            Ok((input, gradients.sum))
        };
        work().map_err(at(&self.name))
    }
}
