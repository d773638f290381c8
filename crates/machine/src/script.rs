//! Scripts: commands as text, with what came of them written in.
//!
//! The same scripts run over every implementation of the state. Playing one writes its answers anew, so a test
//! compares the result with the script itself, and a script grows by adding commands and copying what was answered.
//!
//! ```text
//! # A comment. The state grows from line to line.
//! clock 2026-11-01T12:00:00Z 250
//! in system
//! initialise 00112233445566778899aabbccddeeff 1 -> 1: done
//! in default
//! create-role viewer document#view inherits reader -> 2: REFUSED ROLE_NOT_FOUND: role `…
//! create-role viewer document#view folder#* -> 3: written
//! effects on
//! key k1
//! require role viewer at 3
//! create-grant g1 group:eng#member viewer folder:q3 for 2h -> 4: active until 2026-11-01T13:59:59.75Z
//!   default: put grant g1 group:eng#member viewer folder:q3 active until 2026-11-01T13:59…
//!   default: remember k1 of user:admin
//! show live subject group:eng#member -> g1
//! ```
//!
//! **Commands** are named as the variants of [`Command`](crate::Command), in lower case and with hyphens, and take
//! the revisions from one upwards. `from TIME`, `until TIME` and `for 90s` bound a grant; `write-relationships`
//! takes `create`, `touch` and `delete`, each with the relationships that follow it; `write-schema` takes a schema in
//! one line, without `->`, for which `.any(…)` does; `delete-tuples` takes a filter, `most N` and `partly`; `annotated` takes
//! metadata without spaces and a command; `revoke-by-filter` takes
//! `subject`, `role` and `scope`; `start-grants` takes tenant, id, version, subject, role and scope of each grant,
//! `expire-grants` the first three, `expire-relationships` tenant, relationship and end of each.
//!
//! `create-join-token ID SECRET until TIME` and `admit-by-token NODE ID SECRET` take any word for the secret, and
//! `install-authority` and `drop-authority` any word for an authority.
//!
//! **Settings** hold until they are set again: `in TENANT`, `as [internal] SUBJECT [for SUBJECT]`,
//! `because REASON…` or `because nothing`, `clock TIME ERROR_MS`, `version N`, `effects on` or `off`. Those of one
//! command come in lines before it: `key KEY`, and `require role|grant|relationship X exists|missing|at REVISION`
//! or `require only-adds`.
//! The same request is the same text with the same requirements and the same reason.
//!
//! **Questions** about the state start with `show`: `tenant`, `role`, `grant`, `live`, `relationships`, `schema`, `node`,
//! `remembered`, `cluster`, `version`, `trust`, `history` and `stamp`.
//!
//! **Many at once**: a word `g{1..9}` stands for nine words, and `for 1..9 COMMAND` gives a command nine times with
//! `{n}` and `{n-1}` replaced, in its own lines of settings too. Equal answers are counted.

mod answer;
mod question;
mod request;

use portcullis_model::{Actor, NameError, Reason, Revision, Subject, TenantId, Timestamp, TupleError, Verified};

use crate::memory::Memory;
use crate::{Applied, Envelope, Fault, Stamp, State, Unreadable, VERSION_SUPPORTED, apply};
use request::{Own, Request};

/// What separates a command or question from its answer.
const ARROW: &str = "->";
/// What begins the further lines of an answer.
const INDENT: &str = "\n  ";

/// Something that carries out commands and shows the state that they leave.
pub trait Machine {
    /// What the state is read through.
    type State: State;

    /// Carries out the command at `revision`, which is the one after that of the last command that was no fault.
    fn apply(&mut self, revision: Revision, envelope: Envelope) -> Result<Applied, Fault>;

    /// The state as of the last command.
    fn state(&self) -> &Self::State;
}

impl Machine for Memory {
    type State = Self;

    fn apply(&mut self, revision: Revision, envelope: Envelope) -> Result<Applied, Fault> {
        let applied = apply(self, revision, envelope)?;
        self.carry_out(&applied.change);
        Ok(applied)
    }

    fn state(&self) -> &Self {
        self
    }
}

/// Why a script cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// A line is neither setting, command nor question.
    #[error("line {line} is nothing that a script can say: `{text}`; see `machine::script` for what it can")]
    Unknown {
        /// Its number, from one.
        line: usize,
        /// The line.
        text: String,
    },
    /// A word of a line is not what belongs there.
    #[error("line {line} has a word that does not belong there: correct it")]
    Word {
        /// Its number, from one.
        line: usize,
        /// What is wrong with it.
        source: TupleError,
    },
    /// The state of the machine cannot be read.
    #[error("line {line} cannot be played on this machine")]
    Unreadable {
        /// Its number, from one.
        line: usize,
        /// What the machine said.
        source: Unreadable,
    },
}

