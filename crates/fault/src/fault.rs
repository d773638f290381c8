//! Rules that can be broken on purpose, to show that the checker notices.
//!
//! Only a build with the feature `planted-faults` can break one, and no build without debug assertions has it.

#[cfg(all(feature = "planted-faults", not(debug_assertions)))]
compile_error!("planted-faults is for checking only: build it with debug assertions");

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// A rule that is broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[doc = $doc])+ $name,)+
        }

        #[cfg(feature = "planted-faults")]
        impl Fault {
            /// Every one of them, with what it does.
            pub const ALL: &[(Fault, &str)] = &[$((Fault::$name, concat!($($doc),+)),)+];
        }
    };
}

faults! {
    /// Leases are granted without a proof that the leader leads.
    GrantWithoutProof,
    /// A new leader does not wait for older leases.
    NoFence,
    /// A holder counts its lease from the moment when the grant came in.
    LeaseFromReceipt,
    /// A lease is used before its barrier is in the log.
    NoBarrier,
    /// The barrier is the last declared entry in place of the leader's last.
    BarrierAtVisible,
    /// The barrier is compared by its index only.
    BarrierByIndex,
    /// A renewal after a lapse keeps the old barrier.
    LapsedKeepsBarrier,
    /// A node publishes what is committed before it is visible.
    PublishAtApplied,
    /// A node that has started serves state that is not known to be visible.
    ServeAboveVisible,
    /// A read looks at the state before it looks at the lease.
    ViewBeforeExpiry,
    /// A read reads the clock before it looks at the lease.
    ClockBeforeExpiry,
    /// A token says what an answer was given from, and not what it could have seen.
    TokenAtBase,
    /// What is applied, or would be if that did not wait, is not pending, visible or not.
    PendingAboveApplied,
    /// The log is purged of entries that are not visible, and what is purged is taken for visible at the next start.
    PurgeAboveVisible,
    /// A read does not wait for pending entries.
    NoWait,
    /// A read waits for what it knows to be visible in place of what is registered.
    WaitForVisible,
    /// A round counts from the moment when its answers came in.
    RoundFromReceipt,
    /// An answer counts for the newest round, whichever it names.
    AnswerForNewest,
    /// Grants for an earlier start of the process are taken.
    AnyIncarnation,
    /// A holder takes grants of epochs older than its vote.
    GrantBelowVote,
    /// A lease that runs out is not told from one that lasts.
    NoExpiry,
    /// A session ends with the lease, without a margin for clocks that drift apart.
    NoDrift,
    /// The leader measures the age of its proof by the slower clock.
    LazyProof,
    /// The leader waits for sessions by the faster clock.
    SessionByEitherClock,
    /// Registrations are compared by index only.
    RegisteredByIndex,
    /// Sessions are not waited for.
    NoSessions,
    /// A renewal does not prolong the session.
    SessionNotProlonged,
    /// Grants under way survive a release.
    GrantSurvivesRelease,
    /// A late release ends a newer session.
    LateRelease,
    /// A voter that led itself reports how long it has been silent.
    SilentLeader,
    /// A voter that has started since reports a full silence.
    SilentRestart,
    /// An answer leaves without another look, whatever touches it, and lies for 5 ms before.
    EmitTouched,
    /// A node says that it dropped older leases before its vote is persisted.
    DroppedWithoutVote,
    /// A node says that it dropped older leases and keeps them.
    DroppedInWords,
    /// The leader ends the fence without waiting for holders that are not voters.
    FenceForgetsHolders,
    /// The leader ends the fence without waiting for holders that were taken off the roster.
    FenceForgetsRemoved,
    /// Who is taken off the roster is not waited for any more.
    RemovedSessionEnds,
    /// Who is taken off the roster is granted leases.
    GrantToRemoved,
    /// The fence leaves out what entries configure that are not applied.
    FenceIgnoresLog,
    /// A leader grants leases of the length that it has applied, whatever entries behind say.
    GrantByApplied,
    /// A shorter lease shortens the fence as soon as it is applied.
    LoweredAtOnce,
    /// A leader says at once that no longer lease is left.
    SettledEarly,
    /// What is said to be settled counts for changes that came after.
    SettledForLater,
    /// The node that took a write stops to wait for leases that must have run out.
    AnswerByExpiry,
    /// The leader lists its sessions before it has appended the entry, which it does three seconds later.
    ListedBeforeAppend,
    /// The leader lists its sessions while leases of older epochs may be left.
    ListedWhileFenced,
    /// The node that took a write counts what voters have stored of any epoch.
    StoredOfAnyEpoch,
    /// A voter says that it has stored an entry which it has from another leader than the entry's own.
    StoredFromAnybody,
    /// A voter says that it has stored an entry before that is on its disk.
    StoredBeforeSync,
    /// The node that took a write counts learners.
    LearnersCount,
    /// The node that took a write counts voters as they were before the membership changed.
    VotersBefore,
    /// The leader takes for fresh what it knows to be committed, whatever else was answered.
    FreshAsCommitted,
    /// A leader that starts again goes on in its epoch, without a fence.
    LeadsAgain,
    /// An entry is acknowledged at once, and reads take it into account only when something else is shown.
    AckBeforeRegister,
    /// The log says that something is on disk, and writes it 200 ms later.
    AckBeforeSync,
    /// A damaged log is opened as far as it is whole, whatever was acknowledged behind that.
    RecoveryDropsRecords,
    /// Outcomes of calls are not in a snapshot that was received.
    SnapshotForgetsOutcomes,
    /// What is held up is frozen in a snapshot before it is visible, and what is in a snapshot is taken for visible.
    SnapshotAboveVisible,
    /// A node that tries a write again does so without its idempotency key.
    RetryWithoutKey,
    /// The outcome of a call that was made before is told as soon as it is committed again, visible or not.
    OutcomeBeforeVisible,
    /// The node that takes a revocation by filter says which grants match, by what it shows.
    FilterByTaker,
    /// A watcher is not told what comes right behind the first entry of a new leader.
    WatchSkipsFailover,
    /// The leader's word is openraft's read index, in place of a round of our own, and entries are sent before others are answered.
    ReadIndexOfRaft,
    /// The leader's word is openraft's lease, and a node that has started votes at once.
    LeaseReadOfRaft,
    /// A lease runs out by the wall clock of its holder alone.
    LeaseByWallClock,
    /// The state hash depends on which entries were written together.
    HashByBatch,
    /// A node says that a grant has ended as soon as its own wall clock does, whether that is visible or not.
    GrantEndsByLocalClock,
}

