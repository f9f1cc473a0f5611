//! Predictions from a running job, by `cox`, by a Python client, and by PyTorch from the same checkpoint.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use prost::Message;
use proto::v1::{
    self, Choice, ListModelsRequest, ModelSelector, PredictRequest, PredictResponse, RunState, image::Content,
    inference_client::InferenceClient, model_selector::Which, predict_request::Image,
    predict_stream_response::Result as Streamed,
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use system_tests::{Coordinator, binary, data_dir, golden_dir, numbers, python, scratch, softmax};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;

const IMAGES: usize = 10;

fn test_images(directory: &Path) -> (Vec<PathBuf>, Vec<u8>) {
    let data =
        importers::open(&Arc::new(importers::cifar10::spec()), &data_dir(), data::Split::Test, Some(IMAGES)).unwrap();
    let mut planes = Vec::new();
    let files = (0..IMAGES)
        .map(|index| {
            let pixels = data.pixels(index);
            planes.extend_from_slice(pixels);
            let rgb: Vec<u8> = (0..1024).flat_map(|i| [pixels[i], pixels[1024 + i], pixels[2048 + i]]).collect();
            let path = directory.join(format!("{index}.png"));
            let file = fs::File::create(&path).unwrap();
            PngEncoder::new(file).write_image(&rgb, 32, 32, ExtendedColorType::Rgb8).unwrap();
            path
        })
        .collect();
    (files, planes)
}

fn json_lines(command: &mut Command) -> Vec<Value> {
    let output = command.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {log}");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn cox_predict(coordinator: &Coordinator, files: &[PathBuf]) -> Vec<Value> {
    let url = coordinator.url();
    json_lines(Command::new(binary("cox")).args(["--coordinator", &url, "--json", "predict"]).args(files))
}

fn predict(coordinator: &Coordinator, image: Image) -> Result<Vec<f32>, Status> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = InferenceClient::connect(coordinator.url()).await.unwrap();
        let answer = client.predict(PredictRequest { image: Some(image), ..PredictRequest::default() }).await?;
        Ok(answer.into_inner().probabilities)
    })
}

fn assert_close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= tolerance, "{what}: {got} instead of {want}");
    }
}

