//! Worlds at random. A seed makes the same one every time.

mod damage;
mod schema;
mod tuples;

use portcullis_schema::compile;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng as _};

pub(crate) use schema::are_confused;
pub(crate) use tuples::IDS;

use crate::questions::Questions;
use crate::world::{Source, World};

/// The share of worlds whose schema is damaged. Of those only the verdict on the schema is compared.
const DAMAGED_SHARE: f64 = 0.15;
/// The share of worlds in which relationships may lead back to where they came from.
const LOOPING_SHARE: f64 = 0.02;
/// How often another schema is made while those made so far are refused. Then one that is refused is taken.
const ATTEMPTS: usize = 12;

/// The world of a seed, and what is asked about it.
pub(crate) fn case(seed: u64) -> (World, Questions) {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut made = schema::random(&mut dice);
    for _ in 1..ATTEMPTS {
        if compile(&made.to_string()).is_ok() {
            break;
        }
        made = schema::random(&mut dice);
    }
    if dice.random_bool(DAMAGED_SHARE) {
        let words = damage::damaged(&mut dice, &made.to_string());
        return (World { source: Source::Damaged(words), tuples: Vec::new() }, Questions::default());
    }
    let may_loop = dice.random_bool(LOOPING_SHARE);
    let tuples = tuples::random(&mut dice, &made, may_loop);
    let questions = Questions::random(&mut dice, &made, &tuples);
    (World { source: Source::Sound(made), tuples }, questions)
}

#[cfg(test)]
mod tests {
    use portcullis_model::Timestamp;

    use super::*;
    use crate::ours::Ours;

    const WORLDS: u64 = 300;

    #[test]
    fn a_seed_makes_the_same_world() {
        for seed in 0..WORLDS {
            let made = || {
                let (world, questions) = case(seed);
                (world.text_for_spicedb(), format!("{:?} {questions:?}", world.tuples))
            };
            assert_eq!(made(), made(), "{seed}");
        }
    }

    #[test]
    fn most_worlds_are_sound_and_dense() {
        let (mut sound, mut tuples, mut refused) = (0, 0, 0);
        for seed in 0..WORLDS {
            let (world, _) = case(seed);
            if matches!(world.source, Source::Sound(_)) {
                let ours = Ours::new(&world, Timestamp(1_700_000_000_000));
                sound += u64::from(ours.schema.is_ok());
                refused += u64::from(ours.refused.is_some());
                tuples += world.tuples.len() as u64;
            }
        }
        assert!(sound * 4 > WORLDS * 3, "{sound} schemas of {WORLDS} are sound");
        assert!(tuples > sound * 20, "{tuples} relationships in {sound} worlds");
        assert!(
            refused > 0 && refused * 10 < sound,
            "{refused} worlds of {sound} have relationships that are not allowed"
        );
    }
}