/// Plays a script over the machine that `make` makes, and returns it with the answers that were given.
pub fn play<M: Machine>(script: &str, make: impl FnOnce() -> M) -> Result<String, PlayError> {
    let mut stage = Stage { machine: make(), next: Revision(1), moment: Moment::default(), own: Vec::new() };
    let mut played = String::new();
    for (line, text) in (1..).zip(script.lines()) {
        // Indented lines belong to an earlier answer, which is written anew.
        if text.starts_with("  ") {
            continue;
        }
        let said = text.split_once(ARROW).map_or(text, |(said, _)| said).trim_end();
        let answer = stage.line(said).map_err(|spoilt| match spoilt {
            Spoilt::Unclear => PlayError::Unknown { line, text: text.to_owned() },
            Spoilt::Word(source) => PlayError::Word { line, source },
            Spoilt::Unreadable(source) => PlayError::Unreadable { line, source },
        })?;
        played.push_str(said);
        played.push_str(&answer);
        played.push('\n');
    }
    Ok(played)
}

/// Why a line has no answer.
#[derive(Debug)]
enum Spoilt {
    /// It is not understood as a whole.
    Unclear,
    Word(TupleError),
    Unreadable(Unreadable),
}

impl From<NameError> for Spoilt {
    fn from(source: NameError) -> Self {
        Self::Word(source.into())
    }
}

impl From<TupleError> for Spoilt {
    fn from(source: TupleError) -> Self {
        Self::Word(source)
    }
}

impl From<Unreadable> for Spoilt {
    fn from(source: Unreadable) -> Self {
        Self::Unreadable(source)
    }
}

/// What the lines so far have set up.
struct Stage<M> {
    machine: M,
    next: Revision,
    moment: Moment,
    /// The settings of the next command alone.
    own: Vec<String>,
}

/// What surrounds the commands that follow.
struct Moment {
    version: u32,
    tenant: TenantId,
    actor: Actor,
    reason: Option<Reason>,
    stamp: Stamp,
    lists_effects: bool,
}

impl Default for Moment {
    fn default() -> Self {
        Self {
            version: VERSION_SUPPORTED,
            tenant: TenantId::default_tenant(),
            actor: actor(&["user:admin"]).expect("INVARIANT: a subject as written"),
            reason: None,
            stamp: Stamp { reading_ms: 0, error_ms: 0 },
            lists_effects: false,
        }
    }
}

/// What came of one command, as text.
struct Answer {
    /// `None` when the machine stopped.
    revision: Option<Revision>,
    said: String,
    effects: Vec<String>,
}

impl<M: Machine> Stage<M> {
    /// Takes a line; returns what is to be written after it.
    fn line(&mut self, line: &str) -> Result<String, Spoilt> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            ["key" | "require", ..] => {
                Own::read(&[numbered(line, 0)])?;
                self.own.push(line.to_owned());
            }
            ["show", question @ ..] => {
                return Ok(format!(" {ARROW} {}", question::ask(self.machine.state(), &self.moment.tenant, question)?));
            }
            ["for", range, ..] => return self.many(range, line),
            words => {
                if !self.moment.set(words)? {
                    return self.one(line);
                }
            }
        }
        Ok(String::new())
    }

    fn one(&mut self, command: &str) -> Result<String, Spoilt> {
        let own = std::mem::take(&mut self.own);
        let Answer { revision, said, effects } = self.command(command, &own)?;
        let revision = revision.map_or(String::new(), |revision| format!("{revision}: "));
        let mut lines = vec![format!(" {ARROW} {revision}{said}")];
        lines.extend(effects);
        Ok(lines.join(INDENT))
    }

    /// Gives a command many times, and counts answers that follow each other and are the same.
    fn many(&mut self, range: &str, line: &str) -> Result<String, Spoilt> {
        let own = std::mem::take(&mut self.own);
        let command = line.split_once(range).map_or("", |(_, command)| command);
        let mut answers: Vec<(u64, String)> = Vec::new();
        for n in numbers(range).ok_or(Spoilt::Unclear)? {
            let own: Vec<String> = own.iter().map(|line| numbered(line, n)).collect();
            let said = self.command(&numbered(command, n), &own)?.said;
            match answers.last_mut() {
                Some((count, same)) if *same == said => *count += 1,
                _ => answers.push((1, said)),
            }
        }
        Ok(match answers.as_slice() {
            [(count, said)] => format!(" {ARROW} {count} × {said}"),
            answers => {
                let mut lines = vec![String::new()];
                lines.extend(answers.iter().map(|(count, said)| format!("{count} × {said}")));
                lines.join(INDENT)
            }
        })
    }

    fn command(&mut self, text: &str, own: &[String]) -> Result<Answer, Spoilt> {
        let request = Request::read(text, own)?;
        let revision = self.next;
        let envelope = request.envelope(&self.moment);
        let applied = match self.machine.apply(revision, envelope) {
            Ok(applied) => applied,
            // The machine of an upgraded node would go on here, so the revision is still to come.
            Err(fault @ Fault::VersionUnsupported { .. }) => {
                return Ok(Answer { revision: None, said: format!("FAULT {fault}"), effects: Vec::new() });
            }
            Err(Fault::Unreadable(source)) => return Err(source.into()),
        };
        self.next = Revision(revision.0 + 1);
        let effects = if self.moment.lists_effects { &*applied.change.effects } else { &[] };
        Ok(Answer {
            revision: Some(applied.change.revision),
            said: answer::applied(&applied),
            effects: effects.iter().map(answer::effect).collect(),
        })
    }
}

