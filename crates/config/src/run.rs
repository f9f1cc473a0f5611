//! The configuration, its defaults and its checks.

use data::{Augmentations, DatasetSpec, Split};
use learn::{Average, Decay, Loss, Optimizer};
use plan::{Precision, Reduction, Steps, Wire};
use resnet::{Architecture, Sizes, Stem, UnknownModel};
use schedule::{LearningRate, Schedule, Span, Warmup};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use settings::{Difference, Impossible, Settings, merge};
use state::Slots;
use std::sync::OnceLock;
use thiserror::Error;

/// All that decides the weights of a run. It never changes while the run lives, but for how long it is:
/// [`RunConfig::conflicts`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The model (cox summary lists its layers).
    pub model: String,
    /// How the model begins.
    #[serde(default)]
    pub stem: Stem,
    /// Passes over the training set, in all. A run that exists can become longer, unless its schedule spreads over all epochs.
    #[schemars(range(min = 1), extend("default_words" = "20, or what the run has"))]
    pub epochs: u32,
    /// Images of one step, over all workers.
    #[schemars(range(min = 1), extend("value" = "B"))]
    pub batch_size: u32,
    /// Logical shards of a step: they decide the weights, not the number of workers does.
    #[schemars(range(min = 1), extend("value" = "L", "default_words" = "--workers"))]
    pub shards: u32,
    /// Threads of one worker inside one operation; another number gives other bits.
    // More than any machine is the faster for.
    #[schemars(range(min = 1, max = 1024), extend("value" = "T"))]
    pub threads: u32,
    /// Decides initial weights, order, crops and flips.
    #[schemars(extend("alias" = "random-seed"))]
    pub seed: u64,
    /// The arithmetic of forward and backward; auto: bf16 where the first worker that is prepared has matrix units for it.
    #[schemars(extend("open" = "auto", "default_words" = "auto"))]
    pub precision: Precision,
    /// How shards are added.
    pub reduction: Reduction,
    /// What gradients go to other workers as: bf16 halves the bytes, and changes the weights.
    pub wire: Wire,
    /// The base learning rate.
    #[schemars(range(max = MOST_RATE), extend("alias" = "learning-rate", "value" = "RATE", "exclusiveMinimum" = 0.0))]
    pub lr: f64,
    /// How parameters follow their gradients.
    pub optimizer: Optimizer,
    /// Which parameters the optimiser's weight decay is for.
    #[serde(default)]
    pub decay: Decay,
    /// An average of the weights.
    #[serde(default)]
    pub average: Average,
    /// What training makes small.
    pub loss: Loss,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// How the rate rises at the beginning.
    #[serde(default)]
    pub warmup: Warmup,
    /// What is done to training images, in this order: none, or a list of crop:PADDING, flip and vertical-flip.
    #[serde(default)]
    #[schemars(extend("value" = "LIST"))]
    pub augment: Augmentations,
    /// Use only the first N training images.
    #[schemars(range(min = 1), extend("flag" = "limit-train", "default_words" = "all"))]
    pub train_samples: u32,
    /// Use only the first N test images.
    #[schemars(range(min = 1), extend("flag" = "limit-test", "default_words" = "all"))]
    pub test_samples: u32,
    /// The data set. It is no setting: `--dataset` names it, and its importer says what it is.
    #[serde(default = "importers::cifar10::spec")]
    #[schemars(skip)]
    pub dataset: DatasetSpec,
}

/// What a 32-bit float holds.
const MOST_RATE: f64 = f32::MAX as f64;

