//! `portcullis tenant`.

use clap::Subcommand;
use portcullis_client::{Client, v1};
use portcullis_model::TenantId;

use super::write_options;
use crate::args::{Output, Write};
use crate::output;

/// `portcullis tenant`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a tenant.
    Create {
        /// Its id.
        id: TenantId,
        #[command(flatten)]
        write: Write,
    },
    /// List tenants.
    List,
    /// Delete a tenant and everything in it but its change records.
    Delete {
        /// Its id.
        id: TenantId,
        #[command(flatten)]
        write: Write,
    },
}

/// Runs the command.
pub(crate) async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create { id, write } => {
            let request = v1::CreateTenantRequest { id: id.to_string(), options: Some(write_options(write)) };
            let tenant = client.create_tenant(request).await?.tenant.unwrap_or_default();
            output::one(output, &tenant, |tenant| format!("tenant {} created", tenant.id));
        }
        Command::List => {
            let mut request = v1::ListTenantsRequest::default();
            let mut tenants = Vec::new();
            loop {
                let page = client.list_tenants(request.clone()).await?;
                tenants.extend(page.tenants);
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            output::many(output, &tenants, &["id", "created"], |tenant| {
                vec![tenant.id.clone(), tenant.created_revision.to_string()]
            });
        }
        Command::Delete { id, write } => {
            let request = v1::DeleteTenantRequest { id: id.to_string(), options: Some(write_options(write)) };
            let answer = client.delete_tenant(request).await?;
            output::one(output, &answer, |_| format!("tenant {id} deleted"));
        }
    }
    Ok(())
}
