//! A snapshot in plain ordered maps, built from facts: for tests, and to compare other implementations with.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::num::NonZeroU32;
use std::sync::Arc;

use portcullis_model::{
    Grant, GrantId, GrantState, Object, PermissionName, PermissionPattern, Qualifier, Relationship, Role, RoleId,
    Subject, Tuple, TypeName,
};
use portcullis_schema::Schema;

use crate::bounds::Bounds;
use crate::program::{Keys, Program};
use crate::snapshot::{
    Edge, GrantHandle, GrantRow, NodeKey, ObjectKey, QualifierKey, RelationKey, RoleKey, Snapshot, TypeKey,
};

/// One thing that is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A role exists.
    Role(Role),
    /// A grant was made; only one that is active counts.
    Grant(Box<Grant>),
    /// A relationship is stored.
    Tuple(Tuple),
    /// There is a schema.
    Schema(Schema),
}

/// One tenant, in memory.
#[derive(Clone, Debug)]
pub struct Memory {
    objects: Names,
    types_of: Vec<TypeKey>,
    names: SchemaNames,
    usersets_of: BTreeMap<NodeKey, Rows>,
    subjects_of: BTreeMap<NodeKey, Rows>,
    qualifiers: Vec<Qualifier>,
    program: Option<Program>,
    grants: Vec<GrantRow>,
    grant_ids: Vec<GrantId>,
    role_ids: Vec<RoleId>,
    roles: BTreeMap<RoleId, (Arc<Role>, Bounds)>,
}

/// The other ends of a node's relationships. One that is being replaced is there twice.
type Rows = BTreeMap<(NodeKey, Option<QualifierKey>), Bounds>;

/// The names of types, relations and permissions.
#[derive(Clone, Debug)]
struct SchemaNames {
    types: Names,
    relations: Names,
}

impl Keys for SchemaNames {
    fn type_key(&mut self, name: &TypeName) -> TypeKey {
        TypeKey(self.types.intern(name.as_str()))
    }

    fn relation_key(&mut self, name: &str) -> RelationKey {
        RelationKey(self.relations.intern(name))
    }
}

/// Names, interned.
#[derive(Clone, Debug, Default)]
struct Names {
    names: Vec<Arc<str>>,
    keys: BTreeMap<Arc<str>, u32>,
}

impl Names {
    fn key(&self, name: &str) -> Option<u32> {
        self.keys.get(name).copied()
    }

    fn intern(&mut self, name: &str) -> u32 {
        if let Some(key) = self.key(name) {
            return key;
        }
        let (name, key): (Arc<str>, _) = (Arc::from(name), number(self.names.len()));
        self.names.push(Arc::clone(&name));
        self.keys.insert(name, key);
        key
    }
}

impl Default for Memory {
    fn default() -> Self {
        let mut relations = Names::default();
        for name in iter::once("").chain(RelationKey::FIXED) {
            relations.intern(name);
        }
        Self {
            objects: Names::default(),
            types_of: Vec::new(),
            names: SchemaNames { types: Names::default(), relations },
            usersets_of: BTreeMap::new(),
            subjects_of: BTreeMap::new(),
            qualifiers: Vec::new(),
            program: None,
            grants: Vec::new(),
            grant_ids: Vec::new(),
            role_ids: Vec::new(),
            roles: BTreeMap::new(),
        }
    }
}

impl Memory {
    /// Adds a fact. Each role and grant is added once.
    pub fn put(&mut self, fact: &Fact) {
        self.add(fact, Bounds::YES);
    }

    /// Adds a fact that may be about to be added, or to be removed.
    pub fn doubt(&mut self, fact: &Fact) {
        self.add(fact, Bounds::MAYBE);
    }

    fn add(&mut self, fact: &Fact, certainty: Bounds) {
        match fact {
            Fact::Role(role) => {
                self.roles.insert(role.id.clone(), (Arc::new(role.clone()), certainty));
            }
            Fact::Grant(grant) if grant.state == GrantState::Active => self.add_grant(grant, certainty),
            Fact::Grant(_) => {}
            Fact::Tuple(tuple) => self.add_tuple(tuple, certainty),
            Fact::Schema(schema) => self.program = Some(Program::new(schema, &mut self.names)),
        }
    }

