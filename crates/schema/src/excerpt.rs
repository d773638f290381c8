//! A line of the text with what is wrong in it marked.

use std::fmt;

use crate::place::Place;
use crate::problem::{Problem, ProblemKind, Problems};

/// Most characters of a line that are shown.
const SHOWN_MAX: usize = 100;
/// Most characters that are shown before what is marked when a line is cut.
const BEFORE_MAX: usize = 40;

/// A line of the text with a part of it marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    line: usize,
    column: usize,
    /// The line, or as much of it as is shown, on one line and without control characters.
    text: String,
    /// Characters of it before the mark.
    before: usize,
    /// Characters that are marked, at least one.
    marked: usize,
}

/// Finds problems their lines.
pub(crate) struct Lines<'t> {
    text: &'t str,
    /// Where each line begins.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(ends).collect() }
    }

    fn problem(&self, place: Place, kind: ProblemKind) -> Problem {
        let span = place.span();
        let line = self.starts.partition_point(|start| *start <= span.start);
        let start = self.starts[line - 1];
        let column = self.text[start..span.start].chars().count() + 1;
        let end = self.starts.get(line).copied().unwrap_or(self.text.len());
        let whole = self.text[start..end].trim_end();
        let skipped = if column > SHOWN_MAX { column - 1 - BEFORE_MAX } else { 0 };
        let shown = whole.chars().skip(skipped).take(SHOWN_MAX);
        let shown: String = shown.map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        let before = column - 1 - skipped;
        let length = self.text[span.start..span.end.clamp(span.start, start + whole.len().max(span.start - start))]
            .chars()
            .take(SHOWN_MAX - before)
            .count();
        let excerpt = Excerpt { line, column, text: shown, before, marked: length.max(1) };
        Problem { kind, span, line, column, excerpt }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{margin}--> line {number}, column {}", self.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{}", format!("{number} | {}", self.text).trim_end())?;
        write!(f, "{margin} | {}{}", " ".repeat(self.before), "^".repeat(self.marked))
    }
}

/// Problems as they are found.
pub(crate) struct Found {
    problems: Vec<(Place, ProblemKind)>,
    more: bool,
}

impl Found {
    pub(crate) fn new() -> Self {
        Self { problems: Vec::new(), more: false }
    }

    /// How many problems there are so far.
    pub(crate) fn count(&self) -> usize {
        self.problems.len()
    }

    /// Notes a problem. Returns whether looking for more makes sense.
    pub(crate) fn add(&mut self, place: Place, kind: impl Into<ProblemKind>) -> bool {
        if self.is_full() {
            self.more = true;
        } else {
            self.problems.push((place, kind.into()));
        }
        !self.is_full()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.problems.len() >= crate::limit::PROBLEMS_MAX
    }

    /// The problems with their lines, if there are any.
    pub(crate) fn into_result(mut self, text: &str) -> Result<(), Problems> {
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort_by_key(|(place, _)| (place.span().start, place.span().end));
        let lines = Lines::of(text);
        let problems = self.problems.into_iter().map(|(place, kind)| lines.problem(place, kind)).collect();
        Err(Problems { problems, more: self.more })
    }
}
