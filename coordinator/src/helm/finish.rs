//! The end of a run: the last of it is written, and what became of it told.

use super::Helm;
use crate::{error::Error, summary};
use steering::{Ending, Outcome};

impl Helm {
    /// Has the end of the run written.
    pub(super) fn begin_to_finish(&mut self, ending: &Ending) {
        let outcome = format!("{:?}", ending.outcome).to_lowercase();
        self.note(&format!("{outcome}: {}", ending.reason));
        self.show();
        let (ending, config, store) = (ending.clone(), self.config.clone(), self.store.clone());
        let (workers, run_dir, wall) = (self.workers, self.run_dir.clone(), self.began.elapsed());
        let (history, recoveries) = (self.steering.history().to_vec(), self.steering.recoveries().to_vec());
        let display = self.display.clone();
        self.recorder.finish(Box::new(move || {
            let summary = summary::Summary::new(&ending, &config, workers, &history, &recoveries, &store, wall)?;
            summary.write(&run_dir)?;
            display.end(&summary, &run_dir);
            Ok(())
        }));
    }

    pub(super) fn finish(mut self, ending: &Ending, written: Result<(), Error>) -> Result<(), Error> {
        self.over = true;
        self.spans.end(ending);
        self.show();
        if let Some(unsaved) = self.unsaved.take() {
            return Err(unsaved.why.into());
        }
        if let Some(damaged) = self.damaged.take() {
            return Err(damaged);
        }
        written?;
        match ending.outcome {
            Outcome::Finished | Outcome::Stopped => Ok(()),
            Outcome::Failed => Err(Error::Failed(ending.reason.clone())),
        }
    }
}