    fn add_grant(&mut self, grant: &Grant, certainty: Bounds) {
        let known = self.role_ids.iter().position(|role| *role == grant.role);
        let role = known.unwrap_or_else(|| {
            self.role_ids.push(grant.role.clone());
            self.role_ids.len() - 1
        });
        let row = GrantRow {
            handle: GrantHandle(number(self.grant_ids.len())),
            subject: self.node(&grant.subject),
            scope: self.intern(&grant.scope.object_type, &grant.scope.to_string()),
            role: RoleKey(number(role)),
            end: grant.window.end,
            certainty,
        };
        self.grants.push(row);
        self.grant_ids.push(grant.id.clone());
    }

    fn add_tuple(&mut self, tuple: &Tuple, certainty: Bounds) {
        let Relationship { resource, relation, subject } = &tuple.relationship;
        let subject = self.node(subject);
        let userset = self.node(&Subject::Userset { object: resource.clone(), relation: relation.clone() });
        let qualifier = (!tuple.qualifier.is_none()).then(|| self.qualifier_key(&tuple.qualifier));
        for (rows, from, to) in [(&mut self.usersets_of, subject, userset), (&mut self.subjects_of, userset, subject)] {
            let known = rows.entry(from).or_default().entry((to, qualifier)).or_default();
            *known = known.or(certainty);
        }
    }

    fn qualifier_key(&mut self, qualifier: &Qualifier) -> QualifierKey {
        let known = self.qualifiers.iter().position(|known| known == qualifier);
        let place = known.unwrap_or_else(|| {
            self.qualifiers.push(qualifier.clone());
            self.qualifiers.len() - 1
        });
        QualifierKey(NonZeroU32::MIN.saturating_add(number(place)))
    }

    fn node(&mut self, subject: &Subject) -> NodeKey {
        match subject {
            Subject::Userset { object, relation } => NodeKey {
                relation: self.names.relation_key(relation.as_str()),
                object: self.intern(&object.object_type, &object.to_string()),
            },
            Subject::Object(object) => NodeKey::object(self.intern(&object.object_type, &object.to_string())),
            Subject::Wildcard(object_type) => NodeKey::object(self.intern(object_type, &subject.to_string())),
        }
    }

    fn intern(&mut self, object_type: &TypeName, name: &str) -> ObjectKey {
        let key = self.objects.intern(name);
        if key as usize == self.types_of.len() {
            self.types_of.push(self.names.type_key(object_type));
        }
        ObjectKey(key)
    }

    /// Whether a role or one that it inherits names a pattern that matches.
    fn any_pattern(&self, role: RoleKey, matches: impl Fn(&PermissionPattern) -> bool) -> Bounds {
        let among = |is_counted: fn(Bounds) -> bool| {
            let mut family = vec![&self.role_ids[role.0 as usize]];
            let mut position = 0;
            while let Some(role) = family.get(position) {
                if let Some((role, certainty)) = self.roles.get(*role)
                    && is_counted(*certainty)
                {
                    if role.permissions.iter().any(&matches) {
                        return true;
                    }
                    let new: Vec<&RoleId> = role.inherits.iter().filter(|role| !family.contains(role)).collect();
                    family.extend(new);
                }
                position += 1;
            }
            false
        };
        Bounds { lower: among(|certainty| certainty.lower), upper: among(|certainty| certainty.upper) }
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("INVARIANT: fewer than 2^32 names")
}

fn edges(rows: Option<&Rows>) -> impl Iterator<Item = Edge> {
    let edge = |(end, certainty): (&(NodeKey, Option<QualifierKey>), &Bounds)| {
        let (node, qualifier) = *end;
        Edge { node, certainty: *certainty, qualifier }
    };
    rows.into_iter().flatten().map(edge)
}

impl Snapshot for Memory {
    fn object(&self, object: &Object) -> Option<ObjectKey> {
        self.objects.key(&object.to_string()).map(ObjectKey)
    }

    fn wildcard(&self, object_type: &TypeName) -> Option<ObjectKey> {
        self.objects.key(&format!("{object_type}:*")).map(ObjectKey)
    }

