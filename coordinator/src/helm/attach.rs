//! Who may take part.

use crate::helm::{
    Attachment, Helm,
    input::{Attached, Refusal, RefusalKind},
    orders::orders,
    precision::precision_of,
};
use crate::journal::Entry;
use config::RunConfig;
use plan::Precision;
use proto::v1;
use std::{net::IpAddr, time::Duration};
use steering::{Decision, Event, WorkerId};
use tonic::Status;

/// The most bytes of a name or an address.
const LONGEST: usize = 128;
/// How many generations a worker may be ahead of the journal, as after a full disk.
const FURTHEST_AHEAD: u64 = 1 << 32;
/// How many signs of life a worker may miss before it counts as possibly gone, and its name as possibly free.
const MISSING: u32 = 4;

impl Helm {
    pub(super) fn attach(&mut self, hello: v1::Hello) -> Result<(Attached, Vec<Decision>), Refusal> {
        let held = self.examine(&hello).map_err(Refusal::new)?;
        let mut decisions = Vec::new();
        let namesake = self.attachments.iter().find(|(_, attachment)| attachment.hello.name == hello.name);
        if let Some((worker, attachment)) = namesake {
            let worker = *worker;
            if attachment.hello.instance != hello.instance {
                return Err(self.namesake(worker, &hello.name));
            }
            // Its old stream is dead, and nobody has noticed yet.
            self.attachments.remove(&worker);
            self.tickets.revoke(worker);
            let cause = "it came back on a new stream".to_owned();
            decisions = self.steering.handle(self.now(), worker, Event::Detached { cause });
        }
        let own = precision_of(&hello);
        let precision = if self.may_choose(&hello.name) { own } else { self.config.precision };
        // A state of another precision is no state of this run.
        let held = held.filter(|_| own == precision);
        let (orders, receiver) = orders();
        let worker = self.next_worker;
        self.next_worker += 1;
        let welcome = v1::Welcome {
            run_id: self.run_id.clone(),
            config: Some(proto::to_message(&RunConfig { precision, ..self.config.clone() }.values())),
            failure_timeout_ms: self.timeouts.failure.as_millis() as u32,
        };
        // The queue is new, so it has room.
        let _ = orders.put(Ok(v1::Order { order: Some(v1::order::Order::Welcome(welcome)) }));
        let (name, host, generation) = (hello.name.clone(), hello.host.clone(), hello.generation);
        let event = Event::Attached { name, host, held, generation };
        tracing::info!("{} attached: {} ({})", hello.name, hello.device, hello.device_name);
        if self.guests.comes(&hello.name, hello.run_id.is_some()) {
            self.recorder.record(Entry::Event(format!("{} is back", hello.name)));
        }
        let progress = v1::Progress::default();
        self.attachments.insert(worker, Attachment { orders, hello, progress, precision, prepared: false });
        decisions.append(&mut self.steering.handle(self.now(), worker, event));
        Ok((Attached { worker, orders: receiver }, decisions))
    }

