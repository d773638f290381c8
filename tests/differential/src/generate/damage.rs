//! Schemas with a word or two changed at random.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// What may be put in.
const WORDS: &[&str] = &[
    "definition",
    "caveat",
    "relation",
    "permission",
    "use",
    "partial",
    "import",
    "with",
    "and",
    "nil",
    "self",
    "expiration",
    "typechecking",
    "any",
    "all",
    "user",
    "team",
    "document",
    "viewer",
    "view",
    "member",
    "missing",
    "ab",
    "tail_",
    "int",
    "{",
    "}",
    "(",
    ")",
    ":",
    "=",
    "+",
    "-",
    "&",
    "|",
    "#",
    "*",
    ",",
    ";",
    "->",
    ".",
    "...",
    "\n",
    "/",
    "\"",
    "1",
    "// note\n",
    "/* note */",
    "/** note */",
    "@",
    "!",
    "->view",
];

/// The share of changes that are of a kind that is known to be taken by one side.
const MEANT_SHARE: f64 = 0.2;

/// The words of a schema, with blanks and line breaks, after one to three changes.
pub(crate) fn damaged(dice: &mut StdRng, text: &str) -> Vec<String> {
    let mut words = words(text);
    if dice.random_bool(MEANT_SHARE) {
        meant(dice, &mut words);
        return words;
    }
    for _ in 0..dice.random_range(1..=3) {
        let at = dice.random_range(0..words.len());
        let other = || (*WORDS).to_vec();
        match dice.random_range(0..6) {
            0 | 1 => drop(words.remove(at)),
            2 => words.insert(at, words[at].clone()),
            3 => words[at] = format!(" {} ", other().choose(dice).expect("there are words")),
            4 => words.insert(at, format!(" {} ", other().choose(dice).expect("there are words"))),
            _ => {
                let with = dice.random_range(0..words.len());
                words.swap(at, with);
            }
        }
        if words.is_empty() {
            break;
        }
    }
    words
}

/// A change that one side is known to take.
fn meant(dice: &mut StdRng, words: &mut Vec<String>) {
    let places = |before: &str| -> Vec<usize> {
        let found = words.windows(2).enumerate().filter(|(_, pair)| pair[0].trim() == before);
        found.map(|(place, _)| place + 1).collect()
    };
    let (arrows, permissions) = (places("->"), places("permission"));
    match dice.random_range(0..4) {
        0 => {
            if let Some(place) = arrows.choose(dice) {
                words.insert(place + 1, "->view".to_owned());
            }
        }
        1 => {
            // `permission name = …`, with blanks between.
            if let Some(place) = permissions.choose(dice) {
                let name = words[place + 1].clone();
                if let Some(equals) = words[*place..].iter().position(|word| word == "=") {
                    words.insert(place + equals + 1, format!(" {name} + "));
                }
            }
        }
        2 => {
            let old = ["team", "viewer", "view", "user", "when0"].choose(dice).expect("there are names");
            let new = ["ab", "tail_", "x"].choose(dice).expect("there are names");
            for word in words.iter_mut().filter(|word| *word == old) {
                (*new).clone_into(word);
            }
        }
        _ => words.retain(|word| word != "\n"),
    }
}

fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    for letter in text.chars() {
        match words.last_mut() {
            Some(word) if is_name(letter) && word.chars().all(is_name) => word.push(letter),
            Some(word) if word == "-" && letter == '>' => word.push(letter),
            Some(word) if word == " " && letter == ' ' => {}
            _ => words.push(letter.to_string()),
        }
    }
    words
}
