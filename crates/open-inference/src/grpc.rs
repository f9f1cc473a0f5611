//! The six calls over gRPC.

use crate::{
    EXTENSIONS, SERVER,
    answer::{Column, Values, columns},
    backend::{About, Backend, Failure, Image},
    model::{Described, Kind, Output, step},
    request::{Elements, Tensor, check_parameters, images},
};
use bytes::Bytes;
use proto::open_inference::{
    InferTensorContents, ModelInferRequest, ModelInferResponse, ModelMetadataRequest, ModelMetadataResponse,
    ModelReadyRequest, ModelReadyResponse, ServerLiveRequest, ServerLiveResponse, ServerMetadataRequest,
    ServerMetadataResponse, ServerReadyRequest, ServerReadyResponse,
    grpc_inference_service_server::GrpcInferenceService,
    model_infer_request::{InferInputTensor, InferRequestedOutputTensor},
    model_infer_response::InferOutputTensor,
    model_metadata_response::TensorMetadata,
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The service, before what predicts.
#[derive(Clone)]
pub struct OpenInference {
    backend: Arc<dyn Backend>,
}

impl OpenInference {
    /// Answers by `backend`.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }
}

// The one table from failures to gRPC status.
impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let why = failure.to_string();
        match failure {
            Failure::Invalid(_) | Failure::TooLarge(_) => Self::invalid_argument(why),
            Failure::NotFound(_) => Self::not_found(why),
            Failure::Unavailable(_) => Self::unavailable(why),
            Failure::Busy(_) => Self::resource_exhausted(why),
            Failure::Late(_) => Self::deadline_exceeded(why),
            Failure::Internal(_) => Self::internal(why),
        }
    }
}

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl GrpcInferenceService for OpenInference {
    async fn server_live(&self, _: Request<ServerLiveRequest>) -> Answered<ServerLiveResponse> {
        Ok(Response::new(ServerLiveResponse { live: true }))
    }

    async fn server_ready(&self, _: Request<ServerReadyRequest>) -> Answered<ServerReadyResponse> {
        Ok(Response::new(ServerReadyResponse { ready: !self.backend.versions().await.is_empty() }))
    }

    async fn model_ready(&self, request: Request<ModelReadyRequest>) -> Answered<ModelReadyResponse> {
        let ModelReadyRequest { name, version } = request.into_inner();
        Kind::named(self.backend.about(), &name)?;
        let versions = self.backend.versions().await;
        let ready = step(&version)?.map_or(!versions.is_empty(), |step| versions.contains(&step));
        Ok(Response::new(ModelReadyResponse { ready }))
    }

    async fn server_metadata(&self, _: Request<ServerMetadataRequest>) -> Answered<ServerMetadataResponse> {
        Ok(Response::new(ServerMetadataResponse {
            name: SERVER.to_owned(),
            version: proto::VERSION.to_owned(),
            extensions: EXTENSIONS.map(str::to_owned).to_vec(),
        }))
    }

    async fn model_metadata(&self, request: Request<ModelMetadataRequest>) -> Answered<ModelMetadataResponse> {
        let ModelMetadataRequest { name, version } = request.into_inner();
        let about = self.backend.about();
        let kind = Kind::named(about, &name)?;
        let versions = self.backend.versions().await;
        if let Some(step) = step(&version)?
            && !versions.contains(&step)
        {
            return Err(Status::not_found(format!("there is no version {step} of {name}")));
        }
        Ok(Response::new(ModelMetadataResponse {
            name,
            versions: versions.iter().map(u64::to_string).collect(),
            platform: format!("{SERVER}_resnet"),
            inputs: vec![tensor_metadata(kind.input(about))],
            outputs: Output::ALL.map(|output| tensor_metadata(output.described(about))).to_vec(),
        }))
    }

    async fn model_infer(&self, request: Request<ModelInferRequest>) -> Answered<ModelInferResponse> {
        // What came with the request, such as the memory that was counted for it, is kept until the answer.
        let (_, _kept, request) = request.into_parts();
        let about = self.backend.about();
        let raw = !request.raw_input_contents.is_empty();
        let (name, id) = (request.model_name.clone(), request.id.clone());
        let Asked { images, step, wanted } = Asked::new(about, request)?;
        let answer = self.backend.predict(images, step).await?;
        let columns = columns(about, &answer, &wanted);
        let raw_output_contents =
            if raw { columns.iter().map(|column| column.values.bytes()).collect() } else { vec![] };
        Ok(Response::new(ModelInferResponse {
            model_name: name,
            model_version: answer.step.to_string(),
            id,
            outputs: columns.into_iter().map(|column| output_tensor(column, raw)).collect(),
            raw_output_contents,
            ..ModelInferResponse::default()
        }))
    }
}

