//! Predictions beside bare libtorch, alternately on one thread: `cargo run --release -p inference --example rates [MODEL]`.
//!
//! Bare is the same network by libtorch's own operations, in evaluation mode, channels last. Prints medians: images/s at
//! batches of 256, and what a single image takes in the engine and in a bare pass.

use checkpoint::{Saved, Store, initial_state};
use config::RunConfig;
use inference::{Engine, EngineOptions, Image, Memory, Source, Which};
use resnet::{Architecture, Buffer, Node};
use schedule::ScheduleState;
use std::{
    collections::HashMap,
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};
use tch::{Device, Kind, TchError, Tensor, no_grad};

const BATCH: usize = 256;
const ROUNDS: usize = 9;
const SINGLES: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    tch::set_num_threads(1);
    let model = std::env::args().nth(1).unwrap_or_else(|| "resnet20".to_owned());
    let config = RunConfig { model: model.clone(), ..RunConfig::default() };
    let architecture = config.architecture()?;
    let state = initial_state(&config, architecture.layout());
    let folder = std::env::temp_dir().join(format!("rates-{}", std::process::id()));
    let store = Store::new(&folder);
    let schedule = ScheduleState::new(config.lr);
    let (name, manifest) = store.write(&Saved {
        run_id: "rates",
        config: &config,
        schedule: &schedule,
        evaluation: None,
        state: &state,
    })?;
    let bare = Bare::new(&architecture, state.model())?;
    let options = EngineOptions {
        dataset: Arc::new(config.dataset.clone()),
        source: Source::Store(store),
        memory: Memory::from_mib(640),
        newest: Some((name, manifest, Arc::new(state))),
    };
    let engine = Engine::start(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pixels = |index: usize| Image::Pixels((0..3072).map(|place| (place * 31 + index * 17) as u8).collect());
    for (count, rounds) in [(BATCH, ROUNDS), (1, SINGLES)] {
        let batch = Tensor::randn([count as i64, 32, 32, 3], (Kind::Float, Device::Cpu)).permute([0, 3, 1, 2]);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let images: Vec<Image> = (0..count).map(pixels).collect();
            let start = Instant::now();
            runtime.block_on(engine.predict(images, Which::Newest, None, ()))?;
            ours.push(start.elapsed());
            let start = Instant::now();
            let _logits = no_grad(|| bare.logits(&batch))?;
            theirs.push(start.elapsed());
        }
        let [ours, theirs] = [ours, theirs].map(median);
        let rate = |time: Duration| count as f64 / time.as_secs_f64();
        println!(
            "{model}, {count} at a time: engine {ours:.2?} ({:.0} images/s), bare {theirs:.2?} ({:.0} images/s), ratio {:.2}",
            rate(ours),
            rate(theirs),
            rate(ours) / rate(theirs)
        );
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The network by libtorch's own operations.
struct Bare {
    nodes: Vec<Node>,
    tensors: HashMap<String, Tensor>,
}

impl Bare {
    fn new(architecture: &Architecture, model: [&[f32]; 2]) -> Result<Self, TchError> {
        let mut tensors = HashMap::new();
        for entry in architecture.layout().entries() {
            let flat = match entry.role.buffer() {
                Some(Buffer::Parameters) => model[0],
                Some(Buffer::Statistics) => model[1],
                None => continue,
            };
            let tensor = Tensor::f_from_slice(&flat[entry.offset..entry.offset + entry.elements()])?;
            let tensor = tensor.f_view(&entry.shape[..])?;
            // As `model.to(memory_format=torch.channels_last)` has them.
            let last = entry.shape.len() == 4;
            let laid_out =
                if last { tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])? } else { tensor };
            tensors.insert(entry.name.clone(), laid_out);
        }
        Ok(Self { nodes: architecture.nodes().to_vec(), tensors })
    }

    fn layer(&self, x: &Tensor, layer: &resnet::Convolution, relu: bool) -> Result<Tensor, TchError> {
        let tensor = |of: &str, name: &str| self.tensors.get(&format!("{of}.{name}"));
        let (stride, padding) = (i64::from(layer.stride), i64::from(layer.kernel / 2));
        let weight = tensor(&layer.name, "weight").ok_or_else(|| TchError::Torch(layer.name.clone()))?;
        let y = x.f_conv2d(weight, None::<&Tensor>, [stride; 2], [padding; 2], [1, 1], 1)?;
        let [weight, bias, mean, variance] =
            ["weight", "bias", "running_mean", "running_var"].map(|name| tensor(&layer.norm, name));
        let mut y = y.f_batch_norm(weight, bias, mean, variance, false, 0.1, 1e-5, false)?;
        if relu { y.f_relu_() } else { Ok(y) }
    }

    fn logits(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let mut x = images.shallow_clone();
        for node in &self.nodes {
            x = match node {
                Node::Convolution(layer) => self.layer(&x, layer, layer.relu)?,
                Node::MaxPool(pool) => {
                    let [kernel, stride] = [pool.kernel, pool.stride].map(|size| [i64::from(size); 2]);
                    x.f_max_pool2d(kernel, stride, [kernel[0] / 2; 2], [1, 1], false)?
                }
                Node::Block(block) => {
                    let shortcut = block.shortcut.as_ref().map(|layer| self.layer(&x, layer, false)).transpose()?;
                    let mut y = x.shallow_clone();
                    for layer in &block.branch {
                        y = self.layer(&y, layer, layer.relu)?;
                    }
                    y.f_add_(&shortcut.unwrap_or(x))?.f_relu_()?
                }
                Node::Head(head) => {
                    let tensor = |name: &str| self.tensors.get(&format!("{}.{name}", head.name));
                    let weight = tensor("weight").ok_or_else(|| TchError::Torch(head.name.clone()))?;
                    x.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?.f_linear(weight, tensor("bias"))?
                }
            };
        }
        Ok(x)
    }
}
