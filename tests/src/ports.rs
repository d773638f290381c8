//! Ports that stay free while a node is down.
//!
//! A port that the system itself hands out lies in the range from which outgoing connections take theirs. While the node
//! that had it is down, any connection on the machine may take it, even one that is being made to it. So ports come from
//! below that range.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::{LazyLock, Mutex};

use anyhow::bail;

/// The lowest port that is tried.
const LOWEST: u16 = 10_000;
/// Where ports for outgoing connections begin if the system does not say.
const EPHEMERAL: u16 = 32_768;
/// How many ports are tried for one that is free.
const ATTEMPTS_MAX: usize = 1_000;

static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// Returns a port that nobody listens at and that was not returned before.
pub(crate) fn free() -> anyhow::Result<u16> {
    let end = ephemeral().max(LOWEST + 1);
    let mut taken = TAKEN.lock().expect("INVARIANT: nothing panics while holding the ports");
    for _ in 0..ATTEMPTS_MAX {
        let port = rand::random_range(LOWEST..end);
        if !taken.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            taken.insert(port);
            return Ok(port);
        }
    }
    bail!("no port between {LOWEST} and {end} is free")
}

fn ephemeral() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|port| port.parse().ok()).unwrap_or(EPHEMERAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_new_and_free() {
        let (one, other) = (free().unwrap(), free().unwrap());
        assert_ne!(one, other);
        assert!(one < ephemeral() && TcpListener::bind(("127.0.0.1", one)).is_ok());
    }
}
