//! Filters over relationships, as text.

use portcullis_model::{ObjectKey, Prefix, Relationship, RelationshipFilter, TupleFilter};

/// A filter, and, in a line of its own, a relationship that is selected or not.
pub(crate) fn run(input: &[u8]) {
    let Some(text) = crate::text(input) else { return };
    let (text, relationship) = text.split_once('\n').unwrap_or((text, ""));
    let older = text.parse::<RelationshipFilter>().ok();
    if let Some(older) = &older {
        assert_eq!(older.to_string(), text, "a filter has one text");
        assert_eq!(text.parse(), Ok(TupleFilter::from(older)));
    }
    let Ok(filter) = text.parse::<TupleFilter>() else { return };
    let printed = filter.to_string();
    assert_eq!(printed, text, "a filter has one text");
    assert_eq!(filter.simple(), older, "{text}");
    if let Ok(relationship) = relationship.parse::<Relationship>() {
        let selected = filter.matches(&relationship);
        assert!(older.is_none_or(|older| older.matches(&relationship) == selected), "{text} of {relationship}");
    }
}

/// What holds for every filter, wherever it comes from: it has a text, unless no text tells its parts from each other.
pub(crate) fn sound(filter: &TupleFilter) {
    let ids =
        [filter.resource_key.as_ref().map(ObjectKey::as_str), filter.resource_prefix.as_ref().map(Prefix::as_str)];
    let two = ids.iter().flatten().count() == 2;
    let mixed =
        ids.iter().flatten().any(|id| id.contains('@')) && (filter.relation.is_none() || filter.subject.is_none());
    if !two && !mixed {
        let text = filter.to_string();
        assert_eq!(text.parse().as_ref(), Ok(filter), "{text}");
    }
}
