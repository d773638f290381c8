//! The parameters of caveats.

use std::collections::BTreeSet;

use portcullis_caveat::Program;

use crate::caveat::Caveat;
use crate::excerpt::Found;
use crate::problem::ProblemKind;

pub(super) fn check(caveat: &Caveat, found: &mut Found) {
    let mut seen = BTreeSet::new();
    for parameter in &caveat.parameters {
        let (name, caveat_name) = (parameter.name.clone(), caveat.name.to_string());
        let is_mentioned = |program: &Program| program.referenced().any(|referenced| **referenced == *parameter.name);
        if !seen.insert(parameter.name.as_str()) {
            found.add(parameter.place, ProblemKind::DuplicateParameter { caveat: caveat_name, name });
        } else if !caveat.program.as_ref().is_none_or(is_mentioned) {
            found.add(parameter.place, ProblemKind::UnusedParameter { caveat: caveat_name, name });
        }
    }
}
