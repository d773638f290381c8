//! How much processor time the processes behind endpoints have used, where they run on this machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

/// The state of a socket that listens, in the kernel's list.
const LISTENING: &str = "0A";

/// Processor time of all processes that listen at one of the endpoints; `None` if one is not found.
pub(super) fn used(endpoints: &[String]) -> Option<Duration> {
    let mut processes = BTreeSet::new();
    for endpoint in endpoints {
        let port = endpoint.rsplit_once(':')?.1.parse().ok()?;
        processes.insert(listener(port)?);
    }
    processes.into_iter().map(processor_time).sum()
}

/// The process that listens at a port of this machine.
fn listener(port: u16) -> Option<u32> {
    let wanted = format!(":{port:04X}");
    let sockets = fs::read_to_string("/proc/net/tcp").ok()?;
    let inode = sockets.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it = fields.get(1)?.ends_with(&wanted) && *fields.get(3)? == LISTENING;
        is_it.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
    })?;
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.into_iter().find(|id| holds(*id, &inode))
}

fn holds(process: u32, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target == Path::new(socket)))
}

fn processor_time(process: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program stands in parentheses and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let per_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
    Some(Duration::from_micros(ticks * 1_000_000 / per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_by_its_port() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = socket.local_addr().unwrap().to_string();
        assert_eq!(listener(socket.local_addr().unwrap().port()), Some(std::process::id()));
        assert!(used(&[endpoint]).is_some());
        assert_eq!(used(&["127.0.0.1:1".to_owned()]), None);
    }
}
