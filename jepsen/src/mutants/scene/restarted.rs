//! A holder is cut off, and its lease keeps a revocation from being visible. A node that has it is killed and starts again. It
//! must not show it: the holder still allows.

use std::time::Duration;

use super::super::stage::{Access, Stage};

/// How long it takes until everybody but the holder has the revocation, and those who must not have frozen it.
const SPREADS_IN: Duration = Duration::from_millis(500);
/// For how long the node that started is asked. It must not say more within the lease of the holder.
const ASKED_FOR: Duration = Duration::from_secs(4);

pub(super) async fn play(stage: &mut Stage, access: Access) -> anyhow::Result<Option<String>> {
    let cast = stage.cast().await?;
    let writer = stage.writer(cast.leader)?;
    access.grant(&writer, "").await?;
    stage.cut_off(cast.holder)?;
    let revoking = tokio::spawn(async move { access.revoke(&writer, "").await });
    tokio::time::sleep(SPREADS_IN).await;
    stage.tell(&format!("node {} is killed and starts again", cast.other));
    stage.cluster.kill(cast.other)?;
    stage.cluster.restart(cast.other)?;
    let denied = stage.denies(cast.other, access, ASKED_FOR).await?;
    stage.tell(if denied { "it denies" } else { "it says nothing" });
    let allowed = access.check(&stage.looker(cast.holder)?).await == Some(true);
    stage.tell(if allowed { "the holder allows" } else { "the holder does not allow" });
    stage.heal()?;
    revoking.await??;
    let what = "an allow after another check had shown the revocation";
    Ok((denied && allowed).then(|| what.to_owned()))
}
