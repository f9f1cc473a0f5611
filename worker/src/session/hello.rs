//! What a worker says of itself.

use crate::{
    Args,
    device::{device_name, has_bf16},
    session::Session,
};
use proto::{VERSION, v1::Hello};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::UdpSocket,
};
use tch::Device;
use tokio::net::lookup_host;

impl Session {
    pub(super) async fn hello(&self) -> Hello {
        let held = self.joined.as_ref().and_then(|joined| joined.engine.control.held());
        Hello {
            version: VERSION.to_owned(),
            name: self.name.clone(),
            device: match self.device {
                Device::Cuda(index) => format!("cuda:{index}"),
                _ => "cpu".to_owned(),
            },
            device_name: device_name(self.device),
            bf16: has_bf16(self.device),
            host: self.host().await,
            run_id: self.joined.as_ref().map(|joined| joined.run_id.clone()),
            held: held.map(Into::into),
            model: self.args.model.clone(),
            generation: self.generation,
            instance: self.instance,
        }
    }

    /// The address from which the coordinator is reached. Nothing is sent: connecting a UDP socket only picks a route.
    pub(super) async fn host(&self) -> String {
        if let Some(host) = &self.args.host {
            return host.clone();
        }
        let authority = self.args.coordinator.split_once("://").map_or("", |(_, rest)| rest).trim_end_matches('/');
        let coordinator = lookup_host(authority).await.ok().and_then(|mut addresses| addresses.next());
        let local = coordinator.and_then(|address| {
            let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).ok()?;
            socket.connect(address).ok()?;
            Some(socket.local_addr().ok()?.ip().to_string())
        });
        local.unwrap_or_else(|| "127.0.0.1".to_owned())
    }

    /// The machine, by the address `host` under which others reach it; `None` if its memory is not to be shared.
    pub(super) fn place(args: &Args, host: &str) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        host.hash(&mut hasher);
        (args.shared_memory == "auto").then(|| hasher.finish())
    }
}

/// Host name and process id.
pub(super) fn default_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    format!("{}-{}", if host.is_empty() { "worker" } else { host }, std::process::id())
}
