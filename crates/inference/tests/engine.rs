//! The engine with real checkpoints: the same bytes in any company, which checkpoint answers, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use checkpoint::{Manifest, Saved, Store, initial_state};
use config::RunConfig;
use inference::{Answer, Engine, EngineOptions, Image, MOST_IMAGES, Memory, PredictError, Source, Which};
use plan::Position;
use proptest::prelude::*;
use schedule::ScheduleState;
use state::State;
use std::{
    io::Cursor,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    runtime::Runtime,
    task::JoinSet,
    time::{sleep, timeout},
};

/// A run directory in which checkpoints can be written, and an engine on it.
struct Run {
    directory: TempDir,
    config: RunConfig,
}

impl Run {
    fn new() -> Self {
        let config = RunConfig { train_samples: 640, epochs: 9, ..RunConfig::default() };
        Self { directory: tempfile::tempdir().unwrap(), config }
    }

    fn store(&self) -> Store {
        Store::new(self.directory.path())
    }

    /// Writes a checkpoint after `epoch` epochs, with weights that are its own.
    fn write(&self, epoch: u32, accuracy: Option<f64>) -> (String, Manifest, Arc<State>) {
        let config = RunConfig { seed: u64::from(epoch), ..self.config.clone() };
        let mut state = initial_state(&config, config.architecture().unwrap().layout());
        state.position = Position { epoch, step: 0 };
        let saved = Saved {
            run_id: "run",
            config: &self.config,
            schedule: &ScheduleState::new(self.config.lr),
            evaluation: accuracy.map(|accuracy| (1.0, accuracy)),
            state: &state,
        };
        let (name, manifest) = self.store().write(&saved).unwrap();
        (name, manifest, Arc::new(state))
    }

    fn engine(&self, newest: Option<(String, Manifest, Arc<State>)>) -> Engine {
        let dataset = Arc::new(self.config.dataset.clone());
        let source = Source::Store(self.store());
        Engine::start(EngineOptions { dataset, source, memory: Memory::from_mib(128), newest }).unwrap()
    }
}

/// An image like no other.
fn pixels(index: u32) -> Image {
    let block = |place| plan::random::philox([7, 7], [index, place, 0, 0]);
    Image::Pixels((0..192).flat_map(block).flat_map(u32::to_le_bytes).collect())
}

async fn ask(engine: &Engine, images: &[u32], which: Which) -> Result<Answer, PredictError> {
    engine.predict(images.iter().map(|index| pixels(*index)).collect(), which, None, ()).await
}

