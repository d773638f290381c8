//! What is compared with: a service that does nothing, in a process of its own, and a bare loop of `fdatasync`.

use std::fs::File;
use std::io::Write;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use portcullis_server::empty;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::drive::{self, Measured};

/// What one turn of the loop writes: about as much as an entry of the log.
const RECORD: [u8; 256] = [7; 256];

/// A service that does nothing, as long as this value lives.
pub(super) struct Service {
    pub(super) address: String,
    _process: Child,
}

impl Service {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("empty-service").stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().context("the empty service does not start")?;
        let stdout = process.stdout.take().context("the empty service has no output")?;
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address).await?;
        if address.is_empty() {
            bail!("the empty service does not say where it listens");
        }
        Ok(Self { address: address.trim().to_owned(), _process: process })
    }
}

/// Runs the service that does nothing, and prints where it listens.
pub(crate) async fn serve_nothing() -> anyhow::Result<ExitCode> {
    let (address, served) = empty::serve().await?;
    println!("{address}");
    served.await;
    Ok(ExitCode::SUCCESS)
}

/// Writes and syncs a file again and again.
#[expect(clippy::cast_precision_loss, reason = "counts of turns are far below 2^53")]
pub(super) fn sync_loop(period: Duration) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir()?;
    let mut file = File::create(folder.path().join("reference"))?;
    let mut latencies = drive::latencies();
    let started = Instant::now();
    while started.elapsed() < period {
        let begun = Instant::now();
        file.write_all(&RECORD)?;
        file.sync_data()?;
        latencies.saturating_record(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    let at = |quantile| latencies.value_at_quantile(quantile);
    Ok(Measured {
        rate: latencies.len() as f64 / started.elapsed().as_secs_f64(),
        p50_us: at(0.5),
        p99_us: at(0.99),
        p999_us: at(0.999),
        server_cpu_us: None,
        errors: 0,
    })
}
