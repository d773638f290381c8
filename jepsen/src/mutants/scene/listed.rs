//! A node is cut off, and its lease runs out. A revocation is taken in another region than that of the leader. The node comes
//! back, is granted a lease, and is cut off again. The revocation must not be acknowledged before that lease has run out, too.

use std::time::{Duration, Instant};

use super::super::stage::{Access, Stage};

/// How long the node is away: longer than its lease lasts.
const AWAY_FOR: Duration = Duration::from_secs(3);
/// When it is cut off again, after the revocation was sent. Nodes that break the rule append it later.
const CUT_AFTER: Duration = Duration::from_millis(2_700);

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
    stage.until_leased(cast.holder, &look).await?;
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
