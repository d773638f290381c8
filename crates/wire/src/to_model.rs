//! From messages to the model.

use std::error::Error;
use std::num::NonZeroU64;
use std::str::FromStr;

use portcullis_model::{
    Context, GrantFilter, IdempotencyKey, NameError, Prefix, Reason, Subject, SubjectFilter, TenantId, Timestamp,
    Token, TupleFilter, Which, limit,
};

use crate::error::FieldError;
use crate::v1;

/// Parses a field.
pub fn field<T: FromStr<Err: Error>>(name: &str, text: &str) -> Result<T, FieldError> {
    text.parse().map_err(|error: T::Err| {
        let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        FieldError::new(name, format!("{error}{source}"))
    })
}

/// What is known for caveats; empty is nothing.
pub fn context(name: &str, text: &str) -> Result<Context, FieldError> {
    if text.is_empty() { Ok(Context::default()) } else { field(name, text) }
}

/// Parses a field that may be empty.
pub fn optional<T: FromStr<Err = NameError>>(name: &str, text: &str) -> Result<Option<T>, FieldError> {
    if text.is_empty() { Ok(None) } else { field(name, text).map(Some) }
}

/// Parses every text of a list.
pub fn fields<T: FromStr<Err = NameError>, C: FromIterator<T>>(name: &str, texts: &[String]) -> Result<C, FieldError> {
    texts.iter().enumerate().map(|(nth, text)| field(&format!("{name}[{nth}]"), text)).collect()
}

/// The tenant of a request; empty is the default tenant.
pub fn tenant(text: &str) -> Result<TenantId, FieldError> {
    Ok(optional("tenant", text)?.unwrap_or_else(TenantId::default_tenant))
}

/// How fresh an answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As everything that was acknowledged anywhere.
    Linearizable,
    /// The same, and what is being changed at this very moment is no.
    FailClosed,
    /// At least as fresh as a token.
    AtLeast(Token),
    /// Exactly at a token.
    Exactly(Token),
    /// Exactly at a moment.
    ExactlyAt(Timestamp),
    /// Whatever the node has.
    MinimizeLatency,
}

/// How fresh the answer to a request has to be.
pub fn freshness(consistency: Option<&v1::Consistency>) -> Result<Freshness, FieldError> {
    use v1::consistency::Mode;
    match consistency.and_then(|consistency| consistency.mode.as_ref()) {
        None | Some(Mode::Linearizable(_)) => Ok(Freshness::Linearizable),
        Some(Mode::FailClosed(_)) => Ok(Freshness::FailClosed),
        Some(Mode::AtLeastAsFresh(token)) => Ok(Freshness::AtLeast(field("consistency.at_least_as_fresh", token)?)),
        Some(Mode::AtExact(token)) => Ok(Freshness::Exactly(field("consistency.at_exact", token)?)),
        Some(Mode::AtExactTime(time)) => Ok(Freshness::ExactlyAt(timestamp("consistency.at_exact_time", time)?)),
        Some(Mode::MinimizeLatency(_)) => Ok(Freshness::MinimizeLatency),
    }
}

/// The page of a list request: how many items, and after what.
pub fn page(page_size: u32, page_token: &str) -> Result<(usize, Option<Vec<u8>>), FieldError> {
    let size = usize::try_from(page_size).unwrap_or(usize::MAX);
    let size = if size == 0 { limit::PAGE_DEFAULT } else { size };
    if size > limit::PAGE_MAX {
        let problem = format!("`{size}` is too large: the most is {}", limit::PAGE_MAX);
        return Err(FieldError::new("page_size", problem));
    }
    if page_token.is_empty() {
        return Ok((size, None));
    }
    let malformed = || {
        FieldError::new(
            "page_token",
            format!("`{page_token}` is not a cursor: give that of the page before, unchanged"),
        )
    };
    // A sign before a digit would be read as a number, too.
    if !page_token.len().is_multiple_of(2) || !page_token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(malformed());
    }
    let bytes = (0..page_token.len()).step_by(2).map(|at| u8::from_str_radix(&page_token[at..at + 2], 16));
    Ok((size, Some(bytes.collect::<Result<_, _>>().map_err(|_| malformed())?)))
}

/// The reason of a write.
pub fn reason(options: Option<&v1::WriteOptions>) -> Result<Option<Reason>, FieldError> {
    optional("options.reason", options.map_or("", |options| options.reason.as_str()))
}

