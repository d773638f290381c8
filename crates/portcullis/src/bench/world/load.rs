//! Loading a world into a cluster.

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use portcullis_client::{Client, Error, Kind, v1};

use super::{World, touch};

/// Updates in one write.
const UPDATES: usize = 1_000;
/// Writes of many updates, and of one grant, that are under way at a time.
const BATCHES: usize = 8;
const GRANTS: usize = 64;

/// A role that is made last, so that a world that was loaded in part is not measured.
const LOADED: &str = "loaded";

impl World {
    /// Loads the world into a tenant of its own, unless it is there, and returns the tenant.
    pub(in crate::bench) async fn load(&self, client: &Client) -> anyhow::Result<String> {
        let tenant = format!("bench-{:?}-{}", self.shape, self.size).to_lowercase();
        match client.create_tenant(v1::CreateTenantRequest { id: tenant.clone(), options: None }).await {
            Ok(_) => {}
            Err(error) if error.kind() == Kind::AlreadyExists => {
                let marker = v1::GetRoleRequest { id: LOADED.to_owned(), ..v1::GetRoleRequest::default() };
                let remedy = "it was not loaded to its end: remove it with `portcullis tenant delete";
                client.for_tenant(&tenant).get_role(marker).await.with_context(|| format!("{remedy} {tenant}`"))?;
                return Ok(tenant);
            }
            Err(error) => return Err(error.into()),
        }
        let client = client.for_tenant(&tenant);
        if self.has_schema() {
            let schema = super::SCHEMA.to_owned();
            client.write_schema(v1::WriteSchemaRequest { schema, ..v1::WriteSchemaRequest::default() }).await?;
        } else {
            client.create_role(role("viewer")).await?;
        }
        self.load_contents(&client).await?;
        client.create_role(role(LOADED)).await?;
        Ok(tenant)
    }

    async fn load_contents(&self, client: &Client) -> anyhow::Result<()> {
        let progress = &ProgressBar::new(u64::from(self.size));
        let writes = stream::iter(self.relationships()).chunks(UPDATES).map(|relationships| async move {
            let count = relationships.len() as u64;
            let updates = relationships.into_iter().map(touch).collect();
            let request = v1::WriteRelationshipsRequest { updates, ..v1::WriteRelationshipsRequest::default() };
            client.write_relationships(request).await?;
            progress.inc(count);
            Ok::<(), Error>(())
        });
        writes.buffer_unordered(BATCHES).try_collect::<()>().await.context("relationships cannot be written")?;
        let made = self.grants().map(|(subject, scope)| async move {
            let role = "viewer".to_owned();
            let request = v1::CreateGrantRequest { subject, role, scope, ..v1::CreateGrantRequest::default() };
            client.create_grant(request).await?;
            progress.inc(1);
            Ok::<(), Error>(())
        });
        stream::iter(made).buffer_unordered(GRANTS).try_collect::<()>().await.context("a grant cannot be made")?;
        progress.finish_and_clear();
        Ok(())
    }

    pub(super) fn grants(&self) -> impl Iterator<Item = (String, String)> + Send {
        let grants = match &self.kind {
            super::Kind::Grants(world) => Some(world.grants()),
            super::Kind::Docs(_) | super::Kind::Flat(_) | super::Kind::Deep(_) | super::Kind::Wide(_) => None,
        };
        grants.into_iter().flatten()
    }
}

fn role(id: &str) -> v1::CreateRoleRequest {
    let permissions = vec!["document#view".to_owned()];
    v1::CreateRoleRequest { id: id.to_owned(), permissions, ..v1::CreateRoleRequest::default() }
}
