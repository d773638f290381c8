//! Lookups: on which resources, and by whom.
//!
//! A lookup stands on one version from its first answer to its last, and on one time, so that what it says fits together. It
//! is made piece by piece, as its caller takes what was found, and may be taken up again at that version, at any node, from a
//! [`Cursor`].
//!
//! Before a piece leaves, the lease must still hold, and nothing that came meanwhile may take anything of it away, as with
//! checks. Where something did, the lookup ends; from its last cursor it says how things were at its version, and claims no
//! more than that.

mod cursor;

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_eval::{self as eval, Budget, Circumstances, ResourceQuery, SubjectCandidates, SubjectQuery, Verdict};
use portcullis_model::{
    Clock, Context, Object, ObjectKey, PermissionName, RelationName, Subject, TenantId, Token, TypeName, limit,
};
use portcullis_storage::resident::TenantDoubts;
use portcullis_storage::state::Stored;
use tokio::time::Instant;

use crate::check::CheckError;
use crate::decide::{DecideError, Ground};
use crate::node::Node;
use crate::over::over;
use crate::view::{Freshness, Served, ServedBy, ViewError};

pub use cursor::{Cursor, CursorError};

/// How many candidates are checked between two looks at what may leave.
const PIECE: usize = 256;

/// What is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// On which resources of a type a subject has a permission.
    Resources {
        /// Who.
        subject: Subject,
        /// What.
        permission: PermissionName,
        /// The type of the resources.
        object_type: TypeName,
        /// What is known for the caveats on the way.
        context: Context,
    },
    /// Which subjects of a type have a permission on a resource.
    Subjects {
        /// What.
        permission: PermissionName,
        /// With what.
        resource: Object,
        /// The type of the subjects.
        subject_type: TypeName,
        /// For usersets, their relation.
        subject_relation: Option<RelationName>,
        /// What is known for the caveats on the way.
        context: Context,
    },
}

/// From where a lookup starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// At its first answer.
    First(Freshness),
    /// Behind what a cursor says.
    Behind(Cursor),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Who, or with what.
    pub who: Who,
    /// The parameters on which it depends; none if it holds without any.
    pub missing: BTreeSet<Arc<str>>,
}

/// Who was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// One of the type, by its id.
    One(ObjectKey),
    /// All of the type that are not found by themselves, but for some.
    Anyone {
        /// Those, in order: a few that depend on parameters, and were found by themselves, among them.
        excluded: Vec<(ObjectKey, BTreeSet<Arc<str>>)>,
    },
}

impl Who {
    /// The id, of a single one.
    pub fn one(&self) -> Option<&ObjectKey> {
        match self {
            Self::One(id) => Some(id),
            Self::Anyone { .. } => None,
        }
    }
}

/// A lookup that is under way.
pub struct Lookup {
    tenant: TenantId,
    sought: Arc<Sought>,
    served: Served,
    now: Clock,
    candidates: Arc<SubjectCandidates>,
    /// The first candidate that is not checked yet.
    next: usize,
    excluded: Vec<(ObjectKey, BTreeSet<Arc<str>>)>,
    is_done: bool,
    deadline: Instant,
}

impl Lookup {
    /// The version that it stands on.
    pub fn served(&self) -> &Served {
        &self.served
    }
}

impl Node {
    /// Begins a lookup: waits for what it may stand on, and collects what may be an answer.
    pub async fn lookup(
        &self,
        beginning: Beginning,
        tenant: &TenantId,
        sought: Sought,
        deadline: Instant,
    ) -> Result<Lookup, DecideError> {
        let (served, now, after) = match beginning {
            Beginning::First(freshness) => {
                let served = self.standing(freshness, tenant, deadline).await?;
                let now = served.then.unwrap_or_else(|| self.wall());
                (served, now, None)
            }
            Beginning::Behind(Cursor { token, now, after }) => {
                (self.exactly(token, tenant, deadline).await?, now, Some(after))
            }
        };
        if served.view.resident.tenant(tenant).is_none() {
            return Err(CheckError::TenantMissing(tenant.clone()).into());
        }
        let mut lookup = Lookup {
            tenant: tenant.clone(),
            sought: Arc::new(sought),
            served,
            now,
            candidates: Arc::default(),
            next: 0,
            excluded: Vec::new(),
            is_done: false,
            deadline,
        };
        lookup.candidates =
            Arc::new(lookup.evaluate(|sought, stored, _, budget| sought.candidates(stored, budget)).await?);
        if let Some(after) = after {
            let next = lookup.candidates.ids.partition_point(|id| *id <= after);
            // Whom a wildcard excludes is said at the end, and has to be known by then.
            while lookup.candidates.wildcard && lookup.next < next {
                lookup.check_piece(next).await?;
            }
            lookup.next = next;
        }
        Ok(lookup)
    }

