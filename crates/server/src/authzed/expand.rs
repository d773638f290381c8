//! What permissions are made of.

use portcullis_eval::{Expanded, Parts};
use portcullis_model::{Object, PermissionName, Subject, TenantId};
use portcullis_wire::authzed::{self as wire, v1};
use tonic::{Response, Status};
use v1::algebraic_subject_set::Operation;
use v1::permission_relationship_tree::TreeType;

use super::{error, freshness, token};
use crate::call::Call;
use crate::emission;

pub(super) async fn tree(
    call: Call<v1::ExpandPermissionTreeRequest>,
    tenant: TenantId,
) -> Result<Response<v1::ExpandPermissionTreeResponse>, Status> {
    let message = &call.message;
    let resource = wire::object("resource", message.resource.as_ref()).map_err(crate::error::field)?;
    let permission: PermissionName =
        portcullis_wire::field("permission", &message.permission).map_err(crate::error::field)?;
    let freshness = freshness(message.consistency.as_ref())?;
    let expanded = call.node.expand(freshness, &tenant, (&resource, &permission), call.deadline).await;
    let (expanded, served) = expanded.map_err(|error| call.hinted(error::decide(&call.node, &tenant, &error)))?;
    error::check_member(served.schema(&tenant), &resource.object_type, permission.as_str())?;
    let tree_root = expanded.as_ref().map(node);
    let mut response =
        Response::new(v1::ExpandPermissionTreeResponse { expanded_at: token(&call.node, &served), tree_root });
    let node = call.node;
    emission::guard(&mut response, move || node.still_expands(&served, &tenant));
    Ok(response)
}

fn node(expanded: &Expanded) -> v1::PermissionRelationshipTree {
    let among = |operation: Operation, children: &[Expanded]| {
        let children = children.iter().map(node).collect();
        TreeType::Intermediate(v1::AlgebraicSubjectSet { operation: operation.into(), children })
    };
    let parts = match &expanded.parts {
        Parts::Subjects(subjects) => {
            let subject = |name: &std::sync::Arc<str>| {
                let subject: Subject = name.parse().expect("INVARIANT: a subject that is stored has the name of one");
                wire::subject_reference(&subject)
            };
            TreeType::Leaf(v1::DirectSubjectSet { subjects: subjects.iter().map(subject).collect() })
        }
        Parts::Union(children) => among(Operation::Union, children),
        Parts::Intersection(children) => among(Operation::Intersection, children),
        Parts::Exclusion(children) => among(Operation::Exclusion, &**children),
    };
    let object: Object = expanded.object.parse().expect("INVARIANT: an object that is stored has the name of one");
    v1::PermissionRelationshipTree {
        expanded_object: Some(wire::object_reference(&object)),
        expanded_relation: expanded.relation.to_string(),
        tree_type: Some(parts),
    }
}
