//! A schema in the form in which it is evaluated: by numbers instead of names.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use portcullis_model::{CaveatName, TypeName};
use portcullis_schema::{Expression, Member, Mode, Schema, SubjectKind};

use crate::snapshot::{RelationKey, TypeKey};

/// Gives names their numbers. A name keeps its number as long as there are snapshots that know it.
pub trait Keys {
    /// The number of a type.
    fn type_key(&mut self, name: &TypeName) -> TypeKey;
    /// The number of a relation or permission.
    fn relation_key(&mut self, name: &str) -> RelationKey;
}

/// A schema, ready to be evaluated.
#[derive(Clone, Debug)]
pub struct Program {
    schema: Schema,
    items: Vec<Item>,
    types: HashMap<TypeName, TypeKey, FixedState>,
    names: HashMap<Box<str>, RelationKey, FixedState>,
    /// The items of each type, by the number of the type.
    by_type: Vec<Vec<(RelationKey, ItemKey)>>,
    groups: Vec<RelationKey>,
    /// For each item the usersets that its relationships may lead to.
    leads_to: Vec<Vec<ItemKey>>,
    caveats: HashMap<CaveatName, portcullis_caveat::Program, FixedState>,
}

/// A relation or permission of a definition, by its place in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ItemKey(pub(crate) u32);

/// A relation or permission of a definition.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) object_type: TypeKey,
    pub(crate) name: RelationKey,
    pub(crate) kind: Kind,
    /// Whether its answer depends on where it is asked from: see `members`.
    pub(crate) wavers: bool,
}

/// Where the relationships of a relation may lead, beyond subjects themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leads {
    Nowhere,
    /// To usersets that are groups, and no others.
    ToGroups,
    ToUsersets,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Its members are those of its relationships alone, however far away, so all that a subject is in can be collected
    /// from the subject upwards; and it is one of those that others refer to as a group.
    Group,
    /// Any other relation, and where its relationships may lead.
    Relation(Leads),
    Permission(Expr),
}

impl Kind {
    pub(crate) fn is_group(&self) -> bool {
        matches!(self, Self::Group)
    }
}

/// An expression by numbers.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Nil,
    Itself,
    /// Of the same object.
    Computed(ItemKey),
    Arrow(Arrow),
    Union(Vec<Expr>),
    Intersection(Vec<Expr>),
    Exclusion(Box<[Expr; 2]>),
}

/// From an object over relations to others.
#[derive(Clone, Debug)]
pub(crate) struct Arrow {
    pub(crate) steps: Vec<(RelationKey, Mode)>,
    pub(crate) target: RelationKey,
}

impl Program {
    /// Compiles a schema.
    pub fn new(schema: &Schema, keys: &mut impl Keys) -> Self {
        let mut program = Self {
            schema: schema.clone(),
            items: Vec::new(),
            types: HashMap::default(),
            names: HashMap::default(),
            by_type: Vec::new(),
            groups: Vec::new(),
            leads_to: Vec::new(),
            caveats: HashMap::default(),
        };
        for definition in schema.definitions() {
            let object_type = keys.type_key(definition.name());
            program.types.insert(definition.name().clone(), object_type);
            let mut of_type = Vec::new();
            for member in definition.members() {
                let item = ItemKey(u32::try_from(program.items.len()).expect("INVARIANT: a schema has a limit"));
                let name = keys.relation_key(member.name());
                let wavers = schema.wavers(definition.name(), member.name());
                program.items.push(Item { object_type, name, kind: Kind::Relation(Leads::Nowhere), wavers });
                program.names.insert(member.name().into(), name);
                of_type.push((name, item));
            }
            let place = object_type.0 as usize;
            program.by_type.resize(program.by_type.len().max(place + 1), Vec::new());
            program.by_type[place] = of_type;
        }
        let mut next = 0;
        for definition in schema.definitions() {
            let object_type = keys.type_key(definition.name());
            for member in definition.members() {
                program.items[next].kind = program.kind(object_type, member, keys);
                next += 1;
            }
        }
        for caveat in schema.caveats() {
            program.caveats.insert(caveat.name.clone(), caveat.program().clone());
        }
        program.find_groups(keys);
        program
    }

