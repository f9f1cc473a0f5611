//! Whatever strangers send to be predicted: the coordinator takes the memory that it was given, and goes on answering.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use image::{
    ExtendedColorType, ImageEncoder,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
};
use proptest::prelude::*;
use proto::v1::{PredictRequest, inference_client::InferenceClient, predict_request::Image};
use std::{fs, future::poll_fn, path::Path, process::Command, time::Duration};
use system_tests::{Coordinator, binary, python, scratch};
use tokio::{runtime::Runtime, task::JoinSet, time::timeout};
use tokio_stream::StreamExt;
use tonic::{Code, Status, body::Body, transport::Channel};
use tower_service::Service;

/// What pictures may take, in MiB.
const MEMORY: u64 = 400;
/// What else comes and goes, in MiB: connections, threads, what the allocator keeps.
const OTHER: u64 = 60;

fn start(run_dir: &Path) -> Coordinator {
    Coordinator::start(run_dir, &["--predict-memory", &MEMORY.to_string()])
}

async fn client(url: &str) -> InferenceClient<Channel> {
    InferenceClient::connect(url.to_owned()).await.unwrap()
}

/// There is no checkpoint: a picture that was decoded is UNAVAILABLE.
async fn answer(url: String, image: Image) -> Status {
    client(&url).await.predict(PredictRequest { image: Some(image), ..PredictRequest::default() }).await.unwrap_err()
}

/// A figure of a process's memory, in MiB.
fn memory(process: u32, figure: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(figure)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// The most that the coordinator had at a time since it was started, beside what it has without pictures, in MiB.
struct Watched<'a> {
    coordinator: &'a Coordinator,
    before: u64,
}

impl<'a> Watched<'a> {
    fn new(coordinator: &'a Coordinator) -> Self {
        // Its peak so far was before pictures came.
        fs::write(format!("/proc/{}/clear_refs", coordinator.process()), "5").unwrap();
        Self { coordinator, before: memory(coordinator.process(), "VmRSS") }
    }

    fn assert_within(&self, most: u64) {
        let peak = memory(self.coordinator.process(), "VmHWM");
        assert!(peak <= self.before + most, "{peak} MiB at the peak, {} before; {most} more were allowed", self.before);
    }
}

/// A picture that is decoded in no time.
fn small() -> Image {
    let mut file = Vec::new();
    PngEncoder::new(&mut file).write_image(&[90; 3 * 8 * 8], 8, 8, ExtendedColorType::Rgb8).unwrap();
    Image::File(file)
}

fn assert_answers(runtime: &Runtime, url: &str) {
    let status = runtime.block_on(answer(url.to_owned(), small()));
    assert_eq!(status.code(), Code::Unavailable, "{status}");
}

#[test]
fn half_a_picture_is_refused() {
    let directory = scratch();
    let coordinator = start(&directory.path().join("run"));
    let runtime = Runtime::new().unwrap();
    let pixels: Vec<u8> = (0..3 * 320 * 200).map(|level: u32| (level * level / 977) as u8).collect();
    let mut jpeg = Vec::new();
    JpegEncoder::new(&mut jpeg).write_image(&pixels, 320, 200, ExtendedColorType::Rgb8).unwrap();
    let mut png = Vec::new();
    PngEncoder::new(&mut png).write_image(&pixels, 320, 200, ExtendedColorType::Rgb8).unwrap();
    for (name, file) in [("jpg", jpeg), ("png", png)] {
        let whole = runtime.block_on(answer(coordinator.url(), Image::File(file.clone())));
        assert_eq!(whole.code(), Code::Unavailable, "{whole}");
        for percent in [1, 30, 60, 90, 99] {
            let cut = file[..file.len() * percent / 100].to_vec();
            let status = runtime.block_on(answer(coordinator.url(), Image::File(cut.clone())));
            assert_eq!(status.code(), Code::InvalidArgument, "{percent} % of a {name}: {status}");
            assert!(status.message().contains("is truncated"), "{percent} % of a {name}: {status}");
            let path = directory.path().join(name);
            fs::write(&path, cut).unwrap();
            let mut cox = Command::new(binary("cox"));
            let output = cox.args(["--coordinator", &coordinator.url(), "predict"]).arg(&path).output().unwrap();
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(4) && log.contains("is truncated"), "{output:?}");
        }
    }
}

#[test]
fn large_pictures_at_once_take_the_memory_that_pictures_may_take() {
    let directory = scratch();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/large_pictures.py");
    assert!(Command::new(python()).arg(script).arg(directory.path()).status().unwrap().success());
    let picture = |name: &str| Image::File(fs::read(directory.path().join(name)).unwrap());
    let coordinator = start(&directory.path().join("run"));
    let runtime = Runtime::new().unwrap();
    let watched = Watched::new(&coordinator);
    runtime.block_on(async {
        let mut answers = JoinSet::new();
        for _ in 0..8 {
            answers.spawn(answer(coordinator.url(), picture("baseline.jpg")));
        }
        for _ in 0..2 {
            answers.spawn(answer(coordinator.url(), picture("progressive.jpg")));
        }
        let answers = answers.join_all().await;
        let (decoded, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|status| status.code() == Code::Unavailable);
        assert_eq!((decoded.len(), refused.len()), (8, 2), "{refused:?}");
        for status in refused {
            assert_eq!(status.code(), Code::InvalidArgument, "{status}");
            assert!(status.message().contains("9999x9999"), "{status}");
            assert!(status.message().contains("raise --predict-memory of the coordinator to "), "{status}");
        }
    });
    watched.assert_within(MEMORY + OTHER);

    // Who goes away leaves nothing behind that is not counted.
    runtime.block_on(async {
        let mut gone = JoinSet::new();
        for _ in 0..24 {
            gone.spawn(timeout(Duration::from_millis(100), answer(coordinator.url(), picture("baseline.jpg"))));
        }
        gone.join_all().await;
    });
    assert_answers(&runtime, &coordinator.url());
    watched.assert_within(MEMORY + OTHER);
    assert_eq!(coordinator.process(), watched.coordinator.process());
}

