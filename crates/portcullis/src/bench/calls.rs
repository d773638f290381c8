//! The calls that are driven.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use portcullis_client::{Client, v1};

use super::drive::Call;
use super::world::{self, World};

/// Relationships in a call that loads.
pub(super) const LOADED: u32 = 1_000;
/// Of so many calls of a mix one is a write.
const MIXED: u64 = 20;

/// Checks, one a call.
pub(super) fn checks(world: &World) -> Call {
    let questions = Arc::new(world.questions());
    Arc::new(move |client: Client, nth: u64| {
        let question = questions[place(nth, questions.len())].clone();
        let request = v1::CheckRequest { item: Some(question), ..v1::CheckRequest::default() };
        Box::pin(async move { client.check(request).await.is_ok() })
    })
}

/// Checks, many a call.
pub(super) fn batches(world: &World, batch: u32) -> Call {
    let questions = Arc::new(world.questions());
    Arc::new(move |client: Client, nth: u64| {
        let first = place(nth.wrapping_mul(u64::from(batch)), questions.len());
        let items = questions.iter().cycle().skip(first).take(batch as usize).cloned().collect();
        let request = v1::BatchCheckRequest { items, ..v1::BatchCheckRequest::default() };
        Box::pin(async move { client.batch_check(request).await.is_ok() })
    })
}

fn place(nth: u64, all: usize) -> usize {
    usize::try_from(nth % all as u64).expect("INVARIANT: less than the number of questions")
}

/// Writes, one relationship a call, or one grant where the world has no schema.
pub(super) fn writes(world: &World) -> Call {
    let (has_schema, run) = (world.has_schema(), run());
    Arc::new(move |client: Client, nth: u64| {
        let (user, document) = (format!("user:w{}", nth % 1_000), format!("document:w{run}-{nth}"));
        Box::pin(async move {
            if has_schema {
                let updates = vec![world::touch(format!("{document}#viewer@{user}"))];
                let request = v1::WriteRelationshipsRequest { updates, ..v1::WriteRelationshipsRequest::default() };
                return client.write_relationships(request).await.is_ok();
            }
            let request = v1::CreateGrantRequest {
                subject: user,
                role: "viewer".to_owned(),
                scope: document,
                ..v1::CreateGrantRequest::default()
            };
            client.create_grant(request).await.is_ok()
        })
    })
}

/// Checks, and a write now and then.
pub(super) fn mixed(world: &World) -> Call {
    let (check, write) = (checks(world), writes(world));
    Arc::new(move |client, nth| if nth % MIXED == MIXED - 1 { write(client, nth) } else { check(client, nth) })
}

/// New relationships, a thousand a call.
pub(super) fn loads() -> Call {
    let run = run();
    Arc::new(move |client: Client, nth: u64| {
        let relationship = |at: u32| format!("document:l{run}-{nth}-{at}#parent@folder:l{run}-{nth}-{}", at / 100);
        let updates = (0..LOADED).map(|at| world::touch(relationship(at))).collect();
        let request = v1::WriteRelationshipsRequest { updates, ..v1::WriteRelationshipsRequest::default() };
        Box::pin(async move { client.write_relationships(request).await.is_ok() })
    })
}

/// What tells the names of one run from those of another.
fn run() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() % 100_000_000)
}