fn bits(answer: &Answer) -> Vec<Vec<u32>> {
    let bits = |probabilities: &[f32]| probabilities.iter().map(|probability| probability.to_bits()).collect();
    answer.predictions.iter().map(|prediction| bits(&prediction.probabilities)).collect()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn an_image_is_the_same_bytes_in_any_company() {
    const IMAGES: u32 = 40;
    let run = Run::new();
    let engine = run.engine(Some(run.write(1, None)));
    let runtime = runtime();
    let alone: Vec<Vec<u32>> = (0..IMAGES)
        .map(|index| bits(&runtime.block_on(ask(&engine, &[index], Which::Newest)).unwrap()).remove(0))
        .collect();
    assert!(alone.iter().enumerate().all(|(index, image)| !alone[..index].contains(image)), "images are told apart");
    let requests = prop::collection::vec(prop::collection::vec(0..IMAGES, 1..50), 1..8);
    proptest!(ProptestConfig::with_cases(12), |(requests in requests)| {
        let answers = runtime.block_on(async {
            let mut asked = JoinSet::new();
            for images in requests {
                let engine = engine.clone();
                asked.spawn(async move { (ask(&engine, &images, Which::Newest).await.unwrap(), images) });
            }
            asked.join_all().await
        });
        for (answer, images) in answers {
            let expected: Vec<Vec<u32>> = images.iter().map(|index| alone[*index as usize].clone()).collect();
            prop_assert!(bits(&answer) == expected);
        }
    });
}

#[tokio::test]
async fn the_newest_the_best_or_one_by_name() {
    let run = Run::new();
    let first = run.write(1, Some(0.5));
    let engine = run.engine(Some(first.clone()));
    let of_first = ask(&engine, &[3], Which::Newest).await.unwrap();
    assert_eq!((&of_first.checkpoint, of_first.step, of_first.epoch, of_first.accuracy), (&first.0, 5, 1, Some(0.5)));

    let (second, third) = (run.write(2, Some(0.75)), run.write(3, Some(0.6)));
    engine.load(&third.0, &third.1, &third.2);
    let newest = ask(&engine, &[3], Which::Newest).await.unwrap();
    assert_eq!(newest.checkpoint, third.0, "at once");
    let best = ask(&engine, &[3], Which::Best).await.unwrap();
    assert_eq!(best.checkpoint, second.0);
    let named = ask(&engine, &[3], Which::Named(first.0.clone())).await.unwrap();
    assert_eq!((&named.checkpoint, bits(&named)), (&first.0, bits(&of_first)), "one by name is that one");
    assert!(bits(&newest) != bits(&best) && bits(&best) != bits(&named));
    let by_name = ask(&engine, &[3], Which::Named(third.0.clone())).await.unwrap();
    assert_eq!(bits(&by_name), bits(&newest));

    let models = engine.models().await.unwrap();
    let told: Vec<_> = models.iter().map(|model| (&model.name, model.step, model.newest, model.best)).collect();
    assert_eq!(told, [(&first.0, 5, false, false), (&second.0, 10, false, true), (&third.0, 15, true, false)]);
    assert!(models.iter().all(|model| model.bytes > 2_000_000 && model.written_at > 1_700_000_000));

    for name in ["step-00000011", "", "../step-00000005", "step-00000005/", ".step-00000005.new"] {
        let error = ask(&engine, &[3], Which::Named(name.to_owned())).await.unwrap_err();
        assert!(matches!(&error, PredictError::NotFound { known, .. } if known.len() == 3), "{error}");
        assert!(error.to_string().contains("step-00000010"), "{error}");
    }
    // Gone from the disk it still answers, as it was asked for before.
    run.store().remove(&first.0).unwrap();
    assert_eq!(bits(&ask(&engine, &[3], Which::Named(first.0.clone())).await.unwrap()), bits(&of_first));
}

#[tokio::test]
async fn a_damaged_checkpoint_fails_its_own_requests_alone() {
    let run = Run::new();
    let damaged = run.write(1, Some(0.5));
    let engine = run.engine(Some(run.write(2, Some(0.4))));
    let file = run.directory.path().join(&damaged.0).join("model.safetensors");
    let mut content = std::fs::read(&file).unwrap();
    *content.last_mut().unwrap() ^= 1;
    std::fs::write(&file, content).unwrap();
    let error = ask(&engine, &[0], Which::Best).await.unwrap_err();
    assert!(matches!(&error, PredictError::Unusable { name, .. } if *name == damaged.0), "{error}");
    assert!(error.to_string().contains("checksum"), "{error}");
    ask(&engine, &[0], Which::Newest).await.unwrap();
}

#[tokio::test]
async fn without_a_checkpoint_there_is_no_answer() {
    let engine = Run::new().engine(None);
    for (which, expected) in [(Which::Newest, PredictError::NoCheckpoint), (Which::Best, PredictError::NoCheckpoint)] {
        assert_eq!(ask(&engine, &[0], which).await.unwrap_err(), expected);
    }
    let none = engine.predict(vec![], Which::Newest, None, ()).await.unwrap_err();
    assert_eq!(none, PredictError::NoImages);
    let images = vec![Image::Pixels(Vec::new()); MOST_IMAGES + 1];
    let many = engine.predict(images, Which::Newest, None, ()).await.unwrap_err();
    assert_eq!(many, PredictError::TooMany { found: MOST_IMAGES + 1 });
    let images = vec![pixels(0), Image::Pixels(vec![0; 5])];
    let bad = engine.predict(images, Which::Newest, None, ()).await.unwrap_err();
    assert!(matches!(bad, PredictError::Image { index: 1, .. }), "{bad}");
    assert!(bad.to_string().starts_with("image 1: an image has 3072 bytes"), "{bad}");
}

#[tokio::test]
async fn images_that_wait_are_counted_by_their_bytes() {
    let (run, shape) = (Run::new(), data::ImageShape { channels: 3, height: 224, width: 224 });
    let dataset = Arc::new(data::DatasetSpec { shape, ..run.config.dataset.clone() });
    let memory = Memory::from_mib(64);
    let engine =
        Engine::start(EngineOptions { dataset, source: Source::Store(run.store()), memory, newest: None }).unwrap();
    let ask = |images: usize| {
        let images = vec![Image::Pixels(vec![0; shape.len()]); images];
        let engine = engine.clone();
        async move { engine.predict(images, Which::Newest, None, ()).await.unwrap_err() }
    };
    // Of 64 MiB a quarter, one half of it for those that are decoded, and of the other half one half for a request.
    assert_eq!(ask(28).await, PredictError::TooMuch { found: 28, most: 27, flag: 65 });
    assert_eq!(ask(27).await, PredictError::NoCheckpoint, "it is asked");
}

#[test]
fn new_checkpoints_come_without_a_failed_request() {
    let run = Run::new();
    let checkpoints: Vec<_> = (1..9).map(|epoch| run.write(epoch, None)).collect();
    let engine = run.engine(Some(checkpoints[0].clone()));
    let names: Vec<String> = checkpoints.iter().map(|(name, ..)| name.clone()).collect();
    let runtime = runtime();
    let seen = runtime.block_on(async {
        let mut clients = JoinSet::new();
        for client in 0..6 {
            let (engine, last) = (engine.clone(), names[7].clone());
            clients.spawn(async move {
                let images: Vec<u32> = (0..=9 * client).collect();
                let mut seen = Vec::new();
                while seen.last() != Some(&last) {
                    seen.push(ask(&engine, &images, Which::Newest).await.unwrap().checkpoint);
                }
                seen
            });
        }
        for (name, manifest, state) in &checkpoints {
            engine.load(name, manifest, state);
            assert_eq!(ask(&engine, &[3], Which::Newest).await.unwrap().checkpoint, *name);
        }
        clients.join_all().await
    });
    for client in &seen {
        assert!(client.is_sorted(), "no client goes back: {client:?}");
    }
    let all: std::collections::BTreeSet<_> = seen.into_iter().flatten().collect();
    assert!(all.len() > 4, "{all:?}");
}

#[test]
fn large_requests_leave_room_and_what_nobody_waits_for_is_left() {
    let run = Run::new();
    let engine = run.engine(Some(run.write(1, None)));
    let runtime = runtime();
    let large: Vec<u32> = (0..MOST_IMAGES as u32).collect();
    runtime.block_on(async {
        ask(&engine, &[1], Which::Newest).await.unwrap();
        let start = Instant::now();
        let one = ask(&engine, &large[..256], Which::Newest).await.unwrap();
        let of_all = start.elapsed() * (3 * MOST_IMAGES / 256) as u32;
        assert!(one.computed > Duration::ZERO);
        let mut clients = Vec::new();
        for _ in 0..3 {
            // Polled once, it is in the queue.
            let mut client = Box::pin(ask(&engine, &large, Which::Newest));
            assert!(timeout(Duration::ZERO, &mut client).await.is_err());
            clients.push(client);
        }
        let full = ask(&engine, &large, Which::Newest).await.unwrap_err();
        let PredictError::Full { waiting, retry } = full else { panic!("{full}") };
        assert_eq!(waiting, 3 * MOST_IMAGES);
        assert!(retry >= Duration::from_millis(100) && retry < Duration::from_secs(30), "{retry:?}");
        // A small one has room beside them.
        ask(&engine, &[1], Which::Newest).await.unwrap();
        // Who goes away makes room at once, or nearly.
        drop(clients);
        let start = Instant::now();
        while timeout(Duration::from_millis(1), ask(&engine, &large, Which::Newest)).await.is_ok() {
            assert!(start.elapsed() < of_all, "the others are not computed to their end");
            sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn slow_pictures_keep_nobody_from_the_model() {
    const SIDE: u32 = 3000;
    let png = |side: u32| {
        let mut file = Cursor::new(Vec::new());
        image::RgbImage::new(side, side).write_to(&mut file, image::ImageFormat::Png).unwrap();
        Image::File(file.into_inner())
    };
    let (slow, small) = (png(SIDE), png(8));
    let run = Run::new();
    let engine = run.engine(Some(run.write(1, None)));
    runtime().block_on(async {
        let mut clients = Vec::new();
        for _ in 0..3 {
            let slow = vec![slow.clone(); MOST_IMAGES];
            let mut client = Box::pin(engine.predict(slow, Which::Newest, None, ()));
            assert!(timeout(Duration::ZERO, &mut client).await.is_err());
            clients.push(client);
        }
        // Pictures of so many are too many to be decoded.
        let images = vec![small.clone(); MOST_IMAGES];
        let full = engine.predict(images, Which::Newest, None, ()).await.unwrap_err();
        assert!(matches!(full, PredictError::Full { waiting, .. } if waiting == 3 * MOST_IMAGES), "{full}");
        // Pixels need no decoding, and a few pictures have their turn.
        let others = async {
            ask(&engine, &[1], Which::Newest).await.unwrap();
            let many: Vec<u32> = (0..256).collect();
            ask(&engine, &many, Which::Newest).await.unwrap();
            let few = engine.predict(vec![small; 3], Which::Newest, None, ()).await.unwrap();
            assert_eq!(few.predictions.len(), 3);
        };
        let [a, b, c] = &mut clients[..] else { panic!("three") };
        tokio::select! {
            () = others => {}
            _ = a => panic!("slow pictures came first"),
            _ = b => panic!("slow pictures came first"),
            _ = c => panic!("slow pictures came first"),
        }
    });
}

#[tokio::test]
async fn a_deadline_is_kept() {
    let run = Run::new();
    let engine = run.engine(Some(run.write(1, None)));
    let images: Vec<Image> = (0..MOST_IMAGES as u32).map(pixels).collect();
    let deadline = Instant::now() + Duration::from_millis(30);
    let late = engine.predict(images, Which::Newest, Some(deadline), ()).await.unwrap_err();
    assert_eq!(late, PredictError::Late);
    ask(&engine, &[0], Which::Newest).await.unwrap();
}

#[test]
fn a_small_request_overtakes_a_large_one() {
    let run = Run::new();
    let engine = run.engine(Some(run.write(1, None)));
    runtime().block_on(async {
        let images: Vec<u32> = (0..MOST_IMAGES as u32).collect();
        ask(&engine, &[1], Which::Newest).await.unwrap();
        let large = ask(&engine, &images, Which::Newest);
        tokio::pin!(large);
        // The large one is asked first.
        let small = tokio::select! {
            biased;
            _ = &mut large => panic!("the large one came first"),
            small = ask(&engine, &[1], Which::Newest) => small.unwrap(),
        };
        let large = large.await.unwrap();
        assert!(small.queued + small.computed < large.computed / 2, "{small:?}");
    });
}
