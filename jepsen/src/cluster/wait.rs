//! Waiting for a condition, with a limit.

use std::time::{Duration, Instant};

use anyhow::bail;

/// The pause between two looks.
pub const PAUSE: Duration = Duration::from_millis(50);

/// Looks until there is something to see, and returns it; fails when `timeout` has passed before.
pub async fn until<T>(
    what: &str,
    timeout: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
        if started.elapsed() >= timeout {
            bail!("waited {timeout:?} for {what}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Looks until it holds.
pub async fn until_true(
    what: &str,
    timeout: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    until(what, timeout, async || Ok(look().await?.then_some(()))).await
}
