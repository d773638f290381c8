//! Relationships as text, with what they hold under.

use portcullis_model::{Relationship, Tuple, TupleFilter};

pub(crate) fn run(input: &[u8]) {
    let Some(text) = crate::text(input) else { return };
    if let Ok(relationship) = text.parse::<Relationship>() {
        assert_eq!(text, relationship.to_string(), "a relationship has one text");
        assert_eq!(text.parse(), Ok(Tuple::from(relationship)));
    }
    match text.parse::<Tuple>() {
        Ok(tuple) => {
            let printed = tuple.to_string();
            assert_eq!(printed.parse().as_ref(), Ok(&tuple), "{printed}");
            assert_eq!(tuple.relationship.to_string().parse().as_ref(), Ok(&tuple.relationship));
            selected(&tuple.relationship);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The text of a relationship is that of a filter which selects it.
fn selected(relationship: &Relationship) {
    let filter: TupleFilter = relationship.to_string().parse().expect("a relationship is a filter");
    assert!(filter.matches(relationship), "`{filter}` does not select `{relationship}`");
    let simple = filter.simple().expect("the filter is whole");
    assert!(simple.matches(relationship));
}