/// What is asked.
struct Asked {
    images: Vec<Image>,
    /// Of the checkpoint; `None` is the newest.
    step: Option<u64>,
    wanted: Vec<Output>,
}

impl Asked {
    fn new(about: &About, request: ModelInferRequest) -> Result<Self, Failure> {
        let ModelInferRequest { model_name, model_version, parameters, inputs, outputs, raw_input_contents, .. } =
            request;
        let of_inputs = inputs.iter().map(|input| &input.parameters);
        let of_outputs = outputs.iter().map(|output| &output.parameters);
        check_parameters(of_inputs.chain(of_outputs).chain([&parameters]).flat_map(|parameters| parameters.keys()))?;
        let kind = Kind::named(about, &model_name)?;
        let step = step(&model_version)?;
        let wanted = outputs.iter().map(|InferRequestedOutputTensor { name, .. }| name.as_str());
        let wanted = Output::wanted(about, wanted)?;
        if !raw_input_contents.is_empty() && raw_input_contents.len() != inputs.len() {
            let (raw, inputs) = (raw_input_contents.len(), inputs.len());
            return Err(Failure::Invalid(format!(
                "raw_input_contents has {raw} entries, and there are {inputs} inputs"
            )));
        }
        let mut raw = raw_input_contents.into_iter();
        let tensors = inputs.into_iter().map(|input| tensor(input, raw.next())).collect::<Result<_, _>>()?;
        Ok(Self { images: images(about, kind, tensors)?, step, wanted })
    }
}

fn tensor(input: InferInputTensor, raw: Option<Bytes>) -> Result<Tensor, Failure> {
    let InferInputTensor { name, datatype, shape, contents, .. } = input;
    let elements = match (raw, contents) {
        (Some(_), Some(_)) => {
            let why = format!("input {name:?} has contents, and is in raw_input_contents as well");
            return Err(Failure::Invalid(why));
        }
        (Some(raw), None) => Elements::Raw(raw),
        (None, Some(contents)) => of_contents(&name, &datatype, contents)?,
        (None, None) => return Err(Failure::Invalid(format!("input {name:?} holds nothing"))),
    };
    Ok(Tensor { name, datatype, shape, elements })
}

fn of_contents(name: &str, datatype: &str, contents: InferTensorContents) -> Result<Elements, Failure> {
    if datatype == "BYTES" {
        return Ok(Elements::Strings(contents.bytes_contents));
    }
    let numbers = contents.uint_contents.iter().map(|number| u8::try_from(*number)).collect::<Result<Vec<u8>, _>>();
    let numbers = numbers.map_err(|_| Failure::Invalid(format!("input {name:?} holds numbers above 255")))?;
    Ok(Elements::Numbers(numbers.into()))
}

fn tensor_metadata(described: Described) -> TensorMetadata {
    let Described { name, datatype, shape } = described;
    TensorMetadata { name: name.to_owned(), datatype: datatype.to_owned(), shape }
}

fn output_tensor(column: Column<'_>, raw: bool) -> InferOutputTensor {
    let Column { name, datatype, shape, values } = column;
    let contents = (!raw).then(|| match values {
        Values::Floats(numbers) => InferTensorContents { fp32_contents: numbers, ..InferTensorContents::default() },
        Values::Strings(strings) => {
            let bytes_contents = strings.into_iter().map(|string| Bytes::copy_from_slice(string.as_bytes())).collect();
            InferTensorContents { bytes_contents, ..InferTensorContents::default() }
        }
    });
    InferOutputTensor {
        name: name.to_owned(),
        datatype: datatype.to_owned(),
        shape,
        contents,
        ..InferOutputTensor::default()
    }
}
