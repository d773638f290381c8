//! What an answer of the client library says about a call.

use portcullis_client::{Error, Kind, v1};

use serde::Serialize;

use crate::history::{Answer, Came, Outcome};

/// A check changes nothing, so whatever is no decision is a failure.
pub fn of_check(answered: Result<v1::CheckResponse, Error>) -> Outcome {
    match answered {
        Ok(response) => {
            let position = response.evaluation.as_ref().and_then(|evaluation| evaluation.position.as_ref());
            let revision = position.map(|position| position.revision).unwrap_or_default();
            match response.decision() {
                v1::Decision::Allow => Outcome::Ok { answer: Answer::Allow, revision },
                v1::Decision::Deny => Outcome::Ok { answer: Answer::Deny, revision },
                other @ (v1::Decision::Conditional | v1::Decision::Unspecified) => {
                    Outcome::Fail { error: format!("the decision is {other:?}") }
                }
            }
        }
        Err(error) => Outcome::Fail { error: told(&error) },
    }
}

/// A write that was refused did not take place. One that was not answered in time may have, also if the last attempt came to
/// nothing: the client library makes several, under one key.
pub fn of_write(written: Result<u64, Error>) -> Outcome {
    match written {
        Ok(revision) => Outcome::Ok { answer: Answer::Done, revision },
        Err(error) => match error.kind() {
            Kind::Invalid | Kind::NotFound | Kind::AlreadyExists | Kind::Refused | Kind::TooMuch => {
                Outcome::Fail { error: told(&error) }
            }
            Kind::Unavailable | Kind::Internal => Outcome::Unknown { error: told(&error) },
        },
    }
}

/// What a write came to that answers something.
pub fn written<A: Serialize>(written: Result<(A, u64), Error>) -> Came {
    match written {
        Ok((answer, revision)) => Came::Ok { answer: value(&answer), revision },
        Err(error) => match of_write(Err(error.clone())) {
            Outcome::Unknown { error } => Came::Unknown { error },
            Outcome::Ok { .. } | Outcome::Fail { .. } => refused(&error),
        },
    }
}

/// What a check came to: whether it is allowed.
pub fn decided(answered: Result<v1::CheckResponse, Error>) -> Came {
    match of_check(answered.clone()) {
        Outcome::Ok { answer, revision } => Came::Ok { answer: value(&(answer == Answer::Allow)), revision },
        Outcome::Fail { error } | Outcome::Unknown { error } => match answered {
            Err(told) => refused(&told),
            Ok(_) => Came::Fail { reason: String::new(), error },
        },
    }
}

/// What a read came to: it changes nothing, so whatever is no answer is a failure.
pub fn read<A: Serialize>(read: Result<(A, u64), Error>) -> Came {
    match read {
        Ok((answer, revision)) => Came::Ok { answer: value(&answer), revision },
        Err(error) => refused(&error),
    }
}

fn refused(error: &Error) -> Came {
    Came::Fail { reason: error.reason().to_owned(), error: error.to_string() }
}

fn value(answer: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(answer).expect("INVARIANT: what is answered is a value")
}

fn told(error: &Error) -> String {
    match error.reason() {
        "" => error.to_string(),
        reason => format!("{reason}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(kind: Kind) -> Error {
        Error::Answered { kind, reason: "WHY".to_owned(), message: "so".to_owned() }
    }

    #[test]
    fn only_a_refused_write_did_not_take_place() {
        assert_eq!(of_write(Ok(7)), Outcome::Ok { answer: Answer::Done, revision: 7 });
        for kind in [Kind::Invalid, Kind::NotFound, Kind::AlreadyExists, Kind::Refused, Kind::TooMuch] {
            assert_eq!(of_write(Err(answered(kind))), Outcome::Fail { error: "WHY: so".to_owned() });
        }
        for kind in [Kind::Unavailable, Kind::Internal] {
            assert_eq!(of_write(Err(answered(kind))), Outcome::Unknown { error: "WHY: so".to_owned() });
        }
    }

    #[test]
    fn a_check_without_a_decision_is_no_answer() {
        let decided = |decision: v1::Decision| {
            of_check(Ok(v1::CheckResponse { decision: decision.into(), ..v1::CheckResponse::default() }))
        };
        assert_eq!(decided(v1::Decision::Allow), Outcome::Ok { answer: Answer::Allow, revision: 0 });
        assert_eq!(decided(v1::Decision::Deny), Outcome::Ok { answer: Answer::Deny, revision: 0 });
        assert!(matches!(decided(v1::Decision::Conditional), Outcome::Fail { .. }));
        assert!(matches!(of_check(Err(answered(Kind::Unavailable))), Outcome::Fail { .. }));
    }
}
