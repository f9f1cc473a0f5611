use super::*;
use ::http::{Request, StatusCode};
use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use proptest::prelude::*;
use proto::open_inference::{
    InferParameter, InferTensorContents, ModelInferRequest, ModelReadyRequest,
    grpc_inference_service_server::GrpcInferenceService,
    model_infer_request::{InferInputTensor, InferRequestedOutputTensor},
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// Two classes of 1x2x2 images. The first pixel says how probable the second class is; a file is its own pixels.
struct Brightness {
    about: About,
    versions: Vec<u64>,
    asked: Mutex<Vec<(usize, Option<u64>)>>,
}

impl Brightness {
    fn new(versions: &[u64]) -> Arc<Self> {
        let classes = ["dark".to_owned(), "bright".to_owned()].to_vec();
        let about = About { model: "resnet20".to_owned(), classes, shape: [1, 2, 2] };
        Arc::new(Self { about, versions: versions.to_vec(), asked: Mutex::default() })
    }
}

#[tonic::async_trait]
impl Backend for Brightness {
    fn about(&self) -> &About {
        &self.about
    }

    async fn versions(&self) -> Vec<u64> {
        self.versions.clone()
    }

    async fn predict(&self, images: Vec<Image>, step: Option<u64>) -> Result<Answer, Failure> {
        self.asked.lock().unwrap().push((images.len(), step));
        let newest = self.versions.last().ok_or_else(|| Failure::Unavailable("no checkpoint".to_owned()))?;
        let bright = |image: &Image| {
            let (Image::File(bytes) | Image::Pixels(bytes)) = image;
            let first = bytes.first().ok_or_else(|| Failure::Invalid("an empty file".to_owned()))?;
            let bright = f32::from(*first) / 255.0;
            Ok(vec![1.0 - bright, bright])
        };
        let probabilities = images.iter().map(bright).collect::<Result<_, _>>()?;
        Ok(Answer { step: step.unwrap_or(*newest), probabilities })
    }
}

fn input(datatype: &str, shape: &[i64]) -> InferInputTensor {
    InferInputTensor {
        name: "image".to_owned(),
        datatype: datatype.to_owned(),
        shape: shape.to_vec(),
        ..InferInputTensor::default()
    }
}

async fn infer(request: ModelInferRequest) -> Result<proto::open_inference::ModelInferResponse, tonic::Status> {
    let service = OpenInference::new(Brightness::new(&[39, 78]));
    service.model_infer(tonic::Request::new(request)).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn raw_files_get_raw_answers() {
    let request = ModelInferRequest {
        model_name: "resnet20".to_owned(),
        model_version: "39".to_owned(),
        id: "7".to_owned(),
        inputs: vec![input("BYTES", &[2, 1])],
        raw_input_contents: vec![b"\x01\0\0\0\xff\x02\0\0\0\0\0".to_vec().into()],
        ..ModelInferRequest::default()
    };
    let answer = infer(request).await.unwrap();
    assert_eq!((answer.model_version.as_str(), answer.id.as_str()), ("39", "7"));
    let outputs: Vec<(&str, &str, &[i64])> =
        answer.outputs.iter().map(|output| (&*output.name, &*output.datatype, &*output.shape)).collect();
    assert_eq!(outputs, [("probabilities", "FP32", &[2, 2][..]), ("class", "BYTES", &[2])]);
    let floats: Vec<u8> = [0.0_f32, 1.0, 1.0, 0.0].iter().flat_map(|number| number.to_le_bytes()).collect();
    assert_eq!(answer.raw_output_contents[0], floats);
    assert_eq!(&answer.raw_output_contents[1][..], b"\x06\0\0\0bright\x04\0\0\0dark");
}

#[tokio::test]
async fn pixels_in_contents_get_contents() {
    let contents = InferTensorContents { uint_contents: vec![255, 0, 0, 0], ..InferTensorContents::default() };
    let request = ModelInferRequest {
        model_name: "resnet20-pixels".to_owned(),
        inputs: vec![InferInputTensor { contents: Some(contents), ..input("UINT8", &[1, 1, 2, 2]) }],
        outputs: vec![InferRequestedOutputTensor { name: "class".to_owned(), ..Default::default() }],
        ..ModelInferRequest::default()
    };
    let answer = infer(request).await.unwrap();
    assert_eq!((answer.model_version.as_str(), answer.outputs.len()), ("78", 1));
    assert_eq!(answer.outputs[0].contents.as_ref().unwrap().bytes_contents, [&b"bright"[..]]);
    assert!(answer.raw_output_contents.is_empty());
}

/// What makes a good request a bad one.
type Change = fn(&mut ModelInferRequest);

#[tokio::test]
async fn what_makes_no_sense_is_told_apart() {
    use tonic::Code::{InvalidArgument, NotFound};
    let good = || ModelInferRequest {
        model_name: "resnet20-pixels".to_owned(),
        inputs: vec![input("UINT8", &[1, 1, 2, 2])],
        raw_input_contents: vec![vec![0; 4].into()],
        ..ModelInferRequest::default()
    };
    assert!(infer(good()).await.is_ok());
    let cases: [(tonic::Code, &str, Change); 13] = [
        (NotFound, "there is no model \"resnet50\"", |request| request.model_name = "resnet50".to_owned()),
        (NotFound, "there is no version \"new\"", |request| request.model_version = "new".to_owned()),
        (InvalidArgument, "one input, image, and not 0", |request| request.inputs.clear()),
        (InvalidArgument, "there is no input \"picture\"", |request| request.inputs[0].name = "picture".to_owned()),
        (InvalidArgument, "the model takes UINT8", |request| request.inputs[0].datatype = "FP32".to_owned()),
        (InvalidArgument, "takes [-1, 1, 2, 2]", |request| request.inputs[0].shape = vec![1, 2, 2, 1]),
        (InvalidArgument, "from 1 to 1024", |request| request.inputs[0].shape = vec![-1, 1, 2, 2]),
        (InvalidArgument, "1024 images have 4096", |request| request.inputs[0].shape = vec![1024, 1, 2, 2]),
        (InvalidArgument, "holds nothing", |request| request.raw_input_contents.clear()),
        (InvalidArgument, "the parameter \"sequence_id\" is not understood", |request| {
            request.parameters.insert("sequence_id".to_owned(), InferParameter::default());
        }),
        (InvalidArgument, "take the likeliest of `probabilities`", |request| {
            let mut output = InferRequestedOutputTensor { name: "probabilities".to_owned(), ..Default::default() };
            output.parameters.insert("classification".to_owned(), InferParameter::default());
            request.outputs = vec![output];
        }),
        (InvalidArgument, "2 entries", |request| request.raw_input_contents.push(vec![].into())),
        (InvalidArgument, "no output \"logits\"", |request| {
            request.outputs = vec![InferRequestedOutputTensor { name: "logits".to_owned(), ..Default::default() }];
        }),
    ];
    for (code, why, change) in cases {
        let mut request = good();
        change(&mut request);
        if code == InvalidArgument && request.inputs.is_empty() {
            request.raw_input_contents.clear();
        }
        let status = infer(request).await.unwrap_err();
        assert!(status.code() == code && status.message().contains(why), "{why}: {status}");
    }
}

#[tokio::test]
async fn a_model_is_ready_once_there_is_a_checkpoint() {
    let ready = async |versions: &[u64], version: &str| {
        let request = ModelReadyRequest { name: "resnet20".to_owned(), version: version.to_owned() };
        let service = OpenInference::new(Brightness::new(versions));
        service.model_ready(tonic::Request::new(request)).await.unwrap().into_inner().ready
    };
    assert!(!ready(&[], "").await);
    assert!(ready(&[39], "").await && ready(&[39], "39").await && !ready(&[39], "40").await);
}

/// A request over HTTP, with the header that says how much of its body is JSON.
async fn ask(path: &str, body: Vec<u8>, json: Option<usize>) -> (StatusCode, Option<usize>, Bytes) {
    let mut request = Request::builder().uri(path);
    request = if body.is_empty() { request } else { request.method("POST") };
    if let Some(json) = json {
        request = request.header("Inference-Header-Content-Length", json);
    }
    let response = router(Brightness::new(&[39, 78])).oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let status = response.status();
    let header = response.headers().get("inference-header-content-length").map(|value| value.to_str().unwrap());
    let length = header.map(|value| value.parse().unwrap());
    (status, length, response.into_body().collect().await.unwrap().to_bytes())
}

fn value(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

#[tokio::test]
async fn json_gets_json() {
    let body = json!({"id": "a", "inputs": [
        {"name": "image", "datatype": "UINT8", "shape": [2, 1, 2, 2], "data": [[[[255, 0], [0, 0]]], [[[0, 0], [0, 0]]]]}
    ]});
    let (status, length, body) = ask("/v2/models/resnet20-pixels/infer", body.to_string().into_bytes(), None).await;
    assert_eq!((status, length), (StatusCode::OK, None), "{body:?}");
    assert_eq!(
        value(&body),
        json!({"model_name": "resnet20-pixels", "model_version": "78", "id": "a", "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [2, 2], "data": [0.0, 1.0, 1.0, 0.0]},
            {"name": "class", "datatype": "BYTES", "shape": [2], "data": ["bright", "dark"]},
        ]})
    );
    let body = json!({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["/w=="]}]});
    let path = "/v2/models/resnet20/versions/39/infer";
    let (status, _, body) = ask(path, body.to_string().into_bytes(), None).await;
    assert_eq!((status, &value(&body)["model_version"]), (StatusCode::OK, &json!("39")));
}

