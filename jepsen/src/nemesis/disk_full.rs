//! `disk-full`: a disk has no room left, or only what is kept for revocations.

use std::sync::Arc;

use rand::Rng;
use rand::rngs::StdRng;

use super::{Act, Bite, Blow, Facility, Fault, Kind, Progress, nodes};
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

/// What is left of a disk that is nearly full: less than the half GiB that nodes keep for revocations.
const RESERVE_BYTES: u64 = 256 << 20;

/// What a node says whose disk has less than that.
const ALARM: &str = "DISK_RESERVE";

pub(super) struct DiskFull;

/// How full a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Revocations are taken, and grants are not.
    Reserve,
    /// Nothing can be written.
    Nothing,
    /// Nothing can be written, and the node crashes and has to start so.
    NothingToStartWith,
}

#[derive(Clone, Copy, Debug)]
struct Fill(Whom, Left);

impl Kind for DiskFull {
    fn name(&self) -> &'static str {
        "disk-full"
    }

    fn describe(&self) -> &'static str {
        "the disk of the leader, a lease holder or anybody is full, or all but what is kept for revocations"
    }

    fn needs(&self) -> &'static [Facility] {
        &[Facility::Disks]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (2_000, 8_000)
    }

    fn draw(&self, whom: Whom, _simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        Arc::new(Fill(
            whom,
            match dice.random_range(0..3) {
                0 => Left::Reserve,
                1 => Left::Nothing,
                _ => Left::NothingToStartWith,
            },
        ))
    }
}

impl Fault for Fill {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let Self(whom, left) = *self;
        let victims = chooser.choose(whom);
        let what = match left {
            Left::Reserve => format!("fill the disk of {}, but for what is kept for revocations", nodes(&victims)),
            Left::Nothing => format!("fill the disk of {}", nodes(&victims)),
            Left::NothingToStartWith => format!("fill the disk of {}, and kill and start it", nodes(&victims)),
        };
        Blow { victims, what, act: Box::new(Filling { left, noticed: false }) }
    }
}

struct Filling {
    left: Left,
    /// Whether a node has said that it has no room.
    noticed: bool,
}

impl Act for Filling {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        victims.retain(|node| field.cluster.runs(*node));
        for node in &*victims {
            if self.left == Left::Reserve {
                field.cluster.rig.disks()?.fill(*node, RESERVE_BYTES)?;
                continue;
            }
            // Who cannot write may stop, and has to say why.
            field.excuse(*node)?;
            if self.left == Left::NothingToStartWith {
                field.cluster.kill(*node)?;
                field.observer.forget(*node);
            }
            field.cluster.rig.disks()?.fill(*node, 0)?;
            if self.left == Left::NothingToStartWith {
                field.cluster.restart(*node)?;
            }
        }
        Ok(())
    }

    fn go_on(&mut self, field: &mut Field<'_>) -> anyhow::Result<Progress> {
        self.noticed |= field.cluster.ids().any(|node| field.observer.raises(node, ALARM));
        Ok(Progress::ForItsTime)
    }

    fn end(&mut self, victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        for node in victims {
            field.cluster.rig.disks()?.empty(*node)?;
            if self.left != Left::Reserve {
                self.noticed |= !field.cluster.excused(*node)?.is_empty();
                field.excuse_no_more(*node)?;
            }
            field.revive(*node)?;
        }
        if self.noticed { Ok(Bite::Bit) } else { Ok(Bite::Nothing("no node said that it has no room".to_owned())) }
    }
}
