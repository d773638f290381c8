//! What a node watches around itself: its disk, its memory, and how its clock agrees with those of others.
//!
//! A disk that is nearly full refuses what adds, so that revocations still succeed: some space is kept in reserve for
//! them. One member whose disk is low is enough, because every entry is written by every member. A leader whose wall
//! clock is far from those of most voters neither stamps nor expires: it hands leadership to one of them.

use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures::future::join_all;
use nix::sys::statvfs::statvfs;
use portcullis_consensus::clock::WallError;
use portcullis_consensus::{NodeRole, NodeStatus};
use portcullis_model::{NodeId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::config::ClockSync;
use crate::internal::About;
use crate::node::Node;

/// How often a node looks around.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How far the leader's wall clock may be from those of most voters, in milliseconds.
const DEVIATION_MS_MAX: u64 = 2_000;
const HOUR_MS: i64 = 60 * 60 * 1_000;
/// What is left of a certificate when it should have been renewed: 14 days, and it is renewed a day before.
const CERTIFICATE_LEFT_MS_MIN: i64 = 14 * 24 * HOUR_MS;
/// How long a leader whose clock is wrong tries to hand over before it looks around again.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(1);

/// Something that an operator should see to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Alarm {
    /// The disk is nearly full.
    #[error("DISK_RESERVE: {free_bytes} bytes are free on the disk, and {reserve_bytes} are kept in reserve")]
    DiskReserve {
        /// What is free.
        free_bytes: u64,
        /// What is kept for revocations.
        reserve_bytes: u64,
    },
    /// What checks read takes much memory.
    #[error("MEMORY_BUDGET: what checks read takes about {used_bytes} bytes, and the budget is {budget_bytes}")]
    MemoryBudget {
        /// What it takes, as an estimate.
        used_bytes: u64,
        /// The budget.
        budget_bytes: u64,
    },
    /// The wall clock disagrees with those of most voters.
    #[error("CLOCK_DEVIATES: the clock is {by_ms} ms off those of most voters")]
    ClockDeviates {
        /// By how much, at the least; negative is behind.
        by_ms: i64,
    },
    /// Nothing keeps the wall clock right.
    #[error("CLOCK_UNSYNCHRONISED: nothing keeps the clock of this machine right: run a time daemon")]
    ClockUnsynchronised,
    /// The wall clock may be more wrong than is assumed.
    #[error("CLOCK_ERROR: the clock may be {error_ms} ms wrong, and `max-clock-error-ms` is {most_ms}")]
    ClockError {
        /// What the time daemon says of it.
        error_ms: u64,
        /// What is assumed.
        most_ms: u64,
    },
    /// There was no room in memory for the relationships of some tenants.
    #[error(
        "TENANTS_SPILLED: checks in {tenants} tenants read relationships from the disk, for which there was no room in memory"
    )]
    TenantsSpilled {
        /// How many.
        tenants: u64,
    },
    /// The certificate is about to end, which means that it is not renewed.
    #[error(
        "CERTIFICATE_ENDS: the certificate of this node ends in {hours} hours and is not renewed: its log says why"
    )]
    CertificateEnds {
        /// When; negative since it has.
        hours: i64,
    },
}

/// A member whose disk is nearly full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LowDisk {
    /// Who.
    pub node: NodeId,
    /// What is free, in bytes.
    pub free_bytes: u64,
    /// What it keeps in reserve, in bytes.
    pub reserve_bytes: u64,
}

/// What was seen last.
#[derive(Debug, Default)]
pub(crate) struct Health {
    seen: Mutex<Seen>,
    /// When the node's certificate ends, where it has one.
    certificate_ends: Mutex<Option<Timestamp>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    free_bytes: Option<u64>,
    /// A member whose disk is low, where this node leads.
    low_disk: Option<LowDisk>,
    /// By how much the clock is off, where this node leads.
    deviation_ms: Option<i64>,
    /// What the machine says of its own clock.
    wall_error: WallError,
}

impl Health {
    fn seen(&self) -> Seen {
        *self.seen.lock().expect("INVARIANT: nothing panics while holding what was seen")
    }

    fn see(&self, seen: Seen) {
        *self.seen.lock().expect("INVARIANT: nothing panics while holding what was seen") = seen;
    }
}

/// Whether a certificate ends so soon that it should have been renewed.
fn certificate_alarm(ends: Timestamp, now: Timestamp) -> Option<Alarm> {
    let left_ms = ends.0.saturating_sub(now.0);
    (left_ms < CERTIFICATE_LEFT_MS_MIN).then_some(Alarm::CertificateEnds { hours: left_ms.div_euclid(HOUR_MS) })
}

impl Node {
    /// What is free on the disk of the data folder, in bytes; `None` until it was looked at.
    pub fn disk_free_bytes(&self) -> Option<u64> {
        self.health.seen().free_bytes
    }