    /// The schema that was compiled.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(crate) fn item(&self, key: ItemKey) -> &Item {
        &self.items[key.0 as usize]
    }

    /// The relation or permission of a type.
    pub(crate) fn item_of(&self, object_type: TypeKey, name: RelationKey) -> Option<ItemKey> {
        let items = self.by_type.get(object_type.0 as usize)?;
        items.iter().find(|(known, _)| *known == name).map(|(_, item)| *item)
    }

    /// The same by names.
    pub(crate) fn item_named(&self, object_type: &TypeName, name: &str) -> Option<ItemKey> {
        self.item_of(*self.types.get(object_type)?, *self.names.get(name)?)
    }

    /// All relations and permissions.
    pub(crate) fn items(&self) -> impl Iterator<Item = (ItemKey, &Item)> {
        (0..).map(ItemKey).zip(&self.items)
    }

    /// The usersets that relationships of a relation may lead to; none for a permission.
    pub(crate) fn leads_to(&self, relation: ItemKey) -> &[ItemKey] {
        &self.leads_to[relation.0 as usize]
    }

    /// The relations over which subjects are followed upwards.
    pub(crate) fn groups(&self) -> &[RelationKey] {
        &self.groups
    }

    pub(crate) fn caveat(&self, name: &CaveatName) -> Option<&portcullis_caveat::Program> {
        self.caveats.get(name)
    }

    fn kind(&self, object_type: TypeKey, member: Member<'_>, keys: &mut impl Keys) -> Kind {
        match member {
            Member::Relation(relation) => {
                let usersets = relation.subjects.iter().any(|subject| matches!(subject.kind, SubjectKind::Userset(_)));
                Kind::Relation(if usersets { Leads::ToUsersets } else { Leads::Nowhere })
            }
            Member::Permission(permission) => Kind::Permission(self.expr(object_type, &permission.expression, keys)),
        }
    }

    fn expr(&self, object_type: TypeKey, expression: &Expression, keys: &mut impl Keys) -> Expr {
        let mut all = |operands: &[Expression]| -> Vec<Expr> {
            operands.iter().map(|operand| self.expr(object_type, operand, keys)).collect()
        };
        match expression {
            Expression::Nil => Expr::Nil,
            Expression::SelfObject => Expr::Itself,
            Expression::Computed(name) => {
                let item = self.item_of(object_type, keys.relation_key(name.as_str()));
                Expr::Computed(item.expect("INVARIANT: a schema names only what it defines"))
            }
            Expression::Arrow(arrow) => Expr::Arrow(Arrow {
                steps: arrow.steps.iter().map(|step| (keys.relation_key(step.relation.as_str()), step.mode)).collect(),
                target: keys.relation_key(arrow.target.as_str()),
            }),
            Expression::Union(operands) => Expr::Union(all(operands)),
            Expression::Intersection(operands) => Expr::Intersection(all(operands)),
            Expression::Exclusion(base, taken) => {
                let base = self.expr(object_type, base, keys);
                Expr::Exclusion(Box::new([base, self.expr(object_type, taken, keys)]))
            }
        }
    }

    /// Finds the relations that are groups: those that relationships refer to, and whose members are those of their
    /// relationships alone.
    fn find_groups(&mut self, keys: &mut impl Keys) {
        // For each relation the usersets that its relationships may lead to, and the other way round.
        let mut leads_to: Vec<Vec<ItemKey>> = vec![Vec::new(); self.items.len()];
        let mut led_from: Vec<Vec<usize>> = vec![Vec::new(); self.items.len()];
        for definition in self.schema.definitions() {
            let object_type = keys.type_key(definition.name());
            for relation in definition.relations() {
                let from = self.place(object_type, keys.relation_key(relation.name.as_str())).0 as usize;
                for subject in &relation.subjects {
                    if let SubjectKind::Userset(name) = &subject.kind {
                        let to = self.place(keys.type_key(&subject.object_type), keys.relation_key(name.as_str()));
                        leads_to[from].push(to);
                        led_from[to.0 as usize].push(from);
                    }
                }
            }
        }
        let mut is_plain: Vec<bool> = self.items.iter().map(|item| matches!(item.kind, Kind::Relation(_))).collect();
        let mut spoilt: Vec<usize> = (0..is_plain.len()).filter(|item| !is_plain[*item]).collect();
        while let Some(item) = spoilt.pop() {
            for from in &led_from[item] {
                if std::mem::take(&mut is_plain[*from]) {
                    spoilt.push(*from);
                }
            }
        }
        for userset in leads_to.iter().flatten().filter(|userset| is_plain[userset.0 as usize]) {
            let item = &mut self.items[userset.0 as usize];
            item.kind = Kind::Group;
            self.groups.push(item.name);
        }
        for (item, usersets) in self.items.iter_mut().zip(&leads_to) {
            let all_plain = usersets.iter().all(|to| is_plain[to.0 as usize]);
            if matches!(item.kind, Kind::Relation(Leads::ToUsersets)) && all_plain {
                item.kind = Kind::Relation(Leads::ToGroups);
            }
        }
        self.leads_to = leads_to;
        self.groups.sort_unstable();
        self.groups.dedup();
    }

    /// The place of a relation or permission that a sound schema refers to.
    fn place(&self, object_type: TypeKey, name: RelationKey) -> ItemKey {
        self.item_of(object_type, name).expect("INVARIANT: a schema names only what it defines")
    }
}