    fn relation(&self, relation: &str) -> Option<RelationKey> {
        self.names.relations.key(relation).map(RelationKey)
    }

    fn type_of(&self, object: ObjectKey) -> TypeKey {
        self.types_of[object.0 as usize]
    }

    fn program(&self) -> Option<&Program> {
        self.program.as_ref()
    }

    fn usersets_of(&self, subject: NodeKey, relation: RelationKey) -> impl Iterator<Item = Edge> {
        edges(self.usersets_of.get(&subject)).filter(move |edge| edge.node.relation == relation)
    }

    fn subjects_of(&self, userset: NodeKey) -> impl Iterator<Item = Edge> {
        edges(self.subjects_of.get(&userset))
    }

    fn between(&self, userset: NodeKey, subject: NodeKey) -> impl Iterator<Item = Edge> {
        self.subjects_of(userset).filter(move |edge| edge.node == subject)
    }

    fn qualifier(&self, qualifier: QualifierKey) -> &Qualifier {
        &self.qualifiers[qualifier.0.get() as usize - 1]
    }

    fn has_grants(&self) -> bool {
        !self.grants.is_empty()
    }

    fn grants_on(&self, scope: ObjectKey) -> impl Iterator<Item = GrantRow> {
        self.grants.iter().filter(move |row| row.scope == scope).copied()
    }

    fn grants_on_count(&self, scope: ObjectKey) -> usize {
        self.grants_on(scope).count()
    }

    fn grants_of(&self, subject: NodeKey) -> impl Iterator<Item = GrantRow> {
        self.grants.iter().filter(move |row| row.subject == subject).copied()
    }

    fn grants_of_count(&self, subject: NodeKey) -> usize {
        self.grants_of(subject).count()
    }

    fn granted_usersets(&self) -> Vec<(TypeKey, RelationKey)> {
        let kinds = self.grants.iter().map(|row| (self.type_of(row.subject.object), row.subject.relation));
        let kinds: BTreeSet<_> = kinds.filter(|(_, relation)| *relation != RelationKey::NONE).collect();
        kinds.into_iter().collect()
    }

    fn holds(&self, role: RoleKey, object_type: &TypeName, permission: &PermissionName) -> Bounds {
        self.any_pattern(role, |pattern| match pattern {
            PermissionPattern::All(all_of) => all_of == object_type,
            PermissionPattern::One(one) => one.object_type == *object_type && one.name == *permission,
        })
    }

    fn holds_all(&self, role: RoleKey, object_type: &TypeName) -> Bounds {
        let all = PermissionPattern::All(object_type.clone());
        self.any_pattern(role, |pattern| *pattern == all)
    }

    fn names_all(&self, object_type: &TypeName) -> bool {
        let all = PermissionPattern::All(object_type.clone());
        self.roles.values().any(|(role, _)| role.permissions.contains(&all))
    }

    fn named_permissions(&self, object_type: &TypeName) -> Vec<PermissionName> {
        let patterns = self.roles.values().flat_map(|(role, _)| &role.permissions);
        let named = patterns.filter_map(|pattern| match pattern {
            PermissionPattern::One(one) if one.object_type == *object_type => Some(one.name.clone()),
            PermissionPattern::One(_) | PermissionPattern::All(_) => None,
        });
        named.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn relation_name(&self, relation: RelationKey) -> Arc<str> {
        Arc::clone(&self.names.relations.names[relation.0 as usize])
    }

    fn name(&self, node: NodeKey) -> Arc<str> {
        let object = &self.objects.names[node.object.0 as usize];
        match node.relation {
            RelationKey::NONE => Arc::clone(object),
            relation => Arc::from(format!("{object}#{}", self.names.relations.names[relation.0 as usize])),
        }
    }

    fn grant_id(&self, grant: GrantHandle) -> GrantId {
        self.grant_ids[grant.0 as usize].clone()
    }

    fn role_id(&self, role: RoleKey) -> RoleId {
        self.role_ids[role.0 as usize].clone()
    }

    fn role(&self, role: &RoleId) -> Option<Arc<Role>> {
        self.roles.get(role).map(|(role, _)| Arc::clone(role))
    }
}
