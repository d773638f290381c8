//! Another system: whatever answers `authzed.api.v1`, as SpiceDB does, and as our own nodes do.
//!
//! A grant of a role is written as users of SpiceDB write it: an object that has a subject and a role, and counts where the role
//! may. Revisions are tokens there, which say nothing of their order, so answers carry none, and are judged by time alone.

use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use futures::FutureExt;
use futures::future::BoxFuture;
use spicedb_grpc_tonic::v1;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use v1::check_permission_response::Permissionship;
use v1::consistency::Requirement;
use v1::permissions_service_client::PermissionsServiceClient;
use v1::relationship_update::Operation::{self, Delete, Touch};
use v1::schema_service_client::SchemaServiceClient;

use super::{Change, Line, Lines, System};
use crate::history::{Answer, Outcome};
use crate::traffic::{CHECK_TIMEOUT, FINAL_TIMEOUT, HASTY_TIMEOUT, WRITE_TIMEOUT};
use crate::workload::revocation::{Access, INNERMOST, MINUTES, READER, SHELF, Way};

const SCHEMA: &str = "definition user {}
definition group {
  relation member: user | group#member
}
definition role {
  relation can_view: user:*
}
definition grant {
  relation subject: user | group#member
  relation role: role
  permission view = subject & role->can_view
}
definition folder {
  relation granted: grant
  permission view = granted->view
}
definition document {
  relation parent: folder
  relation granted: grant
  permission view = granted->view + parent->view
}";
const VIEWER: &str = "viewer";

/// How fresh checks have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// As is fastest, which is what SpiceDB does unless told otherwise.
    MinimizeLatency,
    /// As fresh as can be.
    Full,
}

/// Where it is, and how it is asked.
#[derive(Clone, Debug)]
pub struct SpiceDb {
    /// The addresses of its nodes, `host:port`.
    pub addresses: Vec<String>,
    /// The preshared key.
    pub token: String,
    /// How fresh checks have to be.
    pub consistency: Consistency,
}

impl System for SpiceDb {
    fn nodes(&self) -> Vec<u64> {
        (1..=self.addresses.len() as u64).collect()
    }

    fn connect(&self, node: u64) -> anyhow::Result<Lines> {
        let place = usize::try_from(node)?.checked_sub(1).context("nodes are numbered from 1")?;
        let address = self.addresses.get(place).context("there is no such node")?;
        let bearer = MetadataValue::from_str(&format!("Bearer {}", self.token)).context("the token cannot be sent")?;
        let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
        let line = |timeout: Duration| {
            let (channel, bearer, consistency) = (channel.clone(), bearer.clone(), self.consistency);
            Box::new(Connection { channel, bearer, consistency, timeout }) as Box<dyn Line>
        };
        let (check, last) = (line(CHECK_TIMEOUT), line(FINAL_TIMEOUT));
        Ok(Lines { node, check, write: line(WRITE_TIMEOUT), hasty: line(HASTY_TIMEOUT), last })
    }
}

/// A connection to one node.
struct Connection {
    channel: Channel,
    bearer: MetadataValue<Ascii>,
    consistency: Consistency,
    timeout: Duration,
}

impl Line for Connection {
    fn set_up(&self) -> BoxFuture<'_, anyhow::Result<()>> {
        async move {
            let written = self.request(v1::WriteSchemaRequest { schema: SCHEMA.to_owned() });
            SchemaServiceClient::new(self.channel.clone()).write_schema(written).await?;
            let links = [
                "group:outermost#member@group:middle#member".to_owned(),
                format!("group:middle#member@{INNERMOST}#member"),
                format!("{MINUTES}#parent@folder:team"),
                can_view(VIEWER),
            ];
            let team = granted("team", "group:outermost#member", VIEWER, "folder:team");
            let shelved = granted("shelf", READER, VIEWER, SHELF);
            let rows = links.into_iter().chain(team).chain(shelved);
            self.write(rows.map(|row| (Touch, row)).collect()).await?;
            Ok(())
        }
        .boxed()
    }

    fn prepare(&self, access: Access) -> BoxFuture<'_, ()> {
        async move {
            match access.way() {
                // Without it nothing can be given, and nothing may be allowed.
                Way::Role => drop(self.write(vec![(Touch, can_view(&access.role()))]).await),
                Way::Direct | Way::Group | Way::Scope | Way::Filter => {}
            }
        }
        .boxed()
    }

    fn change(&self, access: Access, change: Change) -> BoxFuture<'_, Outcome> {
        async move {
            written(match (change, access.way()) {
                (Change::Grant, Way::Role) => self.write(rows(access, &access.role(), Touch)).await,
                (Change::Grant, Way::Direct | Way::Filter) => self.write(rows(access, VIEWER, Touch)).await,
                (Change::Revoke, Way::Direct) => self.write(rows(access, VIEWER, Delete)).await,
                (Change::Revoke, Way::Role) => self.write(vec![(Delete, can_view(&access.role()))]).await,
                (Change::Revoke, Way::Filter) => self.delete_grants_of(&access).await,
                (Change::Grant, Way::Group | Way::Scope) => self.write(vec![(Touch, access.link())]).await,
                (Change::Revoke, Way::Group | Way::Scope) => self.write(vec![(Delete, access.link())]).await,
            })
        }
        .boxed()
    }

    fn check(&self, access: Access) -> BoxFuture<'_, Outcome> {
        async move {
            let (subject, resource) = access.question();
            let freshness = match self.consistency {
                Consistency::MinimizeLatency => Requirement::MinimizeLatency(true),
                Consistency::Full => Requirement::FullyConsistent(true),
            };
            let question = self.request(v1::CheckPermissionRequest {
                consistency: Some(v1::Consistency { requirement: Some(freshness) }),
                resource: Some(object(&resource)),
                permission: "view".to_owned(),
                subject: Some(self::subject(&subject)),
                ..v1::CheckPermissionRequest::default()
            });
            let failed = |error: String| Outcome::Fail { error };
            match self.timed(PermissionsServiceClient::new(self.channel.clone()).check_permission(question)).await {
                Ok(response) => match response.permissionship() {
                    Permissionship::HasPermission => Outcome::Ok { answer: Answer::Allow, revision: 0 },
                    Permissionship::NoPermission => Outcome::Ok { answer: Answer::Deny, revision: 0 },
                    other @ (Permissionship::ConditionalPermission | Permissionship::Unspecified) => {
                        failed(format!("the decision is {other:?}"))
                    }
                },
                Err(status) => failed(told(&status)),
            }
        }
        .boxed()
    }
}