/// The rules that are broken in one value: none, outside of checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    #[cfg(feature = "planted-faults")]
    planted: Option<Fault>,
    #[cfg(feature = "planted-faults")]
    without_gates: bool,
}

impl Faults {
    /// Breaks one rule.
    #[cfg(feature = "planted-faults")]
    pub fn plant(fault: Fault) -> Self {
        Self { planted: Some(fault), without_gates: false }
    }

    /// Lets a checker leave out who makes progress and who has held up writes: it only refuses leases, and to refuse one
    /// never makes an answer wrong.
    #[cfg(feature = "planted-faults")]
    pub fn without_gates(self) -> Self {
        Self { without_gates: true, ..self }
    }

    /// Returns whether leases are refused to who makes no progress or has held up writes.
    pub fn has_gates(self) -> bool {
        #[cfg(feature = "planted-faults")]
        return !self.without_gates;
        #[cfg(not(feature = "planted-faults"))]
        true
    }

    /// Returns whether a rule is broken.
    #[cfg(feature = "planted-faults")]
    pub fn has(self, fault: Fault) -> bool {
        self.planted == Some(fault)
    }

    /// Returns whether a rule is broken.
    #[cfg(not(feature = "planted-faults"))]
    pub fn has(self, _: Fault) -> bool {
        false
    }
}
