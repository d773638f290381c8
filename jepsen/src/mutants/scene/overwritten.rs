//! A leader and one more are cut off, and write what is never committed. The others elect another leader, and a revocation returns
//! there. Then the one comes back: its log is longer than that of the new leader, whose entries it does not have. It must not
//! answer by a lease before it has them. Once it has, it is cut off again: what it had registered of the old leader must not count
//! as registered of the new one, whose next revocation has to wait for its lease.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::future::join_all;
use tokio::task::JoinSet;

use super::super::stage::{Access, Stage};

/// How many writes are never committed: more than a new leader begins with.
const WRITES: u64 = 50;
/// How long it may take until others have elected a leader and the revocation returned.
const REVOKED_IN: Duration = Duration::from_secs(20);
/// How many ask the node that comes back.
const ASKING: u64 = 16;
/// For how long they do.
const ASKED_FOR: Duration = Duration::from_secs(3);
/// How long each of them waits: the lease may be there for as short a time.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(50);

pub(super) async fn play(stage: &mut Stage, access: Access) -> anyhow::Result<Option<String>> {
    let cast = stage.cast().await?;
    let later = Access(access.0 * 1_000_000 + WRITES);
    for given in [access, later] {
        given.grant(&stage.writer(cast.leader)?, "").await?;
    }
    stage.split(&[cast.leader, cast.holder])?;
    let outvoted = stage.looker(cast.leader)?;
    let writes = (0..WRITES).map(|write| Access(access.0 * 1_000_000 + write));
    let written = join_all(writes.map(async |write| write.grant(&outvoted, "").await)).await;
    ensure!(written.iter().all(Result::is_err), "a minority of the nodes took a write");
    let (elsewhere, began) = (stage.writer(cast.other)?, Instant::now());
    while access.revoke(&elsewhere, "").await.is_err() {
        ensure!(began.elapsed() < REVOKED_IN, "the others took no revocation");
    }
    stage.tell(&format!("the revocation returned, and node {} comes back", cast.holder));
    let back = Instant::now();
    let mut asking = JoinSet::new();
    for _ in 0..ASKING {
        let client = stage.cluster.client(cast.holder, ANSWER_TIMEOUT)?;
        asking.spawn(async move {
            let mut allowed = 0_u64;
            while back.elapsed() < ASKED_FOR {
                allowed += u64::from(access.check(&client).await == Some(true));
            }
            allowed
        });
    }
    stage.cut_off(cast.leader)?;
    let allowed: u64 = asking.join_all().await.into_iter().sum();
    stage.tell(&format!("it allowed {allowed} times"));
    if allowed > 0 {
        return Ok(Some("an allow after the revocation returned".to_owned()));
    }
    let look = stage.looker(cast.holder)?;
    stage.until_leased(cast.holder, &look).await?;
    stage.split(&[cast.leader, cast.holder])?;
    later.revoke(&elsewhere, "").await?;
    let allowed = later.check(&look).await == Some(true);
    stage.tell(&format!("a later revocation returned when it was cut off again, and it allows: {allowed}"));
    stage.heal()?;
    Ok(allowed.then(|| "an allow after a later revocation returned".to_owned()))
}
