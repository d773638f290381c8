//! Logs: for people on a terminal, as JSON elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What openraft may say beside ours. As errors of `openraft::raft` it logs what it returns to us, and we handle; of a node
/// that is down its heartbeats speak ten times a second, and replication once.
const OPENRAFT: &str = "openraft=warn,openraft::raft=off,openraft::core::heartbeat=error";

/// Starts logging to standard error. `RUST_LOG` overrides the level.
pub(crate) fn start(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("{level},{OPENRAFT}")));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        logs.init();
    } else {
        logs.json().init();
    }
}
