//! What is asked about a world.

use std::fmt;

use portcullis_model::{Context, Object, ObjectKey, PermissionName, RelationName, Subject, Tuple, TypeName};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use crate::condition;
use crate::generate::IDS;
use crate::world::Schema;

/// An id that no relationship names.
pub(crate) const STRANGER: &str = "stranger";
/// How many relations and permissions, of every object, and subjects other than users are asked about at most, each with
/// each. SpiceDB takes the objects of a type together, so these cost little.
const MEMBERS: usize = 6;
const OTHERS: usize = 3;
/// How many lookups of each kind there are.
const LOOKUPS: usize = 2;
/// The share of worlds that are asked about everyone. SpiceDB refuses that, which costs a call each.
const EVERYONE_SHARE: f64 = 0.02;

/// Checks are of every resource, permission and subject in every context; lookups are some.
#[derive(Clone, Debug, Default)]
pub(crate) struct Questions {
    /// What is known for conditions. The first is nothing.
    pub(crate) contexts: Vec<Context>,
    pub(crate) resources: Vec<(Object, PermissionName)>,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) resource_lookups: Vec<ResourceLookup>,
    pub(crate) subject_lookups: Vec<SubjectLookup>,
}

/// On which resources?
#[derive(Clone, Debug)]
pub(crate) struct ResourceLookup {
    pub(crate) object_type: TypeName,
    pub(crate) permission: PermissionName,
    pub(crate) subject: Subject,
    /// The place of its context.
    pub(crate) context: usize,
}

/// Which subjects?
#[derive(Clone, Debug)]
pub(crate) struct SubjectLookup {
    pub(crate) resource: Object,
    pub(crate) permission: PermissionName,
    pub(crate) subject_type: TypeName,
    pub(crate) subject_relation: Option<RelationName>,
    /// The place of its context.
    pub(crate) context: usize,
}

/// One question, as far as it has an answer of its own.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// Is the schema sound?
    Schema,
    /// Are the relationships of the schema?
    Relationships,
    /// May the subject?
    Check { resource: Object, permission: PermissionName, subject: Subject, context: Context },
    /// Is the object found?
    Resource { lookup: ResourceLookup, context: Context, id: ObjectKey },
    /// Is the subject found?
    Subject { lookup: SubjectLookup, context: Context, id: ObjectKey },
}

impl Questions {
    pub(crate) fn random(dice: &mut StdRng, schema: &Schema, tuples: &[Tuple]) -> Self {
        let contexts = contexts(dice, schema);
        let (mut asked, mut usersets) = (Vec::new(), Vec::new());
        for definition in &schema.definitions {
            let relations = definition.relations.iter().map(|one| &one.name);
            let members: Vec<&String> = relations.chain(definition.permissions.iter().map(|one| &one.name)).collect();
            asked.extend(members.iter().map(|member| (&definition.name, *member)));
            for id in IDS {
                let object: Object = parsed(&format!("{}:{id}", definition.name));
                usersets.extend(members.iter().map(|member| parsed(&format!("{object}#{member}"))));
                if definition.name != "user" {
                    usersets.push(Subject::Object(object));
                }
            }
        }
        usersets.shuffle(dice);
        let named = (0..OTHERS).filter_map(|_| tuples.choose(dice)).map(|tuple| tuple.relationship.subject.clone());
        let named = named.filter(|subject| !matches!(subject, Subject::Wildcard(_)));
        let mut others: Vec<Subject> = named.chain(usersets).collect();
        others.truncate(OTHERS);
        asked.shuffle(dice);
        asked.truncate(MEMBERS);
        let resource = |object_type, member: &str, id| (parsed(&format!("{object_type}:{id}")), parsed(member));
        let resources = asked.iter().flat_map(|(name, member)| IDS.iter().map(|id| resource(*name, member, *id)));
        let resources = resources.collect();
        let mut subjects: Vec<Subject> = vec![parsed(&format!("user:{STRANGER}"))];
        subjects.extend(IDS.iter().map(|id| parsed(&format!("user:{id}"))));
        subjects.extend(others);
        let mut questions = Self { contexts, resources, subjects, ..Self::default() };
        questions.add_lookups(dice);
        if dice.random_bool(EVERYONE_SHARE) {
            questions.subjects.push(parsed("user:*"));
        }
        questions
    }

