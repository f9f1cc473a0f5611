//! What a worker says of itself.

use crate::{
    Args,
    device::{device_name, gpu_id, has_bf16, kind},
    session::Session,
};
use plan::Precision;
use proto::{VERSION, v1::Hello};
use std::hash::{DefaultHasher, Hash, Hasher};
use tch::Device;

impl Session {
    pub(super) fn hello(&self) -> Hello {
        let bf16 = match &self.joined {
            Some(joined) => joined.config.precision == Precision::Bf16,
            None => has_bf16(self.device),
        };
        let held = self.joined.as_ref().and_then(|joined| joined.engine.control.held());
        Hello {
            version: VERSION.to_owned(),
            name: self.name.text.clone(),
            device: match self.device {
                Device::Cuda(index) => format!("cuda:{index}"),
                _ => "cpu".to_owned(),
            },
            device_name: device_name(self.device),
            bf16,
            host: self.host(),
            run_id: self.joined.as_ref().map(|joined| joined.run_id.clone()),
            held: held.map(Into::into),
            model: self.args.model.clone(),
            generation: self.generation,
            instance: self.instance,
            kind: kind(self.device),
            libtorch: operations::libtorch_version(),
            nccl: self.device.is_cuda() && self.args.backend == "auto",
            gpu: gpu_id(self.device),
        }
    }

    /// The address under which others reach this worker. It is the one that was given, or the one from which the worker
    /// has reached the coordinator.
    pub(super) fn host(&self) -> String {
        let given = self.args.host.clone();
        given.or_else(|| Some(self.local.get()?.to_string())).unwrap_or_default()
    }

    /// The machine, by the address `host` under which others reach it; `None` if its memory is not to be shared.
    pub(super) fn place(args: &Args, host: &str) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        host.hash(&mut hasher);
        (args.shared_memory == "auto").then(|| hasher.finish())
    }
}
