//! Messages of `authzed.api.v1`, and what they mean.

use portcullis_model::Tuple;
use portcullis_wire::authzed::{
    Struct, context, filter, freshness, object, object_reference, relationship, struct_of, subject, subject_reference,
    tuple, v1,
};
use portcullis_wire::{Freshness, relationship_filter, wire_tuple_filter};

use crate::context;
use crate::message::{chosen, decoded, meant};

/// The first byte says what the others are.
pub(crate) fn run(input: &[u8]) {
    chosen(&[relationships, filters, structs, consistencies, objects, subjects], input);
}

fn relationships(input: &[u8]) {
    let Some(given) = decoded::<v1::Relationship>(input) else { return };
    let Some(meaning) = meant("relationship", tuple("relationship", Some(&given))) else { return };
    assert_eq!(tuple("relationship", Some(&relationship(&meaning))).as_ref(), Ok(&meaning));
    let text = meaning.to_string();
    assert_eq!(text.parse::<Tuple>().as_ref(), Ok(&meaning), "{text}");
    if let Some(caveat) = &meaning.qualifier.caveat {
        context::sound(&caveat.context);
    }
}

fn filters(input: &[u8]) {
    let Some(given) = decoded::<v1::RelationshipFilter>(input) else { return };
    let Some(meaning) = meant("filter", filter("filter", Some(&given))) else { return };
    crate::filter::sound(&meaning);
    // The other interface does not take an id of any type.
    if meaning.resource_key.is_none() || meaning.resource_type.is_some() {
        assert_eq!(relationship_filter(Some(&wire_tuple_filter(&meaning))).as_ref(), Ok(&meaning));
    }
}

fn structs(input: &[u8]) {
    let Some(given) = decoded::<Struct>(input) else { return };
    let Some(meaning) = meant("context", context("context", Some(&given))) else { return };
    assert_eq!(context("context", Some(&struct_of(&meaning))).as_ref(), Ok(&meaning));
    context::sound(&meaning);
}

fn consistencies(input: &[u8]) {
    let Some(given) = decoded::<v1::Consistency>(input) else { return };
    match meant("consistency.", freshness(Some(&given))) {
        Some(Freshness::AtLeast(token) | Freshness::Exactly(token)) => {
            let text = format!("{given:?}").to_ascii_lowercase();
            assert!(text.contains(&token.to_string()), "{token} of {text}");
        }
        Some(Freshness::Linearizable) | None => {}
        Some(other @ (Freshness::ExactlyAt(_) | Freshness::FailClosed | Freshness::MinimizeLatency)) => {
            panic!("{other:?} cannot be asked for in this interface")
        }
    }
}

fn objects(input: &[u8]) {
    let Some(given) = decoded::<v1::ObjectReference>(input) else { return };
    let Some(meaning) = meant("object", object("object", Some(&given))) else { return };
    assert_eq!(object_reference(&meaning), given);
    assert_eq!(meaning.to_string().parse(), Ok(meaning));
}

fn subjects(input: &[u8]) {
    let Some(given) = decoded::<v1::SubjectReference>(input) else { return };
    let Some(meaning) = meant("subject", subject("subject", Some(&given))) else { return };
    assert_eq!(subject("subject", Some(&subject_reference(&meaning))).as_ref(), Ok(&meaning));
    assert_eq!(meaning.to_string().parse(), Ok(meaning));
}