    fn add_lookups(&mut self, dice: &mut StdRng) {
        for _ in 0..LOOKUPS {
            let context = dice.random_range(0..self.contexts.len());
            let Some((resource, permission)) = self.resources.choose(dice).cloned() else { return };
            let Some(subject) = self.subjects.choose(dice).cloned() else { return };
            let (subject_type, subject_relation) = match &subject {
                Subject::Object(object) => (&object.object_type, None),
                Subject::Userset { object, relation } => (&object.object_type, Some(relation.clone())),
                Subject::Wildcard(all) => (all, None),
            };
            self.subject_lookups.push(SubjectLookup {
                resource: resource.clone(),
                permission: permission.clone(),
                subject_type: subject_type.clone(),
                subject_relation,
                context,
            });
            let object_type = resource.object_type;
            self.resource_lookups.push(ResourceLookup { object_type, permission, subject, context });
        }
    }

    /// What has to be asked to answer this as it was answered: a check, with its siblings on the other objects.
    pub(crate) fn only(question: &Question) -> Self {
        let mut only = Self::alone(question);
        if let Question::Check { resource, permission, .. } = question {
            let sibling = |id: &&str| (parsed(&format!("{}:{id}", resource.object_type)), permission.clone());
            only.resources.extend(IDS.iter().filter(|id| **id != resource.key.as_str()).map(sibling));
        }
        only
    }

    /// Nothing but this.
    pub(crate) fn alone(question: &Question) -> Self {
        let mut only = Self { contexts: vec![Context::default()], ..Self::default() };
        match question.clone() {
            Question::Schema | Question::Relationships => {}
            Question::Check { resource, permission, subject, context } => {
                only.contexts = vec![context];
                only.resources = vec![(resource, permission)];
                only.subjects = vec![subject];
            }
            Question::Resource { lookup, context, .. } => {
                only.contexts = vec![context];
                only.resource_lookups = vec![ResourceLookup { context: 0, ..lookup }];
            }
            Question::Subject { lookup, context, .. } => {
                only.contexts = vec![context];
                only.subject_lookups = vec![SubjectLookup { context: 0, ..lookup }];
            }
        }
        only
    }
}

fn contexts(dice: &mut StdRng, schema: &Schema) -> Vec<Context> {
    let mut contexts = vec![Context::default()];
    if !schema.caveats.is_empty() {
        let parameters: Vec<_> = schema.caveats.iter().flat_map(|one| one.condition.parameters()).collect();
        for share in [0.5, 1.0] {
            contexts.push(parsed(&condition::json(&condition::context(dice, &parameters, share))));
        }
    }
    contexts
}

fn parsed<T: std::str::FromStr<Err: fmt::Debug>>(text: &str) -> T {
    text.parse().expect("it is written as it is read")
}

impl SubjectLookup {
    /// The subject of an id.
    pub(crate) fn subject(&self, id: &ObjectKey) -> Subject {
        let object = Object { object_type: self.subject_type.clone(), key: id.clone() };
        match self.subject_relation.clone() {
            None => Subject::Object(object),
            Some(relation) => Subject::Userset { object, relation },
        }
    }
}

impl Question {
    /// The check that has the same answer.
    pub(crate) fn as_check(&self) -> Option<Self> {
        let (resource, permission, subject, context) = match self.clone() {
            Self::Schema | Self::Relationships => return None,
            Self::Check { .. } => return Some(self.clone()),
            Self::Resource { lookup, context, id } => {
                let ResourceLookup { object_type, permission, subject, .. } = lookup;
                (Object { object_type, key: id }, permission, subject, context)
            }
            Self::Subject { lookup, context, id } => {
                let subject = lookup.subject(&id);
                (lookup.resource, lookup.permission, subject, context)
            }
        };
        Some(Self::Check { resource, permission, subject, context })
    }

    /// It in the form of assertions.
    pub(crate) fn as_assertion(&self) -> Option<String> {
        match self {
            Self::Schema | Self::Relationships => None,
            Self::Check { resource, permission, subject, context } => {
                let context = if context.is_empty() { String::new() } else { format!(" with {context}") };
                Some(format!("{resource}#{permission}@{subject}{context}"))
            }
            Self::Resource { .. } | Self::Subject { .. } => self.as_check()?.as_assertion(),
        }
    }

    /// What kind of question it is.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Relationships => "relationships",
            Self::Check { .. } => "check",
            Self::Resource { .. } => "lookup of resources",
            Self::Subject { .. } => "lookup of subjects",
        }
    }
}