#[test]
fn large_requests_at_once_take_the_memory_that_requests_may_take() {
    let directory = scratch();
    let coordinator = start(&directory.path().join("run"));
    let runtime = Runtime::new().unwrap();
    let watched = Watched::new(&coordinator);
    runtime.block_on(async {
        let mut answers = JoinSet::new();
        for _ in 0..16 {
            answers.spawn(answer(coordinator.url(), Image::File(vec![7; 30 << 20])));
        }
        for status in answers.join_all().await {
            assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        }
        let status = answer(coordinator.url(), Image::File(vec![7; 33 << 20])).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        // One who never sends what it announces keeps no other from being answered.
        let slow = tokio::spawn(announce(coordinator.url()));
        let status = timeout(Duration::from_secs(15), answer(coordinator.url(), small())).await.unwrap();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(!slow.is_finished());
        slow.abort();
        // Many of them have more than there is, and each of them only as long as nobody waits for it.
        let slow: Vec<_> = (0..8).map(|_| tokio::spawn(announce(coordinator.url()))).collect();
        while !slow.iter().any(tokio::task::JoinHandle::is_finished) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let status = timeout(Duration::from_secs(15), answer(coordinator.url(), small())).await.unwrap();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        slow.iter().for_each(tokio::task::JoinHandle::abort);
    });
    watched.assert_within(MEMORY / 4 + OTHER);
}

#[test]
fn memory_of_pictures_is_given_back() {
    let directory = scratch();
    let coordinator = start(&directory.path().join("run"));
    let runtime = Runtime::new().unwrap();
    // Blocks of this size are kept by an allocator that is not told to give them back.
    let (width, height) = (3600, 2700);
    let mut file = Vec::new();
    let grey = vec![90; 3 * width as usize * height as usize];
    JpegEncoder::new(&mut file).write_image(&grey, width, height, ExtendedColorType::Rgb8).unwrap();
    let before = memory(coordinator.process(), "VmRSS");
    for _ in 0..8 {
        runtime.block_on(async {
            let mut answers = JoinSet::new();
            for _ in 0..16 {
                answers.spawn(answer(coordinator.url(), Image::File(file.clone())));
            }
            for status in answers.join_all().await {
                assert_eq!(status.code(), Code::Unavailable, "{status}");
            }
        });
    }
    let after = memory(coordinator.process(), "VmRSS");
    assert!(after <= before + OTHER / 2, "{after} MiB after all, {before} before");
}

/// Begins a request of 30 MiB and sends no more of it than that.
async fn announce(url: String) {
    let mut channel = Channel::from_shared(url.clone()).unwrap().connect().await.unwrap();
    let head = Bytes::from_static(&[0, 0x01, 0xe0, 0, 0]);
    let frames = tokio_stream::once(Ok::<_, Status>(Frame::data(head))).chain(tokio_stream::pending());
    let request = http::Request::post(format!("{url}/coxswain.v1.Inference/Predict"));
    let request = request.header("content-type", "application/grpc").header("te", "trailers");
    let request = request.body(Body::new(StreamBody::new(frames))).unwrap();
    poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    channel.call(request).await.unwrap();
}

/// What a request may consist of: noise, and noise that begins like a picture.
fn image() -> impl Strategy<Value = Option<Image>> {
    let noise = |most| prop::collection::vec(any::<u8>(), 0..most);
    let begun = (0..3_usize, noise(3000)).prop_map(|(kind, rest)| {
        let head: &[u8] = match kind {
            0 => b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            1 => b"\xff\xd8\xff\xe0\0\x04\0\0\xff\xc2",
            _ => b"\xff\xd8\xff\xc0\0\x11\x08",
        };
        Image::File([head, &rest].concat())
    });
    // A picture of any size, with noise in its scan.
    let frame = (any::<[u8; 4]>(), prop::sample::select(vec![0xc0, 0xc1, 0xc2]), noise(500));
    let frame = frame.prop_map(|(size, kind, rest)| {
        let [a, b, c, d] = size;
        let head = [0xff, 0xd8, 0xff, kind, 0, 11, 8, a, b, c, d, 1, 1, 0x11, 0];
        let scan = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0];
        Image::File([&head[..], &scan, &rest, &[0xff, 0xd9]].concat())
    });
    prop_oneof![
        Just(None),
        noise(4000).prop_map(|file| Some(Image::File(file))),
        noise(4000).prop_map(|pixels| Some(Image::Pixels(pixels))),
        begun.prop_map(Some),
        frame.prop_map(Some),
    ]
}

#[test]
fn any_request_is_answered_or_refused() {
    let directory = scratch();
    let coordinator = start(&directory.path().join("run"));
    let runtime = Runtime::new().unwrap();
    let watched = Watched::new(&coordinator);
    let client = runtime.block_on(client(&coordinator.url()));
    let config = ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(image in image())| {
        let status = runtime.block_on(client.clone().predict(PredictRequest { image, ..PredictRequest::default() })).unwrap_err();
        let allowed = [Code::InvalidArgument, Code::ResourceExhausted, Code::Unavailable];
        prop_assert!(allowed.contains(&status.code()), "{}", status);
    });
    assert_answers(&runtime, &coordinator.url());
    watched.assert_within(MEMORY + OTHER);
}
