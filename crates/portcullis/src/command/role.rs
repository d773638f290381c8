//! `portcullis role`.

use clap::Subcommand;
use portcullis_client::{Client, v1};
use portcullis_model::RoleId;

use super::write_options;
use crate::args::{AsOf, Output, RoleContents, Write};
use crate::output;

/// `portcullis role`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a role.
    Create {
        /// Its id.
        id: RoleId,
        #[command(flatten)]
        contents: RoleContents,
        #[command(flatten)]
        write: Write,
    },
    /// Show a role.
    Get {
        /// Its id.
        id: RoleId,
        #[command(flatten)]
        as_of: AsOf,
    },
    /// List roles.
    List {
        #[command(flatten)]
        as_of: AsOf,
    },
    /// Replace what a role names and inherits, and with it every grant of the role.
    Update {
        /// Its id.
        id: RoleId,
        #[command(flatten)]
        contents: RoleContents,
        #[command(flatten)]
        write: Write,
    },
    /// Delete a role that nothing uses.
    Delete {
        /// Its id.
        id: RoleId,
        #[command(flatten)]
        write: Write,
    },
}

/// Runs the command.
pub(crate) async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    let tenant = String::new();
    match command {
        Command::Create { id, contents, write } => {
            let options = Some(write_options(write));
            let (permissions, inherits) = texts(&contents);
            let request = v1::CreateRoleRequest { tenant, id: id.to_string(), permissions, inherits, options };
            print(output, &client.create_role(request).await?.role.unwrap_or_default());
        }
        Command::Get { id, as_of } => {
            let consistency = super::as_of(&as_of)?;
            let request = v1::GetRoleRequest { tenant, id: id.to_string(), consistency };
            print(output, &client.get_role(request).await?.role.unwrap_or_default());
        }
        Command::List { as_of } => {
            let consistency = super::as_of(&as_of)?;
            let mut request = v1::ListRolesRequest { tenant, consistency, ..v1::ListRolesRequest::default() };
            let mut roles = Vec::new();
            loop {
                let page = client.list_roles(request.clone()).await?;
                roles.extend(page.roles);
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            output::many(output, &roles, &["id", "permissions", "inherits"], |role| {
                vec![role.id.clone(), role.permissions.join(" "), role.inherits.join(" ")]
            });
        }
        Command::Update { id, contents, write } => {
            let options = Some(write_options(write));
            let (permissions, inherits) = texts(&contents);
            let request = v1::UpdateRoleRequest { tenant, id: id.to_string(), permissions, inherits, options };
            print(output, &client.update_role(request).await?.role.unwrap_or_default());
        }
        Command::Delete { id, write } => {
            let request = v1::DeleteRoleRequest { tenant, id: id.to_string(), options: Some(write_options(write)) };
            let answer = client.delete_role(request).await?;
            output::one(output, &answer, |_| format!("role {id} deleted"));
        }
    }
    Ok(())
}

fn texts(contents: &RoleContents) -> (Vec<String>, Vec<String>) {
    let permissions = contents.permissions.iter().map(ToString::to_string).collect();
    (permissions, contents.inherits.iter().map(ToString::to_string).collect())
}

fn print(output: Output, role: &v1::Role) {
    output::one(output, role, |role| {
        let mut text = format!("role {}: {}", role.id, role.permissions.join(" "));
        if !role.inherits.is_empty() {
            text = format!("{text} (inherits {})", role.inherits.join(" "));
        }
        text
    });
}
