//! What a worker needs before it can be a member: the data set and a model. They are made ready beside the stream,
//! however long that takes. So the coordinator hears of the worker, and the worker hears of what happens meanwhile.

use crate::{
    Error, data,
    session::{Joined, Session, connect::Bulk, place},
};
use config::RunConfig;
use engine::{Engine, EngineOptions, FAULTS, Fault};
use program::text;
use std::future::pending;
use tokio::task::{JoinHandle, spawn_blocking};

/// A worker that is being prepared. Dropping it stops that.
pub(super) struct Preparation(JoinHandle<Result<Joined, Error>>);

impl Drop for Preparation {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for the prepared worker; for ever, if none is being prepared.
pub(super) async fn prepared(preparation: &mut Option<Preparation>) -> Result<Joined, Error> {
    let Some(Preparation(task)) = preparation else { return pending().await };
    let result = task.await.map_err(|error| Error::Prepare(error.to_string()))?;
    *preparation = None;
    result
}

impl Session {
    /// Begins to prepare for a run.
    pub(super) fn prepare(&self, bulk: &Bulk, run_id: String, config: RunConfig) -> Result<Preparation, Error> {
        let faults = Fault::of(&self.name.text, &std::env::var(FAULTS).unwrap_or_default())?;
        for fault in &faults {
            tracing::warn!("this worker is made to fail: {fault:?}");
        }
        let host = self.host();
        let (args, device, timeouts) = (self.args.clone(), self.device, self.timeouts);
        let file = format!("{}.json", text::file_name(&self.name.text));
        let directory = args.profile.as_ref().and_then(|traces| traces.directory("profile".into()));
        let trace = directory.map(|path| (path.join(file), self.name.text.clone()));
        let (mut client, events) = (bulk.client(), self.event_sender.clone());
        Ok(Preparation(tokio::spawn(async move {
            let data = data::open(&args, &config, &mut client).await?;
            let options = EngineOptions {
                config: config.clone(),
                device,
                place: Self::place(&args, &host),
                host,
                connect_timeout: timeouts.connect,
                collective_timeout: timeouts.collective,
                train: data.train,
                test: data.test,
                faults,
                gloo: args.backend == "gloo",
                trace,
            };
            // The engine's thread logs within the span that it is started in.
            let place = place::of_run(&run_id);
            let engine = spawn_blocking(move || place.in_scope(|| Engine::start(options, events)))
                .await
                .map_err(|error| Error::Prepare(error.to_string()))??;
            Ok(Joined { run_id, config, engine })
        })))
    }
}
