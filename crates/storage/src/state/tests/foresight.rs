//! What is foreseen is what comes.

use super::commands::*;
use super::*;
use crate::dice::{self, Dice};
use crate::state::Foresight;

const SEEDS: u64 = 4;
const COMMANDS: u64 = 400;
const AHEAD_MAX: usize = 9;
const ALL: usize = 1_000;

/// `FORESIGHT_SEED` makes other sequences.
#[test]
fn what_is_foreseen_comes_true_while_the_copy_catches_up() {
    let (mut refused, mut kept) = (0, 0);
    for seed in dice::seeds("FORESIGHT_SEED", SEEDS) {
        println!("replay with FORESIGHT_SEED={seed}");
        let mut dice = Dice(seed ^ 0xf0e);
        let mut commands = Commands::new(seed);
        let folder = folder();
        let mut store = open(folder.path());
        store.apply(at(1), initialise()).unwrap();
        store.publish().unwrap();
        let mut waiting = std::collections::VecDeque::new();
        let mut foresight = Foresight::begin(&store.reader()).unwrap();
        let mut next = 2;
        while next < COMMANDS {
            for _ in 0..=dice.below(AHEAD_MAX) {
                let due = store.reader().due(commands.now, commands.now.plus_ms(ERROR_MS), ALL).unwrap();
                let envelope = commands.next(&due);
                if foresight.at() + 1 != next || !foresight.is_ahead().unwrap() {
                    foresight = Foresight::begin(&store.reader()).unwrap();
                    for (index, envelope, _) in &waiting {
                        let envelope: &Envelope = envelope;
                        foresight.decide(*index, envelope.clone()).unwrap().unwrap();
                    }
                } else {
                    kept += 1;
                }
                let foreseen = foresight.decide(next, envelope.clone()).unwrap().unwrap();
                waiting.push_back((next, envelope, foreseen));
                next += 1;
            }
            // The copy takes in some of them, all but the last at most now and then all of them.
            for _ in 0..dice.below(waiting.len() + 1) {
                let (index, envelope, foreseen) = waiting.pop_front().unwrap();
                let applied = store.apply(at(index), envelope).unwrap();
                refused += u32::from(applied.result.is_err());
                assert_eq!(applied, foreseen, "entry {index}");
                if dice.below(3) == 0 {
                    store.publish().unwrap();
                }
            }
            store.publish().unwrap();
        }
    }
    assert!(refused > 100, "only {refused} were refused");
    assert!(kept > 100, "foresight went on over a copy that moved only {kept} times");
}

#[test]
fn what_the_copy_has_taken_in_is_not_foreseen() {
    let folder = folder();
    let mut store = open(folder.path());
    store.apply(at(1), initialise()).unwrap();
    store.publish().unwrap();
    let mut foresight = Foresight::begin(&store.reader()).unwrap();
    let create = || envelope(&TenantId::system(), Command::CreateTenant(CreateTenant { id: tenant("t") }));
    store.apply(at(2), create()).unwrap();
    store.publish().unwrap();
    // Over the copy as it is now it would be refused, which is not what came of it.
    assert_eq!(foresight.decide(2, create()).unwrap(), None);
    assert!(!foresight.is_ahead().unwrap());
}
