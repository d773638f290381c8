use portcullis_model::{Context as Metadata, TenantId};
use serde::{Deserialize, Serialize};

use super::{Command, Context, Decided, Stop};
use crate::{Footprint, State};

/// A command with what its caller wants those who watch to be told. It does what the command does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotated {
    /// What they are told.
    pub metadata: Metadata,
    /// What to do.
    pub command: Box<Command>,
}

impl Annotated {
    pub(super) fn footprint(&self, tenant: &TenantId) -> Footprint {
        self.command.footprint(tenant)
    }

    pub(super) fn decide<S: State>(&self, context: &Context<'_, S>) -> Result<Decided, Stop> {
        self.command.decide(context)
    }
}
