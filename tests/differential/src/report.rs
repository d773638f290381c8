//! What a run has covered, and what it found.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::answer::Answer;
use crate::compare::Compared;
use crate::differences::{DIFFERENCES, Difference};
use crate::questions::Question;
use crate::world::{Source, World};

/// Below this many worlds a run is for a look only, and may be thin.
const MEANINGFUL_WORLDS: u64 = 200;
/// The least shares of answers, in percent, that both sides have to agree on, so that a run means something.
const LEAST_PERCENT: [(&str, u64); 3] = [("yes", 10), ("no", 10), ("conditional", 1)];

/// Counts of a run.
#[derive(Default)]
pub(crate) struct Report {
    worlds: u64,
    damaged: u64,
    /// Of answers that agree, by kind of question and by answer.
    agreed: BTreeMap<(&'static str, &'static str), u64>,
    /// Of answers that differ on purpose, by name, with the number of worlds.
    differed: BTreeMap<&'static str, (u64, u64)>,
    /// Of worlds with a disagreement that nothing explains.
    pub(crate) disagreed: u64,
}

impl Report {
    pub(crate) fn count_world(&mut self, world: &World) {
        self.worlds += 1;
        self.damaged += u64::from(matches!(world.source, Source::Damaged(_)));
    }

    pub(crate) fn count_agreed(&mut self, compared: &Compared) {
        let answer = match (&compared.question, &compared.ours) {
            (Question::Schema | Question::Relationships, Answer::Yes) => "taken",
            (Question::Schema | Question::Relationships, _) => "refused",
            (_, Answer::Yes) => "yes",
            (_, Answer::No) => "no",
            (_, Answer::Missing(_)) => "conditional",
            (_, Answer::Error(_)) => "error",
        };
        *self.agreed.entry((compared.question.kind(), answer)).or_default() += 1;
    }

    /// Counts answers of one world that differ for this reason.
    pub(crate) fn count_differed(&mut self, difference: &Difference, answers: u64) {
        let (all, worlds) = self.differed.entry(difference.name).or_default();
        *all += answers;
        *worlds += 1;
    }

    /// What is too little to prove anything.
    pub(crate) fn missing(&self) -> Vec<String> {
        let of_checks = |answer: &'static str| self.agreed.get(&("check", answer)).copied().unwrap_or_default();
        let all: u64 = LEAST_PERCENT.iter().map(|(answer, _)| of_checks(answer)).sum();
        let thin = LEAST_PERCENT.iter().filter(|(answer, least)| of_checks(answer) * 100 < all * least || all == 0);
        let thin = thin.map(|(answer, least)| format!("less than {least} % of the checks are answered with {answer}"));
        if self.worlds < MEANINGFUL_WORLDS { Vec::new() } else { thin.collect() }
    }

    /// All counts, as a table in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        let mut line = |text: String| writeln!(table, "{text}").expect("INVARIANT: a String grows");
        line(format!(
            "{} worlds, of which {} with a damaged schema; {} with a disagreement",
            self.worlds, self.damaged, self.disagreed
        ));
        line("\n| both sides say the same | answer | count |\n|---|---|---:|".to_owned());
        for ((kind, answer), count) in &self.agreed {
            line(format!("| {kind} | {answer} | {count} |"));
        }
        line("\n| they differ on purpose | worlds | answers |\n|---|---:|---:|".to_owned());
        for Difference { name, reason, .. } in DIFFERENCES {
            let (answers, worlds) = self.differed.get(name).copied().unwrap_or_default();
            line(format!("| {name}: {reason} | {worlds} | {answers} |"));
        }
        table
    }
}
