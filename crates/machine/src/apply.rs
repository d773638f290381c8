//! Carrying out one command.

use portcullis_model::{Clock, Revision, TenantId, limit};

use crate::command::{Context, Stop};
use crate::{
    Change, Effect, Envelope, Idempotency, MemoryKey, Outcome, Read, Refusal, Remembered, State, Unreadable,
    VERSION_SUPPORTED, since,
};

/// How many outdated outcomes one command forgets at most, so that no command is slow because of others.
const FORGET_MAX: usize = 16;

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Where its outcome was decided: its own position, or that of the call that it repeats.
    pub revision: Revision,
    /// Its outcome.
    pub result: Result<Outcome, Refusal>,
    /// The record of it, which holds the effects to carry out.
    pub change: Change,
}

/// Why a node cannot go on applying. It has to stop: going on would make its copy differ from the others.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Its state cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The cluster has moved on.
    #[error(
        "the log holds a command of version {version}, and this build knows versions up to {VERSION_SUPPORTED}: \
         upgrade this node's binary"
    )]
    VersionUnsupported {
        /// The version of the command.
        version: u32,
    },
}

/// Carries out the command at `revision` on `state`. Returns the same on every node.
///
/// # Panics
///
/// When a command touches what it did not declare: the node must not go on.
pub fn apply<S: State>(state: &S, revision: Revision, envelope: Envelope) -> Result<Applied, Fault> {
    if envelope.version > VERSION_SUPPORTED {
        return Err(Fault::VersionUnsupported { version: envelope.version });
    }
    let mut clock = Clock::from(envelope.stamp);
    clock.reading = clock.reading.max(state.last_stamp()?);

    let memory_key = envelope.idempotency.as_ref().map(|idempotency| memory_key(&envelope, idempotency));
    let repeated = match &memory_key {
        Some(key) => state.remembered(key)?.filter(|old| !is_outdated(old, clock)),
        None => None,
    };
    let mut effects = forget(state, &envelope.tenant, clock)?;
    let mut repeats = None;
    let mut decided_at = revision;
    let result = match (repeated, &envelope.idempotency) {
        (Some(old), Some(idempotency)) if old.digest == idempotency.digest => {
            repeats = Some(old.revision);
            decided_at = old.revision;
            old.result
        }
        (Some(_), Some(idempotency)) => Err(Refusal::IdempotencyKeyReused(idempotency.key.clone())),
        (_, idempotency) => {
            let result = match decide(state, revision, clock, &envelope) {
                Ok((outcome, decided)) => {
                    effects.extend(decided);
                    Ok(outcome)
                }
                Err(Stop::Refused(refusal)) => Err(refusal),
                Err(Stop::Unreadable(unreadable)) => return Err(unreadable.into()),
            };
            if let (Some(idempotency), true) = (idempotency, remembers(state, &envelope.tenant, &effects)?) {
                effects.push(remember(&envelope, idempotency, revision, clock, result.clone()));
            }
            result
        }
    };

    let Envelope { tenant, actor, reason, salt, command, .. } = envelope;
    let at = clock.reading;
    let change =
        Change { revision, tenant, actor, reason, at, salt, command, result: result.clone(), repeats, effects };
    Ok(Applied { revision: decided_at, result, change })
}

fn decide<S: State>(
    state: &S,
    revision: Revision,
    clock: Clock,
    envelope: &Envelope,
) -> Result<(Outcome, Vec<Effect>), Stop> {
    let Envelope { version, tenant, actor, reason, command, .. } = envelope;
    if !command.creates_its_tenant() && !state.has_tenant(tenant)? {
        return Err(Stop::Refused(match state.cluster()? {
            Some(_) => Refusal::TenantMissing(tenant.clone()),
            None => Refusal::NotInitialised,
        }));
    }
    if envelope.version >= since::SYSTEM_ONLY && command.is_of_system() && *tenant != TenantId::system() {
        return Err(Stop::Refused(Refusal::TenantNotSystem(tenant.clone())));
    }
    for precondition in &envelope.preconditions {
        precondition.check(state, tenant, command)?;
    }
    let context = Context { state, version: *version, tenant, actor, reason: reason.as_ref(), revision, clock };
    let (outcome, effects) = command.decide(&context)?;
    let footprint = command.footprint(tenant);
    let undeclared = footprint.first_not_covered(&effects);
    assert!(undeclared.is_none(), "INVARIANT: {command:?} touches what it did not declare: {undeclared:?}");
    Ok((outcome, effects))
}

fn memory_key(envelope: &Envelope, idempotency: &Idempotency) -> MemoryKey {
    MemoryKey { tenant: envelope.tenant.clone(), caller: envelope.actor.caller.clone(), key: idempotency.key.clone() }
}

/// A tenant that does not exist, or is dropped by this very command, remembers nothing.
fn remembers<S: State>(state: &S, tenant: &TenantId, effects: &[Effect]) -> Read<bool> {
    let dropped = effects.iter().any(|effect| matches!(effect, Effect::DropTenant(gone) if gone == tenant));
    let created = effects.iter().any(|effect| matches!(effect, Effect::PutTenant(new) if new.id == *tenant));
    Ok(!dropped && (created || state.has_tenant(tenant)?))
}

fn remember(
    envelope: &Envelope,
    idempotency: &Idempotency,
    revision: Revision,
    clock: Clock,
    result: Result<Outcome, Refusal>,
) -> Effect {
    let remembered = Remembered { digest: idempotency.digest, revision, at: clock.reading, result };
    Effect::Remember {
        tenant: envelope.tenant.clone(),
        caller: envelope.actor.caller.clone(),
        key: idempotency.key.clone(),
        remembered: Box::new(remembered),
    }
}

fn is_outdated(old: &Remembered, clock: Clock) -> bool {
    clock.reading.0.saturating_sub(old.at.0) >= limit::IDEMPOTENCY_RETENTION_MS
}

/// Forgets what is too old or too much, oldest first.
fn forget<S: State>(state: &S, tenant: &TenantId, clock: Clock) -> Read<Vec<Effect>> {
    let too_many = (state.remembered_count(tenant)? + 1).saturating_sub(limit::IDEMPOTENCY_KEYS_MAX);
    // Most commands find nothing to forget, so they look at one outcome only.
    let has_to = state.oldest_remembered(tenant, 1)?.iter().any(|(_, old)| too_many > 0 || is_outdated(old, clock));
    let oldest = if has_to { state.oldest_remembered(tenant, FORGET_MAX)? } else { Vec::new() };
    let outdated = oldest
        .into_iter()
        .enumerate()
        .take_while(|(nth, (_, old))| is_outdated(old, clock) || u64::try_from(*nth).is_ok_and(|nth| nth < too_many));
    let forget = |(_, (key, old)): (usize, (MemoryKey, Remembered))| Effect::Forget {
        tenant: key.tenant,
        caller: key.caller,
        key: key.key,
        revision: old.revision,
    };
    Ok(outdated.map(forget).collect())
}
