//! What may make a subject have a permission, by a schema: which relations and permissions lead up to it.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;
use portcullis_schema::Mode;

use crate::program::{Expr, ItemKey, Kind, Program};
use crate::snapshot::{NodeKey, RelationKey, Snapshot};

/// From an object over relations to others.
type Steps<'a> = &'a [(RelationKey, Mode)];

/// What leads up to some items, and how.
///
/// Of what has to hold together one part is enough to follow, since an answer needs them all.
pub(super) struct Plan<'a> {
    program: &'a Program,
    relevant: HashSet<ItemKey, FixedState>,
    /// The names of the relations that matter.
    relations: Vec<RelationKey>,
    /// The permissions that hold where an item of the same object does.
    computed: HashMap<ItemKey, Vec<ItemKey>, FixedState>,
    /// The permissions that hold where an item of this name does on the object at the end of an arrow.
    arrows: HashMap<RelationKey, Vec<(ItemKey, Steps<'a>)>, FixedState>,
    /// The permissions that an object has on itself.
    itself: Vec<ItemKey>,
}

impl<'a> Plan<'a> {
    /// What leads up to `items`.
    pub(super) fn new(program: &'a Program, items: Vec<ItemKey>) -> Self {
        let mut plan = Self {
            program,
            relevant: HashSet::default(),
            relations: Vec::new(),
            computed: HashMap::default(),
            arrows: HashMap::default(),
            itself: Vec::new(),
        };
        let mut waiting = items;
        while let Some(item) = waiting.pop() {
            if plan.relevant.insert(item) {
                match &program.item(item).kind {
                    Kind::Permission(expr) => plan.permission(item, expr, &mut waiting),
                    Kind::Group | Kind::Relation(_) => {
                        plan.relations.push(program.item(item).name);
                        waiting.extend(program.leads_to(item));
                    }
                }
            }
        }
        plan.relations.sort_unstable();
        plan.relations.dedup();
        plan
    }

    fn permission(&mut self, item: ItemKey, expr: &'a Expr, waiting: &mut Vec<ItemKey>) {
        match expr {
            Expr::Nil => {}
            Expr::Itself => self.itself.push(item),
            Expr::Computed(from) => {
                self.computed.entry(*from).or_default().push(item);
                waiting.push(*from);
            }
            Expr::Arrow(arrow) => {
                self.arrows.entry(arrow.target).or_default().push((item, &arrow.steps));
                waiting.extend(self.program.items().filter(|(_, one)| one.name == arrow.target).map(|(key, _)| key));
            }
            Expr::Union(operands) => operands.iter().for_each(|one| self.permission(item, one, waiting)),
            Expr::Intersection(operands) => {
                operands.iter().take(1).for_each(|one| self.permission(item, one, waiting));
            }
            Expr::Exclusion(operands) => self.permission(item, &operands[0], waiting),
        }
    }

    /// The relations over which subjects are followed upwards.
    pub(super) fn relations(&self) -> &[RelationKey] {
        &self.relations
    }

    /// Whether a node is one that leads to what is asked for.
    pub(super) fn is_relevant<S: Snapshot>(&self, snapshot: &S, node: NodeKey) -> bool {
        let item = self.program.item_of(snapshot.type_of(node.object), node.relation);
        item.is_some_and(|item| self.relevant.contains(&item))
    }

    /// The nodes that may hold for a subject because another does; each visit of a row is told to `visit`.
    pub(super) fn above<S: Snapshot, E>(
        &self,
        snapshot: &S,
        node: NodeKey,
        mut visit: impl FnMut() -> Result<(), E>,
    ) -> Result<Vec<NodeKey>, E> {
        let mut above = Vec::new();
        let object_type = snapshot.type_of(node.object);
        let of_same = |item: &ItemKey| NodeKey { relation: self.program.item(*item).name, object: node.object };
        if node.relation == RelationKey::NONE {
            let own = self.itself.iter().filter(|item| self.program.item(**item).object_type == object_type);
            above.extend(own.map(of_same));
        }
        if let Some(item) = self.program.item_of(object_type, node.relation) {
            above.extend(self.computed.get(&item).into_iter().flatten().map(of_same));
        }
        for (item, steps) in self.arrows.get(&node.relation).into_iter().flatten() {
            let item = self.program.item(*item);
            let mut objects = vec![node.object];
            for (relation, _) in steps.iter().rev() {
                let mut next = Vec::new();
                for object in objects {
                    for end in self.ends_of(*relation) {
                        for edge in snapshot.usersets_of(NodeKey { relation: end, object }, *relation) {
                            visit()?;
                            next.push(edge.node.object);
                        }
                    }
                }
                next.sort_unstable();
                next.dedup();
                objects = next;
            }
            let of_type = objects.into_iter().filter(|object| snapshot.type_of(*object) == item.object_type);
            above.extend(of_type.map(|object| NodeKey { relation: item.name, object }));
        }
        Ok(above)
    }

    /// What the subjects of a relation that an arrow follows may be of their objects: these themselves, or usersets of them.
    fn ends_of(&self, relation: RelationKey) -> Vec<RelationKey> {
        let followed = self.program.items().filter(|(_, item)| item.name == relation);
        let usersets = followed.flat_map(|(key, _)| self.program.leads_to(key));
        let mut ends: Vec<RelationKey> = usersets.map(|item| self.program.item(*item).name).collect();
        ends.push(RelationKey::NONE);
        ends.sort_unstable();
        ends.dedup();
        ends
    }
}