    /// Whether a worker that says `hello` fits the run. Returns the state that it holds.
    fn examine(&self, hello: &v1::Hello) -> Result<Option<plan::Held>, String> {
        if hello.version != proto::VERSION {
            return Err(format!(
                "it is version {}, and this coordinator is version {}: run the same on both",
                hello.version,
                proto::VERSION
            ));
        }
        for (what, text) in [("name", &hello.name), ("address", &hello.host)] {
            if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
                return Err(format!("its {what} is empty, longer than {LONGEST} bytes or not printable"));
            }
        }
        if let Some(run_id) = hello.run_id.as_ref().filter(|run_id| **run_id != self.run_id) {
            return Err(format!(
                "it holds the state of run {run_id}, and this is run {}: start it anew to take part here",
                self.run_id
            ));
        }
        if let Some(model) = hello.model.as_ref().filter(|model| **model != self.config.model) {
            return Err(format!("it trains only {model}, and this run trains {}", self.config.model));
        }
        if hello.generation.saturating_sub(self.steering.generation()) >= FURTHEST_AHEAD {
            return Err(format!("it says that it knows generation {}, which never was", hello.generation));
        }
        self.compare_with_the_others(hello)?;
        // A state without its run's id counts for nothing.
        let held = hello.held.filter(|_| hello.run_id.is_some());
        held.map(plan::Held::try_from).transpose().map_err(|malformed| malformed.to_string())
    }

    /// Whether the worker computes like the workers that are prepared, and can be reached as they can.
    fn compare_with_the_others(&self, hello: &v1::Hello) -> Result<(), String> {
        let family =
            |host: &str| host.parse::<IpAddr>().ok().map(|address| if address.is_ipv4() { "IPv4" } else { "IPv6" });
        for Attachment { hello: other, .. } in self.prepared(&hello.name) {
            if other.libtorch != hello.libtorch {
                return Err(format!(
                    "it computes with libtorch {}, and {} with {}: build all from the same",
                    hello.libtorch, other.name, other.libtorch
                ));
            }
            if other.kind != hello.kind {
                let differ = format!("it computes on {}, and {} on {}", hello.kind, other.name, other.kind);
                let device = |kind: &str| kind.starts_with("cuda");
                if device(&other.kind) != device(&hello.kind) {
                    return Err(format!("{differ}: a run has GPUs or CPUs, not both"));
                }
                if !self.allow_mixed {
                    return Err(format!(
                        "{differ}: the weights would depend on who computes what. Give the coordinator --allow-mixed if that \
                         is all right"
                    ));
                }
                tracing::warn!("{}: {differ}: the weights depend on who computes what", hello.name);
            }
            if let (Some(own), Some(others)) = (family(&hello.host), family(&other.host))
                && own != others
            {
                return Err(format!(
                    "its address {} is {own}, and that of {}, {}, is {others}: they cannot reach each other. Give it one of \
                     that family with --host, or reach the coordinator by one",
                    hello.host, other.name, other.host
                ));
            }
        }
        Ok(())
    }

    /// Why another worker may not have the name of `worker`.
    fn namesake(&self, worker: WorkerId, name: &str) -> Refusal {
        let now = self.steering.time(self.now());
        let silence = self.steering.workers().get(&worker).map_or(Duration::ZERO, |w| now.saturating_sub(w.last_seen));
        if silence > MISSING * self.timeouts.heartbeat {
            let reason = format!(
                "a worker named {name} is attached, and was not heard of for {:.1} s: it may be gone, which is known soon",
                silence.as_secs_f64()
            );
            return Refusal { reason, kind: RefusalKind::ForNow };
        }
        let reason = format!("a worker named {name} is attached already: give this one another --name");
        Refusal { reason, kind: RefusalKind::Duplicate }
    }

    /// Marks a worker as prepared, unless it computes otherwise than the workers that are. From here on, and not
    /// before, others are compared with it.
    pub(super) fn admit(&mut self, worker: WorkerId) -> Result<(), Status> {
        let Some(attachment) = self.attachments.get(&worker) else { return Ok(()) };
        self.compare_with_the_others(&attachment.hello).map_err(Status::failed_precondition)?;
        let precision = attachment.precision;
        if self.may_choose(&attachment.hello.name) {
            let has = if precision == Precision::Bf16 { "has" } else { "has no" };
            let why = format!("{} {has} matrix units for bf16", attachment.hello.name);
            self.choose_precision(precision, &why);
        } else if precision != self.config.precision {
            let now = self.config.precision;
            return Err(Status::unavailable(format!("the run computes in {now} by now, and not in {precision}")));
        }
        if let Some(attachment) = self.attachments.get_mut(&worker) {
            attachment.prepared = true;
            if precision == Precision::Bf16 && !attachment.hello.bf16 {
                tracing::warn!(
                    "{} has no matrix units for bf16: it computes in it as asked, and slower than in fp32",
                    attachment.hello.name
                );
            }
        }
        Ok(())
    }

    /// Ends the stream of a worker that cannot take part.
    pub(super) fn turn_away(&mut self, worker: WorkerId, why: Status) {
        self.tickets.revoke(worker);
        if let Some(attachment) = self.attachments.remove(&worker) {
            tracing::warn!("{} cannot take part: {}", attachment.hello.name, why.message());
            // It is gone whether it hears of it or not.
            let _ = attachment.orders.put(Err(why));
        }
    }

    /// The prepared workers, without the one of this name.
    pub(super) fn prepared(&self, name: &str) -> impl Iterator<Item = &Attachment> {
        self.attachments.values().filter(move |attachment| attachment.prepared && attachment.hello.name != name)
    }
}
