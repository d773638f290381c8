//! Change records: the evidence that every command leaves.

use portcullis_model::{Actor, Context, Reason, Revision, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Command, Effect, Outcome, Refusal};

/// Who did what, why, when, and what came of it. One for each command, refusals included, written in the same batch
/// as the effects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where in the log.
    pub revision: Revision,
    /// The world it was about.
    pub tenant: TenantId,
    /// Who.
    pub actor: Actor,
    /// Why.
    pub reason: Option<Reason>,
    /// When, by the leader's clock; never earlier than that of the change before.
    pub at: Timestamp,
    /// From which the commitments of personal fields are salted.
    pub salt: [u8; 16],
    /// What was asked.
    pub command: Command,
    /// What came of it.
    pub result: Result<Outcome, Refusal>,
    /// The revision of the call that this one repeats, where it does.
    pub repeats: Option<Revision>,
    /// All that it changed, in order.
    pub effects: Vec<Effect>,
}

impl Change {
    /// What its caller wants those who watch to be told.
    pub fn metadata(&self) -> Option<&Context> {
        match &self.command {
            Command::Annotated(annotated) => Some(&annotated.metadata),
            _ => None,
        }
    }
}