    /// About how many bytes of memory what checks read takes.
    pub fn resident_bytes(&self) -> u64 {
        self.reader.view().resident.bytes_estimate()
    }

    /// How many tenants have their relationships on disk alone.
    pub fn spilled_tenants(&self) -> u64 {
        self.reader.view().resident.spilled() as u64
    }

    /// When the certificate of this node ends, if it has one.
    pub fn certificate_ends(&self) -> Option<Timestamp> {
        *self.health.certificate_ends.lock().expect("INVARIANT: nothing panics while holding it")
    }

    /// Says when the certificate of this node ends.
    pub fn set_certificate_ends(&self, ends: Timestamp) {
        *self.health.certificate_ends.lock().expect("INVARIANT: nothing panics while holding it") = Some(ends);
    }

    /// What an operator should see to on this node.
    pub fn alarms(&self) -> Vec<Alarm> {
        let (seen, reserve_bytes) = (self.health.seen(), self.config.disk_reserve_bytes);
        let disk = seen.free_bytes.filter(|free| *free < reserve_bytes);
        let (used_bytes, budget_bytes) = (self.resident_bytes(), self.config.memory_budget_bytes);
        [
            disk.map(|free_bytes| Alarm::DiskReserve { free_bytes, reserve_bytes }),
            (used_bytes > budget_bytes).then_some(Alarm::MemoryBudget { used_bytes, budget_bytes }),
            seen.deviation_ms.map(|by_ms| Alarm::ClockDeviates { by_ms }),
            self.clock_alarm(),
            Some(self.spilled_tenants())
                .filter(|tenants| *tenants > 0)
                .map(|tenants| Alarm::TenantsSpilled { tenants }),
            self.certificate_ends().and_then(|ends| certificate_alarm(ends, self.clock.wall())),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What is wrong with the clock by what its own machine says, if that is listened to.
    fn clock_alarm(&self) -> Option<Alarm> {
        match self.config.clock_sync {
            ClockSync::Ignore => None,
            ClockSync::Warn | ClockSync::Require => {
                clock_alarm(self.health.seen().wall_error, self.config.max_clock_error_ms)
            }
        }
    }

    /// Why the node is not ready on account of its clock, where one that is kept right is required.
    pub fn unready_clock(&self) -> Option<String> {
        if self.config.clock_sync != ClockSync::Require {
            return None;
        }
        match (self.clock_alarm(), self.clock.wall_error()) {
            (Some(alarm), _) => Some(alarm.to_string()),
            (None, WallError::Unknown) => {
                Some("CLOCK_UNKNOWN: this machine does not say whether anything keeps its clock right".to_owned())
            }
            (None, WallError::Kept(_) | WallError::Unsynchronised) => None,
        }
    }

    /// A member whose disk is low, as far as this leader knows.
    pub(crate) fn low_disk(&self) -> Option<LowDisk> {
        self.health.seen().low_disk
    }

    /// By how much this leader's clock is off those of most voters, in milliseconds, if it is too much.
    pub(crate) fn clock_deviation_ms(&self) -> Option<i64> {
        self.health.seen().deviation_ms
    }
}

/// Looks around now and then. Ends when the node is dropped.
pub(crate) async fn look_around(node: Weak<Node>) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let Some(node) = node.upgrade() else { return };
        let before = node.clock_alarm();
        let seen = look(&node).await;
        node.health.see(seen);
        if let Some(alarm) = node.clock_alarm().filter(|alarm| before.as_ref() != Some(alarm)) {
            tracing::warn!(%alarm, "the clock of this machine is not to be relied on");
        }
        if let Some(by_ms) = seen.deviation_ms {
            tracing::error!(by_ms, "the clock of this leader is wrong; it hands over leadership");
            hand_over(&node).await;
        }
    }
}

async fn look(node: &Arc<Node>) -> Seen {
    let (free_bytes, wall_error) = (free_bytes(&node.config.data_dir), node.clock.wall_error());
    let status = node.group_status();
    if !status.leads {
        return Seen { free_bytes, wall_error, ..Seen::default() };
    }
    let others = status.nodes.iter().filter(|member| member.id != node.id());
    let heard = join_all(others.map(|member| hear(node, member))).await;
    let own = free_bytes.map(|free_bytes| LowDisk {
        node: node.id(),
        free_bytes,
        reserve_bytes: node.config.disk_reserve_bytes,
    });
    let disks = heard.iter().filter_map(|heard| heard.disk).chain(own);
    let voters = status.nodes.iter().filter(|member| member.role != NodeRole::Learner).count();
    let ahead_ms: Vec<i64> = heard.iter().filter_map(|heard| heard.ahead_ms).collect();
    node.raise_version(heard.iter().map(|heard| heard.command_version)).await;
    Seen {
        free_bytes,
        low_disk: disks.filter(|disk| disk.free_bytes < disk.reserve_bytes).min_by_key(|disk| disk.free_bytes),
        deviation_ms: deviation(voters, &ahead_ms),
        wall_error,
    }
}

