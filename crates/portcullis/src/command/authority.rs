//! `portcullis cluster authority`.

use clap::Subcommand;
use portcullis_client::{Client, v1};

use super::write_options;
use crate::args::{Output, Write};
use crate::output;

/// `portcullis cluster authority`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List whose signatures count; the last one signs.
    List,
    /// Have another authority sign. Nodes renew their certificates by themselves; the authority before counts until it is
    /// dropped.
    Rotate {
        #[command(flatten)]
        write: Write,
    },
    /// Have the signatures of an authority count no more. A node that has not heard of the one after it yet is kept out by this.
    Drop {
        /// Its fingerprint.
        fingerprint: String,
        #[command(flatten)]
        write: Write,
    },
}

/// Runs the command.
pub(crate) async fn run(client: &Client, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List => {
            let answer = client.list_authorities(v1::ListAuthoritiesRequest {}).await?;
            let signs = answer.authorities.last().map(|last| last.fingerprint.clone()).unwrap_or_default();
            output::many(output, &answer.authorities, &["FINGERPRINT", "SIGNS"], |authority| {
                let does = if authority.fingerprint == signs { "yes" } else { "no" };
                vec![authority.fingerprint.clone(), does.to_owned()]
            });
        }
        Command::Rotate { write } => {
            let answer =
                client.rotate_authority(v1::RotateAuthorityRequest { options: Some(write_options(write)) }).await?;
            let fingerprint = answer.authority.as_ref().map(|made| made.fingerprint.clone()).unwrap_or_default();
            output::one(output, &answer, |_| format!("authority {fingerprint} signs"));
        }
        Command::Drop { fingerprint, write } => {
            let options = Some(write_options(write));
            let request = v1::DropAuthorityRequest { fingerprint: fingerprint.clone(), options };
            let answer = client.drop_authority(request).await?;
            output::one(output, &answer, |_| format!("authority {fingerprint} counts no more"));
        }
    }
    Ok(())
}