/// The idempotency key of a write.
pub fn idempotency_key(options: Option<&v1::WriteOptions>) -> Result<Option<IdempotencyKey>, FieldError> {
    optional("options.idempotency_key", options.map_or("", |options| options.idempotency_key.as_str()))
}

/// A filter over relationships.
pub fn relationship_filter(filter: Option<&v1::RelationshipFilter>) -> Result<TupleFilter, FieldError> {
    let Some(filter) = filter else { return Ok(TupleFilter::default()) };
    if filter.resource_type.is_empty() && !filter.resource_id.is_empty() {
        return Err(FieldError::new("filter.resource_type", "a resource id needs its type: give both"));
    }
    let prefix = filter.resource_id_prefix.as_str();
    let prefix = if prefix.is_empty() { None } else { Some(Prefix::new(prefix)) };
    let prefix = prefix.transpose().map_err(|error| FieldError::new("filter.resource_id_prefix", error.to_string()))?;
    let whole: Option<Subject> = optional("filter.subject", &filter.subject)?;
    let subject = match (whole, &filter.subject_filter) {
        (Some(_), Some(_)) => {
            return Err(FieldError::new(
                "filter.subject_filter",
                "the subject is given as a whole: leave one of the two out",
            ));
        }
        (Some(whole), None) => Some(SubjectFilter::from(&whole)),
        (None, filter) => filter.as_ref().map(subject_filter).transpose()?,
    };
    Ok(TupleFilter {
        resource_type: optional("filter.resource_type", &filter.resource_type)?,
        resource_key: optional("filter.resource_id", &filter.resource_id)?,
        resource_prefix: prefix,
        relation: optional("filter.relation", &filter.relation)?,
        subject,
    })
}

fn subject_filter(filter: &v1::SubjectFilter) -> Result<SubjectFilter, FieldError> {
    let which = match filter.subject_id.as_str() {
        "" => None,
        "*" => Some(Which::Wildcard),
        id => Some(Which::One(field("filter.subject_filter.subject_id", id)?)),
    };
    let relation = filter.relation.as_deref();
    let relation = relation.map(|relation| optional("filter.subject_filter.relation", relation)).transpose()?;
    Ok(SubjectFilter {
        object_type: field("filter.subject_filter.subject_type", &filter.subject_type)?,
        which,
        relation,
    })
}

/// What a write says to those who watch.
pub fn metadata(options: Option<&v1::WriteOptions>) -> Result<Context, FieldError> {
    context("options.metadata", options.map_or("", |options| options.metadata.as_str()))
}

/// A filter over grants.
pub fn grant_filter(filter: Option<&v1::GrantFilter>) -> Result<GrantFilter, FieldError> {
    let Some(filter) = filter else { return Ok(GrantFilter::default()) };
    Ok(GrantFilter {
        subject: optional("filter.subject", &filter.subject)?,
        role: optional("filter.role", &filter.role)?,
        scope: optional("filter.scope", &filter.scope)?,
    })
}

/// Nanoseconds of a second; a message has fewer beside its seconds.
const NANOS_END: i32 = 1_000_000_000;

/// A point in time, to the millisecond below.
pub fn timestamp(name: &str, time: &prost_types::Timestamp) -> Result<Timestamp, FieldError> {
    let ms = whole_ms(time.seconds, time.nanos).map(Timestamp);
    ms.filter(|time| (Timestamp::MIN..=Timestamp::MAX).contains(time)).ok_or_else(|| {
        let given = format!("{} s {} ns", time.seconds, time.nanos);
        FieldError::new(name, format!("{given} is not a time from year 1 on and before year 10000"))
    })
}

/// A duration above zero, in milliseconds.
pub fn duration_ms(name: &str, duration: &prost_types::Duration) -> Result<NonZeroU64, FieldError> {
    let ms = whole_ms(duration.seconds, duration.nanos).and_then(|ms| u64::try_from(ms).ok());
    ms.and_then(NonZeroU64::new).ok_or_else(|| {
        let given = format!("{} s {} ns", duration.seconds, duration.nanos);
        FieldError::new(name, format!("{given} is not a duration above zero: give at least one millisecond"))
    })
}

fn whole_ms(seconds: i64, nanos: i32) -> Option<i64> {
    let ms = seconds.checked_mul(1_000)?.checked_add(i64::from(nanos) / 1_000_000)?;
    (0..NANOS_END).contains(&nanos).then_some(ms)
}
