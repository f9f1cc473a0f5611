//! A step that does not count, before a worker is a member. What libraries and devices do at the first step alone, they do
//! here, and a step for which there is no memory, or an address that is not this machine's, fails here, where nobody waits
//! for it. It shows how long the engine goes without a beat, too.

use crate::engine::{Control, EngineError, Profile, Replica, evaluate_chunk, forward_backward, to_device};
use cifar::{Dataset, IMAGE_BYTES};
use nccl_rs::{Backend, GroupOptions, ProcessGroup, Rendezvous, Store};
use std::{io, net::TcpListener, time::Duration};
use tch::{Device, Kind, Tensor};

/// For a group of one, which waits for nobody.
const ALONE: Duration = Duration::from_secs(5);

/// Builds a group of one. Of some addresses only the library that does it knows that they are no good, such as 0.0.0.0.
fn form_alone(host: &str, device: Device) -> Result<(), EngineError> {
    if device != Device::Cpu {
        return Ok(());
    }
    let options = GroupOptions {
        backend: Backend::for_device(device),
        host: host.to_owned(),
        rank: 0,
        world_size: 1,
        connect_timeout: ALONE,
        timeout: ALONE,
    };
    let group =
        Store::serve(ALONE).and_then(|store| ProcessGroup::connect(Rendezvous::Served(store), &options, || false));
    group.map(drop).map_err(|error| {
        // Of Gloo's words those that are not of its own code.
        let text = error.to_string();
        let why = text.find("Unable to find").map_or(text.as_str(), |at| &text[at..]);
        EngineError::Address { host: host.to_owned(), source: io::Error::other(why) }
    })
}

/// Forward and backward of a shard of black images, as many as the largest shard has, and a chunk of the test set. The state
/// stays as it is. Returns the longest that the engine did not beat.
///
/// # Errors
/// If libtorch fails, for example for want of memory, or `host` is no address of this machine.
pub(super) fn rehearse(
    replica: &mut Replica,
    test: &Dataset,
    host: &str,
    control: &Control,
) -> Result<Duration, EngineError> {
    // Where the other ranks will look for this one.
    TcpListener::bind((host, 0)).map_err(|source| EngineError::Address { host: host.to_owned(), source })?;
    form_alone(host, replica.device)?;
    let (steps, shards) = (replica.config.steps(), replica.config.shards);
    let samples = (0..shards).map(|shard| steps.shard_of(0, shard, shards).len()).max().unwrap_or_default();
    let (pixels, labels) = (vec![0.0; samples * IMAGE_BYTES], vec![0; samples]);
    let (images, labels) = to_device(&pixels, &labels, replica.device)?;
    let mut vector = Tensor::f_empty([replica.vector_len() as i64], (Kind::Float, replica.device))
        .map_err(EngineError::torch("allocate a shard's vector"))?;
    control.measure_anew();
    let beat = || control.beat();
    let profile = &mut Profile::new(false);
    forward_backward(replica, &images, &labels, samples, false, &mut vector, beat, |_| control.beat(), profile)?;
    evaluate_chunk(replica, test, 0, beat)?;
    Ok(control.stretch())
}
