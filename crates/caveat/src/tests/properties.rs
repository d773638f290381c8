//! What holds for every expression and context.

use portcullis_model::Context;
use proptest::prelude::*;

use super::expressions::{Dice, condition, context, parameters, part};
use crate::{Error, Problem, ProblemKind, Program, Verdict, compile};

fn compiled(expression: &str) -> Option<Program> {
    match compile(&parameters(), expression) {
        Ok(program) => Some(program),
        Err(problems) => {
            let known = |problem: &Problem| {
                matches!(problem.kind, ProblemKind::TooCostly { .. } | ProblemKind::Constant { .. })
            };
            assert!(problems.iter().all(known), "{expression}: {problems:?}");
            None
        }
    }
}

fn evaluated(program: &Program, request: &Context) -> Result<Verdict, Error> {
    program.evaluate(&Context::default(), request)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// With a parameter more, what was decided stays decided and what failed fails. What is named as missing is missing;
    /// and once it is given there is a verdict, so that all of it was named.
    #[test]
    fn more_context_never_takes_back_an_answer(seed: u64, size in 0_usize..24) {
        let mut dice = Dice::new(seed);
        let expression = condition(&mut dice, size);
        if let Some(program) = compiled(&expression) {
            let whole = context(&mut dice);
            let some = part(&whole, |_| dice.below(2) == 0);
            let (with_some, with_all) = (evaluated(&program, &some), evaluated(&program, &whole));
            match &with_some {
                Ok(Verdict::Holds | Verdict::Fails) => prop_assert_eq!(&with_some, &with_all, "{}", expression),
                Err(_) => prop_assert!(with_all.is_err(), "{} was {:?}, is {:?}", expression, with_some, with_all),
                Ok(Verdict::Missing(names)) => {
                    prop_assert!(!names.is_empty(), "{}", expression);
                    prop_assert!(names.iter().all(|name| !some.fields().contains_key(name)), "{}", expression);
                    prop_assert!(names.iter().all(|name| program.referenced().any(|known| known == name)));
                    let filled = part(&whole, |name| some.fields().contains_key(name) || names.contains(name));
                    match evaluated(&program, &filled) {
                        // Which of several failures counts may depend on the rest.
                        Err(_) => prop_assert!(with_all.is_err(), "{}", expression),
                        verdict => prop_assert_eq!(&verdict, &with_all, "{}", expression),
                    }
                }
            }
            prop_assert!(!matches!(with_all, Ok(Verdict::Missing(_))), "{}", expression);
        }
    }

    /// It makes no difference which of the two contexts gives a parameter, as long as one does.
    #[test]
    fn both_contexts_are_one(seed: u64, size in 0_usize..12) {
        let mut dice = Dice::new(seed);
        let expression = condition(&mut dice, size);
        if let Some(program) = compiled(&expression) {
            let whole = context(&mut dice);
            let mut from_relationship = |_: &str| dice.below(2) == 0;
            let relationship = part(&whole, &mut from_relationship);
            let request = part(&whole, |name| !relationship.fields().contains_key(name));
            let verdict = evaluated(&program, &whole);
            prop_assert_eq!(&program.evaluate(&relationship, &request), &verdict, "{}", expression);
            // Where both give one, the relationship counts.
            let other = context(&mut dice);
            prop_assert_eq!(&program.evaluate(&whole, &other), &verdict, "{}", expression);
        }
    }

    /// The contexts are within what is assumed, so evaluations are within the bound.
    #[test]
    fn no_evaluation_takes_more_than_its_bound(seed: u64, size in 0_usize..24) {
        let mut dice = Dice::new(seed);
        let expression = condition(&mut dice, size);
        if let Some(program) = compiled(&expression) {
            let whole = context(&mut dice);
            for request in [part(&whole, |_| dice.below(3) > 0), whole] {
                let (_, steps) = program.measure(&Context::default(), &request);
                let bound = program.cost_bound();
                prop_assert!(steps <= bound.assumed_steps, "{} > {}: {}", steps, bound.assumed_steps, expression);
                prop_assert!(bound.assumed_steps <= bound.most_steps, "{}", expression);
            }
        }
    }
}

/// Keys come in order, whatever order they were written in, and in every process.
#[test]
fn maps_are_gone_through_in_the_order_of_their_keys() {
    let parameters = [("m".to_owned(), crate::Type::Map(Box::new(crate::Type::Int)))];
    let program = compile(&parameters, r#"m.map(k, k) == ["a", "b", "c", "d", "e", "f", "g", "h"]"#).unwrap();
    let mut dice = Dice::new(1);
    for _ in 0..100 {
        let mut names: Vec<&str> = "a b c d e f g h".split(' ').collect();
        for place in (1..names.len()).rev() {
            names.swap(place, dice.below(place + 1));
        }
        let fields: Vec<String> = names.iter().map(|name| format!("\"{name}\": 1")).collect();
        let request: Context = format!("{{\"m\": {{{}}}}}", fields.join(", ")).parse().unwrap();
        assert_eq!(evaluated(&program, &request), Ok(Verdict::Holds));
    }
    let literal =
        r#"{3: 0, "b": 0, 1u: 0, true: 0, "a": 0, -2: 0}.map(k, string(k)) == ["true", "-2", "1", "3", "a", "b"]"#;
    let program = compile(&[], literal).unwrap();
    assert_eq!(evaluated(&program, &Context::default()), Ok(Verdict::Holds));
}

#[test]
fn programs_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + std::fmt::Debug>() {}
    shared::<Program>();
}
