//! Every rule that is broken, and where that shows.

use super::scene::Scene;
use super::{Hunt, Mutant, Runs};
use crate::schedule::Nemesis;

/// All of them.
pub const ALL: &[Mutant] = &[
    Mutant {
        name: "fence",
        fault: "NoFence",
        what: "a new leader does not wait for the leases of the one before",
        hunt: runs("revocation", PARTITION),
    },
    Mutant {
        name: "proof",
        fault: "GrantWithoutProof",
        what: "a leader grants leases without a proof that it still leads",
        hunt: runs("revocation", PARTITION),
    },
    Mutant {
        name: "sessions",
        fault: "NoSessions",
        what: "a write is acknowledged before every holder of a lease has registered it",
        hunt: runs("revocation", PARTITION),
    },
    Mutant {
        name: "renewal",
        fault: "SessionNotProlonged",
        what: "a renewal prolongs the lease of its holder, and not what the leader waits for",
        hunt: runs("revocation", PARTITION),
    },
    Mutant {
        name: "expiry",
        fault: "NoExpiry",
        what: "a holder goes on when its lease has run out",
        hunt: runs("revocation", PARTITION),
    },
    Mutant {
        name: "wait",
        fault: "NoWait",
        what: "a read does not wait for entries that may change its answer",
        hunt: runs("revocation", PARTITION),
    },
    Mutant {
        name: "registered",
        fault: "WaitForVisible",
        what: "a read waits for what its node knows to be visible, in place of what is registered",
        hunt: runs("revocation", PARTITION),
    },
    Mutant {
        name: "barrier",
        fault: "NoBarrier",
        what: "a lease is used before its barrier is in the log",
        hunt: Hunt::Runs(Runs { workload: "revocation", nemeses: PARTITION, gates: false }),
    },
    Mutant {
        name: "register",
        fault: "AckBeforeRegister",
        what: "an entry is acknowledged before reads take it into account",
        hunt: runs("revocation", PARTITION),
    },
    Mutant {
        name: "publish",
        fault: "PublishAtApplied",
        what: "what is committed is shown before it is visible",
        hunt: runs("revocation", PARTITION),
    },
    Mutant {
        name: "pending",
        fault: "PendingAboveApplied",
        what: "what is committed is not pending any more, visible or not",
        hunt: runs("revocation", PARTITION),
    },
    Mutant {
        name: "filter",
        fault: "FilterByTaker",
        what: "which grants a revocation by filter matches is said by the node that takes it",
        hunt: runs("revocation", PARTITION),
    },
    Mutant {
        name: "hash",
        fault: "HashByBatch",
        what: "the state hash depends on which entries were written together",
        hunt: runs("revocation", PARTITION),
    },
    Mutant {
        name: "watch",
        fault: "WatchSkipsFailover",
        what: "a watcher is not told what comes right behind the first entry of a new leader",
        hunt: runs("watch", &[Nemesis::Kill]),
    },
    Mutant {
        name: "retry",
        fault: "RetryWithoutKey",
        what: "a node tries a write again without its idempotency key",
        hunt: runs("retry", &[Nemesis::Partition, Nemesis::Kill]),
    },
    Mutant {
        name: "sync",
        fault: "AckBeforeSync",
        what: "the log says that something is on disk, and writes it 200 ms later",
        hunt: runs("revocation", &[Nemesis::Power, Nemesis::Kill]),
    },
    Mutant {
        name: "wall-clock",
        fault: "LeaseByWallClock",
        what: "a lease runs out by the wall clock of its holder alone",
        hunt: runs("revocation", &[Nemesis::ClockFar, Nemesis::Partition]),
    },
    Mutant {
        name: "emission",
        fault: "EmitTouched",
        what: "an answer leaves without another look, whatever touches it",
        hunt: Hunt::Scene(Scene::Frozen),
    },
    Mutant {
        name: "restart",
        fault: "ServeAboveVisible",
        what: "a node that has started serves what is in its log, visible or not",
        hunt: Hunt::Scene(Scene::Restarted),
    },
    Mutant {
        name: "snapshot",
        fault: "SnapshotAboveVisible",
        what: "a snapshot holds what is not visible, and makes it so",
        hunt: Hunt::Scene(Scene::Restarted),
    },
    Mutant {
        name: "outcome",
        fault: "OutcomeBeforeVisible",
        what: "what came of a call is told to who repeats it before it is visible",
        hunt: Hunt::Scene(Scene::Retried),
    },
    Mutant {
        name: "memory",
        fault: "SnapshotForgetsOutcomes",
        what: "a node that is sent a snapshot forgets which calls were made",
        hunt: Hunt::Scene(Scene::LeftBehind),
    },
    Mutant {
        name: "recovery",
        fault: "RecoveryDropsRecords",
        what: "a damaged log is opened as far as it is whole",
        hunt: Hunt::Scene(Scene::Damaged),
    },
    Mutant {
        name: "lease-read",
        fault: "LeaseReadOfRaft",
        what: "the leader's word is openraft's lease, and a node that has started votes at once",
        hunt: Hunt::Scene(Scene::Forgetful),
    },
    Mutant {
        name: "listed",
        fault: "ListedBeforeAppend",
        what: "the leader lists its sessions before it has appended the entry",
        hunt: Hunt::Scene(Scene::Listed),
    },
    Mutant {
        name: "receipt",
        fault: "LeaseFromReceipt",
        what: "a holder counts its lease from when the grant came in",
        hunt: Hunt::Scene(Scene::LateGrant),
    },
    Mutant {
        name: "index",
        fault: "BarrierByIndex",
        what: "a lease is used when the log has an entry at the index of its barrier, of whichever term",
        hunt: Hunt::Scene(Scene::Overwritten),
    },
    Mutant {
        name: "of-epoch",
        fault: "RegisteredByIndex",
        what: "what a holder has registered is compared by its index, of whichever term",
        hunt: Hunt::Scene(Scene::Overwritten),
    },
    Mutant {
        name: "lapse",
        fault: "LapsedKeepsBarrier",
        what: "a lease that is renewed after it had run out keeps its old barrier",
        hunt: Hunt::Runs(Runs { workload: "revocation", nemeses: PARTITION, gates: false }),
    },
    Mutant {
        name: "removed",
        fault: "RemovedSessionEnds",
        what: "who is taken off the roster is not waited for any more",
        hunt: runs("revocation", &[Nemesis::Leases, Nemesis::Partition]),
    },
    Mutant {
        name: "local-clock",
        fault: "GrantEndsByLocalClock",
        what: "a grant has ended when the node's own wall clock says so, whether that is visible or not",
        hunt: runs("expiry", &[Nemesis::ClockFar]),
    },
];

const PARTITION: &[Nemesis] = &[Nemesis::Partition];

const fn runs(workload: &'static str, nemeses: &'static [Nemesis]) -> Hunt {
    Hunt::Runs(Runs { workload, nemeses, gates: true })
}
