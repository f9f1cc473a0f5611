//! Malformed, truncated and hostile requests over gRPC, gRPC-Web, the standard protocol and HTTP. Each gets an answer or a clear
//! error. The coordinator lives, and its memory stays flat.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use image::{
    ExtendedColorType, ImageEncoder,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
};
use proto::{
    open_inference::{
        ModelInferRequest, grpc_inference_service_client::GrpcInferenceServiceClient,
        model_infer_request::InferInputTensor,
    },
    v1::{self, PredictRequest, RunState, inference_client::InferenceClient, predict_request::Image},
};
use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};
use system_tests::{Coordinator, TestRun, scratch};
use tokio::{runtime::Runtime, time::timeout};
use tonic::{Code, Status, transport::Channel};

/// How many come.
const REQUESTS: u64 = 10_000;
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(20);
/// What the memory may grow by once all kinds of requests have come, in MiB.
const GROWTH: u64 = 48;

/// Numbers that depend on nothing else: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.next() as u8).collect()
    }

    /// `bytes` with some flipped, cut off, doubled or put in.
    fn spoiled(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let place = self.below(bytes.len());
            match self.below(5) {
                0 => bytes.truncate(place),
                1 => bytes.extend_from_within(place..),
                2 => {
                    let more = self.bytes(64);
                    bytes.splice(place..place, more);
                }
                _ if place < bytes.len() => bytes[place] ^= 1 << self.below(8),
                _ => {}
            }
        }
        bytes
    }
}

/// What is spoiled: a PNG, a JPEG, and a request of the standard protocol.
struct Good {
    files: [Vec<u8>; 2],
    json: Vec<u8>,
}

impl Good {
    fn new() -> Self {
        let pixels: Vec<u8> = (0..3 * 40 * 24).map(|index: u32| (index * index / 97) as u8).collect();
        let mut png = Vec::new();
        PngEncoder::new(&mut png).write_image(&pixels, 40, 24, ExtendedColorType::Rgb8).unwrap();
        let mut jpeg = Vec::new();
        JpegEncoder::new(&mut jpeg).write_image(&pixels, 40, 24, ExtendedColorType::Rgb8).unwrap();
        let json = br#"{"id": "1", "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["iVBORw0KGgo="]}]}"#;
        Self { files: [png, jpeg], json: json.to_vec() }
    }
}

/// Everybody who asks.
struct Strangers {
    runtime: Runtime,
    inference: InferenceClient<Channel>,
    standard: GrpcInferenceServiceClient<Channel>,
    grpc: String,
    http: String,
    good: Good,
}

impl Strangers {
    fn new(coordinator: &Coordinator, page: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let url = coordinator.url();
        let inference = runtime.block_on(InferenceClient::connect(url.clone())).unwrap();
        let standard = runtime.block_on(GrpcInferenceServiceClient::connect(url)).unwrap();
        let http = page.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
        Self { runtime, inference, standard, grpc: coordinator.address().to_owned(), http, good: Good::new() }
    }

    fn ask(&self, number: u64) {
        let mut random = Random(number);
        let which = random.below(2);
        let file = random.spoiled(&self.good.files[which]);
        match number % 9 {
            0 => self.predict(number, PredictRequest { image: Some(Image::File(file)), ..Default::default() }),
            1 => {
                let pixels = Image::Pixels(random.bytes(4000));
                self.predict(number, PredictRequest { image: Some(pixels), ..Default::default() });
            }
            2 => {
                let content = |file: Vec<u8>| v1::Image { content: Some(v1::image::Content::File(file)) };
                let mut images: Vec<v1::Image> = (0..random.below(20)).map(|_| content(file.clone())).collect();
                images.push(v1::Image::default());
                self.predict(number, PredictRequest { images, ..Default::default() });
            }
            3 => self.infer(number, &mut random, file),
            4 => {
                let body = random.spoiled(&self.good.json);
                let head = if random.below(2) == 0 { "Inference-Header-Content-Length: 70\r\n" } else { "" };
                self.post(number, "/v2/models/resnet20/infer", head, &body);
            }
            5 => self.post(number, "/api/predict", "", &file),
            6 => garbage(&self.http, &random.bytes(400)),
            7 => {
                let kind = ["", "+proto", "-text", "-text+proto"][random.below(4)];
                let path =
                    ["coxswain.v1.Inference/Predict", "inference.GRPCInferenceService/ModelInfer"][random.below(2)];
                let head = format!("Content-Type: application/grpc-web{kind}\r\n");
                self.post(number, &format!("/{path}"), &head, &framed(&file));
            }
            _ => garbage(&self.grpc, &random.bytes(400)),
        }
    }

