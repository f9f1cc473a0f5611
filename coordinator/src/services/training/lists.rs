//! What a run has been through, in pages.

use super::pages::Page;
use checkpoint::{Manifest, Store};
use chronicle::Chronicle;
use proto::v1;
use steering::EpochRecord;
use tokio::task::spawn_blocking;
use tonic::Status;
use view::records::{self, Stored};

pub fn epochs(chronicle: &Chronicle, request: &v1::ListEpochsRequest) -> Result<v1::ListEpochsResponse, Status> {
    let list = ("epochs", chronicle.id(), request.with_confusion);
    let page = Page::new(&list, request.page_size, &request.page_token)?;
    let message = |record: &EpochRecord| (record.epoch.into(), records::whole_epoch(record, request.with_confusion));
    let (epochs, next_page_token) = page.of(chronicle.epochs().iter().map(message), false);
    Ok(v1::ListEpochsResponse { epochs, next_page_token })
}

pub fn generations(
    chronicle: &Chronicle,
    request: &v1::ListGenerationsRequest,
) -> Result<v1::ListGenerationsResponse, Status> {
    let page = Page::new(&("generations", chronicle.id()), request.page_size, &request.page_token)?;
    let keyed = chronicle.generations().map(|generation| (generation.generation, records::generation(generation)));
    let (generations, next_page_token) = page.of(keyed, false);
    Ok(v1::ListGenerationsResponse { generations, next_page_token })
}

pub fn recoveries(
    chronicle: &Chronicle,
    request: &v1::ListRecoveriesRequest,
) -> Result<v1::ListRecoveriesResponse, Status> {
    let page = Page::new(&("recoveries", chronicle.id()), request.page_size, &request.page_token)?;
    let (recoveries, next_page_token) = page.of((0..).zip(chronicle.recoveries().map(records::recovery)), false);
    Ok(v1::ListRecoveriesResponse { recoveries, next_page_token })
}

pub fn events(chronicle: &Chronicle, request: &v1::ListEventsRequest) -> Result<v1::ListEventsResponse, Status> {
    let filter = request.filter.to_lowercase();
    let list = ("events", chronicle.id(), request.newest_first, request.from_number, &filter);
    let page = Page::new(&list, request.page_size, &request.page_token)?;
    let fits = |event: &&chronicle::Event| filter.is_empty() || event.text.to_lowercase().contains(&filter);
    let keyed = |event: &chronicle::Event| (event.number, records::event(event));
    let all = chronicle.events_from(request.from_number).filter(fits);
    let (events, next_page_token) =
        if request.newest_first { page.of(all.rev().map(keyed), true) } else { page.of(all.map(keyed), false) };
    Ok(v1::ListEventsResponse { events, next_page_token })
}

pub fn checkpoints(
    (chronicle, stored, steps): (&Chronicle, &[Stored], u32),
    request: &v1::ListCheckpointsRequest,
) -> Result<v1::ListCheckpointsResponse, Status> {
    let page = Page::new(&("checkpoints", chronicle.id()), request.page_size, &request.page_token)?;
    let all = records::checkpoints(chronicle, stored, steps);
    let keyed = all.into_iter().map(|checkpoint| (checkpoint.steps_done, checkpoint));
    let (checkpoints, next_page_token) = page.of(keyed, false);
    Ok(v1::ListCheckpointsResponse { checkpoints, next_page_token })
}

/// The checkpoints that are on disk.
pub async fn stored(store: &Store) -> Result<Vec<Stored>, Status> {
    let store = store.clone();
    let listed = spawn_blocking(move || store.list()).await;
    let listed = listed.map_err(|error| Status::internal(error.to_string()))?;
    let listed = listed.map_err(|error| Status::unavailable(error.to_string()))?;
    Ok(listed.into_iter().map(|(name, manifest)| of_manifest(name, &manifest)).collect())
}

fn of_manifest(name: String, manifest: &Manifest) -> Stored {
    Stored {
        name,
        epoch: manifest.position.epoch,
        step: manifest.position.step,
        steps_done: manifest.steps_done,
        test_accuracy: manifest.test_accuracy,
        test_loss: manifest.test_loss,
        written_at: manifest.written_at as f64,
        bytes: manifest.files.values().map(|file| file.bytes).sum(),
        weights_sha256: manifest.weights_sha256.clone(),
    }
}
