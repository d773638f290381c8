//! What the answer of a check was put together from, as clients of SpiceDB know it.
//!
//! A step is a check of its own there, and so it is here. What they have no word for is said so: a grant is a step on its scope,
//! whose permission is the role and whose source names the grant, and a step that was told before is one from a cache.

use portcullis_eval::{CaveatStep, Step, StepAnswer, StepKind};
use portcullis_model::Object;
use portcullis_schema::{Schema, print};
use portcullis_wire::authzed::{self as wire, v1};
use portcullis_wire::wire_timestamp;
use v1::caveat_eval_info::Result as Evaluated;
use v1::check_debug_trace::{PermissionType, Permissionship, Resolution, SubProblems};

/// What an answer was put together from, and the schema by which it was.
pub(super) fn debug(
    schema: Option<&Schema>,
    subject: Option<&v1::SubjectReference>,
    step: &Step,
) -> v1::DebugInformation {
    v1::DebugInformation {
        check: Some(trace(subject, step)),
        schema_used: schema.map(print).unwrap_or_default().trim().to_owned(),
    }
}

fn trace(subject: Option<&v1::SubjectReference>, step: &Step) -> v1::CheckDebugTrace {
    let object: Object = step.object.parse().expect("INVARIANT: an object that is asked about has the name of one");
    let (permission_type, source) = match &step.kind {
        StepKind::Relation => (PermissionType::Relation, String::new()),
        StepKind::Permission => (PermissionType::Permission, String::new()),
        StepKind::Grant(id) => (PermissionType::Unspecified, format!("portcullis:grant/{id}")),
    };
    let below = || SubProblems { traces: step.steps.iter().map(|below| trace(subject, below)).collect() };
    v1::CheckDebugTrace {
        resource: Some(wire::object_reference(&object)),
        permission: step.name.to_string(),
        permission_type: permission_type.into(),
        subject: subject.cloned(),
        result: match step.answer {
            StepAnswer::No => Permissionship::NoPermission,
            StepAnswer::Yes => Permissionship::HasPermission,
            StepAnswer::Conditional(_) => Permissionship::ConditionalPermission,
            StepAnswer::Undecided => Permissionship::Unspecified,
        }
        .into(),
        caveat_evaluation_info: caveat(step),
        duration: None,
        optional_expires_at: step.expires.map(wire_timestamp),
        trace_operation_id: String::new(),
        source,
        resolution: Some(if step.steps.is_empty() {
            Resolution::WasCachedResult(step.repeated)
        } else {
            Resolution::SubProblems(below())
        }),
    }
}

/// What the caveat of a step says. Clients take it for granted where the answer depends on parameters, and print what it says
/// in place of the answer; so there it says what the answer lacks, also where that comes from below.
fn caveat(step: &Step) -> Option<v1::CaveatEvalInfo> {
    let one = match step.caveats.as_slice() {
        [one] => Some(one),
        _ => None,
    };
    match &step.answer {
        StepAnswer::Conditional(_) => {
            let one = one.filter(|one| matches!(one.answer, StepAnswer::Conditional(_)));
            Some(evaluated(&step.answer, one))
        }
        StepAnswer::No | StepAnswer::Yes | StepAnswer::Undecided => one.map(|one| evaluated(&one.answer, Some(one))),
    }
}

fn evaluated(answer: &StepAnswer, caveat: Option<&CaveatStep>) -> v1::CaveatEvalInfo {
    let (result, partial_caveat_info) = match answer {
        StepAnswer::No => (Evaluated::False, None),
        StepAnswer::Yes => (Evaluated::True, None),
        StepAnswer::Conditional(missing) => (Evaluated::MissingSomeContext, wire::partial(missing.iter())),
        StepAnswer::Undecided => (Evaluated::Unevaluated, None),
    };
    v1::CaveatEvalInfo {
        expression: caveat.and_then(|caveat| caveat.expression.clone()).unwrap_or_default(),
        result: result.into(),
        context: caveat.map(|caveat| wire::struct_of_fields(&caveat.context)),
        partial_caveat_info,
        caveat_name: caveat.map(|caveat| caveat.name.to_string()).unwrap_or_default(),
    }
}
