//! Puts partials in place.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_model::TypeName;

use super::{circles, similar};
use crate::excerpt::Found;
use crate::limit;
use crate::place::Place;
use crate::problem::ProblemKind;
use crate::schema::{Definition, Item};
use crate::syntax::{self, Block, BlockMember};

/// The definitions and caveats, without partials. `None` if that is too much.
pub(super) fn expand(items: Vec<syntax::Item>, found: &mut Found) -> Option<Vec<Item>> {
    let mut partials = Vec::new();
    let mut others = Vec::new();
    for item in items {
        match item {
            syntax::Item::Partial(block) => partials.push(block),
            other => others.push(other),
        }
    }
    let mut expansion = Expansion::of(&partials, found)?;
    let mut expanded = Vec::new();
    for item in others {
        match item {
            syntax::Item::Definition(block) => {
                let members = expansion.members(&block, found)?;
                let mut definition = Definition::new(block.name, block.doc, block.place);
                for member in members {
                    // INVARIANT: names were made unique when the members were put together.
                    let free = match member {
                        BlockMember::Relation(relation) => definition.add_relation(relation),
                        BlockMember::Permission(permission) => definition.add_permission(permission),
                        BlockMember::Spread(..) => true,
                    };
                    assert!(free, "members of {} are unique", definition.name());
                }
                expanded.push(Item::Definition(definition));
            }
            syntax::Item::Caveat(caveat) => expanded.push(Item::Caveat(caveat)),
            syntax::Item::Partial(_) => {}
        }
    }
    Some(expanded)
}

struct Expansion {
    names: BTreeMap<TypeName, usize>,
    /// The members of each partial, without spreads, once they are known.
    members: Vec<Vec<BlockMember>>,
    /// How much more may be mentioned.
    left: usize,
}

impl Expansion {
    fn of(partials: &[Block], found: &mut Found) -> Option<Self> {
        let names: BTreeMap<TypeName, usize> =
            partials.iter().enumerate().map(|(index, partial)| (partial.name.clone(), index)).collect();
        let spreads = |partial: usize| {
            let spread = partials[partial].members.iter().filter_map(spread);
            spread.filter_map(|(name, _)| names.get(name).copied())
        };
        let walk = circles::walk(partials.len(), spreads, limit::PROBLEMS_MAX);
        for circle in &walk.circles {
            let cycle = circles::named(circle, |partial| partials[partial].name.to_string());
            found.add(partials[circle[0]].place, ProblemKind::CyclicPartial { cycle });
        }
        let members = vec![Vec::new(); partials.len()];
        let mut expansion = Self { names, members, left: limit::MENTIONS_MAX };
        for partial in walk.order {
            expansion.members[partial] = expansion.members(&partials[partial], found)?;
        }
        Some(expansion)
    }

    /// The members of a block, with those of the partials that it spreads.
    fn members(&mut self, block: &Block, found: &mut Found) -> Option<Vec<BlockMember>> {
        let mut members = Vec::new();
        let mut taken = BTreeSet::new();
        for member in &block.members {
            let (several, place) = if let BlockMember::Spread(name, place) = member {
                let Some(partial) = self.names.get(name) else {
                    found.add(*place, self.unknown(name));
                    continue;
                };
                (self.members[*partial].as_slice(), Some(*place))
            } else {
                (std::slice::from_ref(member), None)
            };
            for member in several {
                let Some((name, own_place, mentions)) = named(member) else { continue };
                if !taken.insert(name.to_owned()) {
                    let object_type = block.name.to_string();
                    let kind = ProblemKind::DuplicateMember { object_type, name: name.to_owned() };
                    found.add(place.unwrap_or(own_place), kind);
                    continue;
                }
                let Some(left) = self.left.checked_sub(mentions) else {
                    let (what, most) = ("names in it, partials in place", limit::MENTIONS_MAX);
                    found.add(place.unwrap_or(own_place), ProblemKind::TooLarge { what, most });
                    return None;
                };
                self.left = left;
                members.push(member.clone());
            }
        }
        Some(members)
    }

    fn unknown(&self, name: &TypeName) -> ProblemKind {
        let similar = similar::to(name.as_str(), self.names.keys().map(TypeName::as_str));
        ProblemKind::UnknownPartial { name: name.to_string(), similar }
    }
}

fn spread(member: &BlockMember) -> Option<(&TypeName, Place)> {
    match member {
        BlockMember::Spread(name, place) => Some((name, *place)),
        BlockMember::Relation(_) | BlockMember::Permission(_) => None,
    }
}

/// The name of a member, where it stood, and how many names it mentions with its own.
fn named(member: &BlockMember) -> Option<(&str, Place, usize)> {
    match member {
        BlockMember::Relation(relation) => Some((relation.name.as_str(), relation.place, 1 + relation.subjects.len())),
        BlockMember::Permission(permission) => {
            Some((permission.name.as_str(), permission.place, 1 + permission.types.len() + permission.leaves.len()))
        }
        BlockMember::Spread(..) => None,
    }
}
