//! The service that tells what changes.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use portcullis_machine::Effect;
use portcullis_model::{GroupId, Token, limit};
use portcullis_node::{ChangeKind, Commit, Told, Wanted, Watched};
use portcullis_wire::FieldError;
use portcullis_wire::authzed::server::watch_service_server::WatchService;
use portcullis_wire::authzed::{self as wire, v1};
use tonic::{Request, Response, Status};
use v1::WatchKind;
use v1::relationship_update::Operation;

use super::Front;
use crate::watch::{Events, events};

#[tonic::async_trait]
impl WatchService for Front {
    type WatchStream = Events<v1::WatchResponse>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (call, tenant) = self.call(request)?;
        let message = &call.message;
        let kinds: BTreeSet<WatchKind> = message.optional_update_kinds().collect();
        let since = message.optional_start_cursor.as_ref();
        let since =
            since.map(|since| portcullis_wire::field::<Token>("optional_start_cursor", &since.token)).transpose();
        let since = since.map_err(crate::error::field)?;
        let wanted = wanted(message, &kinds).map_err(crate::error::field)?;
        let watched = Watched { tenant, wanted, checkpoint_every: Duration::from_millis(limit::CHECKPOINT_MS) };
        let begun = call.node.watch(watched, since, call.deadline).await;
        let begun = begun.map_err(|error| call.hinted(crate::error::watch(&error)))?;
        let with_checkpoints = kinds.contains(&WatchKind::IncludeCheckpoints);
        let told = events(&self.node, begun, self.stopped.clone(), move |group, told| {
            (with_checkpoints || matches!(told, Told::Commit(_))).then(|| response(group, told))
        });
        Ok(Response::new(told.filter_map(async |told| told.transpose()).boxed()))
    }
}

fn wanted(message: &v1::WatchRequest, kinds: &BTreeSet<WatchKind>) -> Result<Wanted, FieldError> {
    let mut changes = BTreeSet::new();
    // Whoever names no kind is told of relationships.
    if kinds.is_empty() || kinds.contains(&WatchKind::IncludeRelationshipUpdates) {
        changes.insert(ChangeKind::Relationship);
    }
    if kinds.contains(&WatchKind::IncludeSchemaUpdates) {
        changes.insert(ChangeKind::Schema);
    }
    let filter = |(nth, given)| wire::filter(&format!("optional_relationship_filters[{nth}]"), Some(given));
    Ok(Wanted {
        kinds: changes,
        types: portcullis_wire::fields("optional_object_types", &message.optional_object_types)?,
        relationships: message
            .optional_relationship_filters
            .iter()
            .enumerate()
            .map(filter)
            .collect::<Result<_, _>>()?,
    })
}

fn response(group: GroupId, told: Told) -> v1::WatchResponse {
    let changes_through = Some(wire::zed_token(group, told.position()));
    match told {
        Told::Checkpoint(_) => v1::WatchResponse { changes_through, is_checkpoint: true, ..Default::default() },
        Told::Commit(Commit { effects, metadata, .. }) => v1::WatchResponse {
            updates: effects.iter().filter_map(update).collect(),
            changes_through,
            optional_transaction_metadata: metadata.as_ref().map(wire::struct_of),
            schema_updated: effects.iter().any(|effect| matches!(effect, Effect::PutSchema { .. })),
            is_checkpoint: false,
            full_revision_metadata: metadata.as_ref().map(wire::struct_of).into_iter().collect(),
        },
    }
}

/// A relationship that was made is told as one that was touched, as there.
fn update(effect: &Effect) -> Option<v1::RelationshipUpdate> {
    let (operation, relationship) = match effect {
        Effect::PutRelationship { relationship, .. } => {
            (Operation::Touch, wire::relationship(&relationship.clone().into()))
        }
        Effect::PutTuple { tuple, .. } => (Operation::Touch, wire::relationship(tuple)),
        Effect::DeleteRelationship { relationship, .. } => {
            (Operation::Delete, wire::relationship(&relationship.clone().into()))
        }
        _ => return None,
    };
    Some(v1::RelationshipUpdate { operation: operation.into(), relationship: Some(relationship) })
}