#[test]
fn before_the_first_checkpoint_and_what_is_no_image() {
    let directory = scratch();
    // No worker comes, so there is no checkpoint.
    let coordinator = Coordinator::start(&directory.path().join("run"), &[]);
    let status = predict(&coordinator, Image::Pixels(vec![0; 3072])).unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    for image in
        [Image::File(b"no picture".to_vec()), Image::Pixels(vec![0; 17]), Image::File(b"\x89PNG\r\n\x1a\n".to_vec())]
    {
        let status = predict(&coordinator, image).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
}

#[test]
fn all_ways_of_asking_agree() {
    let directory = scratch();
    let run_dir = directory.path().join("run");
    let (files, planes) = test_images(directory.path());
    let flags = [
        "--local",
        "--workers",
        "1",
        "--serve",
        "--precision",
        "fp32",
        "--limit-train",
        "640",
        "--limit-test",
        "250",
        "--epochs",
        "4",
    ];
    let mut coordinator = Coordinator::start(&run_dir, &flags);

    // While it trains: within a second.
    coordinator.wait_until(|run| !run.checkpoint.is_empty() && run.state() == RunState::Training);
    let start = Instant::now();
    assert_eq!(cox_predict(&coordinator, &files).len(), IMAGES);
    let passed = start.elapsed();
    assert!(passed < Duration::from_secs(1), "ten predictions during training took {passed:?}");

    let run = coordinator.wait_until(|run| run.state() == RunState::Finished);
    let last = run.checkpoint;
    let answers = cox_predict(&coordinator, &files);
    let classes: Vec<&str> = importers::cifar10::CLASSES.to_vec();
    let by_cox: Vec<Vec<f64>> = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer["checkpoint"], last.as_str());
            classes.iter().map(|class| answer["probabilities"][class].as_f64().unwrap()).collect()
        })
        .collect();

    // The pixels themselves instead of a file.
    for (index, pixels) in planes.chunks(3072).enumerate() {
        let raw = predict(&coordinator, Image::Pixels(pixels.to_vec())).unwrap();
        let raw: Vec<f64> = raw.into_iter().map(f64::from).collect();
        assert_close("pixels", &raw, &by_cox[index], 1e-6);
    }

    // A Python client.
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/predict.py");
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
    let by_python = json_lines(Command::new(python()).arg(script).arg(proto).arg(coordinator.address()).args(&files));
    for (index, answer) in by_python.iter().enumerate() {
        assert_eq!((&answer["class"], &answer["checkpoint"]), (&answers[index]["class"], &Value::from(last.as_str())));
        assert_close("a Python client", &numbers(&answer["probabilities"]), &by_cox[index], 1e-6);
    }

    // The article's module, from the same checkpoint, loaded with strict=True.
    let pixels = directory.path().join("pixels");
    fs::write(&pixels, &planes).unwrap();
    let mut command = Command::new(python());
    command.arg(golden_dir().join("load_checkpoint.py")).arg(run_dir.join("checkpoints").join(&last));
    command.args(["--model", "resnet20", "--pixels"]).arg(&pixels);
    let loaded = json_lines(&mut command).remove(0);
    assert_eq!((&loaded["parameters"], &loaded["num_batches_tracked"]), (&272_474.into(), &20.into()));
    for (index, logits) in loaded["logits"].as_array().unwrap().iter().enumerate() {
        assert_close("PyTorch", &softmax(&numbers(logits)), &by_cox[index], 1e-5);
    }

    coordinator.terminate();
    assert_eq!(coordinator.wait().code, 0);
}

/// `coordinator serve`; killed when dropped.
struct Served {
    child: Child,
    url: String,
    /// The address of its page.
    page: String,
}

impl Served {
    fn start(path: &Path) -> Self {
        let mut child = Command::new(binary("coordinator"))
            .args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(data_dir())
            .arg(path)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut after = |words| lines.find_map(|line| Some(line.ok()?.split_once(words)?.1.trim().to_owned()));
        let page = after("page on http://").expect("it has a page").trim_end_matches('/').to_owned();
        let url = format!("http://{}", after("listening on ").expect("it listens"));
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url, page }
    }

    /// The answer of its page's port to a request for `path`.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.page).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.page).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // If it has ended there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn of_checkpoint(name: &str) -> ModelSelector {
    let which = match name {
        "best" => Which::Best(Choice {}),
        name => Which::Checkpoint(name.to_owned()),
    };
    ModelSelector { which: Some(which) }
}

fn pixels(planes: &[u8]) -> v1::Image {
    v1::Image { content: Some(Content::Pixels(planes.to_vec())) }
}

fn bits(probabilities: &[f32]) -> Vec<u32> {
    probabilities.iter().map(|probability| probability.to_bits()).collect()
}

async fn of_many(client: &mut InferenceClient<Channel>, planes: &[u8]) -> PredictResponse {
    let images = planes.chunks(3072).map(pixels).collect();
    client.predict(PredictRequest { images, ..PredictRequest::default() }).await.unwrap().into_inner()
}

/// All that is in a directory, and when it was written.
fn content(directory: &Path) -> Vec<(PathBuf, std::time::SystemTime, u64)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            all.extend(content(&entry.path()));
        } else {
            all.push((entry.path(), metadata.modified().unwrap(), metadata.len()));
        }
    }
    all.sort();
    all
}

/// A full queue says when to come again.
async fn assert_full(client: &InferenceClient<Channel>, planes: &[u8]) {
    let full = PredictRequest { images: vec![pixels(planes); 1024], ..PredictRequest::default() };
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (mut client, full) = (client.clone(), full.clone());
        asked.spawn(async move { client.predict(full).await.map(|_| ()) });
    }
    let refused: Vec<Status> = asked.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(!refused.is_empty());
    for status in refused {
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(status.get_details_retry_info().unwrap().retry_delay.unwrap() >= Duration::from_millis(100));
        assert_eq!(status.get_details_error_info().unwrap().reason, "QUEUE_FULL");
    }
}

