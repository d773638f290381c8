//! Bytes that are on disks: they never change.
//!
//! Each file of the folder `frozen` holds the bytes of one format version, a line for each sample. What is written
//! today must be those bytes, and they must read as the sample. Another layout is another version with a file of its
//! own; the old file stays, and its bytes must still read.
//!
//! The samples of an enum are a chain: a function names the one after each variant, so a new variant does not compile
//! until it has its place.

mod commands;
mod effects;
mod refusals;

use portcullis_machine::{Change, Command, Envelope, Outcome, Stamp};
use portcullis_model::{
    Actor, Grant, GrantState, Object, Reason, Relationship, Revision, Role, Subject, Tenant, TenantId, Timestamp,
    Tuple, Verified, Window,
};

use crate::codec;
pub(crate) use crate::freeze::{Frozen, name_of};
use crate::state::{Header, Piece};

pub(super) fn tenant() -> TenantId {
    "t".parse().unwrap()
}

pub(super) fn subject() -> Subject {
    "user:a".parse().unwrap()
}

pub(super) fn scope() -> Object {
    "document:a".parse().unwrap()
}

pub(super) fn reason() -> Reason {
    "because".parse().unwrap()
}

/// A relationship with each kind of value in the context of its caveat.
pub(crate) fn tuple() -> Tuple {
    let context = r#"{"a":null,"b":true,"c":-300,"d":18446744073709551615,"e":0.5,"f":"x","g":[1],"h":{"i":2}}"#;
    format!("group:g#member@user:a[c:{context}][expiration:1970-01-01T00:00:02Z]").parse().unwrap()
}

pub(super) fn relationship() -> Relationship {
    "group:g#member@user:a".parse().unwrap()
}

pub(super) fn actor() -> Actor {
    Actor { caller: subject(), on_behalf_of: Some("user:b".parse().unwrap()), verified: Verified::Assumed }
}

pub(super) fn role() -> Role {
    Role {
        id: "r".parse().unwrap(),
        permissions: ["document#*".parse().unwrap(), "document#view".parse().unwrap()].into(),
        inherits: ["q".parse().unwrap()].into(),
        created: Revision(3),
        modified: Revision(300),
    }
}

pub(super) fn grant(state: GrantState) -> Grant {
    Grant {
        id: "g".parse().unwrap(),
        subject: "group:g#member".parse().unwrap(),
        role: "r".parse().unwrap(),
        scope: scope(),
        window: Window { start: Some(Timestamp(1_000)), end: Some(Timestamp(2_000_000_000_000)) },
        reason: Some(reason()),
        granted_by: actor(),
        granted_at: Timestamp(-1),
        created: Revision(7),
        modified: Revision(70_000),
        state,
    }
}

fn change(command: Command) -> Change {
    Change {
        revision: Revision(9),
        tenant: tenant(),
        actor: actor(),
        reason: Some(reason()),
        at: Timestamp(5),
        salt: [6; 16],
        command,
        result: Ok(Outcome::Done),
        repeats: Some(Revision(8)),
        effects: Vec::new(),
    }
}

fn envelope(command: Command) -> Envelope {
    Envelope {
        version: 1,
        tenant: tenant(),
        actor: actor(),
        reason: Some(reason()),
        idempotency: None,
        preconditions: Vec::new(),
        stamp: Stamp { reading_ms: 5, error_ms: 250 },
        salt: [6; 16],
        command,
    }
}

fn state_after(previous: Option<&GrantState>) -> Option<GrantState> {
    match previous {
        None => Some(GrantState::Scheduled),
        Some(GrantState::Scheduled) => Some(GrantState::Active),
        Some(GrantState::Active) => Some(GrantState::Ended { at: Timestamp(4) }),
        Some(GrantState::Ended { .. }) => {
            Some(GrantState::Revoked { at: Timestamp(4), by: actor(), reason: Some(reason()) })
        }
        Some(GrantState::Revoked { .. }) => None,
    }
}

fn subject_after(previous: Option<&Subject>) -> Option<Subject> {
    match previous {
        None => Some(subject()),
        Some(Subject::Object(_)) => Some("group:g#member".parse().unwrap()),
        Some(Subject::Userset { .. }) => Some("user:*".parse().unwrap()),
        Some(Subject::Wildcard(_)) => None,
    }
}

fn verified_after(previous: Option<&Verified>) -> Option<Verified> {
    match previous {
        None => Some(Verified::Internal),
        Some(Verified::Internal) => Some(Verified::Assumed),
        Some(Verified::Assumed) => None,
    }
}

#[test]
fn values_are_frozen() {
    let mut frozen = Frozen::new(include_str!("../frozen/values-v1.txt"));
    frozen.value("Tenant", &Tenant { id: tenant(), created: Revision(3) });
    frozen.value("Role", &role());
    frozen.chain("Subject", subject_after);
    frozen.chain("Verified", verified_after);
    let mut state = state_after(None);
    while let Some(one) = state {
        state = state_after(Some(&one));
        frozen.variant("GrantState", &one);
        frozen.value(&format!("Grant/{}", name_of(&one)), &grant(one));
    }
    commands::check(&mut frozen);
    effects::check(&mut frozen);
    refusals::check(&mut frozen);
    let mut command = commands::after(None);
    frozen.value("Envelope", &envelope(command.clone().unwrap()));
    frozen.value("Change", &change(command.clone().unwrap()));
    while let Some(one) = command {
        command = commands::after(Some(&one));
        let (in_log, in_record) = (envelope(one.clone()), change(one));
        assert_eq!(codec::decode::<Envelope>(&codec::encode(&in_log)).unwrap(), in_log);
        assert_eq!(codec::decode::<Change>(&codec::encode(&in_record)).unwrap(), in_record);
    }
    frozen.value("Header", &Header { applied: Some((2, 9)), membership: Some(vec![1, 2]), sum: [4; 32] });
    frozen.value("Piece", &Piece { after: Some(vec![1]), rows: vec![2, 3], checksum: 0x0102_0304, last: true });
    frozen.finish();
}

/// Whatever bytes come, there is an answer.
#[test]
fn rubbish_is_no_value() {
    let mut dice = crate::dice::Dice(7);
    let good = codec::encode(&change(commands::after(None).unwrap()));
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(bytes.len());
            bytes[at] = u8::try_from(dice.below(256)).unwrap();
        }
        bytes.truncate(dice.below(bytes.len() + 1));
        let _ = codec::decode::<Change>(&bytes);
    }
    assert!(matches!(codec::decode::<Change>(&[]), Err(codec::DecodeError::Empty)));
    assert!(matches!(codec::decode::<Change>(&[2, 0]), Err(codec::DecodeError::Version { found: 2 })));
    assert!(matches!(codec::decode::<Change>(&good[..good.len() - 1]), Err(codec::DecodeError::Malformed(_))));
    let longer = [good.as_slice(), &[0]].concat();
    assert!(matches!(codec::decode::<Change>(&longer), Err(codec::DecodeError::TooLong(1))));
    // Lengths that no memory holds.
    assert!(codec::decode::<Vec<u8>>(&[1, 253, 255, 255, 255, 255, 255, 255, 255, 255]).is_err());
    assert!(codec::decode::<String>(&[1, 253, 255, 255, 255, 255, 255, 255, 255, 255]).is_err());
}
