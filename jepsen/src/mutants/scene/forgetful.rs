//! The leader is cut off, and all others start again, so that none of them knows what it promised. They must not elect another
//! while the old one counts on their promises. Leases are so short that they do not hide it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::super::stage::{Access, Stage};

/// How many ask the old leader all the time.
const ASKING: u64 = 8;
/// For how long they do once the revocation has returned.
const ASKED_FOR: Duration = Duration::from_secs(1);
/// How long it may take until others have elected a leader and the revocation returned.
const REVOKED_IN: Duration = Duration::from_secs(20);

pub(super) async fn play(stage: &mut Stage, access: Access) -> anyhow::Result<Option<String>> {
    let cast = stage.cast().await?;
    access.grant(&stage.writer(cast.leader)?, "").await?;
    let ends = Arc::new(AtomicBool::new(false));
    let mut asking = JoinSet::new();
    for _ in 0..ASKING {
        let (client, ends) = (stage.looker(cast.leader)?, Arc::clone(&ends));
        asking.spawn(async move {
            let mut last_allowed = None;
            while !ends.load(Ordering::SeqCst) {
                let asked = Instant::now();
                if access.check(&client).await == Some(true) {
                    last_allowed = Some(asked);
                }
            }
            last_allowed
        });
    }
    stage.cut_off(cast.leader)?;
    for node in [cast.holder, cast.other] {
        stage.cluster.kill(node)?;
        stage.cluster.restart(node)?;
    }
    let (elsewhere, began) = (stage.looker(cast.holder)?, Instant::now());
    while access.revoke(&elsewhere, "").await.is_err() && began.elapsed() < REVOKED_IN {}
    let returned = Instant::now();
    tokio::time::sleep(ASKED_FOR).await;
    ends.store(true, Ordering::SeqCst);
    let last_allowed = asking.join_all().await.into_iter().flatten().max();
    stage.tell(&match last_allowed {
        Some(asked) if asked > returned => format!("asked {:?} after it had returned, it allowed", asked - returned),
        Some(asked) => format!("asked {:?} before it had returned, it allowed for the last time", returned - asked),
        None => "it never allowed".to_owned(),
    });
    stage.heal()?;
    let wrong = last_allowed.is_some_and(|asked| asked > returned);
    Ok(wrong.then(|| "an allow after the revocation returned".to_owned()))
}
