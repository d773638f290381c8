//! A node is cut off, and its lease runs out. A revocation is taken in another region than that of the leader. The node comes
//! back, is granted a lease, and is cut off again. The revocation must not be acknowledged before that lease has run out, too.

use std::time::{Duration, Instant};

use crate::cluster::wait;
use portcullis_client::v1;

use super::super::stage::{Access, Stage};

/// How long the node is away: longer than its lease lasts.
const AWAY_FOR: Duration = Duration::from_secs(3);
/// When it is cut off again, after the revocation was sent. Nodes that break the rule append it later.
const CUT_AFTER: Duration = Duration::from_millis(2_700);
/// How long it may take until it holds a lease.
const LEASED_IN: Duration = Duration::from_secs(10);

pub(super) async fn play(stage: &mut Stage, access: Access) -> anyhow::Result<Option<String>> {
    let cast = stage.cast().await?;
    access.grant(&stage.writer(cast.leader)?, "").await?;
    stage.cut_off(cast.holder)?;
    tokio::time::sleep(AWAY_FOR).await;
    let taker = stage.writer(cast.other)?;
    let sent = Instant::now();
    let revoking = tokio::spawn(async move { (access.revoke(&taker, "").await, Instant::now()) });
    stage.heal()?;
    let look = stage.looker(cast.holder)?;
    wait::until_true("the lease of the node that was cut off", LEASED_IN, async || {
        let Ok(status) = look.status(v1::StatusRequest {}).await else { return Ok(false) };
        let own = status.nodes.iter().find(|node| node.id == cast.holder).and_then(|node| node.lease.as_ref());
        Ok(own.is_some_and(|lease| lease.held))
    })
    .await?;
    stage.tell(&format!("node {} holds a lease {:?} after the revocation was sent", cast.holder, sent.elapsed()));
    tokio::time::sleep(CUT_AFTER.saturating_sub(sent.elapsed())).await;
    stage.cut_off(cast.holder)?;
    let (revoked, returned) = revoking.await?;
    let allowed = access.check(&look).await == Some(true);
    stage.tell(&format!("the revocation returned after {:?}, and the node allows: {allowed}", returned - sent));
    stage.heal()?;
    revoked?;
    Ok(allowed.then(|| "an allow after the revocation returned".to_owned()))
}
