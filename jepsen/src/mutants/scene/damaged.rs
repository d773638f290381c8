//! All nodes lose power, so that nothing is left of their states, which are made anew from the logs. Two of three have a bit of
//! theirs flipped. They must not start: what was acknowledged may be behind the damage.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use super::super::stage::{Access, Stage};

/// How many writes there are behind the first.
const WRITES: u64 = 50;
/// How long damaged nodes are asked for.
const ASKED_FOR: Duration = Duration::from_secs(10);

pub(super) async fn play(stage: &mut Stage, access: Access) -> anyhow::Result<Option<String>> {
    let cast = stage.cast().await?;
    let writer = stage.writer(cast.leader)?;
    access.grant(&writer, "").await?;
    for write in 0..WRITES {
        Access(1_000 + write).grant(&writer, "").await?;
    }
    access.revoke(&writer, "").await?;
    for node in stage.cluster.ids() {
        stage.cluster.kill(node)?;
        let folder = stage.folder.join(format!("node-{node}"));
        // None of it was synced.
        for path in write_ahead_logs(&folder.join("state/gen-1"))? {
            File::create(path)?;
        }
        if node != cast.other {
            flip_near_the_end(&folder.join("log/entries"))?;
        }
    }
    stage.tell("all lost power, and two of the logs are damaged");
    for node in [cast.leader, cast.holder] {
        stage.cluster.restart(node)?;
    }
    let client = stage.looker(cast.leader)?;
    let began = std::time::Instant::now();
    while began.elapsed() < ASKED_FOR {
        if access.check(&client).await == Some(true) {
            return Ok(Some("an allow after the revocation returned".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stage.tell("nothing was allowed");
    Ok(None)
}

fn write_ahead_logs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for item in fs::read_dir(folder)? {
        let path = item?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Flips a bit of what was written last but a little, so that the revocation lies behind it and the grant before.
fn flip_near_the_end(folder: &Path) -> anyhow::Result<()> {
    let path = write_ahead_logs(folder)?.pop().context("the log has no write-ahead log")?;
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    let at = file.metadata()?.len() * 9 / 10;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    byte[0] ^= 1;
    Ok(file.write_all_at(&byte, at)?)
}
