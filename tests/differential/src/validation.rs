//! A world with a disagreement as a validation file.

use std::fmt::Write as _;

use crate::answer::Answer;
use crate::compare::Compared;
use crate::world::World;

/// The file. It asserts what we say; both answers stand in comments.
pub(crate) fn file(seed: u64, world: &World, compared: &Compared) -> String {
    let mut file = String::new();
    let mut line = |text: &str| writeln!(file, "{text}").expect("INVARIANT: a String grows");
    line(&format!("# Seed {seed}, {}.", compared.question.kind()));
    for (who, answer) in [("Portcullis", &compared.ours), ("SpiceDB", &compared.theirs)] {
        line(&format!("# {who}: {}", answer.to_string().replace('\n', "\n#   ")));
    }
    line("---\nschema: |");
    world.text().lines().for_each(|text| line(&format!("  {text}")));
    line("relationships: |");
    world.tuples.iter().for_each(|tuple| line(&format!("  {tuple}")));
    if let Some(assertion) = compared.question.as_assertion() {
        let (section, sign) = match compared.ours {
            Answer::Yes => ("assertTrue", "-"),
            Answer::No => ("assertFalse", "-"),
            Answer::Missing(_) => ("assertCaveated", "-"),
            Answer::Error(_) => ("assertTrue", "# an error: -"),
        };
        line(&format!("assertions:\n  {section}:\n    {sign} '{}'", assertion.replace('\'', "''")));
    }
    file
}