    /// The next piece of what is found, in the order of the ids, the wildcard last; `None` at the end. May leave at once, and
    /// not later.
    pub async fn found(&self, lookup: &mut Lookup) -> Result<Option<Vec<Found>>, DecideError> {
        let mut found = Vec::new();
        while found.is_empty() && lookup.next < lookup.candidates.ids.len() {
            found = lookup.check_piece(usize::MAX).await?;
        }
        if found.is_empty() && !std::mem::replace(&mut lookup.is_done, true) && lookup.candidates.wildcard {
            let missing = match lookup.evaluate(Sought::anyone).await? {
                Verdict::No => return Ok(None),
                Verdict::Yes => BTreeSet::new(),
                Verdict::Conditional(missing) => missing,
            };
            found.push(Found { who: Who::Anyone { excluded: std::mem::take(&mut lookup.excluded) }, missing });
        }
        if found.is_empty() {
            return Ok(None);
        }
        self.check_may_leave(lookup, &found)?;
        Ok(Some(found))
    }

    /// Looks again whether something that was found may leave, where it did not leave at once.
    pub fn check_may_leave(&self, lookup: &Lookup, found: &[Found]) -> Result<(), DecideError> {
        let holds = |ground: &Ground<'_>| self.still_finds(ground, lookup, found);
        if self.may_leave(&lookup.served, &lookup.tenant, holds) { Ok(()) } else { Err(CheckError::Overtaken.into()) }
    }

    /// From where to go on behind an answer.
    pub fn cursor(&self, lookup: &Lookup, behind: &ObjectKey) -> Cursor {
        let token = Token { group: self.group_id(), revision: lookup.served.view.revision };
        Cursor { token, now: lookup.now, after: behind.clone() }
    }

    /// Like [`Node::prove_fresh`], and knows what it takes into account where that was by the lease.
    pub(crate) async fn standing(
        &self,
        freshness: Freshness,
        tenant: &TenantId,
        deadline: Instant,
    ) -> Result<Served, DecideError> {
        if !matches!(freshness, Freshness::Linearizable | Freshness::FailClosed) {
            return self.view(freshness, tenant, deadline).await;
        }
        loop {
            let Ok((began, _)) = self.group.begin_read() else { return Ok(self.view_without_lease(deadline).await?) };
            let waited = self.group.wait_registered(&began, deadline).await.map_err(ViewError::from)?;
            if let Some(view) = waited {
                let counted = Some(view.counted_without_doubts());
                let token = portcullis_model::Revision(began.token(view.mark()).max(view.mark().registered.index));
                let (by, view) = (ServedBy::Lease, Arc::clone(&view.state));
                return Ok(Served { view, token, by, counted, then: None, age: None });
            }
        }
    }

    /// Whether checks on other ground say the same of what was found.
    fn still_finds(&self, ground: &Ground<'_>, lookup: &Lookup, found: &[Found]) -> bool {
        let Ok((stored, doubts)) = ground.tenant(&lookup.tenant) else { return false };
        let one = |found: &Found| match &found.who {
            Who::One(id) => Some(id.clone()),
            // Whom it has to exclude may have changed.
            Who::Anyone { .. } => None,
        };
        let Some(ids): Option<Vec<ObjectKey>> = found.iter().map(one).collect() else { return false };
        let (is_late, now) = (|| Instant::now() >= lookup.deadline, ground.now(self));
        let budget = Budget::new(&is_late);
        let again = lookup.sought.check((stored, doubts), &ids, now, &budget);
        let says = |(found, again): (&Found, Verdict)| match again {
            Verdict::Yes => found.missing.is_empty(),
            Verdict::Conditional(missing) => missing == found.missing,
            Verdict::No => false,
        };
        again.is_ok_and(|again| found.iter().zip(again).all(says))
    }
}

