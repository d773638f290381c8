//! `fsync`: what a node wants to have on its disk fails to get there, is not there although it is said to be, or takes long.
//!
//! A node whose `fsync` fails may stop, and has to say why. One whose `fsync` lies acknowledges what it may lose when its power is
//! cut, and no protocol can help that: so a node that is lied to keeps its power, and before it is told the truth again everything
//! of it is synced for real. The promise has to hold then, since what a process has written outlives it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;

use super::{Act, Bite, Blow, Facility, Fault, Kind, nodes};
use crate::cluster::shim::Fsync as Does;
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

/// How long a slow one takes, in milliseconds, at the least and at the most.
const SLOW_MS: (u32, u32) = (50, 800);

pub(super) struct Fsync;

#[derive(Clone, Copy, Debug)]
struct Unsynced(Whom, Does);

impl Kind for Fsync {
    fn name(&self) -> &'static str {
        "fsync"
    }

    fn describe(&self) -> &'static str {
        "fsync fails, lies or is slow at the leader, a lease holder or anybody; who is lied to is killed, too, and keeps its power"
    }

    fn needs(&self) -> &'static [Facility] {
        &[Facility::Fsync]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (1_000, 8_000)
    }

    fn draw(&self, whom: Whom, _simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        Arc::new(Unsynced(
            whom,
            match dice.random_range(0..3) {
                0 => Does::Fails,
                1 => Does::Lies,
                _ => Does::Slow(dice.random_range(SLOW_MS.0..=SLOW_MS.1)),
            },
        ))
    }
}

impl Fault for Unsynced {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let Self(whom, does) = *self;
        let victims = chooser.choose(whom);
        let what = match does {
            Does::Honest => format!("let fsync do what it should at {}", nodes(&victims)),
            Does::Fails => format!("let fsync fail at {}", nodes(&victims)),
            Does::Lies => format!("let fsync lie at {}, and kill it in the end", nodes(&victims)),
            Does::Slow(ms) => format!("let fsync take {ms} ms more at {}", nodes(&victims)),
        };
        Blow { victims, what, act: Box::new(Unsyncing { does, before: BTreeMap::new() }) }
    }
}

struct Unsyncing {
    does: Does,
    /// How often it had been done to each before.
    before: BTreeMap<u64, u64>,
}

impl Act for Unsyncing {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        victims.retain(|node| field.cluster.runs(*node));
        for node in &*victims {
            if self.does == Does::Fails {
                field.excuse(*node)?;
            }
            self.before.insert(*node, field.cluster.rig.shim()?.done(*node));
            field.cluster.rig.shim()?.tell(*node, self.does)?;
        }
        Ok(())
    }

    fn end(&mut self, victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        let mut bit = false;
        for node in victims {
            if self.does == Does::Lies {
                // What was written survives this, synced or not.
                field.cluster.kill(*node)?;
                field.observer.forget(*node);
                field.cluster.sync(*node)?;
            }
            let was_done = field.cluster.rig.shim()?.done(*node) > self.before.get(node).copied().unwrap_or_default();
            field.cluster.rig.shim()?.tell(*node, Does::Honest)?;
            if self.does == Does::Fails {
                if was_done {
                    // It is about to end, and may take longer for that than it is excused.
                    field.cluster.kill(*node)?;
                    field.observer.forget(*node);
                }
                field.excuse_no_more(*node)?;
            }
            bit |= was_done;
            field.revive(*node)?;
        }
        if bit { Ok(Bite::Bit) } else { Ok(Bite::Nothing("nothing was synced meanwhile".to_owned())) }
    }
}