#[tokio::test]
async fn parameters_that_change_an_answer_are_refused_and_others_passed_over() {
    let request = |of_all: Value, of_output: Value| {
        json!({"parameters": of_all, "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["/w=="]}],
               "outputs": [{"name": "class", "parameters": of_output}]})
    };
    let passed = request(json!({"priority": 3}), json!({"binary_data": false, "mine": [1]}));
    let path = "/v2/models/resnet20/infer";
    assert_eq!(ask(path, passed.to_string().into_bytes(), None).await.0, StatusCode::OK);
    for refused in [request(json!({"sequence_id": 1}), json!({})), request(json!({}), json!({"classification": 3}))] {
        let (status, _, body) = ask(path, refused.to_string().into_bytes(), None).await;
        let told = value(&body)["error"].to_string();
        assert!(status == StatusCode::BAD_REQUEST && told.contains("is not understood"), "{told}");
    }
}

#[tokio::test]
async fn binary_data_follows_the_json() {
    let json = json!({"parameters": {"binary_data_output": true}, "inputs": [
        {"name": "image", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 5}}
    ]});
    let json = json.to_string().into_bytes();
    let body = [&json[..], b"\x01\0\0\0\xff"].concat();
    let (status, length, answer) = ask("/v2/models/resnet20/infer", body.clone(), Some(json.len())).await;
    assert_eq!(status, StatusCode::OK, "{answer:?}");
    let length = length.unwrap();
    let outputs = value(&answer[..length])["outputs"].clone();
    assert_eq!(outputs[0]["parameters"]["binary_data_size"], 8);
    assert_eq!(&answer[length + 8..], b"\x06\0\0\0bright");
    let (status, _, answer) = ask("/v2/models/resnet20/infer", body[..body.len() - 1].to_vec(), Some(json.len())).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(value(&answer)["error"].as_str().unwrap().contains("has 5 bytes after the JSON, and 4 follow"));
}

