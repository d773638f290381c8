//! A holder is cut off, and its lease keeps a revocation from being visible. Whoever sent it gives up, and sends it again under
//! the same key. It must not be told what came of it while the holder still allows.

use super::super::stage::{Access, Stage};

pub(super) async fn play(stage: &mut Stage, access: Access) -> anyhow::Result<Option<String>> {
    let cast = stage.cast().await?;
    let (hasty, key) = (stage.looker(cast.leader)?, format!("key-{}", access.0));
    access.grant(&stage.writer(cast.leader)?, "").await?;
    stage.cut_off(cast.holder)?;
    let mut returned = false;
    for _ in 0..2 {
        returned = access.revoke(&hasty, &key).await.is_ok();
        stage.tell(if returned { "the revocation returned" } else { "the revocation did not return" });
    }
    let allowed = access.check(&stage.looker(cast.holder)?).await == Some(true);
    stage.tell(if allowed { "the holder allows" } else { "the holder does not allow" });
    stage.heal()?;
    // It takes place in the end.
    access.revoke(&stage.writer(cast.leader)?, &key).await?;
    Ok((returned && allowed).then(|| "an allow after the revocation returned".to_owned()))
}
