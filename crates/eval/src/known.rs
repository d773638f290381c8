//! What was answered already within one evaluation.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::program::ItemKey;
use crate::snapshot::ObjectKey;
use crate::value::Value;

/// A relation or permission of an object.
type Question = (ObjectKey, ItemKey);

/// Up to this many answers a scan is quicker than a map.
const SCAN_MAX: usize = 32;

/// Answers by question.
#[derive(Debug, Default)]
pub(crate) struct Known {
    questions: Vec<Question>,
    answers: Vec<Value>,
    /// The places of the questions, when there are too many to scan.
    places: HashMap<Question, usize, FixedState>,
}

impl Known {
    pub(crate) fn get(&self, question: Question) -> Option<&Value> {
        let place = if self.questions.len() <= SCAN_MAX {
            self.questions.iter().position(|known| *known == question)
        } else {
            self.places.get(&question).copied()
        };
        place.map(|place| &self.answers[place])
    }

    /// Adds the answer to a question that has none.
    pub(crate) fn add(&mut self, question: Question, answer: Value) {
        self.questions.push(question);
        self.answers.push(answer);
        match self.questions.len() {
            few if few <= SCAN_MAX => {}
            few if few == SCAN_MAX + 1 => self.places.extend(self.questions.iter().copied().zip(0..)),
            many => {
                self.places.insert(question, many - 1);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.questions.clear();
        self.answers.clear();
        self.places.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_answers_and_many_are_found_alike() {
        let mut known = Known::default();
        let question = |n: u32| (ObjectKey(n / 3), ItemKey(n % 3));
        for round in 0..2 {
            for n in 0..200 {
                assert_eq!(known.get(question(n)), None, "{round}");
                known.add(question(n), if n % 2 == 0 { Value::YES } else { Value::NO });
                assert!((0..=n).all(|n| known.get(question(n)).is_some_and(|value| value.is_yes() == (n % 2 == 0))));
            }
            known.clear();
        }
    }
}
