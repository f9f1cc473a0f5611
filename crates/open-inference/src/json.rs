//! What the bodies over HTTP hold, in JSON and after it.

use crate::{
    answer::{Column, Values},
    backend::Failure,
    request::{Elements, Tensor, check_parameters},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A request to predict. What has no meaning here is passed over.
#[derive(Debug, Deserialize)]
pub struct InferRequest {
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    parameters: RequestParameters,
    inputs: Vec<Input>,
    #[serde(default)]
    pub outputs: Vec<WantedOutput>,
}

#[derive(Debug, Default, Deserialize)]
struct RequestParameters {
    #[serde(default)]
    binary_data_output: bool,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Input {
    name: String,
    datatype: String,
    shape: Vec<i64>,
    #[serde(default)]
    parameters: InputParameters,
    data: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
struct InputParameters {
    binary_data_size: Option<usize>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// An output that is wanted.
#[derive(Debug, Deserialize)]
pub struct WantedOutput {
    pub name: String,
    #[serde(default)]
    parameters: OutputParameters,
}

#[derive(Debug, Default, Deserialize)]
struct OutputParameters {
    binary_data: Option<bool>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Why a body is none.
#[derive(Debug, Serialize)]
pub struct ErrorBody {
    pub error: String,
}

impl InferRequest {
    /// Reads a body. Its JSON has `length` bytes, and the data of tensors may follow.
    pub fn read(body: &Bytes, length: Option<usize>) -> Result<(Self, Bytes), Failure> {
        let length = length.unwrap_or(body.len());
        if length > body.len() {
            let why = format!("Inference-Header-Content-Length is {length}, and the body has {} bytes", body.len());
            return Err(Failure::Invalid(why));
        }
        let request = serde_json::from_slice(&body[..length]);
        let request: Self = request.map_err(|error| Failure::Invalid(format!("the body is no request: {error}")))?;
        let of_inputs = request.inputs.iter().map(|input| &input.parameters.others);
        let of_outputs = request.outputs.iter().map(|output| &output.parameters.others);
        check_parameters(of_inputs.chain(of_outputs).chain([&request.parameters.others]).flat_map(Map::keys))?;
        Ok((request, body.slice(length..)))
    }

    /// The tensors, with the data that follows the JSON.
    pub fn tensors(self, mut binary: Bytes) -> Result<Vec<Tensor>, Failure> {
        let mut tensors = Vec::new();
        for input in self.inputs {
            tensors.push(input.tensor(&mut binary)?);
        }
        if !binary.is_empty() {
            return Err(Failure::Invalid(format!("{} bytes follow the data of the inputs", binary.len())));
        }
        Ok(tensors)
    }

    /// Whether the data of an output is to follow the JSON.
    pub fn wants_binary(&self, output: &str) -> bool {
        let wanted = self.outputs.iter().find(|wanted| wanted.name == output);
        wanted.and_then(|wanted| wanted.parameters.binary_data).unwrap_or(self.parameters.binary_data_output)
    }
}

impl Input {
    fn tensor(self, binary: &mut Bytes) -> Result<Tensor, Failure> {
        let Self { name, datatype, shape, parameters, data } = self;
        let elements = match (parameters.binary_data_size, data) {
            (Some(_), Some(_)) => {
                return Err(Failure::Invalid(format!("input {name:?} has data, and binary_data_size as well")));
            }
            (Some(size), None) if size <= binary.len() => Elements::Raw(binary.split_to(size)),
            (Some(size), None) => {
                let why = format!("input {name:?} has {size} bytes after the JSON, and {} follow", binary.len());
                return Err(Failure::Invalid(why));
            }
            (None, Some(data)) if datatype == "BYTES" => Elements::Strings(files(&name, data)?),
            (None, Some(data)) => {
                let mut numbers = Vec::new();
                flatten(&name, &data, &mut numbers)?;
                Elements::Numbers(numbers.into())
            }
            (None, None) => return Err(Failure::Invalid(format!("input {name:?} has no data"))),
        };
        Ok(Tensor { name, datatype, shape, elements })
    }
}

/// Files in JSON: in base64, one by one or one a row.
fn files(name: &str, data: Value) -> Result<Vec<Bytes>, Failure> {
    let wrong = || Failure::Invalid(format!("the data of input {name:?} is no list of files in base64"));
    let Value::Array(items) = data else { return Err(wrong()) };
    let mut files = Vec::new();
    for item in items {
        let text = match item {
            Value::String(text) => text,
            Value::Array(row) => match <[Value; 1]>::try_from(row) {
                Ok([Value::String(text)]) => text,
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        files.push(BASE64_STANDARD.decode(text).map_err(|_| wrong())?.into());
    }
    Ok(files)
}

/// Numbers from 0 to 255, however they are nested.
fn flatten(name: &str, data: &Value, numbers: &mut Vec<u8>) -> Result<(), Failure> {
    match data {
        Value::Array(items) => items.iter().try_for_each(|item| flatten(name, item, numbers)),
        other => {
            let number = other.as_u64().and_then(|number| u8::try_from(number).ok());
            numbers.push(number.ok_or_else(|| {
                Failure::Invalid(format!("input {name:?} holds {other}, which is no whole number from 0 to 255"))
            })?);
            Ok(())
        }
    }
}

/// The body of an answer, and how many bytes of it are JSON if more follow.
pub fn response(
    model: &str,
    version: u64,
    id: Option<&str>,
    columns: &[Column<'_>],
    binary: impl Fn(&str) -> bool,
) -> (Bytes, Option<usize>) {
    let mut after = BytesMut::new();
    let mut outputs = Vec::new();
    for Column { name, datatype, shape, values } in columns {
        let mut output = json!({"name": name, "datatype": datatype, "shape": shape});
        if binary(name) {
            let bytes = values.bytes();
            output["parameters"] = json!({"binary_data_size": bytes.len()});
            after.extend_from_slice(&bytes);
        } else {
            output["data"] = match values {
                Values::Floats(numbers) => json!(numbers),
                Values::Strings(strings) => json!(strings),
            };
        }
        outputs.push(output);
    }
    let mut answer = json!({"model_name": model, "model_version": version.to_string(), "outputs": outputs});
    if let Some(id) = id {
        answer["id"] = id.into();
    }
    let json = answer.to_string();
    let length = (!after.is_empty()).then_some(json.len());
    ([json.as_bytes(), &after].concat().into(), length)
}