    fn predict(&self, number: u64, request: PredictRequest) {
        let mut client = self.inference.clone();
        let answer = self
            .runtime
            .block_on(async { timeout(LIMIT, client.predict(request)).await.map(|answer| answer.map(drop)) });
        assert_clear(number, answer.unwrap_or_else(|_| panic!("{number}: no answer")));
    }

    fn infer(&self, number: u64, random: &mut Random, file: Vec<u8>) {
        let shape = (0..random.below(5)).map(|_| random.next() as i64 >> (random.next() % 64)).collect();
        let datatype = ["BYTES", "UINT8", "FP32", ""][random.below(4)].to_owned();
        let input = InferInputTensor { name: "image".to_owned(), datatype, shape, ..Default::default() };
        let request = ModelInferRequest {
            model_name: ["resnet20", "resnet20-pixels", "other"][random.below(3)].to_owned(),
            model_version: ["", "11", "-1"][random.below(3)].to_owned(),
            inputs: vec![input],
            raw_input_contents: vec![file.into()],
            ..Default::default()
        };
        let mut client = self.standard.clone();
        let answer = self
            .runtime
            .block_on(async { timeout(LIMIT, client.model_infer(request)).await.map(|answer| answer.map(drop)) });
        assert_clear(number, answer.unwrap_or_else(|_| panic!("{number}: no answer")));
    }

    fn post(&self, number: u64, path: &str, head: &str, body: &[u8]) {
        let mut stream = connect(&self.http);
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // Who answers before all has come may close.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let status: u16 = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        assert!((200..500).contains(&status), "{number}: {path}: {answer}");
    }
}

/// Bytes as a message of gRPC has them, with its length before them.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], length.as_slice(), message].concat()
}

/// An answer, or an error that is the stranger's own.
fn assert_clear(number: u64, answer: Result<(), Status>) {
    if let Err(status) = answer {
        let clear = [Code::InvalidArgument, Code::NotFound].contains(&status.code()) && !status.message().is_empty();
        assert!(clear, "{number}: {status}");
    }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Bytes that mean nothing. Whatever comes back, the connection ends.
fn garbage(address: &str, bytes: &[u8]) {
    let mut stream = connect(address);
    // The other side may have closed already, here and below.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the connection stays open"),
        _ => {}
    }
}

/// What the coordinator holds in memory, in MiB.
fn resident(coordinator: &Coordinator) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", coordinator.process())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn whatever_comes_gets_an_answer_or_a_clear_error() {
    let directory = scratch();
    let run = TestRun::small().local(1).epochs(1).with(&["--serve", "--precision", "fp32"]);
    let mut coordinator = run.start(&directory.path().join("run"));
    let page = coordinator.page();
    coordinator.wait_until(|run| run.state() == RunState::Finished);
    let strangers = Strangers::new(&coordinator, &page);
    let begun = REQUESTS / 4;
    (0..begun).for_each(|number| strangers.ask(number));
    let before = resident(&coordinator);
    (begun..REQUESTS).for_each(|number| strangers.ask(number));
    let after = resident(&coordinator);
    assert!(after <= before + GROWTH, "{before} MiB after {begun} requests, {after} MiB after {REQUESTS}");
    // Two bytes each, and hundreds in memory.
    let inputs = vec![InferInputTensor::default(); 1 << 18];
    let request = ModelInferRequest { model_name: "resnet20".to_owned(), inputs, ..Default::default() };
    let mut client = strangers.standard.clone().max_encoding_message_size(usize::MAX);
    let status = strangers.runtime.block_on(client.model_infer(request)).unwrap_err();
    assert!(status.code() == Code::InvalidArgument && status.message().contains("more than 8192 fields"), "{status}");
    let last = resident(&coordinator);
    assert!(last <= after + GROWTH, "{after} MiB before a message of many fields, {last} MiB after it");
    let good = PredictRequest { image: Some(Image::File(strangers.good.files[0].clone())), ..Default::default() };
    let mut client = strangers.inference.clone();
    strangers.runtime.block_on(client.predict(good)).unwrap();
    coordinator.terminate();
    assert_eq!(coordinator.wait().code, 0);
}
