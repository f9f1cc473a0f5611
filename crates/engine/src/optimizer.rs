//! Stochastic gradient descent with momentum over flat buffers.

use operations::sgd::{self, Factors};
use tch::{TchError, Tensor};

/// SGD as `torch.optim.SGD` does it (PyTorch 2.13, without dampening): with gradient `g`, parameter `p` and momentum `m`,
/// `g += decay * p; m = momentum * m + g; p -= rate * m`, or with Nesterov's momentum `p -= rate * (g + momentum * m)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// The share of the last update that is kept.
    pub momentum: f64,
    /// Whether the momentum is Nesterov's.
    pub nesterov: bool,
    /// L2 penalty on every parameter, coupled: added to the gradient before the momentum.
    pub weight_decay: f64,
}

impl Sgd {
    /// One step with learning rate `rate`.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn step(
        self,
        rate: f64,
        parameters: &mut Tensor,
        momentum: &mut Tensor,
        gradient: &Tensor,
    ) -> Result<(), TchError> {
        let Self { momentum: kept, nesterov, weight_decay } = self;
        let factors = Factors { rate: rate as f32, momentum: kept as f32, nesterov, weight_decay: weight_decay as f32 };
        sgd::step(factors, parameters, momentum, gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trace of PyTorch's: momentum 0.9, no decay, gradient 1, rate 0.1, from 1.
    #[test]
    fn momentum_builds_up() {
        let sgd = Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
        let mut parameter = Tensor::from_slice(&[1.0_f32]);
        let mut momentum = Tensor::from_slice(&[0.0_f32]);
        let mut trace = Vec::new();
        for _ in 0..3 {
            sgd.step(0.1, &mut parameter, &mut momentum, &Tensor::from_slice(&[1.0_f32])).unwrap();
            trace.push((momentum.double_value(&[0]), parameter.double_value(&[0])));
        }
        let expected = [(1.0, 0.9), (1.9, 0.71), (2.71, 0.439)];
        for ((m, p), (m_expected, p_expected)) in trace.iter().zip(expected) {
            assert!((m - m_expected).abs() < 1e-6 && (p - p_expected).abs() < 1e-6, "{trace:?}");
        }
    }
}
