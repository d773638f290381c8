//! What this machine lets be done to nodes.

use super::namespaces::Cutter;
use super::shell;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Whether this is root.
    pub root: bool,
    /// Whether there is `ip`.
    pub ip: bool,
    /// What can drop packets.
    pub cutter: Option<Cutter>,
}

impl Machine {
    /// Looks at the machine.
    pub fn look() -> Self {
        Self { root: nix::unistd::geteuid().is_root(), ip: shell::has("ip"), cutter: Cutter::find() }
    }

    /// What cuts the network between namespaces, or why there are none.
    pub fn namespaces(&self) -> Result<Cutter, String> {
        if !self.root {
            return Err("network namespaces need root".to_owned());
        }
        if !self.ip {
            return Err("there is no `ip`: install iproute2".to_owned());
        }
        self.cutter.ok_or_else(|| "there is neither `nft` nor `iptables`: install nftables".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let all = Machine { root: true, ip: true, cutter: Some(Cutter::Iptables) };
        assert_eq!(all.namespaces(), Ok(Cutter::Iptables));
        assert!(Machine { root: false, ..all }.namespaces().unwrap_err().contains("root"));
        assert!(Machine { ip: false, ..all }.namespaces().unwrap_err().contains("iproute2"));
        assert!(Machine { cutter: None, ..all }.namespaces().unwrap_err().contains("nftables"));
    }
}
