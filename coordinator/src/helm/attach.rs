//! Who may take part.

use crate::{
    Error,
    helm::{Attached, Attachment, Helm, ORDERS, Refusal},
    journal::Entry,
    summary,
};
use plan::{Position, Precision};
use proto::v1;
use steering::{Decision, Event};
use tokio::sync::mpsc;

impl Helm {
    pub(super) fn attach(&mut self, hello: v1::Hello) -> Result<(Attached, Vec<Decision>), Refusal> {
        let refuse = |reason: String| Err(Refusal::new(reason));
        if hello.version != proto::VERSION {
            return refuse(format!(
                "it is version {}, and this coordinator is version {}: run the same on both",
                hello.version,
                proto::VERSION
            ));
        }
        if let Some(run_id) = hello.run_id.as_ref().filter(|run_id| **run_id != self.run_id) {
            return refuse(format!(
                "it holds the state of run {run_id}, and this is run {}: start it anew to take part here",
                self.run_id
            ));
        }
        if let Some(model) = hello.model.as_ref().filter(|model| **model != self.config.model) {
            return refuse(format!("it trains only {model}, and this run trains {}", self.config.model));
        }
        let mut decisions = Vec::new();
        let namesake = self.attachments.iter().find(|(_, attachment)| attachment.hello.name == hello.name);
        if let Some((worker, attachment)) = namesake {
            if attachment.hello.instance != hello.instance {
                return Err(Refusal::duplicate(&hello.name));
            }
            // Its old stream is dead, which nobody has noticed yet.
            let worker = *worker;
            self.attachments.remove(&worker);
            let cause = "it came back on a new stream".to_owned();
            decisions = self.steering.handle(self.now(), worker, Event::Detached { cause });
        }
        if self.auto_precision {
            self.choose_precision(&hello).map_err(|error| Refusal::new(error.to_string()))?;
        }
        let (orders, receiver) = mpsc::channel(ORDERS);
        let worker = self.next_worker;
        self.next_worker += 1;
        let welcome = v1::Welcome {
            run_id: self.run_id.clone(),
            config: Some((&self.config).into()),
            failure_timeout_ms: self.failure_timeout.as_millis() as u32,
        };
        // Has room: it is new.
        let _ = orders.try_send(Ok(v1::Order { order: Some(v1::order::Order::Welcome(welcome)) }));
        let event = Event::Attached {
            name: hello.name.clone(),
            host: hello.host.clone(),
            held: hello.held.map(Position::from),
            generation: hello.generation,
        };
        tracing::info!("{} attached: {} ({})", hello.name, hello.device, hello.device_name);
        self.attachments.insert(worker, Attachment { orders, hello, progress: v1::Progress::default() });
        decisions.append(&mut self.steering.handle(self.now(), worker, event));
        Ok((Attached { worker, orders: receiver }, decisions))
    }

    /// Fixes what `--precision auto` left open, before anything depends on it.
    fn choose_precision(&mut self, hello: &v1::Hello) -> Result<(), Error> {
        self.auto_precision = false;
        self.config.precision = if hello.bf16 { Precision::Bf16 } else { Precision::Fp32 };
        let has = if hello.bf16 { "has" } else { "has no" };
        self.note(&format!("precision {}: {} {has} matrix units for bf16", self.config.precision, hello.name))?;
        self.records.keep(Entry::Run { id: self.run_id.clone(), config: Box::new(self.config.clone()) })?;
        summary::write_config(&self.run_dir, &self.config)?;
        self.saver.set_config(&self.run_id, &self.config);
        Ok(())
    }
}
