//! Grants come in late at a node, which is then cut off. The leader counts its lease from before it answered, and the revocation
//! returns when that has run out. The node must have counted from no later.

use super::super::stage::{Access, Stage};

/// What happens to the node.
const LATE: &str = "lease.grant.received=sleep:1500ms";

pub(super) async fn play(stage: &mut Stage, access: Access) -> anyhow::Result<Option<String>> {
    let cast = stage.cast().await?;
    let writer = stage.writer(cast.leader)?;
    access.grant(&writer, "").await?;
    stage.restart_with(cast.holder, LATE)?;
    // While a grant is late it says nothing of leases.
    stage.until_leased(cast.holder, &stage.writer(cast.holder)?).await?;
    stage.cut_off(cast.holder)?;
    let look = stage.looker(cast.holder)?;
    let leased = access.check(&look).await == Some(true);
    stage.tell(if leased { "the node is cut off, and allows" } else { "the node is cut off, and does not allow" });
    let revoked = access.revoke(&writer, "").await;
    let allowed = access.check(&look).await == Some(true);
    stage.tell(&format!("the revocation has returned, and the node allows: {allowed}"));
    stage.heal()?;
    revoked?;
    Ok(allowed.then(|| "an allow after the revocation returned".to_owned()))
}