/// Whatever time a client gives: it gets its answer, or hears that the time is over. It is never told that it went away. A client
/// of tonic's would look at the clock itself, so the frames are sent as they are.
async fn assert_deadlines(address: &str, planes: &[u8]) {
    let message = PredictRequest { images: vec![pixels(planes); 256], ..PredictRequest::default() }.encode_to_vec();
    let framed = [&[0], &(message.len() as u32).to_be_bytes()[..], &message].concat();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut late = 0;
    for micros in [100, 500, 1000, 2000, 3000, 5000, 10_000, 20_000].repeat(4) {
        let request = http::Request::post("http://coordinator/coxswain.v1.Inference/Predict")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", format!("{micros}u"));
        client = client.ready().await.unwrap();
        let (answer, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
        body.send_data(framed.clone().into(), true).unwrap();
        let answer = answer.await.unwrap();
        if let Some(status) = answer.headers().get("grpc-status") {
            assert_eq!(status, "4", "{answer:?}");
            late += 1;
        }
    }
    assert!(late >= 4, "nobody answers within a tenth of a millisecond");
}

/// What else there is beside predictions.
fn looked_at(served: &Served, directory: &Path) {
    // The page shows the run and asks its model; the standard protocol stands beside it.
    assert!(served.get("/v2/health/ready").starts_with("HTTP/1.1 200"), "{}", served.get("/v2/health/ready"));
    let about = served.get("/api/about");
    assert!(about.contains(r#""model":true"#) && about.contains(r#""live":false"#), "{about}");
    assert!(served.get("/api/epochs?run=0").contains("test_accuracy"));
    assert!(served.get("/api/run").contains("step-00000015"));
    assert!(served.get("/metrics").contains("coxswain_"));
    let (data, file) = (data_dir().display().to_string(), directory.join("grid.png").display().to_string());
    let questions = [
        &["status"][..],
        &["history"],
        &["checkpoints"],
        &["grid", "--rows", "1", "--data-dir", &data, "-o", &file],
        &["evaluate", "--limit", "20", "--data-dir", &data],
    ];
    for question in questions {
        let asked = Command::new(binary("cox")).args(["--coordinator", &served.url]).args(question).output().unwrap();
        assert!(asked.status.success(), "{question:?}: {}", String::from_utf8_lossy(&asked.stderr));
    }
    let other = ["--coordinator", &served.url, "predict", "--checkpoint", "step-1", &file];
    let other = Command::new(binary("cox")).args(other).output().unwrap();
    assert_eq!(other.status.code(), Some(4), "{}", String::from_utf8_lossy(&other.stderr));
}

#[tokio::test]
async fn a_finished_run_is_served_without_training() {
    let directory = scratch();
    let run_dir = directory.path().join("run");
    let flags = ["--precision", "fp32", "--limit-train", "640", "--limit-test", "250", "--epochs", "3"];
    let trained = run_dir.clone();
    tokio::task::spawn_blocking(move || drop(Coordinator::run(&trained, 1, &flags).well())).await.unwrap();
    let before = content(&run_dir);
    let (_, planes) = test_images(directory.path());
    let mut served = Served::start(&run_dir);
    let mut client = InferenceClient::connect(served.url.clone()).await.unwrap();

    // Many at once are each alone, byte for byte.
    let all = of_many(&mut client, &planes).await;
    assert_eq!((all.predictions.len(), all.step, all.epoch, all.checkpoint.as_str()), (IMAGES, 15, 3, "step-00000015"));
    for (image, together) in planes.chunks(3072).zip(&all.predictions) {
        let alone = of_many(&mut client, image).await;
        assert_eq!(bits(&alone.probabilities), bits(&together.probabilities));
        assert_eq!((&alone.class, alone.class_index), (&together.class, together.class_index));
    }
    assert_eq!(
        (&all.class, bits(&all.probabilities)),
        (&all.predictions[0].class, bits(&all.predictions[0].probabilities))
    );
    assert!(all.compute_milliseconds > 0.0 && all.queue_milliseconds >= 0.0);

    assert_deadlines(served.url.trim_start_matches("http://"), &planes[..3072]).await;

    // The list, page by page, and each of it by name.
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = client.list_models(ListModelsRequest { page_size: 2, page_token }).await.unwrap().into_inner();
        names.extend(page.models);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names.iter().map(|model| model.step).collect::<Vec<_>>(), [15, 10, 5]);
    assert!(names[0].newest && names.iter().filter(|model| model.best).count() == 1);
    for model in &names {
        let request = PredictRequest {
            images: vec![pixels(&planes[..3072])],
            model: Some(of_checkpoint(&model.name)),
            ..PredictRequest::default()
        };
        let answer = client.predict(request).await.unwrap().into_inner();
        assert_eq!((&answer.checkpoint, answer.checkpoint_accuracy), (&model.name, model.accuracy));
    }
    let request =
        |name: &str, images| PredictRequest { images, model: Some(of_checkpoint(name)), ..PredictRequest::default() };
    let best = client.predict(request("best", vec![pixels(&planes[..3072])])).await.unwrap().into_inner();
    assert!(names.iter().all(|model| model.accuracy <= best.checkpoint_accuracy));
    let none = client.predict(request("step-1", vec![pixels(&planes[..3072])])).await.unwrap_err();
    assert_eq!(none.code(), Code::NotFound, "{none}");
    let bad = client.predict(request("best", vec![pixels(&planes[..3072]), pixels(&[1])])).await.unwrap_err();
    assert_eq!(bad.code(), Code::InvalidArgument, "{bad}");
    assert_eq!(bad.get_details_bad_request().unwrap().field_violations[0].field, "images[1]");

    // A stream: in order, and a bad image does not end it.
    let requests: Vec<PredictRequest> = (0..30)
        .map(|index| {
            let image = if index == 7 { pixels(&[1]) } else { pixels(&planes[3072 * (index % IMAGES)..][..3072]) };
            PredictRequest { images: vec![image], request_id: 100 + index as u64, ..PredictRequest::default() }
        })
        .collect();
    let mut answers = client.predict_stream(tokio_stream::iter(requests)).await.unwrap().into_inner();
    for index in 0..30 {
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer.request_id, 100 + index as u64);
        match answer.result.unwrap() {
            Streamed::Response(response) => {
                let expected = &all.predictions[index % IMAGES];
                assert_eq!(bits(&response.probabilities), bits(&expected.probabilities), "{index}");
            }
            Streamed::Error(error) => assert_eq!((index, error.code, error.details.is_empty()), (7, 3, false)),
        }
    }
    assert!(answers.message().await.unwrap().is_none());

    assert_full(&client, &planes[..3072]).await;

    looked_at(&served, directory.path());

    // It ends when asked to, and has written nothing.
    let kill = Command::new("kill").args(["-TERM", &served.child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    assert_eq!(content(&run_dir), before);

    // One checkpoint by itself.
    let served = Served::start(&run_dir.join("checkpoints/step-00000010"));
    let mut client = InferenceClient::connect(served.url.clone()).await.unwrap();
    let one = of_many(&mut client, &planes).await;
    assert_eq!((one.checkpoint.as_str(), one.epoch), ("step-00000010", 2));
    assert!(one.predictions != all.predictions);
    let about = served.get("/api/about");
    assert!(about.contains(r#""model":true"#) && about.contains("automobile"), "{about}");
    assert!(served.get("/api/run").contains("step-00000010"));

    let output = Command::new(binary("coordinator")).arg("serve").arg(directory.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(said.contains("it is neither"), "{said}");
}