impl Lookup {
    /// Checks some candidates, up to `end` at most; returns those that are answers.
    async fn check_piece(&mut self, end: usize) -> Result<Vec<Found>, DecideError> {
        let end = (self.next + PIECE).min(end).min(self.candidates.ids.len());
        let (candidates, piece) = (Arc::clone(&self.candidates), self.next..end);
        let checked = self.evaluate(move |sought, stored, now, budget| {
            sought.check((stored, None), &candidates.ids[piece], now, budget)
        });
        let verdicts = checked.await?;
        let mut found = Vec::new();
        for (id, verdict) in self.candidates.ids[self.next..end].iter().zip(verdicts) {
            if self.candidates.wildcard {
                match &verdict {
                    Verdict::Yes => {}
                    Verdict::Conditional(missing) => self.excluded.push((id.clone(), missing.clone())),
                    Verdict::No => self.excluded.push((id.clone(), BTreeSet::new())),
                }
            }
            let who = Who::One(id.clone());
            match verdict {
                Verdict::Yes => found.push(Found { who, missing: BTreeSet::new() }),
                Verdict::Conditional(missing) => found.push(Found { who, missing }),
                Verdict::No => {}
            }
        }
        self.next = end;
        Ok(found)
    }

    /// Evaluates something, on a thread where it holds up nobody else.
    async fn evaluate<T: Send + 'static>(
        &self,
        evaluate: impl FnOnce(&Sought, Stored<'_>, Clock, &Budget<'_>) -> Result<T, CheckError> + Send + 'static,
    ) -> Result<T, DecideError> {
        let (view, tenant, sought) = (Arc::clone(&self.served.view), self.tenant.clone(), Arc::clone(&self.sought));
        let (now, deadline) = (self.now, self.deadline);
        let evaluated = tokio::task::spawn_blocking(move || {
            let stored = view.tenant(&tenant).expect("INVARIANT: a lookup begins in a tenant that is there");
            evaluate(&sought, stored, now, &Budget::new(&|| Instant::now() >= deadline))
        });
        let evaluated = evaluated.await.expect("INVARIANT: evaluating does not panic, and is not cancelled");
        Ok(evaluated?)
    }
}

impl Sought {
    fn candidates(&self, stored: Stored<'_>, budget: &Budget<'_>) -> Result<SubjectCandidates, CheckError> {
        let budget = Budget { visited: limit::LOOKUP_VISITED_MAX, ..*budget };
        match self {
            Self::Resources { subject, permission, object_type, .. } => {
                let query = ResourceQuery { subject, permission, object_type };
                let ids = over!(stored, None, |snapshot| eval::resource_candidates(snapshot, query, &budget))?;
                Ok(SubjectCandidates { ids, wildcard: false })
            }
            Self::Subjects { permission, resource, subject_type, subject_relation, .. } => {
                let subject_relation = subject_relation.as_ref();
                let query = SubjectQuery { permission, resource, subject_type, subject_relation };
                over!(stored, None, |snapshot| eval::subject_candidates(snapshot, query, &budget))
            }
        }
    }

    fn check(
        &self,
        (stored, doubts): (Stored<'_>, Option<&TenantDoubts>),
        ids: &[ObjectKey],
        now: Clock,
        budget: &Budget<'_>,
    ) -> Result<Vec<Verdict>, CheckError> {
        let now = Circumstances { clock: Some(now), context: Some(self.context()) };
        match self {
            Self::Resources { subject, permission, object_type, .. } => {
                let query = ResourceQuery { subject, permission, object_type };
                over!(stored, doubts, |snapshot| eval::check_resources(snapshot, query, ids, now, budget))
            }
            Self::Subjects { permission, resource, subject_type, subject_relation, .. } => {
                let subject_relation = subject_relation.as_ref();
                let query = SubjectQuery { permission, resource, subject_type, subject_relation };
                over!(stored, doubts, |snapshot| eval::check_subjects(snapshot, query, ids, now, budget))
            }
        }
    }

    fn anyone(&self, stored: Stored<'_>, now: Clock, budget: &Budget<'_>) -> Result<Verdict, CheckError> {
        let now = Circumstances { clock: Some(now), context: Some(self.context()) };
        match self {
            Self::Resources { .. } => Ok(Verdict::No),
            Self::Subjects { permission, resource, subject_type, subject_relation, .. } => {
                let subject_relation = subject_relation.as_ref();
                let query = SubjectQuery { permission, resource, subject_type, subject_relation };
                over!(stored, None, |snapshot| eval::check_anyone(snapshot, query, now, budget))
            }
        }
    }

    fn context(&self) -> &Context {
        match self {
            Self::Resources { context, .. } | Self::Subjects { context, .. } => context,
        }
    }
}
