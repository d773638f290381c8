//! A node is cut off until it has to be sent a snapshot. Then a call is sent again that it missed. It must do to all nodes what
//! it did before: nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::stage::{Access, Stage};

/// How many writes are made while it is away: several times as many as are kept in logs.
const WRITES: u64 = 200;
/// How long it may take until it has caught up.
const CATCHES_UP_IN: Duration = Duration::from_secs(20);

pub(super) async fn play(stage: &mut Stage, access: Access) -> anyhow::Result<Option<String>> {
    let cast = stage.cast().await?;
    let (writer, key) = (stage.writer(cast.leader)?, format!("key-{}", access.0));
    stage.cut_off(cast.other)?;
    access.grant(&writer, &key).await?;
    for write in 0..WRITES {
        let filler = Access(access.0 * 1_000_000 + write);
        filler.grant(&writer, "").await?;
    }
    access.revoke(&writer, "").await?;
    stage.heal()?;
    let caught_up = stage.denies(cast.other, access, CATCHES_UP_IN).await?;
    stage.tell(if caught_up { "the node has caught up" } else { "the node has not caught up" });
    access.grant(&writer, &key).await?;
    let hashes = stage.cluster.state_hashes().await?;
    let told: BTreeSet<&str> = hashes.iter().map(|hash| hash.hash.as_str()).collect();
    stage.tell(&format!("{} nodes say {} hashes", hashes.len(), told.len()));
    Ok((told.len() > 1).then(|| "nodes that differ at the same revision".to_owned()))
}