impl Connection {
    fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        request
    }

    async fn timed<R>(&self, call: impl Future<Output = Result<tonic::Response<R>, Status>>) -> Result<R, Status> {
        let late = || Status::deadline_exceeded(format!("no answer within {:?}", self.timeout));
        tokio::time::timeout(self.timeout, call).await.map_err(|_| late())?.map(tonic::Response::into_inner)
    }

    async fn write(&self, rows: Vec<(Operation, String)>) -> Result<(), Status> {
        let update = |(operation, row): (Operation, String)| v1::RelationshipUpdate {
            operation: operation.into(),
            relationship: Some(relationship(&row)),
        };
        let updates = rows.into_iter().map(update).collect();
        let request =
            self.request(v1::WriteRelationshipsRequest { updates, ..v1::WriteRelationshipsRequest::default() });
        self.timed(PermissionsServiceClient::new(self.channel.clone()).write_relationships(request)).await?;
        Ok(())
    }

    async fn delete_grants_of(&self, access: &Access) -> Result<(), Status> {
        let of = v1::SubjectFilter {
            subject_type: "user".to_owned(),
            optional_subject_id: object(&access.user()).object_id,
            ..v1::SubjectFilter::default()
        };
        let filter = v1::RelationshipFilter {
            resource_type: "grant".to_owned(),
            optional_relation: "subject".to_owned(),
            optional_subject_filter: Some(of),
            ..v1::RelationshipFilter::default()
        };
        let request = self.request(v1::DeleteRelationshipsRequest {
            relationship_filter: Some(filter),
            ..v1::DeleteRelationshipsRequest::default()
        });
        self.timed(PermissionsServiceClient::new(self.channel.clone()).delete_relationships(request)).await?;
        Ok(())
    }
}

/// What makes the difference for an access by a grant of its own.
fn rows(access: Access, role: &str, operation: Operation) -> Vec<(Operation, String)> {
    granted(&access.id(), &access.user(), role, &access.document()).map(|row| (operation, row)).to_vec()
}

/// The relationships that grant a role to somebody on something.
fn granted(id: &str, subject: &str, role: &str, scope: &str) -> [String; 3] {
    [
        format!("grant:{id}#subject@{subject}"),
        format!("grant:{id}#role@role:{role}"),
        format!("{scope}#granted@grant:{id}"),
    ]
}

/// The relationship by which a role lets see.
fn can_view(role: &str) -> String {
    format!("role:{role}#can_view@user:*")
}

fn relationship(text: &str) -> v1::Relationship {
    let (left, right) = text.split_once('@').expect("INVARIANT: relationships here are well formed");
    let (resource, relation) = left.split_once('#').expect("INVARIANT: relationships here are well formed");
    v1::Relationship {
        resource: Some(object(resource)),
        relation: relation.to_owned(),
        subject: Some(subject(right)),
        ..v1::Relationship::default()
    }
}

fn subject(text: &str) -> v1::SubjectReference {
    let (of, relation) = text.split_once('#').unwrap_or((text, ""));
    v1::SubjectReference { object: Some(object(of)), optional_relation: relation.to_owned() }
}

fn object(text: &str) -> v1::ObjectReference {
    let (kind, id) = text.split_once(':').expect("INVARIANT: objects here are well formed");
    v1::ObjectReference { object_type: kind.to_owned(), object_id: id.to_owned() }
}

/// A write that was refused did not take place; one that was not answered may have.
fn written(written: Result<(), Status>) -> Outcome {
    let Err(status) = written else { return Outcome::Ok { answer: Answer::Done, revision: 0 } };
    let error = told(&status);
    match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented => Outcome::Fail { error },
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Outcome::Unknown { error },
    }
}

fn told(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relationships_are_taken_apart() {
        let taken = relationship("group:outermost#member@group:middle#member");
        let (resource, subject) = (taken.resource.unwrap(), taken.subject.unwrap());
        assert_eq!((resource.object_type.as_str(), resource.object_id.as_str()), ("group", "outermost"));
        assert_eq!((taken.relation.as_str(), subject.optional_relation.as_str()), ("member", "member"));
        assert_eq!(subject.object.unwrap().object_id, "middle");
    }

    #[test]
    fn only_a_refused_write_did_not_take_place() {
        assert!(matches!(written(Ok(())), Outcome::Ok { .. }));
        assert!(matches!(written(Err(Status::invalid_argument("no"))), Outcome::Fail { .. }));
        assert!(matches!(written(Err(Status::unavailable("no"))), Outcome::Unknown { .. }));
    }
}
