//! The gRPC services over HTTP/1.1 on the page's port, as browsers ask them: gRPC-Web, framed here by hand.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use base64::{Engine, engine::general_purpose::STANDARD};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use prost::Message;
use proto::{
    open_inference::{ServerReadyRequest, ServerReadyResponse},
    v1::{GetRunRequest, Image, PredictRequest, PredictResponse, Run, WatchRunRequest, image::Content},
};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};
use system_tests::{TestRun, scratch};
use tonic::Code;

const LIMIT: Duration = Duration::from_mins(1);
const BINARY: &str = "application/grpc-web+proto";
const TEXT: &str = "application/grpc-web-text";

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    messages: Vec<Vec<u8>>,
    trailers: BTreeMap<String, String>,
}

impl Answer {
    fn code(&self) -> Code {
        let head = self.head.lines().find_map(|line| line.strip_prefix("grpc-status: "));
        let code = self.trailers.get("grpc-status").map(String::as_str).or(head);
        Code::from(code.unwrap_or_else(|| panic!("{self:?}")).parse::<i32>().unwrap())
    }

    fn one<M: Message + Default>(&self) -> M {
        assert_eq!((self.status, self.code(), self.messages.len()), (200, Code::Ok, 1), "{self:?}");
        M::decode(self.messages[0].as_slice()).unwrap()
    }
}

fn framed(message: &impl Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    [&[0], (message.len() as u32).to_be_bytes().as_slice(), &message].concat()
}

/// Opens a call, whose answer can be read from what is returned.
fn open(address: &str, path: &str, kind: &str, more: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let length = body.len();
    let head = format!(
        "POST /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\nX-Grpc-Web: 1\r\n{more}\
         Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Who answers before all has come may close.
    let _ = stream.write_all(body);
    stream
}

fn ask(address: &str, path: &str, kind: &str, more: &str, body: &[u8]) -> Answer {
    let mut answer = Vec::new();
    open(address, path, kind, more, body).read_to_end(&mut answer).unwrap();
    let place = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..place].to_vec()).unwrap().to_lowercase();
    let mut body = answer.split_off(place + 4);
    if head.contains("transfer-encoding: chunked") {
        body = of_chunks(&body);
    }
    if head.contains("content-type: application/grpc-web-text") {
        // Each part is encoded by itself, so padding may be anywhere.
        body = body.chunks(4).flat_map(|four| STANDARD.decode(four).unwrap()).collect();
    }
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let (mut messages, mut trailers, mut rest) = (Vec::new(), BTreeMap::new(), body.as_slice());
    while head.contains("application/grpc-web") && rest.len() >= 5 {
        let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
        let (part, after) = (&rest[5..5 + length], &rest[5 + length..]);
        if rest[0] & 0x80 == 0 {
            messages.push(part.to_vec());
        } else {
            let lines = String::from_utf8(part.to_vec()).unwrap();
            let pairs = lines.lines().filter_map(|line| line.split_once(':'));
            trailers.extend(pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())));
        }
        rest = after;
    }
    Answer { status, head, messages, trailers }
}

/// What is in the chunks of HTTP/1.1.
fn of_chunks(mut bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let line = bytes.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        if length == 0 {
            return all;
        }
        all.extend_from_slice(&bytes[line + 2..line + 2 + length]);
        bytes = &bytes[line + 2 + length + 2..];
    }
}

fn picture() -> Vec<u8> {
    let pixels: Vec<u8> = (0..3 * 40 * 40).map(|index| (index % 251) as u8).collect();
    let mut file = Vec::new();
    PngEncoder::new(&mut file).write_image(&pixels, 40, 40, ExtendedColorType::Rgb8).unwrap();
    file
}

