//! Messages of `portcullis.v1`, and what they mean.

use portcullis_wire::json::to_json;
use portcullis_wire::{
    Duration, Freshness, Timestamp, duration_ms, freshness, grant_filter, idempotency_key, metadata, reason,
    relationship_filter, tenant, timestamp, v1, wire_timestamp, wire_tuple_filter,
};

use crate::context;
use crate::message::{chosen, decoded, meant};

/// The first byte says what the others are.
pub(crate) fn run(input: &[u8]) {
    chosen(&[filters, grant_filters, consistencies, options, times, durations, checks, grants], input);
}

fn filters(input: &[u8]) {
    let Some(given) = decoded::<v1::RelationshipFilter>(input) else { return };
    let Some(meaning) = meant("filter.", relationship_filter(Some(&given))) else { return };
    assert_eq!(relationship_filter(Some(&wire_tuple_filter(&meaning))).as_ref(), Ok(&meaning));
    crate::filter::sound(&meaning);
}

fn grant_filters(input: &[u8]) {
    let Some(given) = decoded::<v1::GrantFilter>(input) else { return };
    let Some(meaning) = meant("filter.", grant_filter(Some(&given))) else { return };
    let told = v1::GrantFilter {
        subject: meaning.subject.as_ref().map(ToString::to_string).unwrap_or_default(),
        role: meaning.role.as_ref().map(ToString::to_string).unwrap_or_default(),
        scope: meaning.scope.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    assert_eq!(told, given, "{meaning:?}");
}

fn consistencies(input: &[u8]) {
    let Some(given) = decoded::<v1::Consistency>(input) else { return };
    match meant("consistency.", freshness(Some(&given))) {
        Some(Freshness::AtLeast(token) | Freshness::Exactly(token)) => {
            let text = format!("{given:?}").to_ascii_lowercase();
            assert!(text.contains(&token.to_string()), "{token} of {text}");
        }
        Some(Freshness::ExactlyAt(time)) => {
            let mode = Some(v1::consistency::Mode::AtExactTime(wire_timestamp(time)));
            assert_eq!(freshness(Some(&v1::Consistency { mode })), Ok(Freshness::ExactlyAt(time)));
        }
        Some(Freshness::Linearizable | Freshness::FailClosed | Freshness::MinimizeLatency) | None => {}
    }
}

fn options(input: &[u8]) {
    let Some(given) = decoded::<v1::WriteOptions>(input) else { return };
    if let Some(Some(reason)) = meant("options.reason", reason(Some(&given))) {
        assert_eq!(reason.as_str(), given.reason);
    }
    if let Some(Some(key)) = meant("options.idempotency_key", idempotency_key(Some(&given))) {
        assert_eq!(key.as_str(), given.idempotency_key);
    }
    if let Some(metadata) = meant("options.metadata", metadata(Some(&given))) {
        context::sound(&metadata);
    }
}

fn times(input: &[u8]) {
    let Some(given) = decoded::<Timestamp>(input) else { return };
    let Some(meaning) = meant("time", timestamp("time", &given)) else { return };
    let told = wire_timestamp(meaning);
    assert_eq!(timestamp("time", &told), Ok(meaning));
    assert_eq!((told.seconds, told.nanos), (given.seconds, given.nanos / 1_000_000 * 1_000_000));
    let text = meaning.to_string();
    assert_eq!(text.parse(), Ok(meaning), "{text}");
}

fn durations(input: &[u8]) {
    let Some(given) = decoded::<Duration>(input) else { return };
    let Some(ms) = meant("duration", duration_ms("duration", &given)) else { return };
    let exact = i128::from(given.seconds) * 1_000_000_000 + i128::from(given.nanos);
    assert!((0..1_000_000).contains(&(exact - i128::from(ms.get()) * 1_000_000)), "{given:?} is {ms} ms");
}

fn checks(input: &[u8]) {
    let Some(given) = decoded::<v1::CheckRequest>(input) else { return };
    // Only a time that is refused has no form in JSON.
    assert!(
        to_json(&given).is_ok_and(|json| json.is_object())
            || meant("consistency.", freshness(given.consistency.as_ref())).is_none()
    );
    if let Some(tenant) = meant("tenant", tenant(&given.tenant)) {
        assert!(given.tenant.is_empty() || tenant.as_str() == given.tenant);
    }
}

fn grants(input: &[u8]) {
    let Some(given) = decoded::<v1::Grant>(input) else { return };
    let times = [&given.start, &given.end, &given.granted_at, &given.ended_at];
    match to_json(&given) {
        Ok(json) => assert_eq!(json["id"], given.id),
        // JSON has the times that a request may have, and a few more.
        Err(_) => assert!(times.into_iter().flatten().any(|time| timestamp("grant", time).is_err())),
    }
}