impl Default for RunConfig {
    /// What `coordinator` does with one worker and without flags: the article's settings, for a small model.
    fn default() -> Self {
        let dataset = importers::cifar10::spec();
        Self {
            model: "resnet20".to_owned(),
            stem: Stem::default(),
            epochs: 20,
            batch_size: 128,
            shards: 1,
            threads: 1,
            seed: 0,
            precision: Precision::Fp32,
            reduction: Reduction::Tree,
            wire: Wire::Fp32,
            lr: 0.1,
            optimizer: Optimizer::default(),
            decay: Decay::default(),
            average: Average::default(),
            loss: Loss::default(),
            schedule: Schedule::default(),
            warmup: Warmup::default(),
            augment: Augmentations::default(),
            train_samples: dataset.samples(Split::Train) as u32,
            test_samples: dataset.samples(Split::Test) as u32,
            dataset,
        }
    }
}

/// Values that are no configuration.
#[derive(Debug, Error)]
#[error("settings that are no configuration of a run: {0}")]
pub struct NoConfig(#[from] serde_json::Error);

impl RunConfig {
    /// The settings that there are.
    pub fn settings() -> &'static Settings {
        static SETTINGS: OnceLock<Settings> = OnceLock::new();
        SETTINGS.get_or_init(|| Settings::of::<Self>().with_defaults(&Self::default().values()))
    }

    /// As JSON, with the names of the fields.
    #[must_use]
    pub fn values(&self) -> Value {
        // It holds numbers, names and groups of them, which JSON can always express.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The configuration in `values`, as [`Self::values`] gives them.
    ///
    /// # Errors
    /// If they are none.
    pub fn of_values(values: Value) -> Result<Self, NoConfig> {
        Ok(serde_json::from_value(Self::settings().with_numbers(values))?)
    }

    /// This configuration with the settings that `values` has. A group of another kind begins with that kind's defaults.
    ///
    /// # Errors
    /// If they are none of a configuration.
    pub fn with(&self, values: &Value) -> Result<Self, NoConfig> {
        Self::of_values(merge(self.values(), values.clone()))
    }

    /// What its data set asks of a model.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let shape = self.dataset.shape;
        Sizes { channels: shape.channels, side: shape.height, classes: self.dataset.classes.len() as u32 }
    }

    /// Its model.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn architecture(&self) -> Result<Architecture, UnknownModel> {
        Architecture::named(&self.model, self.stem, self.sizes())
    }

    /// The steps of an epoch.
    #[must_use]
    pub fn steps(&self) -> Steps {
        Steps::new(self.train_samples, self.batch_size)
    }

    /// How long it is.
    #[must_use]
    pub fn span(&self) -> Span {
        Span { epochs: self.epochs, steps: self.steps().count() }
    }

    /// All that decides its learning rates.
    #[must_use]
    pub fn learning_rate(&self) -> LearningRate {
        LearningRate { lr: self.lr, schedule: self.schedule.clone(), warmup: self.warmup }
    }

    /// The slots of its state, for a model with so many parameters and running statistics.
    #[must_use]
    pub fn slots(&self, parameters: usize, statistics: usize) -> Slots {
        Slots::new(parameters, statistics, &[self.optimizer.update().slots(), self.average.slots()].concat())
    }

    /// Checks every value.
    ///
    /// # Errors
    /// The first value that no run can have.
    pub fn check(&self) -> Result<(), Impossible> {
        Self::settings().check(&self.values())?;
        if self.shards > self.batch_size {
            let why = format!(
                "a step has {} samples (--batch-size), and every shard needs at least one of them",
                self.batch_size
            );
            return Err(Impossible::new("shards", self.shards, why));
        }
        if self.batch_size > self.train_samples {
            let why = format!("there are only {} training samples", self.train_samples);
            return Err(Impossible::new("batch-size", self.batch_size, why));
        }
        let impossible = |why: String| Impossible::new("dataset", &self.dataset.name, why);
        self.dataset.check().map_err(|error| impossible(error.to_string()))?;
        let shape = self.dataset.shape;
        let architecture =
            self.architecture().map_err(|unknown| Impossible::new("model", &self.model, unknown.to_string()))?;
        if shape.height != shape.width || !architecture.fits(shape.height) {
            return Err(impossible(format!(
                "its images have {}x{} pixels, and {} with a {} stem takes squares from {} pixels on",
                shape.height,
                shape.width,
                self.model,
                self.values()["stem"].as_str().unwrap_or_default(),
                architecture.shortest_side()
            )));
        }
        self.optimizer.update().check()?;
        self.schedule.rule().check(self.lr, self.epochs)
    }

    /// Checks what makes no sense in a run that begins. A run that exists may have it: earlier versions let it begin, and it
    /// may have become shorter since. So may one that goes on from another's checkpoint.
    ///
    /// # Errors
    /// The first value that a new run cannot have.
    pub fn check_new(&self) -> Result<(), Impossible> {
        if self.warmup.epochs > self.epochs {
            let why = format!(
                "the run has {0} epochs (--epochs), so its rate would never come to --lr; give at most {0}, or more --epochs",
                self.epochs
            );
            return Err(Impossible::new("warmup-epochs", self.warmup.epochs, why));
        }
        if let Some(lowest) = self.schedule.rule().lowest().filter(|lowest| *lowest > self.lr) {
            let why = format!(
                "the rate begins at {0} (--lr), and the {1} schedule only lowers it; give at most {0}",
                self.lr,
                self.schedule.name()
            );
            return Err(Impossible::new("min-lr", lowest, why));
        }
        Ok(())
    }

    /// The settings in which `now` differs.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let mut differences = Self::settings().differences(&self.values(), &now.values());
        if self.dataset != now.dataset {
            let why = (self.dataset.name == now.dataset.name).then(|| {
                let [before, now] = [self, now].map(|config| config.values()["dataset"].clone());
                let other = |field: &&String| before[field.as_str()] != now[field.as_str()];
                let fields: Vec<&str> =
                    before.as_object().into_iter().flat_map(Map::keys).filter(other).map(String::as_str).collect();
                format!("they differ in {}", fields.join(" and "))
            });
            let [before, now] = [self, now].map(|config| identity(&config.dataset));
            differences.push(Difference { name: "dataset".to_owned(), before, now, why });
        }
        differences
    }
}

