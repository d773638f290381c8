//! What followers say to a leader comes in late. They acknowledge a write to it, it is cut off, and a revocation returns at another
//! leader. Then the old one is asked, and its followers' acknowledgement of the write comes in. That was given before it was asked,
//! and must not count as proof that it leads. Leases are so short that they do not hide it.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::super::stage::{Access, Stage};

/// What happens to the leader.
const LATE: &str = "transport.append.answered=sleep:8000ms";
/// How long it takes until nothing is under way from it.
const QUIET_IN: Duration = Duration::from_secs(9);
/// How long it takes until its followers have the write.
const SPREADS_IN: Duration = Duration::from_millis(500);

pub(super) async fn play(stage: &mut Stage, access: Access) -> anyhow::Result<Option<String>> {
    let cast = stage.cast().await?;
    let (old, unseen) = (cast.holder, Access(1_000 + access.0));
    access.grant(&stage.writer(cast.leader)?, "").await?;
    stage.restart_with(old, LATE)?;
    stage.let_lead(old).await?;
    let writer = stage.writer(old)?;
    Access(2_000 + access.0).grant(&writer, "").await?;
    tokio::time::sleep(QUIET_IN).await;
    stage.tell(&format!("node {old} leads, and is written to"));
    let writing = tokio::spawn(async move { unseen.grant(&writer, "").await });
    let written = Instant::now();
    tokio::time::sleep(SPREADS_IN).await;
    stage.cut_off(old)?;
    let elsewhere = stage.looker(cast.leader)?;
    while access.revoke(&elsewhere, "").await.is_err() {
        ensure!(written.elapsed() < QUIET_IN, "the others took no revocation in time");
    }
    stage.tell(&format!("the revocation returned {:?} after the write was sent", written.elapsed()));
    let allowed = access.check(&stage.writer(old)?).await == Some(true);
    stage.tell(&format!("{:?} after it, node {old} allows: {allowed}", written.elapsed()));
    stage.heal()?;
    // Whatever came of it.
    let _ = writing.await?;
    Ok(allowed.then(|| "an allow after the revocation returned".to_owned()))
}
