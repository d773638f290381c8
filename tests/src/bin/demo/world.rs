//! The world: users with one grant each, on folders that hold documents.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use portcullis_client::{Client, v1};
use portcullis_tests::{Cluster, requests};

/// Folders, each with one document.
const FOLDERS: u32 = 200;
/// The role of every grant.
const ROLE: &str = "viewer";
/// Writes that are under way at a time while loading.
const WRITES_UNDER_WAY: usize = 64;

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Grants, and users.
    pub grants: u32,
}

/// Where a grant stands, as those who act on it know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody has begun to revoke it.
    Held,
    /// It is being revoked.
    Ending,
    /// Its revocation was acknowledged.
    Ended,
}

/// Everything that is granted, and where each grant stands.
pub(crate) struct World {
    standing: Vec<AtomicU8>,
}

impl World {
    pub(crate) fn new(size: Size) -> Self {
        Self { standing: (0..size.grants).map(|_| AtomicU8::new(0)).collect() }
    }

    /// How many grants there are.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.standing.len()).expect("INVARIANT: the size was a u32")
    }

    /// The last grant.
    pub(crate) fn last(&self) -> u32 {
        self.len() - 1
    }

    pub(crate) fn standing(&self, nth: u32) -> Standing {
        match self.standing[nth as usize].load(Ordering::SeqCst) {
            0 => Standing::Held,
            1 => Standing::Ending,
            _ => Standing::Ended,
        }
    }

    pub(crate) fn set(&self, nth: u32, standing: Standing) {
        let number = match standing {
            Standing::Held => 0,
            Standing::Ending => 1,
            Standing::Ended => 2,
        };
        self.standing[nth as usize].store(number, Ordering::SeqCst);
    }

    #[expect(clippy::unused_self, reason = "names belong to a world")]
    pub(crate) fn grant_id(&self, nth: u32) -> String {
        format!("grant-{nth}")
    }

    /// May the holder of the grant see the document in its folder?
    pub(crate) fn request(&self, nth: u32) -> v1::CheckRequest {
        let Question { subject, permission, resource } = self.question(nth);
        requests::question(&subject, permission, &resource)
    }

    #[expect(clippy::unused_self, reason = "names belong to a world")]
    pub(crate) fn question(&self, nth: u32) -> Question {
        let resource = format!("document:plan-{}", nth % FOLDERS);
        Question { subject: format!("user:u{nth}"), permission: "view", resource }
    }
}

/// A question as the command line takes it.
pub(crate) struct Question {
    subject: String,
    permission: &'static str,
    resource: String,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.subject, self.permission, self.resource)
    }
}

/// How loading went.
pub(crate) struct Loaded {
    grants: u32,
    took: Duration,
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = f64::from(self.grants) / self.took.as_secs_f64();
        write!(f, "{} grants were written in {:.1} s ({rate:.0} a second).", self.grants, self.took.as_secs_f64())
    }
}

/// Writes the world, through all nodes.
pub(crate) async fn load(world: &World, cluster: &Cluster) -> anyhow::Result<Loaded> {
    let started = Instant::now();
    let clients: Vec<Client> = cluster.up().into_iter().map(|id| cluster.client(id).clone()).collect();
    clients[0].create_role(requests::role(ROLE, ["document#view"])).await?;
    clients[0].write_relationships(documents()).await?;
    let bar = ProgressBar::new(world.len().into()).with_style(ProgressStyle::with_template(
        "  {bar:40} {human_pos} of {human_len} grants, {per_sec}, {eta} left",
    )?);
    stream::iter((0..world.len()).zip(clients.iter().cycle()))
        .map(Ok)
        .try_for_each_concurrent(WRITES_UNDER_WAY, |(nth, client)| {
            let bar = &bar;
            let scope = format!("folder:f{}", nth % FOLDERS);
            let grant = requests::grant(&world.grant_id(nth), &format!("user:u{nth}"), ROLE, &scope);
            async move {
                client.create_grant(grant).await.with_context(|| format!("grant {nth} cannot be written"))?;
                bar.inc(1);
                anyhow::Ok(())
            }
        })
        .await?;
    bar.finish_and_clear();
    Ok(Loaded { grants: world.len(), took: started.elapsed() })
}

/// Each document lies in its folder.
fn documents() -> v1::WriteRelationshipsRequest {
    let update = |nth| v1::RelationshipUpdate {
        operation: v1::relationship_update::Operation::Touch.into(),
        relationship: format!("document:plan-{nth}#parent@folder:f{nth}"),
    };
    let updates = (0..FOLDERS).map(update).collect();
    v1::WriteRelationshipsRequest { updates, ..v1::WriteRelationshipsRequest::default() }
}
