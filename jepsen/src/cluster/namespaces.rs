//! A network of namespaces: each node in one of its own, joined by a bridge that has one, too.
//!
//! The harness itself moves into the namespace of the bridge, so it reaches every node whatever is cut: what goes from a node to
//! another is forwarded by the bridge and can be dropped there, and what goes to the harness is not forwarded. The host's
//! own interfaces are not touched, and addresses of several runs at the same time do not meet.

mod bandwidth;
mod loss;
mod slow;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sched::{CloneFlags, setns};

use super::leftovers::Mark;
use super::network::Wires;
use super::shell;
use super::switch::{Switch, device};

/// What the names of all our namespaces begin with.
const PREFIX: &str = "jepsen-";
/// Where namespaces with names are.
const FOLDER: &str = "/run/netns";
/// How long a connection may take that is made to see whether it can be.
const PROBE_TIMEOUT: Duration = Duration::from_millis(300);
/// The port of such connections.
const PROBE_PORT: u16 = 8600;
/// The table of the bridge: whatever comes in by one interface and would leave by another is dropped if the set has the two.
/// What is not cut off goes on to where some of it may be lost.
const TABLE: &str = "table bridge jepsen {
    set cut { type ifname . ifname; }
    chain between { type filter hook forward priority 0; policy accept; iifname . oifname @cut drop; }
    chain lossy { type filter hook forward priority 1; policy accept; }
}";

/// What drops packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cutter {
    /// A table of the bridge, which changes as a whole.
    Nft,
    /// Rules at each listener, where there is no `nft`.
    Iptables,
}

impl Cutter {
    /// What this machine has.
    pub fn find() -> Option<Self> {
        let found = [(Self::Nft, "nft"), (Self::Iptables, "iptables")];
        found.into_iter().find(|(_, program)| shell::has(program)).map(|(cutter, _)| cutter)
    }
}

/// The namespaces of a run. They are deleted when this is dropped.
#[derive(Debug)]
pub(super) struct Namespaces {
    mark: Mark,
    nodes: u64,
    cutter: Cutter,
    /// Who is cut off from whom.
    cuts: BTreeSet<(u64, u64)>,
    /// How many packets of a hundred are lost from whom to whom.
    losses: BTreeMap<(u64, u64), u8>,
    /// Whether losses were seen to lose, or why not.
    can_lose: Result<(), String>,
    /// What frames pass between nodes and the bridge, if not devices of the kernel.
    switch: Option<Switch>,
}

impl Namespaces {
    /// Makes the namespaces, proves that cuts between them cut, and tries whether losses lose.
    pub(super) fn make(mark: Mark, nodes: u64, cutter: Cutter, wires: Wires) -> anyhow::Result<Self> {
        // From here on it is dropped if anything fails, and with it what was made so far.
        let can_lose = Err("it takes two nodes to lose packets between them".to_owned());
        let switch = match wires {
            Wires::Kernel => None,
            Wires::Switch => Some(Switch::new()),
        };
        let made = Self { mark, nodes, cutter, cuts: BTreeSet::new(), losses: BTreeMap::new(), can_lose, switch };
        let bridge = made.bridge();
        shell::run(&format!("ip netns add {bridge}"))?;
        shell::run(&format!("ip -n {bridge} link add br0 type bridge"))?;
        shell::run(&format!("ip -n {bridge} addr add 10.77.0.254/24 dev br0"))?;
        shell::run(&format!("ip -n {bridge} link set br0 up"))?;
        shell::run(&format!("ip -n {bridge} link set lo up"))?;
        (1..=nodes).try_for_each(|node| made.join(node))?;
        if cutter == Cutter::Nft {
            shell::run_with(&format!("ip netns exec {bridge} nft -f -"), TABLE)?;
        }
        made.proven()
    }

    /// Makes a namespace for one more node, and returns its number.
    pub(super) fn add(&mut self) -> anyhow::Result<u64> {
        self.nodes += 1;
        self.join(self.nodes)?;
        Ok(self.nodes)
    }

    /// Makes the namespace of a node, and joins it to the bridge.
    fn join(&self, node: u64) -> anyhow::Result<()> {
        let (bridge, name) = (self.bridge(), self.name(node));
        shell::run(&format!("ip netns add {name}"))?;
        match &self.switch {
            None => {
                shell::run(&format!("ip -n {bridge} link add p{node} type veth peer name eth0 netns {name}"))?;
            }
            Some(switch) => {
                let port = format!("p{node}");
                let (own, port) = (within(&name, || device("eth0"))??, within(&bridge, move || device(&port))??);
                switch.join(node, own, port)?;
            }
        }
        shell::run(&format!("ip -n {bridge} link set p{node} master br0 up"))?;
        shell::run(&format!("ip -n {name} addr add {}/24 dev eth0", host(node)))?;
        shell::run(&format!("ip -n {name} link set eth0 up"))?;
        shell::run(&format!("ip -n {name} link set lo up")).map(drop)
    }

