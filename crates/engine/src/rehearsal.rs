//! A step that does not count, before a worker is a member. Libraries and devices do here what they do at the first
//! step alone. Missing memory shows here, where nobody waits for the step, and so does an address of another machine.
//! The rehearsal also shows how long a shard takes, and how long the engine goes without a beat.

use crate::control::Control;
use crate::error::EngineError;
use crate::evaluate::evaluate_chunk;
use crate::handle::EngineOptions;
use crate::hardware::Hardware;
use crate::profile::Profile;
use crate::replica::Replica;
use crate::shard::{check_loss, forward_backward, to_device};
use nccl_rs::{Backend, GroupOptions, ProcessGroup, Rendezvous, Store};
use std::{
    io,
    net::TcpListener,
    time::{Duration, Instant},
};
use tch::{Kind, Tensor};

/// For a group of one. It waits for nobody but perhaps a slow name server: c10d looks up the names of addresses.
const ALONE: Duration = Duration::from_secs(30);
/// The same with NCCL, which first loads its code for the GPU, from a disk that may be slow.
const ALONE_BY_NCCL: Duration = Duration::from_mins(1);

/// Builds a group of one, and does one collective of each kind in it. Some addresses are bad, such as 0.0.0.0, which
/// only the library that uses them knows. Only NCCL knows which GPUs it cannot serve.
fn form_alone(options: &EngineOptions, hardware: Hardware) -> Result<(), EngineError> {
    let backend = hardware.backend(options.gloo);
    let host = options.host.clone();
    let group = GroupOptions {
        backend,
        host: host.clone(),
        rank: 0,
        world_size: 1,
        connect_timeout: if backend == Backend::Gloo { ALONE } else { ALONE_BY_NCCL },
        timeout: ALONE,
        staged: false,
    };
    let group =
        Store::serve(ALONE).and_then(|store| ProcessGroup::connect(Rendezvous::Served(store), &group, || false));
    group.map(drop).map_err(|error| {
        if backend != Backend::Gloo {
            return EngineError::Nccl(error);
        }
        // Only the part of Gloo's message that is not about its own code.
        let text = error.to_string();
        if text.contains("timed out") {
            return EngineError::Alone { cause: text };
        }
        let why = text.find("Unable to find").map_or(text.as_str(), |at| &text[at..]);
        EngineError::Address { host, source: io::Error::other(why) }
    })
}

/// What a rehearsal has shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rehearsal {
    /// The longest time without a beat of the engine.
    pub stretch: Duration,
    /// How long forward and backward of the largest shard of a step took.
    pub shard: Duration,
}

/// Does forward and backward of a shard of black images, as many as the largest shard has, and a chunk of the test set.
/// The state stays as it is.
///
/// # Errors
/// If libtorch fails, for example for want of memory, NCCL cannot serve the GPU, or the host is no address of this machine.
pub(super) fn rehearse(
    replica: &mut Replica,
    options: &EngineOptions,
    control: &Control,
) -> Result<Rehearsal, EngineError> {
    // The other ranks will look for this one there.
    let EngineOptions { host, test, .. } = options;
    TcpListener::bind((host.as_str(), 0)).map_err(|source| EngineError::Address { host: host.clone(), source })?;
    form_alone(options, replica.hardware)?;
    let (steps, shards) = (replica.config.steps(), replica.config.shards);
    let samples = (0..shards)
        .filter_map(|shard| steps.shard_of(0, shard, shards))
        .map(|range| range.len())
        .max()
        .unwrap_or_default();
    let shape = test.spec().shape;
    let (pixels, labels) = (vec![0.0; samples * shape.len()], vec![0; samples]);
    let (images, labels) = to_device(&pixels, &labels, shape, replica.hardware)?;
    let mut vector = Tensor::f_empty([replica.vector_len() as i64], (Kind::Float, replica.hardware.device()))
        .map_err(EngineError::torch("allocate a shard's vector"))?;
    control.measure_anew();
    let beat = || control.beat();
    let began = Instant::now();
    let profile = &mut Profile::new(false, replica.hardware.device());
    let loss =
        forward_backward(replica, &images, &labels, samples, false, &mut vector, beat, |_| control.beat(), profile)?;
    // What a GPU still has to do shows only when it is waited for.
    check_loss(&loss, replica.position.unwrap_or_default())?;
    let shard = began.elapsed();
    evaluate_chunk(replica, test, 0, beat)?;
    Ok(Rehearsal { stretch: control.stretch(), shard })
}
