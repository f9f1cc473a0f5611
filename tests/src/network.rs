//! A small network of namespaces, made for one test: a bridge, and hosts whose links can be cut.
//!
//! The test runs itself once more inside a namespace of its own, so that nothing of it is to be seen from outside and all
//! of it is gone with the process.

use std::{
    env,
    fmt::{self, Display},
    io::{self, Write},
    process::Command,
};

/// Says to a test that it runs inside.
const INSIDE: &str = "COXSWAIN_INSIDE_NAMESPACE";
/// Of the bridge, which the test's own processes have.
const BRIDGE: &str = "10.77.0.1";

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

impl Network {
    /// Inside a namespace, a network of this process alone. Outside of it runs `test`, a test of this program, inside,
    /// and returns `None`: there is nothing more to do.
    ///
    /// # Panics
    /// If `test` fails inside.
    #[must_use]
    pub fn inside(test: &str) -> Option<Self> {
        let namespaces = ["--net", "--mount"];
        if env::var_os(INSIDE).is_some() {
            run("mkdir", "-p /run/netns");
            // Names of namespaces are files; these are seen by nobody else.
            run("mount", "-t tmpfs none /run/netns");
            run("ip", "link set lo up");
            run("ip", "link add br0 type bridge");
            run("ip", &format!("addr add {BRIDGE}/24 dev br0"));
            run("ip", "link set br0 up");
            return Some(Self { hosts: Vec::new() });
        }
        let probe = "ip link add br0 type bridge && ip link add near type veth peer name far && tc qdisc add dev near root bfifo limit 1";
        let possible = Command::new("unshare").args(namespaces).args(["sh", "-c", probe]).output();
        let why = match possible {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Some(format!("unshare: {error}")),
        };
        if let Some(why) = why {
            // Past the capture of a passing test's output: that it did not run has to be seen.
            let _ =
                writeln!(io::stderr(), "SKIPPED {test}: no network namespaces with bridges can be made here: {why}");
            return None;
        }
        let program = env::current_exe().expect("this program has a path");
        let mut inside = Command::new("unshare");
        inside.args(namespaces).arg(program).args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
        let status = inside.status().expect("unshare was there just now");
        assert!(status.success(), "{test} failed inside its namespace");
        None
    }

    /// An address of the bridge, with any port.
    #[must_use]
    pub fn listen(&self) -> String {
        format!("{BRIDGE}:0")
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

fn run(program: &str, arguments: &str) {
    let output = Command::new(program).args(arguments.split(' ')).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
