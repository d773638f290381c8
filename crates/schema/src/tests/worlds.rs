//! Sound schemas at random, as tokens, so that they can be laid out at random too.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Types; all have the same relations and permissions, so that whatever is mentioned exists.
const TYPES: [&str; 3] = ["user", "acme/group", "doc"];
/// Relations that arrows may follow.
const RELATIONS: [&str; 3] = ["r0", "r1", "r2"];
/// Permissions; each is computed from relations and from those before it.
const PERMISSIONS: [&str; 4] = ["p0", "p1", "p2", "p3"];

/// The tokens of a schema.
pub(super) fn tokens() -> impl Strategy<Value = Vec<String>> {
    vec(definition(), TYPES.len()).prop_map(|definitions| {
        let mut tokens: Vec<String> = ["use", "self", "use", "expiration"].map(str::to_owned).to_vec();
        tokens.extend("caveat lim ( a int , b list < map < string > > )".split(' ').map(str::to_owned));
        tokens.push("{ a == 1 && b != [] && {'}': // }\n \"'\\\"\"} != {} }".to_owned());
        for (object_type, body) in TYPES.iter().zip(definitions) {
            tokens.extend(["definition", object_type, "{"].map(str::to_owned));
            tokens.extend(body);
            tokens.push("}".to_owned());
        }
        tokens
    })
}

/// Puts what separates tokens between them.
pub(super) fn laid_out(tokens: &[String], between: &[&str]) -> String {
    let separators = between.iter().cycle();
    tokens.iter().zip(separators).flat_map(|(token, separator)| [token.as_str(), separator]).collect()
}

/// What may stand between tokens.
pub(super) fn separators() -> impl Strategy<Value = Vec<&'static str>> {
    vec(select(vec![" ", "\n", " \t ", "\r\n", " // why\n", " /* a\n * b\n\n  c */ ", " /** d */\n", "\n//\n"]), 1..40)
}

fn definition() -> impl Strategy<Value = Vec<String>> {
    let permissions: Vec<_> = (0..PERMISSIONS.len()).map(permission).collect();
    (vec(subjects(), RELATIONS.len()), permissions, any::<bool>()).prop_map(|(relations, permissions, public)| {
        let mut tokens = Vec::new();
        for (name, subjects) in RELATIONS.iter().zip(relations) {
            tokens.extend(["relation", name, ":"].map(str::to_owned));
            tokens.extend(subjects);
        }
        for permission in permissions {
            tokens.extend(permission);
        }
        let condition = if public { " with lim and expiration" } else { "" };
        tokens.extend(format!("relation public : user :* {condition}").split_whitespace().map(str::to_owned));
        tokens
    })
}

fn subjects() -> impl Strategy<Value = Vec<String>> {
    let userset = (select(TYPES.to_vec()), select([&RELATIONS[..], &PERMISSIONS[..]].concat()));
    let kind = prop_oneof![
        select(TYPES.to_vec()).prop_map(str::to_owned),
        userset.prop_map(|(object_type, name)| format!("{object_type}#{name}")),
    ];
    let condition = select(vec!["", " with lim", " with expiration", " with lim and expiration"]);
    proptest::collection::btree_set((kind, condition), 1..4).prop_map(|subjects| {
        let mut tokens = Vec::new();
        for (index, (kind, condition)) in subjects.into_iter().enumerate() {
            if index > 0 {
                tokens.push("|".to_owned());
            }
            tokens.push(kind);
            tokens.extend(condition.split_whitespace().map(str::to_owned));
        }
        tokens
    })
}

fn permission(index: usize) -> impl Strategy<Value = Vec<String>> {
    let names = [&RELATIONS[..], &["public"], &PERMISSIONS[..index]].concat();
    let followed = || select(RELATIONS.to_vec());
    let target = || select([&RELATIONS[..], &["public", "missing"], &PERMISSIONS[..]].concat());
    let leaf = prop_oneof![
        4 => select(names).prop_map(str::to_owned),
        1 => select(vec!["nil", "self"]).prop_map(str::to_owned),
        2 => (followed(), target()).prop_map(|(relation, target)| format!("{relation}->{target}")),
        1 => (followed(), target()).prop_map(|(relation, target)| format!("{relation}.any({target})")),
        1 => (followed(), followed(), target()).prop_map(|(one, two, target)| format!("{one}.all({two})->{target}")),
    ];
    let expression = leaf.prop_map(|leaf| vec![leaf]).prop_recursive(5, 24, 4, |inner| {
        let operand = (inner, any::<bool>()).prop_map(|(operand, closed)| {
            if closed { [vec!["(".to_owned()], operand, vec![")".to_owned()]].concat() } else { operand }
        });
        vec((operand, select(vec!["+", "&", "-"])), 1..4).prop_map(|operands| {
            let mut tokens = Vec::new();
            for (index, (operand, sign)) in operands.into_iter().enumerate() {
                if index > 0 {
                    tokens.push(sign.to_owned());
                }
                tokens.extend(operand);
            }
            tokens
        })
    });
    expression.prop_map(move |expression| {
        let mut tokens: Vec<String> = ["permission", PERMISSIONS[index], "="].map(str::to_owned).to_vec();
        tokens.extend(expression);
        tokens
    })
}
