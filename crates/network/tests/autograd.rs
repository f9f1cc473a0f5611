//! The gradients of every kind of part are those of libtorch's autograd in f64.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod golden;

use golden::{Subject, WITH_LARGE_STEM, architecture, golden};
use plan::Precision;
use resnet::{Architecture, Convolution, Node};
use tch::{Device, Kind, Tensor};

/// The networks, the sides of their images, and how far apart gradients may be. A rounding error turns a few ReLUs of the
/// deep one over.
const NETWORKS: [(&str, i64, f64); 3] = [("resnet20", 32, 1e-4), (WITH_LARGE_STEM, 64, 1e-4), ("resnet50", 32, 5e-3)];

/// A network by libtorch's operations, as its description says.
struct Reference<'a> {
    architecture: &'a Architecture,
    /// All parameters, in one flat tensor.
    flat: &'a Tensor,
}

impl Reference<'_> {
    fn parameter(&self, name: &str) -> Tensor {
        let entry = self.architecture.layout().entries().iter().find(|entry| entry.name == name).unwrap();
        self.flat.narrow(0, entry.offset as i64, entry.elements() as i64).view(&entry.shape[..])
    }

    fn convolution(&self, described: &Convolution, x: &Tensor) -> Tensor {
        let Convolution { name, norm, kernel, stride, relu, .. } = described;
        let (stride, padding) = (i64::from(*stride), i64::from(kernel / 2));
        let weight = self.parameter(&format!("{name}.weight"));
        let y = x.conv2d(&weight, None::<&Tensor>, [stride; 2], [padding; 2], [1, 1], 1);
        let [scale, shift] = ["weight", "bias"].map(|what| Some(self.parameter(&format!("{norm}.{what}"))));
        let y = y.batch_norm(scale, shift, None::<Tensor>, None::<Tensor>, true, 0.1, 1e-5, false);
        if *relu { y.relu() } else { y }
    }

    fn output(&self, node: &Node, x: &Tensor) -> Tensor {
        match node {
            Node::Convolution(convolution) => self.convolution(convolution, x),
            Node::MaxPool(pool) => {
                let [kernel, stride] = [pool.kernel, pool.stride].map(i64::from);
                x.max_pool2d([kernel; 2], [stride; 2], [kernel / 2; 2], [1, 1], false)
            }
            Node::Block(block) => {
                let shortcut =
                    block.shortcut.as_ref().map_or_else(|| x.shallow_clone(), |layer| self.convolution(layer, x));
                let branch = block.branch.iter().fold(x.shallow_clone(), |x, layer| self.convolution(layer, &x));
                let sum = branch + shortcut;
                if block.relu { sum.relu() } else { sum }
            }
            Node::Head(head) => {
                let [weight, bias] = ["weight", "bias"].map(|what| self.parameter(&format!("{}.{what}", head.name)));
                x.mean_dim([2, 3].as_slice(), false, Kind::Double).linear(&weight, Some(&bias))
            }
        }
    }
}

#[test]
fn gradients_are_those_of_autograd() {
    let golden = golden();
    let images = testkit::normalised(&testkit::batch(golden.seed, golden.images).0);
    let slopes = Tensor::linspace(-1.0, 1.0, i64::from(golden.images) * 10, (Kind::Float, Device::Cpu)).view([-1, 10]);
    for (name, side, allowed) in NETWORKS {
        let images = images.upsample_nearest2d([side; 2], None, None);
        let mut subject = Subject::new(name, golden.seed, Precision::Fp32, Device::Cpu);
        let (_, tape) = subject.network.forward(&images, || {}).unwrap();
        let ours = Tensor::zeros([subject.layout.parameters() as i64], (Kind::Float, Device::Cpu));
        subject.network.backward(tape, &slopes, &ours, |_| {}).unwrap();

        let flat = Tensor::from_slice(&subject.parameters).to_kind(Kind::Double).set_requires_grad(true);
        let architecture = architecture(name);
        let reference = Reference { architecture: &architecture, flat: &flat };
        let images = images.to_kind(Kind::Double);
        let logits = architecture.nodes().iter().fold(images, |x, node| reference.output(node, &x));
        (logits * slopes.to_kind(Kind::Double)).sum(Kind::Double).backward();
        let theirs = flat.grad();
        let off = ((ours.to_kind(Kind::Double) - &theirs).norm() / theirs.norm()).double_value(&[]);
        println!("{name}, {side} pixels: {off:.1e}");
        assert!(off < allowed, "{name}, {side} pixels: {off:e}");
    }
}
