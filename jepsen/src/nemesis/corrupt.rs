//! `corrupt`: a file of a node is damaged while the node is down: a bit is flipped, or the file is cut off.
//!
//! The node has to find out, and either repair what it can without forgetting what it acknowledged, or refuse to start and say why.
//! Then it is out of the cluster for good, as an operator would have it, and a new node under a new id takes its place. One node
//! is damaged at a time, and no other one before its place is taken: what is left is a majority of undamaged nodes.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Act, Bite, Blow, Facility, Fault, Kind, Progress};
use crate::cluster::newcomer::{let_go, let_vote};
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

/// How long a damaged node may take to answer, or to refuse to start.
const DECIDE_PATIENCE: Duration = Duration::from_mins(1);
/// How long one that answers is watched all the same.
const WATCHED: Duration = Duration::from_secs(4);
/// How many bytes are cut off the end of a file, at the least and at the most, where little is.
const TAIL_BYTES: (u64, u64) = (1, 200);
/// Files that hold nothing which a node reads: locks, and what engines write for people.
const UNREAD: [&str; 2] = ["LOCK", "LOG"];

pub(super) struct Corrupt;

/// How a file is damaged.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// One bit is another.
    Flip,
    /// The last bytes are missing.
    CutTail,
    /// A part of any size is missing at the end.
    Cut,
}

#[derive(Clone, Copy, Debug)]
struct Spoil(Whom, Damage);

impl Kind for Corrupt {
    fn name(&self) -> &'static str {
        "corrupt"
    }

    fn describe(&self) -> &'static str {
        "flips a bit in a file of a node that is down, or cuts the file off; who refuses to start is replaced by a new node"
    }

    fn needs(&self) -> &'static [Facility] {
        &[]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (1_000, 4_000)
    }

    fn draw(&self, whom: Whom, _simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        Arc::new(Spoil(
            whom,
            match dice.random_range(0..4) {
                0 | 1 => Damage::Flip,
                2 => Damage::CutTail,
                _ => Damage::Cut,
            },
        ))
    }
}

impl Fault for Spoil {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let Self(whom, damage) = *self;
        let node = chooser.one(whom);
        let dice = chooser.dice.random();
        let act = Spoiling { node, damage, dice, stage: Stage::Over(None) };
        Blow { victims: vec![node], what: format!("damage a file of node {node}"), act: Box::new(act) }
    }
}

struct Spoiling {
    node: u64,
    damage: Damage,
    dice: u64,
    stage: Stage,
}

enum Stage {
    /// It was started with a file that is damaged.
    Deciding { since: Instant, ready: JoinSet<()> },
    /// It answers.
    Watched { since: Instant },
    /// It refused to start, and another takes its place.
    Replaced { replaced: Arc<AtomicBool> },
    /// It is over, or there was nothing to do, and why.
    Over(Option<String>),
}

impl Act for Spoiling {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        let node = self.node;
        if !field.cluster.runs(node) {
            victims.clear();
            self.stage = Stage::Over(Some("it did not run".to_owned()));
            return Ok(());
        }
        field.cluster.kill(node)?;
        field.observer.forget(node);
        let told = spoil(field.cluster.data_dir(node), self.damage, &mut StdRng::seed_from_u64(self.dice))?;
        eprintln!("            node {node}: {told}");
        // It may find out at any time, and has to say so then.
        field.excuse(node)?;
        field.cluster.restart(node)?;
        let mut ready = JoinSet::new();
        ready.spawn(field.cluster.readiness(node)?);
        self.stage = Stage::Deciding { since: Instant::now(), ready };
        Ok(())
    }

    fn go_on(&mut self, field: &mut Field<'_>) -> anyhow::Result<Progress> {
        let runs = field.cluster.runs(self.node) || field.is_down(self.node);
        match &mut self.stage {
            Stage::Deciding { .. } | Stage::Watched { .. } if !runs => {
                let why = field.cluster.excused(self.node)?.first().cloned();
                let why = why.unwrap_or_else(|| "it ended and did not say why".to_owned());
                eprintln!("            node {} refuses: {why}", self.node);
                let replaced = replace(self.node, &why, field)?;
                self.stage = Stage::Replaced { replaced };
            }
            Stage::Deciding { since, ready } => {
                if ready.try_join_next().is_some() {
                    eprintln!("            node {} answers", self.node);
                    self.stage = Stage::Watched { since: Instant::now() };
                } else if since.elapsed() >= DECIDE_PATIENCE {
                    field.cluster.alarm(self.node, "it has a damaged file, and neither answers nor ends".to_owned());
                    self.stage = Stage::Over(None);
                }
            }
            Stage::Watched { since } if since.elapsed() < WATCHED => {}
            Stage::Watched { .. } => self.stage = Stage::Over(None),
            Stage::Replaced { replaced } if replaced.load(Ordering::SeqCst) => self.stage = Stage::Over(None),
            Stage::Replaced { .. } => {}
            Stage::Over(_) => return Ok(Progress::Over),
        }
        Ok(Progress::UnderWay)
    }

    fn end(&mut self, _victims: &[u64], _field: &mut Field<'_>) -> anyhow::Result<Bite> {
        match &self.stage {
            Stage::Over(Some(why)) => Ok(Bite::Nothing(why.clone())),
            Stage::Over(None) | Stage::Deciding { .. } | Stage::Watched { .. } | Stage::Replaced { .. } => {
                Ok(Bite::Bit)
            }
        }
    }
}

