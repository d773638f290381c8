//! Random operations, against a list.

use super::*;
use crate::dice::{self, Dice};

/// Sequences of operations, each from a seed of its own.
const SEEDS: u64 = 6;
/// Lives of a node in each.
const LIVES: usize = 12;
/// So little that most reads need both memory and disk.
const TAIL_BYTES: usize = 300;

/// What a log should be.
#[derive(Clone, Debug, Default)]
struct Model {
    kept: Kept,
    term: u64,
}

impl Model {
    fn next(&self) -> u64 {
        self.kept.last().map_or(0, |last| last.index + 1)
    }

    fn range(&self, range: &std::ops::Range<u64>) -> Vec<Entry> {
        self.kept.entries.iter().filter(|entry| range.contains(&entry.id.index)).cloned().collect()
    }

    fn truncate_after(&mut self, index: Option<u64>) {
        self.kept.entries.retain(|entry| index.is_some_and(|index| entry.id.index <= index));
    }

    fn purge(&mut self, id: LogId) {
        self.kept.entries.retain(|entry| entry.id.index > id.index);
        self.kept.purged = self.kept.purged.max(Some(id));
    }
}

/// One operation, drawn once and then done to both.
#[derive(Clone, Debug)]
enum Operation {
    Append(Vec<Entry>),
    Vote(Vote),
    TruncateAfter(Option<u64>),
    Purge(LogId),
}

impl Operation {
    fn draw(dice: &mut Dice, model: &mut Model) -> Self {
        let (next, entries_kept) = (model.next(), model.kept.entries.len());
        // A place from a little before the first entry to a little behind the last.
        let count = u64::try_from(entries_kept).unwrap();
        let near = |dice: &mut Dice| (next + 2).saturating_sub(u64::try_from(dice.below(entries_kept + 5)).unwrap());
        match dice.below(12) {
            0..5 => {
                model.term += u64::try_from(dice.below(8) / 7).unwrap();
                let many = [1, 1, 2, 3, 20][dice.below(5)];
                Self::Append(entries(model.term, next..next + many))
            }
            5 => {
                model.term += 1;
                Self::Vote(vote(model.term, dice.below(3).try_into().unwrap(), dice.below(2) == 0))
            }
            6..9 => {
                // What comes in place of truncated entries is of another term.
                model.term += 1;
                Self::TruncateAfter(if dice.below(12) == 0 { None } else { Some(near(dice)) })
            }
            9 if count < 30 => Self::Append(entries(model.term, next..next + 5)),
            9..11 => Self::purge_at(model, near(dice).min(next.saturating_sub(1))),
            _ if dice.below(6) == 0 => {
                // As after a snapshot that reaches farther than the log.
                model.term += 1;
                Self::Purge(LogId { term: model.term, index: next + 3 })
            }
            _ => Self::purge_at(model, next.saturating_sub(count)),
        }
    }

    fn purge_at(model: &Model, index: u64) -> Self {
        let found = model.kept.entries.iter().map(|entry| entry.id).find(|id| id.index == index);
        // Before the beginning there is nothing left to purge; asking for it changes nothing.
        let older = model.kept.purged.map(|purged| LogId { index: purged.index.min(index), ..purged });
        let last = model.kept.last().map(|last| last.index);
        found.or(older).map_or(Self::TruncateAfter(last), Self::Purge)
    }

    fn change(&self, model: &mut Model) {
        match self.clone() {
            Self::Append(entries) => model.kept.entries.extend(entries),
            Self::Vote(vote) => model.kept.vote = Some(vote),
            Self::TruncateAfter(index) => model.truncate_after(index),
            Self::Purge(id) => model.purge(id),
        }
    }

    fn ask(self, log: &Log, done: Done) {
        match self {
            Self::Append(entries) => log.append(entries, done),
            Self::Vote(vote) => log.save_vote(vote, done),
            Self::TruncateAfter(index) => log.truncate_after(index, done),
            Self::Purge(id) => log.purge(id, done),
        }
    }
}

fn compare(log: &Log, model: &Model, dice: &mut Dice) {
    assert_eq!(Kept::of(log).unwrap(), model.kept);
    let end = usize::try_from(model.next()).unwrap() + 4;
    for _ in 0..3 {
        let (a, b) = (dice.below(end), dice.below(end));
        let range = u64::try_from(a.min(b)).unwrap()..u64::try_from(a.max(b)).unwrap();
        assert_eq!(log.entries(range.clone()).unwrap(), model.range(&range), "{range:?}");
    }
}

fn options(stop_at: Option<Step>) -> Options {
    Options { tail_bytes: TAIL_BYTES, queue_max: 8, stop_at, ..Options::default() }
}

/// One life of a node: it ends cleanly, or in a crash during the last operation.
fn life(path: &Path, model: &mut Model, dice: &mut Dice, incarnation: &mut u64) {
    let log = Log::open(path, &options(None), OWNER).unwrap();
    assert!(log.incarnation() > *incarnation);
    *incarnation = log.incarnation();
    compare(&log, model, dice);
    for _ in 0..dice.below(60) {
        let operation = Operation::draw(dice, model);
        operation.change(model);
        if dice.below(3) == 0 {
            wait(|done| operation.ask(&log, done)).unwrap();
        } else {
            operation.ask(&log, Box::new(|written| written.unwrap()));
        }
        compare(&log, model, dice);
    }
    drop(log);
    if dice.below(2) == 0 {
        return;
    }
    let step = dice.one_of(&[Step::BeforeBatch, Step::AfterBatch, Step::AfterAcked]);
    let dying = Log::open(path, &options(Some(step)), OWNER).unwrap();
    let operation = Operation::draw(dice, model);
    if step != Step::BeforeBatch {
        operation.change(model);
    }
    assert!(wait(|done| operation.ask(&dying, done)).is_err());
}

/// `LOG_SEED` makes other sequences.
#[test]
fn a_log_is_the_list_that_was_asked_for() {
    for seed in dice::seeds("LOG_SEED", SEEDS) {
        println!("replay with LOG_SEED={seed}");
        let (folder, mut dice) = (folder(), Dice(seed));
        let (mut model, mut incarnation) = (Model { term: 1, ..Model::default() }, 0);
        for _ in 0..LIVES {
            life(folder.path(), &mut model, &mut dice, &mut incarnation);
        }
    }
}