    /// Moves this thread, and all that it starts from now on, into the namespace of the bridge.
    pub(super) fn enter(&self) -> anyhow::Result<()> {
        enter(&self.bridge())
    }

    /// Begins a command in the namespace of a node.
    pub(super) fn command(&self, node: u64) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(node)]);
        command
    }

    /// Cuts exactly these ways, as (speaker, listener).
    pub(super) fn cut(&mut self, cuts: &BTreeSet<(u64, u64)>) -> anyhow::Result<()> {
        match self.cutter {
            Cutter::Nft => {
                let pairs: Vec<String> = cuts.iter().map(|(from, to)| format!("\"p{from}\" . \"p{to}\"")).collect();
                let set = if pairs.is_empty() {
                    String::new()
                } else {
                    format!("add element bridge jepsen cut {{ {} }}\n", pairs.join(", "))
                };
                let script = format!("flush set bridge jepsen cut\n{set}");
                shell::run_with(&format!("ip netns exec {} nft -f -", self.bridge()), &script)?;
            }
            Cutter::Iptables => {
                for (from, to) in self.cuts.symmetric_difference(cuts) {
                    let change = if cuts.contains(&(*from, *to)) { "-A" } else { "-D" };
                    let rule = format!("iptables -w {change} INPUT -s {} -j DROP", host(*from));
                    shell::run(&format!("ip netns exec {} {rule}", self.name(*to)))?;
                }
            }
        }
        self.cuts.clone_from(cuts);
        Ok(())
    }

    /// A cut that cuts nothing would make every run pass.
    fn proven(mut self) -> anyhow::Result<Self> {
        if self.nodes >= 2 {
            ensure!(self.hears()?, "nodes cannot hear each other in their namespaces");
            self.cut(&BTreeSet::from([(1, 2)]))?;
            ensure!(!self.hears()?, "a cut from node 1 to node 2 cuts nothing");
            self.cut(&BTreeSet::from([(2, 1)]))?;
            ensure!(!self.hears()?, "a cut from node 2 to node 1 cuts nothing");
            self.cut(&BTreeSet::new())?;
            ensure!(self.hears()?, "a cut between nodes 1 and 2 does not heal");
            self.can_lose = self.try_losses();
        }
        Ok(self)
    }

    /// Whether a connection from node 1 to node 2 can be made.
    fn hears(&self) -> anyhow::Result<bool> {
        let to: SocketAddr = format!("{}:{PROBE_PORT}", host(2)).parse()?;
        let listener = within(&self.name(2), move || TcpListener::bind(to))??;
        let connected = within(&self.name(1), move || TcpStream::connect_timeout(&to, PROBE_TIMEOUT).is_ok())?;
        drop(listener);
        Ok(connected)
    }

    fn bridge(&self) -> String {
        format!("{PREFIX}{}-sw", self.mark)
    }

    fn name(&self, node: u64) -> String {
        format!("{PREFIX}{}-n{node}", self.mark)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        let names = (1..=self.nodes).map(|node| self.name(node)).chain([self.bridge()]);
        for name in names.filter(|name| Path::new(FOLDER).join(name).exists()) {
            if let Err(error) = shell::run(&format!("ip netns delete {name}")) {
                eprintln!("a namespace stays: {error:#}");
            }
        }
    }
}

/// The address of a node.
pub(super) fn host(node: u64) -> String {
    format!("10.77.0.{node}")
}

/// The names of all namespaces of this machine, whoever made them.
pub(super) fn all() -> anyhow::Result<Vec<String>> {
    let entries = match std::fs::read_dir(FOLDER) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// Who made a namespace; nothing if it was no harness.
pub(super) fn mark_of(name: &str) -> Option<Mark> {
    let (mark, part) = name.strip_prefix(PREFIX)?.rsplit_once('-')?;
    let node = part.strip_prefix('n').and_then(|node| node.parse::<u64>().ok());
    if part == "sw" || node.is_some() { mark.parse().ok() } else { None }
}

fn enter(name: &str) -> anyhow::Result<()> {
    let namespace =
        File::open(Path::new(FOLDER).join(name)).with_context(|| format!("there is no namespace `{name}`"))?;
    setns(namespace, CloneFlags::CLONE_NEWNET).with_context(|| format!("namespace `{name}` cannot be entered"))
}

/// Does something in a namespace, on a thread of its own.
fn within<T: Send + 'static>(name: &str, act: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    let name = name.to_owned();
    let thread = std::thread::spawn(move || enter(&name).map(|()| act()));
    thread.join().expect("INVARIANT: what is done in a namespace does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_namespaces_have_a_mark() {
        let mark: Mark = "12-34".parse().unwrap();
        assert_eq!([mark_of("jepsen-12-34-sw"), mark_of("jepsen-12-34-n5")], [Some(mark), Some(mark)]);
        for foreign in
            ["sw", "jepsen", "jepsen-sw", "jepsen-12-34", "jepsen-12-34-x1", "jepsen-a-b-sw", "my-jepsen-1-2-sw"]
        {
            assert_eq!(mark_of(foreign), None, "{foreign}");
        }
    }
}