/// Lets a new node take the place of one that is out of the cluster from now on. The value becomes true when it has, or
/// does not get there.
fn replace(node: u64, why: &str, field: &mut Field<'_>) -> anyhow::Result<Arc<AtomicBool>> {
    field.cluster.retire(node, why);
    let id = field.cluster.add_node()?;
    let client = field.cluster.changes()?;
    let replaced = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&replaced);
    field.later(id, async move {
        let ended = async {
            let_go(&client, node).await?;
            let_vote(&client, id).await
        };
        let ended = ended.await;
        told.store(true, Ordering::SeqCst);
        ended
    });
    Ok(replaced)
}

/// Damages a file of a folder, and returns which and how.
fn spoil(folder: &Path, damage: Damage, dice: &mut StdRng) -> anyhow::Result<String> {
    let (path, bytes) = choose(folder, dice)?;
    let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
    let file = fs::File::options().read(true).write(true).open(&path)?;
    let told = match damage {
        Damage::Flip => {
            let (at, bit) = (dice.random_range(0..bytes), dice.random_range(0..8_u8));
            let mut byte = [0];
            file.read_exact_at(&mut byte, at)?;
            file.write_all_at(&[byte[0] ^ (1 << bit)], at)?;
            format!("bit {bit} of byte {at} of the {bytes} bytes of `{name}` is another")
        }
        Damage::CutTail | Damage::Cut => {
            let most = if matches!(damage, Damage::Cut) { bytes } else { TAIL_BYTES.1.min(bytes) };
            let cut = dice.random_range(TAIL_BYTES.0..=most);
            file.set_len(bytes - cut)?;
            format!("{cut} of the {bytes} bytes of `{name}` are missing at its end")
        }
    };
    file.sync_all()?;
    Ok(told)
}

/// A file that is not empty, each kind as likely as another, and its size.
fn choose(folder: &Path, dice: &mut StdRng) -> anyhow::Result<(PathBuf, u64)> {
    let mut files = Vec::new();
    list(folder, &mut files)?;
    files.sort();
    let mut kinds: Vec<(PathBuf, String)> = files.iter().map(|(path, _)| kind(path)).collect();
    kinds.sort();
    kinds.dedup();
    let chosen = kinds.choose(dice).with_context(|| format!("`{}` holds no files", folder.display()))?;
    let alike: Vec<_> = files.iter().filter(|(path, _)| kind(path) == *chosen).collect();
    Ok((*alike.choose(dice).context("INVARIANT: a kind is that of a file")?).clone())
}

fn list(folder: &Path, files: &mut Vec<(PathBuf, u64)>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let bytes = entry.metadata()?.len();
        if path.is_dir() {
            list(&path, files)?;
        } else if bytes > 0 && !UNREAD.iter().any(|unread| name.to_string_lossy().starts_with(unread)) {
            files.push((path, bytes));
        }
    }
    Ok(())
}

/// What a file is: where it lies, and its name without numbers.
fn kind(path: &Path) -> (PathBuf, String) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.chars().filter(|letter| !letter.is_ascii_digit()).collect();
    (path.parent().unwrap_or(Path::new("")).to_path_buf(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_damaged_and_no_lock() {
        for seed in 0..40 {
            let folder = tempfile::tempdir().unwrap();
            let old = [7; 64];
            fs::create_dir(folder.path().join("log")).unwrap();
            let names = ["log/000004.log", "log/000009.log", "log/CURRENT", "log/LOCK", "log/LOG.old.12"];
            for name in names {
                fs::write(folder.path().join(name), old).unwrap();
            }
            let damage = [Damage::Flip, Damage::Cut, Damage::CutTail][seed % 3];
            let told = spoil(folder.path(), damage, &mut StdRng::seed_from_u64(seed as u64)).unwrap();
            let spoilt: Vec<_> =
                names.iter().filter(|name| fs::read(folder.path().join(name)).unwrap() != old).collect();
            assert!(spoilt.len() == 1 && !spoilt[0].contains("LO") && told.contains(spoilt[0]), "{told}");
        }
    }
}
