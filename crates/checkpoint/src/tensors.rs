//! A state as safetensors.

use crate::Error;
use plan::{Position, Totals};
use resnet::{Buffer, Entry, Layout};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use sha2::{Digest, Sha256};
use state::{LaidOut, Slots, State};
use std::{borrow::Cow, collections::HashMap, path::Path};

/// Loaders of the ecosystem look for this before they take a file for PyTorch's.
fn metadata() -> HashMap<String, String> {
    HashMap::from([("format".to_owned(), "pt".to_owned())])
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn slice<'a>(buffer: &'a [f32], entry: &Entry) -> &'a [f32] {
    &buffer[entry.offset..entry.offset + entry.elements()]
}

/// Type and bytes of a tensor of the state dict.
fn content(layout_entry: &Entry, state: &State, steps_done: u64) -> (Dtype, Vec<u8>) {
    let [parameters, statistics] = state.model();
    match layout_entry.role.buffer() {
        Some(Buffer::Parameters) => (Dtype::F32, bytes(slice(parameters, layout_entry))),
        Some(Buffer::Statistics) => (Dtype::F32, bytes(slice(statistics, layout_entry))),
        // The number of steps.
        None => (Dtype::I64, steps_done.to_le_bytes().to_vec()),
    }
}

/// SHA-256 over names and bytes of the state dict, in name order, in hexadecimal.
#[must_use]
pub fn weights_sha256(layout: &Layout, state: &State, steps_done: u64) -> String {
    let mut entries: Vec<&Entry> = layout.entries().iter().collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hash = Sha256::new();
    for entry in entries {
        hash.update(entry.name.as_bytes());
        hash.update(content(entry, state, steps_done).1);
    }
    hex(&hash.finalize())
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

type Parts = Vec<(String, Dtype, Vec<usize>, Vec<u8>)>;

fn serialize(path: &Path, parts: &Parts) -> Result<Vec<u8>, Error> {
    let mut views = Vec::with_capacity(parts.len());
    for (name, dtype, shape, data) in parts {
        let view = TensorView::new(*dtype, shape.clone(), data).map_err(|error| Error::damaged(path, &error))?;
        views.push((Cow::Borrowed(name.as_str()), view));
    }
    safetensors::serialize(views, Some(metadata())).map_err(|error| Error::damaged(path, &error))
}

/// The buffer of the tensors beside which a slot's elements stand.
fn buffer(laid_out: LaidOut) -> Buffer {
    match laid_out {
        LaidOut::Parameters => Buffer::Parameters,
        LaidOut::Statistics => Buffer::Statistics,
    }
}

fn shape(entry: &Entry) -> Vec<usize> {
    entry.shape.iter().map(|side| *side as usize).collect()
}

/// `model.safetensors`.
pub(crate) fn model_file(path: &Path, layout: &Layout, state: &State, steps_done: u64) -> Result<Vec<u8>, Error> {
    let parts = layout
        .entries()
        .iter()
        .map(|entry| {
            let (dtype, data) = content(entry, state, steps_done);
            (entry.name.clone(), dtype, shape(entry), data)
        })
        .collect();
    serialize(path, &parts)
}

/// `training.safetensors`: the slots that are not the model. A tensor has the slot's name before its own:
/// `momentum.conv1.weight`.
pub(crate) fn training_file(path: &Path, layout: &Layout, slots: &Slots, state: &State) -> Result<Vec<u8>, Error> {
    let (mut parts, model) = (Parts::new(), slots.model());
    for (slot, values) in state.slots().filter(|(slot, _)| !model.contains(slot)) {
        for entry in layout.of(buffer(slot.laid_out)) {
            parts.push((
                format!("{}.{}", slot.name, entry.name),
                Dtype::F32,
                shape(entry),
                bytes(slice(values, entry)),
            ));
        }
    }
    let Totals { loss, correct, samples } = state.totals;
    parts.push(("totals.loss".to_owned(), Dtype::F64, vec![], loss.to_le_bytes().to_vec()));
    parts.push(("totals.correct".to_owned(), Dtype::U64, vec![], correct.to_le_bytes().to_vec()));
    parts.push(("totals.samples".to_owned(), Dtype::U64, vec![], samples.to_le_bytes().to_vec()));
    serialize(path, &parts)
}

/// The state of these `slots` in the two files.
pub(crate) fn state(
    layout: &Layout,
    slots: &Slots,
    position: Position,
    (model_path, model): (&Path, &[u8]),
    (training_path, training): (&Path, &[u8]),
) -> Result<State, Error> {
    let model = SafeTensors::deserialize(model).map_err(|error| Error::damaged(model_path, &error))?;
    let training = SafeTensors::deserialize(training).map_err(|error| Error::damaged(training_path, &error))?;
    let mut state = State::zeros(slots);
    state.position = position;
    for slot in slots.iter() {
        for entry in layout.of(buffer(slot.laid_out)) {
            let values = state.of_mut(slot);
            if slots.model().contains(&slot) {
                fill(values, entry, &entry.name, &model, model_path)?;
            } else {
                fill(values, entry, &format!("{}.{}", slot.name, entry.name), &training, training_path)?;
            }
        }
    }
    let scalar = |name: &str| -> Result<[u8; 8], Error> {
        let view = training.tensor(name).map_err(|error| Error::damaged(training_path, &error))?;
        view.data().try_into().map_err(|_| Error::damaged(training_path, &format!("{name} is no scalar of 8 bytes")))
    };
    state.totals = Totals {
        loss: f64::from_le_bytes(scalar("totals.loss")?),
        correct: u64::from_le_bytes(scalar("totals.correct")?),
        samples: u64::from_le_bytes(scalar("totals.samples")?),
    };
    Ok(state)
}

fn fill(buffer: &mut [f32], entry: &Entry, name: &str, file: &SafeTensors<'_>, path: &Path) -> Result<(), Error> {
    let tensor = file.tensor(name).map_err(|error| Error::damaged(path, &error))?;
    if tensor.dtype() != Dtype::F32 || tensor.shape() != shape(entry) {
        let why = format!("{name} is {:?} {:?}, not F32 {:?}", tensor.dtype(), tensor.shape(), entry.shape);
        return Err(Error::damaged(path, &why));
    }
    let values = &mut buffer[entry.offset..entry.offset + entry.elements()];
    for (value, bytes) in values.iter_mut().zip(tensor.data().chunks_exact(4)) {
        *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    Ok(())
}
