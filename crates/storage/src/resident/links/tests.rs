//! Lists in blocks and apart, against plain maps, and against their own past.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::dice::{self, Dice};

const SEEDS: u64 = 8;
const TURNS: usize = 6_000;
const KEEP_EVERY: usize = 1_500;
/// Objects: more than two blocks hold.
const OBJECTS_MAX: usize = 40;
/// Relations: some of them are too great for a word.
const RELATIONS_OF_NODES: [u32; 5] = [0, 1, RELATIONS - 1, RELATIONS, u32::MAX];

/// What is listed, as plainly as can be.
#[derive(Clone, Default)]
struct Plain {
    types: Vec<TypeKey>,
    rows: BTreeMap<(bool, NodeKey), BTreeMap<NodeKey, bool>>,
}

impl Dice {
    fn node(&mut self, objects: usize) -> NodeKey {
        let object = self.below(objects);
        let relation = RelationKey(RELATIONS_OF_NODES[self.below(8).saturating_sub(3)]);
        NodeKey { relation, object: ObjectKey(u32::try_from(object).unwrap()) }
    }
}

fn turn(links: &mut Links, plain: &mut Plain, dice: &mut Dice) {
    if plain.types.len() < 2 || plain.types.len() < OBJECTS_MAX && dice.below(40) == 0 {
        let object_type = TypeKey([0, 7, u32::MAX - 1][dice.below(3)]);
        assert_eq!(links.add(object_type).0 as usize, plain.types.len());
        plain.types.push(object_type);
    }
    let side = [Side::Up, Side::Down][dice.below(2)];
    // Half of all rows are at the same two objects, so that some lists are long.
    let objects = if dice.below(2) == 0 { 2 } else { plain.types.len() };
    let (node, other) = (dice.node(objects), dice.node(OBJECTS_MAX));
    let key = (side == Side::Up, node);
    let rows = plain.rows.entry(key).or_default();
    // Lists grow, and from time to time one is emptied.
    if dice.below(200) == 0 {
        for (node_there, qualified) in std::mem::take(rows) {
            links.remove(side, node, Row { node: node_there, qualified });
        }
    }
    if let Some(qualified) = rows.remove(&other) {
        links.remove(side, node, Row { node: other, qualified });
    } else {
        let qualified = dice.below(4) == 0;
        links.insert(side, node, Row { node: other, qualified });
        rows.insert(other, qualified);
    }
    if rows.is_empty() {
        plain.rows.remove(&key);
    }
}

fn compare(links: &Links, plain: &Plain) {
    assert_eq!(links.end() as usize, plain.types.len());
    for (object, object_type) in (0..).map(ObjectKey).zip(&plain.types) {
        assert_eq!(links.type_of(object), *object_type);
        for relation in RELATIONS_OF_NODES.map(RelationKey) {
            for side in [Side::Up, Side::Down] {
                let node = NodeKey { relation, object };
                let rows = plain.rows.get(&(side == Side::Up, node)).cloned().unwrap_or_default();
                let expected: Vec<Row> =
                    rows.iter().map(|(node, known)| Row { node: *node, qualified: *known }).collect();
                assert!(links.list(side, node).eq(expected.iter().copied()), "{side:?} of {node:?}");
                for other in RELATIONS_OF_NODES.map(RelationKey) {
                    let ends = NodeKey::all_of(other);
                    let some = expected.iter().copied().filter(|row| row.node.relation == other);
                    assert!(links.between(side, node, ends).eq(some), "{side:?} of {node:?} to {other:?}");
                }
                for one in expected {
                    assert!(links.between(side, node, [one.node, one.node]).eq([one]));
                }
            }
        }
    }
}

/// `LINKS_SEED` makes other sequences.
#[test]
fn lists_are_those_of_plain_maps_and_versions_never_change() {
    let mut forms = (0, 0);
    for seed in dice::seeds("LINKS_SEED", SEEDS) {
        println!("replay with LINKS_SEED={seed}");
        let (mut dice, mut links, mut plain) = (Dice(seed), Links::default(), Plain::default());
        let mut kept = Vec::new();
        for nth in 1..=TURNS {
            turn(&mut links, &mut plain, &mut dice);
            if nth % KEEP_EVERY == 0 {
                kept.push((links.clone(), plain.clone()));
            }
        }
        for (links, plain) in &kept {
            compare(links, plain);
            let long = plain.rows.values().filter(|rows| rows.len() > INLINE_MAX).count();
            forms = (forms.0 + plain.rows.len() - long, forms.1 + long);
        }
        // What is emptied takes no more than the objects.
        for ((up, node), rows) in std::mem::take(&mut plain.rows) {
            let side = if up { Side::Up } else { Side::Down };
            for (other, qualified) in rows {
                links.remove(side, node, Row { node: other, qualified });
            }
        }
        assert_eq!((links.apart.len(), links.rows_apart), (0, 0));
        assert_eq!(links.words, links.blocks.len() * OBJECTS);
    }
    let (short, long) = forms;
    assert!(short > 1_000 && long > 20, "{short} short and {long} long lists are too few to mean anything");
}

/// Many lists of one object, each of them short.
#[test]
fn a_block_has_an_end() {
    let mut links = Links::default();
    let object = links.add(TypeKey(3));
    let mut all = BTreeSet::new();
    for relation in 0..400_u32 {
        for other in 0..20 {
            let node = NodeKey { relation: RelationKey(relation), object };
            let row = Row { node: NodeKey::object(ObjectKey(other)), qualified: false };
            links.insert(Side::Down, node, row);
            all.insert((node, row));
        }
    }
    assert!(links.blocks.get(0).unwrap().len() < WORDS_MAX + 400);
    let nodes: BTreeSet<NodeKey> = all.iter().map(|(node, _)| *node).collect();
    let listed = nodes.iter().flat_map(|node| links.list(Side::Down, *node).map(move |row| (*node, row)));
    assert!(listed.eq(all));
}
