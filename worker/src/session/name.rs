//! The name of a worker that was given none. A process that is started again has the name of the one before. So what
//! the coordinator remembers by that name holds for it as well.

use std::{
    fs,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
    process,
};
use tch::Device;

/// The most workers of one device on one machine that are told apart by a number.
const PLACES: u32 = 64;

/// A name, and what keeps others on this machine from having it too.
#[derive(Debug)]
pub(super) struct Name {
    pub text: String,
    /// A socket that nobody connects to. The system lets one process have it, and takes it back when that ends.
    _place: Option<UnixListener>,
}

impl Name {
    /// The name that was given.
    pub fn given(text: String) -> Self {
        Self { text, _place: None }
    }

    /// Host name and device, with a number if there are several. If all numbers are taken it has the process id
    /// instead.
    pub fn default_of(device: Device) -> Self {
        let device = match device {
            Device::Cuda(index) => format!("gpu{index}"),
            _ => "cpu".to_owned(),
        };
        let base = format!("{}-{device}", host_name());
        for place in 1..=PLACES {
            let text = if place == 1 { base.clone() } else { format!("{base}-{place}") };
            let address = SocketAddr::from_abstract_name(format!("coxswain-worker-{text}"));
            if let Ok(listener) = address.and_then(|address| UnixListener::bind_addr(&address)) {
                return Self { text, _place: Some(listener) };
            }
        }
        Self::given(base).with_process()
    }

    /// The name with the process id, which nobody else has: two machines may have the same host name.
    pub fn with_process(self) -> Self {
        Self { text: format!("{}-{}", self.text, process::id()), ..self }
    }
}

fn host_name() -> String {
    // If the host has no name, `worker` stands for it.
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "worker".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_free_again_when_its_owner_is_gone() {
        // No other test of this process, and no worker, has that many GPUs.
        let device = Device::Cuda(4096);
        let first = Name::default_of(device);
        let second = Name::default_of(device);
        assert!(first.text.ends_with("-gpu4096"), "{first:?}");
        assert_eq!(second.text, format!("{}-2", first.text));
        let before = first.text.clone();
        drop(first);
        assert_eq!(Name::default_of(device).text, before);
        assert_eq!(second.with_process().text, format!("{before}-2-{}", process::id()));
    }
}
