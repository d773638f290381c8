//! Points that a node passes: moments at which something may be half done. A test says what happens at one: nothing, a wait, an
//! error, or the death of the machine.
//!
//! A name says what has just been done, or what is about to be (`before-`).

use std::fmt;
use std::str::FromStr;

/// What a test can have happen at a point besides that the machine dies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing else: the code there can neither wait nor fail.
    Plain,
    /// What is being done can fail.
    Fails,
    /// The task can wait.
    Waits,
}

macro_rules! points {
    ($($(#[doc = $doc:literal])+ $kind:ident $point:ident = $name:literal,)+) => {
        /// A point that a node passes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Point {
            $($(#[doc = $doc])+ $point,)+
        }

        impl Point {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$point,)+];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }

            /// What can happen there.
            pub fn kind(self) -> Kind {
                match self {
                    $(Self::$point => Kind::$kind,)+
                }
            }

            /// What it is, in a sentence.
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$point => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

points! {
    // The log.
    /// The log is open and read, and `ACKED` does not yet say how far it reaches.
    Plain LogOpenRead = "log.open.read",
    /// `ACKED` says how far the log reaches, and the number of this start is not in the log.
    Plain LogOpenAcked = "log.open.acked",
    /// The log is open and its writer not started.
    Plain LogOpenNumbered = "log.open.numbered",
    /// Entries are part of a batch that is not written.
    Plain LogAppendBatched = "log.append.batched",
    /// A vote is part of a batch that is not written.
    Plain LogVoteBatched = "log.vote.batched",
    /// A truncation is part of a batch that is not written.
    Plain LogTruncateBatched = "log.truncate.batched",
    /// A purge is part of a batch that is not written.
    Plain LogPurgeBatched = "log.purge.batched",
    /// Nothing of a batch is on disk.
    Fails LogBatchBeforeSync = "log.batch.before-sync",
    /// `ACKED` is lowered for a truncation, and the batch is not on disk.
    Fails LogAckedLowered = "log.acked.lowered",
    /// A batch is synced, and `ACKED` does not say so.
    Fails LogBatchSynced = "log.batch.synced",
    /// `ACKED` is synced, and nobody is told.
    Fails LogAckedWritten = "log.acked.written",
    /// Entries are registered, and the log is not asked to write them.
    Waits LogAppendRegistered = "log.append.registered",
    /// Entries are on disk, and consensus is not told.
    Plain LogAppendBeforeCallback = "log.append.before-callback",
    /// Consensus is told that entries are on disk, and the leases are not.
    Plain LogAppendCalledBack = "log.append.called-back",
    /// The leases have forgotten entries that the log still has.
    Waits LogTruncateBefore = "log.truncate.before",
    /// Entries are cut off, and consensus is not told.
    Waits LogTruncateDone = "log.truncate.done",
    /// The log is about to be purged.
    Waits LogPurgeBefore = "log.purge.before",
    /// The log is purged, and consensus is not told.
    Waits LogPurgeDone = "log.purge.done",
    /// A vote is decided on and not on disk.
    Waits VoteBeforeSave = "vote.before-save",
    /// A vote is on disk, and nobody is told.
    Waits VoteSaved = "vote.saved",

    // The state.
    /// An entry is visible, and about to be applied.
    Waits StateEntryBeforeApply = "state.entry.before-apply",
    /// An entry is applied in memory.
    Waits StateEntryApplied = "state.entry.applied",
    /// A batch of the state is not written.
    Plain StateBatchBeforeWrite = "state.batch.before-write",
    /// A batch of the state is written, and readers do not see it.
    Plain StateBatchWritten = "state.batch.written",
    /// Readers see a batch, and the leases do not know it.
    Plain StateViewPublished = "state.view.published",
    /// The leases know a batch, and its writers are not answered.
    Plain StateBeforeAnswers = "state.before-answers",

    // Snapshots.
    /// A snapshot is about to be made.
    Plain SnapshotBuildBegun = "snapshot.build.begun",
    /// What goes into a snapshot is synced, and not frozen.
    Plain SnapshotBuildSynced = "snapshot.build.synced",
    /// A snapshot is frozen.
    Plain SnapshotBuildFrozen = "snapshot.build.frozen",
    /// A piece of a snapshot is about to be sent, or the question where the receiver is.
    Waits SnapshotSendBeforePiece = "snapshot.send.before-piece",
    /// A receiver has a whole snapshot, and consensus of the sender is not told.
    Waits SnapshotSendDone = "snapshot.send.done",
    /// The database that a snapshot is received into is open.
    Fails SnapshotReceiveBegun = "snapshot.receive.begun",
    /// A piece has come in and is not written.
    Fails SnapshotReceiveBeforePiece = "snapshot.receive.before-piece",
    /// A piece is written, and the sender does not know.
    Fails SnapshotReceivePiece = "snapshot.receive.piece",
    /// A snapshot is found to be whole, and what it is of is not written.
    Fails SnapshotReceiveChecked = "snapshot.receive.checked",
    /// A snapshot is received, synced and closed.
    Plain SnapshotReceiveFinished = "snapshot.receive.finished",
    /// A snapshot is said to be visible, and is not installed.
    Waits SnapshotInstallBefore = "snapshot.install.before",
    /// A snapshot has its place among the generations, and is not opened.
    Plain SnapshotInstallRenamed = "snapshot.install.renamed",
    /// A snapshot is opened, and the generation before still counts.
    Plain SnapshotInstallLoaded = "snapshot.install.loaded",
    /// Which generation counts is written beside the file that says so.
    Plain SnapshotGenerationWritten = "snapshot.generation.written",
    /// Another generation counts, and readers see the one before.
    Plain SnapshotInstallSwitched = "snapshot.install.switched",
    /// Readers see a snapshot, and the leases do not know it.
    Plain SnapshotInstallShown = "snapshot.install.shown",

    // Leases.
    /// A lease is about to be asked for.
    Plain LeaseRequestBeforeSend = "lease.request.before-send",
    /// A leader is asked for a lease.
    Plain LeaseRequestReceived = "lease.request.received",
    /// A leader has decided to grant a lease.
    Plain LeaseGrantBuilt = "lease.grant.built",
    /// A grant is on its way.
    Plain LeaseGrantSent = "lease.grant.sent",
    /// A grant has come in and does not count yet.
    Plain LeaseGrantReceived = "lease.grant.received",
    /// A grant counts, and reads do not see it.
    Plain LeaseGrantTaken = "lease.grant.taken",
    /// A lease is given up, and the leader does not know.
    Plain LeaseReleaseBeforeSend = "lease.release.before-send",
    /// A leader hears that a lease is given up.
    Plain LeaseReleaseReceived = "lease.release.received",
    /// Entries are registered, and the leader does not know.
    Plain LeaseRegistrationBeforeSend = "lease.registration.before-send",
    /// A leader hears what a holder has registered.
    Plain LeaseRegistrationReceived = "lease.registration.received",
    /// Something is known to be committed, and not looked at whether it may be declared.
    Plain LeaseCommitNoted = "lease.commit.noted",
    /// A leader has decided that something is visible, and nobody sees it.
    Plain LeaseVisibleDeclared = "lease.visible.declared",
    /// That something is visible is on its way.
    Plain LeaseVisibleSent = "lease.visible.sent",
    /// A node hears what is visible, and does not show it yet.
    Plain LeaseVisibleReceived = "lease.visible.received",
    /// A node begins to lead: it has been elected and has said nothing.
    Plain LeaseLeadBegun = "lease.lead.begun",
    /// A promise has come with a vote.
    Plain LeasePromiseReceived = "lease.promise.received",
    /// A promise is about to go out with a vote that is on disk.
    Plain LeasePromiseBeforeSend = "lease.promise.before-send",
    /// A node holds no lease of older leaders, and the new one does not know.
    Plain LeaseDropBeforeSend = "lease.drop.before-send",
    /// A new leader hears that a node holds no lease of older ones: the last of these ends the fence.
    Plain LeaseDropReceived = "lease.drop.received",
    /// A round to prove leadership has begun, and nobody is asked.
    Plain LeaseRoundBegun = "lease.round.begun",
    /// A round has proved leadership, and nobody is granted anything by it.
    Plain LeaseRoundProved = "lease.round.proved",
    /// Entries are on disk, and those who watch are not told.
    Plain LeaseStoredBeforeSend = "lease.stored.before-send",
    /// A leader is about to tell the node that took a write who has to have it.
    Plain LeaseListingBeforeSend = "lease.listing.before-send",
    /// The node that took a write hears who has to have it.
    Plain LeaseListingReceived = "lease.listing.received",
    /// The node that took a write has found that it may answer.
    Plain LeaseDirectBeforeAnswer = "lease.direct.before-answer",
    /// It is about to be proposed that leases of an earlier configuration are settled.
    Waits LeaseSettleBeforePropose = "lease.settle.before-propose",

    // What nodes say to each other.
    /// Entries, or a heartbeat, are about to be sent.
    Waits TransportAppendBeforeSend = "transport.append.before-send",
    /// Somebody is about to be asked for a vote.
    Waits TransportVoteBeforeSend = "transport.vote.before-send",
    /// Somebody is about to be asked whether it would vote.
    Waits TransportPreVoteBeforeSend = "transport.pre-vote.before-send",
    /// A part of a snapshot is about to be sent.
    Waits TransportSnapshotBeforeSend = "transport.snapshot.before-send",
    /// Leadership is about to be handed over.
    Waits TransportTransferBeforeSend = "transport.transfer.before-send",
    /// Voters are about to be asked whether this node leads.
    Plain TransportConfirmBeforeSend = "transport.confirm.before-send",
    /// The leader is about to be asked how far a read has to wait.
    Plain TransportReadIndexBeforeSend = "transport.read-index.before-send",
    /// A message of the layer above consensus is about to be sent.
    Plain TransportApplicationBeforeSend = "transport.application.before-send",
    /// A note about leases is about to be sent.
    Plain TransportNoteBeforeSend = "transport.note.before-send",
    /// Entries, or a heartbeat, have come in.
    Waits TransportAppendReceived = "transport.append.received",
    /// A vote is asked for.
    Waits TransportVoteReceived = "transport.vote.received",
    /// It is asked whether a vote would be given.
    Waits TransportPreVoteReceived = "transport.pre-vote.received",
    /// A part of a snapshot has come in.
    Waits TransportSnapshotReceived = "transport.snapshot.received",
    /// Leadership is handed over to this node.
    Waits TransportTransferReceived = "transport.transfer.received",
    /// A leader asks whether it leads.
    Waits TransportConfirmReceived = "transport.confirm.received",
    /// A reader asks how far it has to wait.
    Waits TransportReadIndexReceived = "transport.read-index.received",
    /// A message of the layer above consensus has come in.
    Waits TransportApplicationReceived = "transport.application.received",
    /// A note about leases has come in.
    Plain TransportNoteReceived = "transport.note.received",
    /// An answer to another node is about to be sent.
    Waits TransportAnswerBeforeSend = "transport.answer.before-send",

    // Writes.
    /// A write is about to be sent to the leader.
    Waits WriteForwardBeforeSend = "write.forward.before-send",
    /// The answer to a write that was sent to the leader has come in.
    Plain WriteForwardAnswered = "write.forward.answered",
    /// A write is about to be proposed.
    Waits WriteBeforePropose = "write.before-propose",
    /// A write is proposed.
    Waits WriteProposed = "write.proposed",
    /// The leader knows what came of a write, and has not answered.
    Waits WriteBeforeAnswer = "write.before-answer",
    /// It is about to be decided ahead what will come of a write.
    Plain ForesightBeforeDecide = "foresight.before-decide",
    /// A write is about to be answered by what will come of it.
    Plain ForesightBeforeAnswer = "foresight.before-answer",

    // Watching.
    /// A watch begins, or goes on from a position.
    Waits WatchBegun = "watch.begun",
    /// Records of changes were read for watchers.
    Waits WatchRecordsRead = "watch.records.read",
    /// A watcher is about to be told of a commit.
    Plain WatchBeforeCommit = "watch.before-commit",
    /// A watcher is about to be told how far everything was told.
    Plain WatchBeforeCheckpoint = "watch.before-checkpoint",

    // Members, and history.
    /// The id of a node is taken, and the node is no member.
    Waits MembershipAdmitted = "membership.admitted",
    /// A node was added.
    Waits MembershipAdded = "membership.added",
    /// A node was let vote.
    Waits MembershipPromoted = "membership.promoted",
    /// The id of a node is used up, and its lease is waited for.
    Waits MembershipRetired = "membership.retired",
    /// A node holds no lease any more, and is about to be removed.
    Waits MembershipBeforeRemoval = "membership.before-removal",
    /// A node was removed.
    Waits MembershipRemoved = "membership.removed",
    /// It is about to be proposed where history begins.
    Waits RetentionBeforePropose = "retention.before-propose",
    /// It is known what came of a proposal where history begins.
    Waits RetentionProposed = "retention.proposed",
}

/// There is no point of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchPoint;

impl fmt::Display for NoSuchPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no such point")
    }
}

impl std::error::Error for NoSuchPoint {}

impl FromStr for Point {
    type Err = NoSuchPoint;

    fn from_str(name: &str) -> Result<Self, NoSuchPoint> {
        Self::ALL.iter().find(|point| point.name() == name).copied().ok_or(NoSuchPoint)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_found_and_not_given_twice() {
        let names: BTreeSet<&str> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len());
        for point in Point::ALL {
            assert_eq!(point.name().parse(), Ok(*point));
            assert!(point.about().ends_with('.'), "{point}");
            assert!(point.name().chars().all(|c| c.is_ascii_lowercase() || c == '.' || c == '-'), "{point}");
        }
        assert_eq!("log".parse::<Point>(), Err(NoSuchPoint));
    }
}