/// Names a data set so that it is told from others of its name: with the beginning of its first checksum.
fn identity(dataset: &DatasetSpec) -> String {
    let sha256 = dataset.train.first().map_or("", |blob| blob.sha256.as_str());
    format!("{} ({})", dataset.name, sha256.get(..12).unwrap_or(sha256))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use learn::{CrossEntropy, Sgd};
    use schedule::{Cosine, Linear, OneCycle, Plateau};

    fn config() -> RunConfig {
        RunConfig { shards: 2, ..RunConfig::default() }
    }

    fn sgd(sgd: Sgd) -> RunConfig {
        RunConfig { optimizer: Optimizer::Sgd(sgd), ..config() }
    }

    #[test]
    fn impossible_values_name_their_flag() {
        assert_eq!(config().check(), Ok(()));
        let flag = |config: RunConfig| config.check().unwrap_err().flag;
        assert_eq!(flag(RunConfig { batch_size: 0, ..config() }), "batch-size");
        assert_eq!(flag(RunConfig { threads: 1025, ..config() }), "threads");
        assert_eq!(flag(RunConfig { shards: 129, ..config() }), "shards");
        assert_eq!(flag(RunConfig { train_samples: 100, ..config() }), "batch-size");
        for lr in [f64::NAN, 0.0, -1.0, f64::INFINITY, 1e39] {
            assert_eq!(flag(RunConfig { lr, ..config() }), "lr");
        }
        assert_eq!(flag(sgd(Sgd { momentum: 1.0, ..Sgd::default() })), "momentum");
        assert_eq!(flag(sgd(Sgd { momentum: 0.0, nesterov: true, ..Sgd::default() })), "nesterov");
        assert_eq!(flag(sgd(Sgd { weight_decay: -0.1, ..Sgd::default() })), "weight-decay");
        let loss = Loss::CrossEntropy(CrossEntropy { label_smoothing: 1.0 });
        assert_eq!(flag(RunConfig { loss, ..config() }), "label-smoothing");
        let schedule = Schedule::Plateau(Plateau { factor: 1.0, ..Plateau::default() });
        assert_eq!(flag(RunConfig { schedule, ..config() }), "plateau-factor");
    }

    #[test]
    fn a_run_does_not_begin_with_a_warm_up_that_is_longer_than_it() {
        let warm = |epochs| RunConfig { warmup: Warmup { epochs, ..Warmup::default() }, epochs: 3, ..config() };
        assert_eq!(warm(3).check_new(), Ok(()));
        let error = warm(4).check_new().unwrap_err();
        assert!(error.to_string().starts_with("--warmup-epochs 4 is impossible: the run has 3 epochs"), "{error}");
        assert_eq!(warm(4).check(), Ok(()), "a run that exists keeps it");
    }

    #[test]
    fn a_run_does_not_begin_with_a_lowest_rate_above_its_rate() {
        let to = |schedule| RunConfig { schedule, lr: 0.1, ..config() };
        let cosine = |min_lr| to(Schedule::Cosine(Cosine { min_lr }));
        let linear = |min_lr| to(Schedule::Linear(Linear { min_lr }));
        let plateau = |min_lr| to(Schedule::Plateau(Plateau { min_lr, ..Plateau::default() }));
        for possible in [cosine(0.1), linear(0.1), plateau(0.1), to(Schedule::OneCycle(OneCycle::default()))] {
            assert_eq!(possible.check_new(), Ok(()));
        }
        for above in [cosine(0.2), linear(0.2), plateau(0.2)] {
            let error = above.check_new().unwrap_err().to_string();
            assert!(error.starts_with("--min-lr 0.2 is impossible: ") && error.contains("0.1 (--lr)"), "{error}");
            assert_eq!(above.check(), Ok(()), "a run that exists keeps it");
        }
    }

    #[test]
    fn images_that_no_model_takes_are_refused() {
        for (height, width) in [(32, 64), (4, 4), (1, 1)] {
            let mut odd = config();
            odd.dataset.shape = data::ImageShape { height, width, ..odd.dataset.shape };
            // Its files have to be whole records all the same.
            let bytes = odd.dataset.record_bytes() as u64;
            odd.dataset.train.iter_mut().chain(&mut odd.dataset.test).for_each(|blob| blob.bytes = bytes);
            let error = odd.check().unwrap_err();
            assert_eq!(error.flag, "dataset");
            assert!(error.to_string().contains("resnet20 with a small stem takes squares from 5 pixels on"), "{error}");
        }
    }

    #[test]
    fn another_data_set_of_the_same_name_is_a_difference() {
        let mut other = config();
        other.dataset.train[0].sha256.replace_range(..1, "0");
        let differences = config().differences(&other);
        assert_eq!(differences.len(), 1);
        assert!(differences[0].to_string().starts_with("dataset: cifar10 ("), "{}", differences[0]);
        assert!(differences[0].to_string().ends_with("(they differ in train)"), "{}", differences[0]);
        assert_eq!(config().conflicts(&other, 0), differences);
    }

    #[test]
    fn any_seed_is_read_from_where_numbers_are_floats() {
        let config = RunConfig { seed: u64::MAX, ..config() };
        let mut values = config.values();
        values["seed"] = Value::from(u64::MAX.to_string());
        assert_eq!(RunConfig::of_values(values.clone()).unwrap(), config);
        values["seed"] = Value::from("many");
        assert!(RunConfig::of_values(values).is_err());
    }

    #[test]
    fn a_configuration_survives_json() {
        let json = serde_json::to_string(&config()).unwrap();
        assert_eq!(serde_json::from_str::<RunConfig>(&json).unwrap(), config());
    }

    #[test]
    fn every_setting_has_words_and_every_default_is_possible() {
        assert_eq!(RunConfig::default().check(), Ok(()));
        for setting in RunConfig::settings().iter() {
            assert!(setting.words.len() > 10, "--{}: {:?}", setting.flag, setting.words);
        }
    }
}