impl Moment {
    /// Takes a setting; returns whether the words are one.
    fn set(&mut self, words: &[&str]) -> Result<bool, Spoilt> {
        match words {
            ["in", tenant] => self.tenant = tenant.parse()?,
            ["as", words @ ..] => self.actor = actor(words)?,
            ["because", "nothing"] => self.reason = None,
            ["because", words @ ..] => self.reason = Some(words.join(" ").parse()?),
            ["clock", time, error] => {
                let reading: Timestamp = time.parse()?;
                self.stamp = Stamp { reading_ms: reading.0, error_ms: number(error)? };
            }
            ["version", version] => self.version = number(version)?,
            ["effects", switch @ ("on" | "off")] => self.lists_effects = *switch == "on",
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn actor(words: &[&str]) -> Result<Actor, Spoilt> {
    let (verified, words) = match words {
        ["internal", words @ ..] => (Verified::Internal, words),
        words => (Verified::Assumed, words),
    };
    let (caller, on_behalf_of): (&str, Option<Subject>) = match words {
        [caller] => (caller, None),
        [caller, "for", other] => (caller, Some(other.parse()?)),
        _ => return Err(Spoilt::Unclear),
    };
    Ok(Actor { caller: caller.parse()?, on_behalf_of, verified })
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, Spoilt> {
    word.parse().map_err(|_| Spoilt::Unclear)
}

/// Puts a number into a line that is given many times.
fn numbered(line: &str, n: u64) -> String {
    line.replace("{n}", &n.to_string()).replace("{n-1}", &n.saturating_sub(1).to_string())
}

/// `1..9` is the numbers from one to nine.
fn numbers(range: &str) -> Option<std::ops::RangeInclusive<u64>> {
    let (first, last) = range.split_once("..")?;
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "in system\ninitialise 00112233445566778899aabbccddeeff 1 -> 1: done\n";

    fn played(script: &str) -> Result<String, PlayError> {
        play(script, Memory::default)
    }

    #[test]
    fn answers_are_written_anew() {
        let script = format!("# Two nodes.\n{START}admit-node 2 -> 9: REFUSED\n  an effect that is gone\n");
        assert_eq!(played(&script).unwrap(), format!("# Two nodes.\n{START}admit-node 2 -> 2: done\n"));
    }

    #[test]
    fn equal_answers_are_counted() {
        let script = format!("{START}for 2..4 admit-node {{n}}\nfor 4..5 admit-node {{n}}\n");
        let played = played(&script).unwrap();
        let refused = "REFUSED NODE_ADMITTED: a node joined under id 4 before";
        assert!(played.contains("for 2..4 admit-node {n} -> 3 × done\nfor 4..5 admit-node {n}\n  1 × "), "{played}");
        assert!(played.contains(refused) && played.ends_with("\n  1 × done\n"), "{played}");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in ["admit 2", "admit-node", "admit-node two", "show", "show grants", "effects", "clock now"] {
            assert!(matches!(played(bad), Err(PlayError::Unknown { line: 1, text }) if text == bad), "{bad}");
        }
        for bad in ["in a b", "key", "key a b", "require role r", "for 1 admit-node 2", "start-grants default g 1"] {
            let script = format!("{START}{bad}\nadmit-node 2\n");
            assert!(matches!(played(&script), Err(PlayError::Unknown { line: 3, .. })), "{bad}");
        }
        for bad in ["in -", "clock now 0", "create-role -", "delete-relationships A", "require role - exists"] {
            assert!(matches!(played(bad), Err(PlayError::Word { .. })), "{bad}");
        }
    }
}
