//! Our own nodes, by the client library.

use futures::FutureExt;
use futures::future::BoxFuture;
use portcullis_client::{Client, Error, v1};

use super::{Change, Line, Lines, System};
use crate::history::Outcome;
use crate::messages::{Delete, Touch, create_role, grant, may_view, revision, updates};
use crate::outcome;
use crate::traffic::Connections;
use crate::workload::revocation::{Access, INNERMOST, MINUTES, READER, SHELF, Way};

/// A role whose grants come and go.
const VIEWER: &str = "viewer";
const MAY_VIEW: &str = "document#view";
/// What a role names that no longer lets see anything.
const MAY_LIST: &str = "document#list";

/// A cluster of ours.
pub struct Portcullis(pub Vec<Connections>);

impl System for Portcullis {
    fn nodes(&self) -> Vec<u64> {
        self.0.iter().map(|connections| connections.node).collect()
    }

    fn connect(&self, node: u64) -> anyhow::Result<Lines> {
        let found = self.0.iter().find(|connections| connections.node == node);
        let Connections { node, check, write, hasty, last } =
            found.cloned().ok_or_else(|| anyhow::anyhow!("there is no node {node}"))?;
        let [check, write, hasty, last] =
            [check, write, hasty, last].map(|client| Box::new(Own(client)) as Box<dyn Line>);
        Ok(Lines { node, check, write, hasty, last })
    }
}

/// A connection to one of our nodes.
struct Own(Client);

impl Line for Own {
    fn set_up(&self) -> BoxFuture<'_, anyhow::Result<()>> {
        async move { Ok(set_up(&self.0).await?) }.boxed()
    }

    fn prepare(&self, access: Access) -> BoxFuture<'_, ()> {
        prepare(&self.0, access).boxed()
    }

    fn change(&self, access: Access, change: Change) -> BoxFuture<'_, Outcome> {
        async move {
            let changed = match change {
                Change::Grant => give(&self.0, access).await,
                Change::Revoke => take(&self.0, access).await,
            };
            outcome::of_write(changed.map(revision))
        }
        .boxed()
    }

    fn check(&self, access: Access) -> BoxFuture<'_, Outcome> {
        let (subject, resource) = access.question();
        let item = Some(may_view(&subject, &resource));
        async move { outcome::of_check(self.0.check(v1::CheckRequest { item, ..v1::CheckRequest::default() }).await) }
            .boxed()
    }
}

/// Makes what all accesses share.
pub async fn set_up(client: &Client) -> Result<(), Error> {
    create_role(client, VIEWER, MAY_VIEW).await?;
    let shared = [
        "group:outermost#member@group:middle#member".to_owned(),
        format!("group:middle#member@{INNERMOST}#member"),
        format!("{MINUTES}#parent@folder:team"),
    ];
    client.write_relationships(updates(shared.map(|text| (Touch, text)))).await?;
    client.create_grant(grant("team", "group:outermost#member", VIEWER, "folder:team")).await?;
    client.create_grant(grant("shelf", READER, VIEWER, SHELF)).await?;
    Ok(())
}

/// Makes what has to be there before an access can be given.
pub async fn prepare(client: &Client, access: Access) {
    match access.way() {
        // Without it nothing can be given, and nothing may be allowed.
        Way::Role => drop(create_role(client, &access.role(), MAY_VIEW).await),
        Way::Direct | Way::Group | Way::Scope | Way::Filter => {}
    }
}

/// Gives an access, and returns where.
pub async fn give(client: &Client, access: Access) -> Result<Option<v1::Position>, Error> {
    let create = |role: String| client.create_grant(grant(&access.id(), &access.user(), &role, &access.document()));
    Ok(match access.way() {
        Way::Direct | Way::Filter => create(VIEWER.to_owned()).await?.position,
        Way::Role => create(access.role()).await?.position,
        Way::Group | Way::Scope => client.write_relationships(updates([(Touch, access.link())])).await?.position,
    })
}

/// Takes an access away, and returns where.
pub async fn take(client: &Client, access: Access) -> Result<Option<v1::Position>, Error> {
    Ok(match access.way() {
        Way::Direct => {
            let ids = vec![access.id()];
            let request = v1::RevokeGrantsRequest { ids, ..v1::RevokeGrantsRequest::default() };
            client.revoke_grants(request).await?.position
        }
        Way::Filter => {
            let filter = Some(v1::GrantFilter { subject: access.user(), ..v1::GrantFilter::default() });
            let request = v1::RevokeGrantsByFilterRequest { filter, ..v1::RevokeGrantsByFilterRequest::default() };
            client.revoke_grants_by_filter(request).await?.position
        }
        Way::Role => {
            let (id, permissions) = (access.role(), vec![MAY_LIST.to_owned()]);
            let request = v1::UpdateRoleRequest { id, permissions, ..v1::UpdateRoleRequest::default() };
            client.update_role(request).await?.position
        }
        Way::Group | Way::Scope => client.write_relationships(updates([(Delete, access.link())])).await?.position,
    })
}
