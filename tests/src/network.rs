//! A small network of namespaces, made for one test: a bridge, and hosts whose links can be cut.

use crate::namespace::{self, run};
use std::{
    env,
    fmt::{self, Display},
    fs,
    path::PathBuf,
    process::Command,
};

/// Of the bridge, which the test's own processes have.
const BRIDGE: &str = "10.77.0.1";
/// Of the bridge too, where it has moved.
const MOVED: &str = "10.77.0.100";

/// What a link loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Both ways; the interface is down.
    Both,
    /// What the host sends.
    FromHost,
    /// What is sent to the host.
    ToHost,
}

/// A network inside of which this process runs.
pub struct Network {
    hosts: Vec<String>,
}

/// A host of a [`Network`], by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// `program`, to be run there.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }
}

impl Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Only there if names were given.
        let _ = fs::remove_file(names());
    }
}

/// The file that is `/etc/hosts` inside.
fn names() -> PathBuf {
    env::temp_dir().join(format!("coxswain-hosts-{}", std::process::id()))
}

impl Network {
    /// Inside a namespace, a network of this process alone. Outside of it runs `test`, a test of this program, inside,
    /// and returns `None`: there is nothing more to do.
    ///
    /// # Panics
    /// If `test` fails inside.
    #[must_use]
    pub fn inside(test: &str) -> Option<Self> {
        let probe = "ip link add br0 type bridge && ip link add near type veth peer name far && \
                     tc qdisc add dev near root bfifo limit 1";
        if !namespace::enter(test, &["--net", "--mount"], probe) {
            return None;
        }
        run("mkdir", "-p /run/netns");
        // Names of namespaces are files; these are seen by nobody else.
        run("mount", "-t tmpfs none /run/netns");
        run("ip", "link set lo up");
        run("ip", "link add br0 type bridge");
        run("ip", &format!("addr add {BRIDGE}/24 dev br0"));
        run("ip", "link set br0 up");
        Some(Self { hosts: Vec::new() })
    }

    /// An address of the bridge, with any port.
    #[must_use]
    pub fn listen(&self) -> String {
        format!("{BRIDGE}:0")
    }

    /// Gives `name` a meaning on all hosts: the bridge's own address, or, as `moved`, another one that it has then. What
    /// the name meant before it means no longer.
    ///
    /// # Panics
    /// If that cannot be done.
    #[must_use]
    pub fn name(&self, name: &str, moved: bool) -> String {
        let address = if moved { MOVED } else { BRIDGE };
        let names = names();
        let first = !names.exists();
        fs::write(&names, format!("{address} {name}\n")).expect("there is room for a line");
        if first {
            run("mount", &format!("--bind {} /etc/hosts", names.display()));
        }
        if moved {
            run("ip", &format!("addr add {MOVED}/24 dev br0"));
        }
        address.to_owned()
    }

    /// Gives names the meanings in `lines`, and no other, on all hosts.
    ///
    /// # Panics
    /// If that cannot be done.
    pub fn names(&self, lines: &str) {
        let names = names();
        fs::write(&names, lines).expect("there is room for some lines");
        run("mount", &format!("--bind {} /etc/hosts", names.display()));
    }

    /// Gives `host` a further address that it knows itself, and that others look for on the bridge in vain.
    ///
    /// # Panics
    /// If that cannot be done.
    pub fn add_hidden_address(&mut self, host: &Host, address: &str) {
        run("ip", &format!("-n {host} addr add {address}/32 dev lo"));
        run("ip", &format!("route add {address}/32 dev br0"));
        for other in self.hosts.iter().filter(|other| **other != host.0) {
            run("ip", &format!("-n {other} route add {address}/32 dev eth0"));
        }
        // It does not answer for it on its link.
        run("ip", &format!("netns exec {host} sysctl -qw net.ipv4.conf.all.arp_ignore=1"));
    }

    /// Another host, linked to the bridge.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn host(&mut self, name: &str) -> Host {
        let address = self.hosts.len() + 2;
        self.hosts.push(name.to_owned());
        run("ip", &format!("netns add {name}"));
        run("ip", &format!("link add to-{name} type veth peer name eth0 netns {name}"));
        run("ip", &format!("link set to-{name} master br0 up"));
        run("ip", &format!("-n {name} addr add 10.77.0.{address}/24 dev eth0"));
        run("ip", &format!("-n {name} link set eth0 up"));
        run("ip", &format!("-n {name} link set lo up"));
        Host(name.to_owned())
    }

    /// Cuts the link of `host`. Nobody is told: connections only fall silent.
    ///
    /// # Panics
    /// If that cannot be done.
    pub fn cut(&self, host: &Host, cut: Cut) {
        // A queue of one byte has room for no packet.
        match cut {
            Cut::Both => run("ip", &format!("link set to-{host} down")),
            Cut::FromHost => run("tc", &format!("-n {host} qdisc replace dev eth0 root bfifo limit 1")),
            Cut::ToHost => run("tc", &format!("qdisc replace dev to-{host} root bfifo limit 1")),
        }
    }

    /// Mends what [`Self::cut`] cut.
    ///
    /// # Panics
    /// If that cannot be done.
    pub fn mend(&self, host: &Host, cut: Cut) {
        match cut {
            Cut::Both => run("ip", &format!("link set to-{host} up")),
            Cut::FromHost => run("tc", &format!("-n {host} qdisc del dev eth0 root")),
            Cut::ToHost => run("tc", &format!("qdisc del dev to-{host} root")),
        }
    }
}