/// What is wrong with a clock of which the machine says this, if it may be `most_ms` wrong.
fn clock_alarm(wall_error: WallError, most_ms: u64) -> Option<Alarm> {
    match wall_error {
        WallError::Unsynchronised => Some(Alarm::ClockUnsynchronised),
        WallError::Kept(error_ms) => (error_ms > most_ms).then_some(Alarm::ClockError { error_ms, most_ms }),
        WallError::Unknown => None,
    }
}

/// What a member has said.
struct Heard {
    disk: Option<LowDisk>,
    /// By how much this node's clock is ahead of the member's, if that votes.
    ahead_ms: Option<i64>,
    /// The newest version of commands that it carries out.
    command_version: Option<u32>,
}

async fn hear(node: &Arc<Node>, member: &NodeStatus) -> Heard {
    let asked = node.clock.wall();
    let about = node.ask_about(member).await;
    let answered = node.clock.wall();
    let votes = member.role != NodeRole::Learner;
    let ahead = |about: &About| {
        // The member read its clock at some moment in between; only what is certain counts.
        if about.wall_ms < asked.0 { asked.0 - about.wall_ms } else { (answered.0 - about.wall_ms).min(0) }
    };
    Heard {
        disk: about.as_ref().and_then(|about| {
            let (free_bytes, reserve_bytes) = (about.disk_free_bytes?, about.disk_reserve_bytes);
            Some(LowDisk { node: member.id, free_bytes, reserve_bytes })
        }),
        ahead_ms: about.as_ref().filter(|_| votes).map(ahead),
        command_version: about.as_ref().map(|about| about.command_version),
    }
}

/// By how much a leader's clock is off, if more than half of the voters agree that it is off too much in one direction.
fn deviation(voters: usize, ahead_ms: &[i64]) -> Option<i64> {
    let far = |ahead: &&i64| ahead.unsigned_abs() > DEVIATION_MS_MAX;
    let (ahead, behind): (Vec<i64>, Vec<i64>) = ahead_ms.iter().filter(far).partition(|ahead| **ahead > 0);
    [ahead, behind]
        .into_iter()
        .filter(|agreed| agreed.len() * 2 > voters)
        .find_map(|agreed| agreed.into_iter().min_by_key(|ahead| ahead.unsigned_abs()))
}

async fn hand_over(node: &Arc<Node>) {
    if let Err(error) = node.transfer_leader(None, Instant::now() + HAND_OVER_TIMEOUT).await {
        tracing::warn!(%error, "leadership was not handed over");
    }
}

fn free_bytes(path: &Path) -> Option<u64> {
    match statvfs(path) {
        Ok(disk) => Some(disk.blocks_available().saturating_mul(disk.fragment_size())),
        Err(error) => {
            tracing::warn!(%error, folder = %path.display(), "how full the disk is cannot be seen");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_is_not_renewed_is_an_alarm() {
        let (now, day) = (Timestamp(1_000), 24 * HOUR_MS);
        let alarm = |left_ms: i64| certificate_alarm(Timestamp(now.0 + left_ms), now);
        assert_eq!(alarm(15 * day), None, "when it is renewed");
        assert_eq!(alarm(14 * day), None);
        assert_eq!(alarm(14 * day - 1), Some(Alarm::CertificateEnds { hours: 14 * 24 - 1 }));
        assert_eq!(alarm(-1), Some(Alarm::CertificateEnds { hours: -1 }));
    }

    #[test]
    fn a_clock_is_doubted_when_its_own_machine_doubts_it() {
        assert_eq!(clock_alarm(WallError::Kept(250), 250), None);
        assert_eq!(clock_alarm(WallError::Kept(251), 250), Some(Alarm::ClockError { error_ms: 251, most_ms: 250 }));
        assert_eq!(clock_alarm(WallError::Unsynchronised, u64::MAX), Some(Alarm::ClockUnsynchronised));
        assert_eq!(clock_alarm(WallError::Unknown, 0), None);
    }

    #[test]
    fn a_clock_is_wrong_when_most_voters_say_so() {
        assert_eq!(deviation(3, &[2_500, 3_000]), Some(2_500));
        assert_eq!(deviation(3, &[-2_500, -3_000]), Some(-2_500));
        assert_eq!(deviation(3, &[2_500]), None);
        assert_eq!(deviation(3, &[2_500, -3_000]), None);
        assert_eq!(deviation(3, &[1_999, 3_000]), None);
        assert_eq!(deviation(5, &[2_500, 3_000, 0, 2_001]), Some(2_001));
        assert_eq!(deviation(1, &[]), None);
    }
}
