//! Caveats, as far as they can be checked without their language.

use std::collections::BTreeSet;

use crate::caveat::{Caveat, scan};
use crate::excerpt::Found;
use crate::problem::ProblemKind;

pub(super) fn check(caveat: &Caveat, found: &mut Found) {
    let mentioned = scan::names(&caveat.expression);
    let mut seen = BTreeSet::new();
    for parameter in &caveat.parameters {
        let (name, caveat) = (parameter.name.clone(), caveat.name.to_string());
        if !seen.insert(parameter.name.as_str()) {
            found.add(parameter.place, ProblemKind::DuplicateParameter { caveat, name });
        } else if !mentioned.contains(parameter.name.as_str()) {
            found.add(parameter.place, ProblemKind::UnusedParameter { caveat, name });
        }
    }
}
