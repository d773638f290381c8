//! `portcullis cluster join-token`.

use std::time::Duration;

use clap::{Args, Subcommand};
use portcullis_client::{Client, v1};
use portcullis_wire::Duration as WireDuration;

use super::write_options;
use crate::args::{Output, Write, duration};
use crate::output;

/// `portcullis cluster join-token`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token that lets one node in; it is printed once, and kept by nobody.
    Create(Create),
    /// List the tokens, without their secrets.
    List,
    /// Have a token let nobody in any more.
    Revoke {
        /// Its id.
        id: String,
        #[command(flatten)]
        write: Write,
    },
}

/// `portcullis cluster join-token create`.
#[derive(Args, Debug)]
pub(crate) struct Create {
    /// For how long it is good; a week at the most.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, default_value = "1h")]
    lasting: Duration,
    #[command(flatten)]
    write: Write,
}

/// Runs the command.
pub(crate) async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create(create) => {
            let lasting = Some(WireDuration::try_from(create.lasting)?);
            let request = v1::CreateJoinTokenRequest { lasting, options: Some(write_options(create.write)) };
            let answer = client.create_join_token(request).await?;
            output::one(output, &answer, |answer| answer.token.clone());
        }
        Command::List => {
            let answer = client.list_join_tokens(v1::ListJoinTokensRequest {}).await?;
            output::many(output, &answer.join_tokens, &["ID", "EXPIRES", "USED BY"], |token| {
                let used_by = if token.used_by == 0 { "-".to_owned() } else { format!("node {}", token.used_by) };
                vec![token.id.clone(), token.expires.as_ref().map_or_else(String::new, super::grants::time), used_by]
            });
        }
        Command::Revoke { id, write } => {
            let request = v1::RevokeJoinTokenRequest { id: id.clone(), options: Some(write_options(write)) };
            let answer = client.revoke_join_token(request).await?;
            output::one(output, &answer, |_| format!("join token {id} is revoked"));
        }
    }
    Ok(())
}