#[test]
fn services_are_asked_over_http_while_it_trains() {
    let directory = scratch();
    let mut coordinator = TestRun::small().local(1).endless().start(&directory.path().join("run"));
    let page = coordinator.page();
    let http = page.strip_prefix("http://").unwrap().trim_end_matches('/');
    let known = coordinator.wait_until(|run| !run.checkpoint.is_empty());
    let get = |kind: &str, body: &[u8]| ask(http, "coxswain.v1.Training/GetRun", kind, "", body).one::<Run>();
    let question = framed(&GetRunRequest {});
    assert_eq!(get(BINARY, &question).id, known.id);
    let accept = format!("Accept: {TEXT}\r\n");
    let text = STANDARD.encode(&question);
    let told = ask(http, "coxswain.v1.Training/GetRun", TEXT, &accept, text.as_bytes());
    assert!(told.head.contains(TEXT), "{told:?}");
    assert_eq!(told.one::<Run>().id, known.id);

    let image = Image { content: Some(Content::File(picture())) };
    let request = framed(&PredictRequest { images: vec![image], ..PredictRequest::default() });
    let answer: PredictResponse = ask(http, "coxswain.v1.Inference/Predict", BINARY, "", &request).one();
    assert_eq!((answer.predictions.len(), answer.classes.len()), (1, 10));
    let ready = framed(&ServerReadyRequest {});
    let ready: ServerReadyResponse = ask(http, "inference.GRPCInferenceService/ServerReady", BINARY, "", &ready).one();
    assert!(ready.ready);
    // Health and reflection are there; what is for workers is not, nor is what nobody knows.
    assert_eq!(ask(http, "grpc.health.v1.Health/Check", BINARY, "", &question).code(), Code::Ok);
    for path in ["coxswain.v1.Cluster/Attach", "coxswain.v1.Training/Nothing", "nothing", "api/predict"] {
        assert_eq!(ask(http, path, BINARY, "", &question).code(), Code::Unimplemented, "{path}");
    }
    refuses(http, &question);
    limits(http);
    streams(http, &known.id);
    coordinator.assert_goes_on();
    coordinator.terminate();
    assert_eq!(coordinator.wait().code, 0);
}

/// Pages of other sites, and names that are not this machine's.
fn refuses(http: &str, question: &[u8]) {
    let stop = |kind: &str, more: &str| ask(http, "coxswain.v1.Training/StopRun", kind, more, question);
    for foreign in ["Origin: http://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n", "Origin: null\r\n"] {
        for kind in [BINARY, TEXT, "text/plain"] {
            let answer = stop(kind, foreign);
            assert_eq!(answer.status, 403, "{foreign}: {answer:?}");
            assert!(!answer.head.contains("access-control-allow-origin"), "{answer:?}");
        }
    }
    // Plain gRPC is for the other port, and a form or a script without a kind steers nothing.
    for kind in ["application/grpc", "text/plain", "application/x-www-form-urlencoded"] {
        let answer = stop(kind, "");
        assert!(matches!(answer.status, 404 | 405), "{kind}: {answer:?}");
    }
    let mut other = TcpStream::connect(http).unwrap();
    let head = format!(
        "POST /coxswain.v1.Training/GetRun HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nContent-Type: {BINARY}\r\n\
         Content-Length: {}\r\n\r\n",
        question.len()
    );
    other.write_all(&[head.as_bytes(), question].concat()).unwrap();
    let mut answer = String::new();
    other.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
}

/// The limits of the port for gRPC.
fn limits(http: &str) {
    let predict = |body: &[u8]| {
        let binary = ask(http, "coxswain.v1.Inference/Predict", BINARY, "", body);
        let text = ask(http, "coxswain.v1.Inference/Predict", TEXT, "", STANDARD.encode(body).as_bytes());
        assert_eq!(binary.code(), text.code(), "{binary:?} {text:?}");
        binary.code()
    };
    // A length that is too long is refused before anything of it comes.
    assert_eq!(predict(&[&[0], 200_u32.wrapping_shl(20).to_be_bytes().as_slice()].concat()), Code::InvalidArgument);
    // Two bytes each, and hundreds in memory.
    let empty = [0x1a, 0].repeat(20_000);
    let many = [&[0], (empty.len() as u32).to_be_bytes().as_slice(), &empty].concat();
    assert_eq!(predict(&many), Code::InvalidArgument);
    assert_eq!(predict(&[]), Code::InvalidArgument);
    let long = vec![0; 1 << 17];
    let long = [&[0], (long.len() as u32).to_be_bytes().as_slice(), &long].concat();
    let answer = ask(http, "coxswain.v1.Training/GetRun", BINARY, "", &long);
    assert_eq!(answer.code(), Code::OutOfRange, "{answer:?}");
    let broken = ask(http, "coxswain.v1.Training/GetRun", TEXT, "", b"no base64 !!");
    assert!(broken.status < 500 && broken.code() != Code::Ok, "{broken:?}");
}

/// Calls that last come piece by piece, and end when who asked is gone.
fn streams(http: &str, id: &str) {
    let question = framed(&WatchRunRequest { interval_ms: 50 });
    let mut watcher = open(http, "coxswain.v1.Training/WatchRun", BINARY, "", &question);
    let mut came = Vec::new();
    let mut views = 0;
    while views < 3 {
        let mut piece = [0; 4096];
        let length = watcher.read(&mut piece).unwrap();
        assert!(length > 0, "it goes on");
        came.extend_from_slice(&piece[..length]);
        // The id of the run is in every view.
        views = came.windows(id.len()).filter(|some| *some == id.as_bytes()).count();
    }
}