#[tokio::test]
async fn what_is_there_and_what_is_not() {
    for (path, status) in [
        ("/v2/health/live", 200),
        ("/v2/health/ready", 200),
        ("/v2/models/resnet20/ready", 200),
        ("/v2/models/resnet20/versions/40/ready", 503),
        ("/v2/models/resnet20/versions/40", 404),
        ("/v2/models/resnet18", 404),
    ] {
        assert_eq!(ask(path, vec![], None).await.0.as_u16(), status, "{path}");
    }
    let (_, _, metadata) = ask("/v2/models/resnet20-pixels", vec![], None).await;
    assert_eq!(value(&metadata)["inputs"], json!([{"name": "image", "datatype": "UINT8", "shape": [-1, 1, 2, 2]}]));
    assert_eq!(value(&metadata)["versions"], json!(["39", "78"]));
    assert_eq!(value(&ask("/v2", vec![], None).await.2)["extensions"], json!(["binary_tensor_data"]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_body_gets_an_answer_or_an_error(body in prop::collection::vec(any::<u8>(), 1..200), json in prop::option::of(0..300_usize)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (status, _, answer) = runtime.block_on(ask("/v2/models/resnet20/infer", body, json));
        prop_assert_eq!(status, StatusCode::BAD_REQUEST);
        prop_assert!(value(&answer)["error"].is_string());
    }

    #[test]
    fn any_tensor_gets_an_answer_or_an_error(
        pixels in any::<bool>(),
        shape in prop::collection::vec(prop_oneof![-2..6_i64, any::<i64>()], 0..6),
        raw in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let (name, datatype) = if pixels { ("resnet20-pixels", "UINT8") } else { ("resnet20", "BYTES") };
        let request = ModelInferRequest {
            model_name: name.to_owned(),
            inputs: vec![input(datatype, &shape)],
            raw_input_contents: vec![raw.into()],
            ..ModelInferRequest::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        if let Err(status) = runtime.block_on(infer(request)) {
            prop_assert_eq!(status.code(), tonic::Code::InvalidArgument);
        }
    }
}
