//! Many ask a holder, which is then frozen. Its lease runs out, and a revocation returns. What it says when it goes on was
//! decided before, and must not leave any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::super::stage::{Access, Stage};

/// How many ask.
const ASKING: u64 = 32;
/// For how long they ask before the node is frozen.
const ASKED_FOR: Duration = Duration::from_millis(300);
/// How many answers may have been looked at and not been sent: a node has fewer threads.
const EXCUSED_MAX: usize = 8;
/// How long it takes until the node stands still.
const STOPS_IN: Duration = Duration::from_millis(50);
/// How long an answer may take: longer than the node is frozen.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) async fn play(stage: &mut Stage, access: Access) -> anyhow::Result<Option<String>> {
    let cast = stage.cast().await?;
    let writer = stage.writer(cast.leader)?;
    access.grant(&writer, "").await?;
    let ends = Arc::new(AtomicBool::new(false));
    let mut asking = JoinSet::new();
    for _ in 0..ASKING {
        let (client, ends) = (stage.cluster.client(cast.holder, ANSWER_TIMEOUT)?, Arc::clone(&ends));
        asking.spawn(async move {
            let mut last = None;
            while !ends.load(Ordering::SeqCst) {
                last = access.check(&client).await.map(|allowed| (allowed, Instant::now()));
            }
            last
        });
    }
    tokio::time::sleep(ASKED_FOR).await;
    stage.cluster.freeze(cast.holder)?;
    // Not all threads of a process stop at once where processors are scarce.
    tokio::time::sleep(STOPS_IN).await;
    let frozen = Instant::now();
    let revoked = access.revoke(&writer, "").await;
    let returned = Instant::now();
    ends.store(true, Ordering::SeqCst);
    let frozen_for = returned - frozen;
    stage.tell(&format!("node {} was frozen for {frozen_for:?}, until the revocation had returned", cast.holder));
    stage.cluster.thaw(cast.holder)?;
    let last = asking.join_all().await;
    revoked?;
    // No more than this answer was under way for each, and its node was frozen from before the revocation was sent.
    let answered = last.iter().flatten().count();
    let late = last.iter().flatten().filter(|(allowed, at)| *allowed && *at > returned).count();
    stage.tell(&format!("of {answered} answers that were under way, {late} allow"));
    Ok((late > EXCUSED_MAX).then(|| format!("{late} allows left a node after the revocation had returned")))
}
