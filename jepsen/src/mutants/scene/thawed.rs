//! Many write to a leader and ask it, when it is frozen. Another is elected, and a revocation returns. Then more is asked of the
//! frozen one, which goes on: answers of others that had arrived before must not prove to it that it leads still.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::super::stage::{Access, Stage};

/// How many write when it is frozen, so that answers to its appends are under way.
const WRITING: u64 = 16;
/// For how long they do before.
const WRITE_FOR: Duration = Duration::from_millis(300);
/// How many ask while it is frozen.
const ASKING: u64 = 64;
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// How long it may take until others have elected a leader and the revocation returned.
const REVOKED_IN: Duration = Duration::from_secs(20);

pub(super) async fn play(stage: &mut Stage, access: Access) -> anyhow::Result<Option<String>> {
    let cast = stage.cast().await?;
    let writer = stage.writer(cast.leader)?;
    access.grant(&writer, "").await?;
    let mut writing = JoinSet::new();
    for place in 0..WRITING {
        let client = writer.clone();
        writing.spawn(async move {
            for write in 0_u64.. {
                let _ = Access(access.0 * 1_000_000 + place * 10_000 + write).grant(&client, "").await;
            }
        });
    }
    tokio::time::sleep(WRITE_FOR).await;
    stage.cluster.freeze(cast.leader)?;
    let (elsewhere, began) = (stage.looker(cast.holder)?, Instant::now());
    while access.revoke(&elsewhere, "").await.is_err() && began.elapsed() < REVOKED_IN {}
    stage.tell(&format!("node {} was frozen until the revocation had returned", cast.leader));
    let client = stage.cluster.client(cast.leader, ANSWER_TIMEOUT)?;
    let mut asking = JoinSet::new();
    for _ in 0..ASKING {
        let client = client.clone();
        asking.spawn(async move { access.check(&client).await });
    }
    // All of them have been sent by then.
    tokio::time::sleep(WRITE_FOR).await;
    stage.cluster.thaw(cast.leader)?;
    let answers = asking.join_all().await;
    writing.abort_all();
    let wrong = answers.iter().filter(|answer| **answer == Some(true)).count();
    stage.tell(&format!("{wrong} of {} answers allow", answers.iter().flatten().count()));
    Ok((wrong > 0).then(|| "an allow after the revocation returned".to_owned()))
}
