//! Scenes: situations in which a broken rule matters and that runs seldom come upon, played by real nodes.
//!
//! A scene says what it sees that must not be: on sound nodes it sees nothing, however often it is played.

mod damaged;
mod forgetful;
mod frozen;
mod late_grant;
mod left_behind;
mod listed;
mod overwritten;
mod restarted;
mod retried;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cluster::network::Network;

use super::stage::{Access, Stage};

/// A situation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// A holder is frozen while it answers, until what it says no longer holds.
    Frozen,
    /// A node starts again while a holder that is cut off keeps an entry from being visible.
    Restarted,
    /// A revocation that is held up is sent again under the same key.
    Retried,
    /// A node is away until it has to be sent a snapshot, and a call from before is sent again.
    LeftBehind,
    /// All lose power, and most have their logs damaged.
    Damaged,
    /// The leader is cut off, and all others start again.
    Forgetful,
    /// A write is taken in another region, and a node holds a lease only from after it was proposed on.
    Listed,
    /// Grants come in late at a node, which is then cut off.
    LateGrant,
    /// A node whose log goes on with entries that never were committed is granted a lease before they are cut off.
    Overwritten,
}

impl Scene {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Frozen,
        Self::Restarted,
        Self::Retried,
        Self::LeftBehind,
        Self::Damaged,
        Self::Forgetful,
        Self::Listed,
        Self::LateGrant,
        Self::Overwritten,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::Restarted => "restarted",
            Self::Retried => "retried",
            Self::LeftBehind => "left-behind",
            Self::Damaged => "damaged",
            Self::Forgetful => "forgetful",
            Self::Listed => "listed",
            Self::LateGrant => "late-grant",
            Self::Overwritten => "overwritten",
        }
    }

    /// How many nodes it takes.
    pub fn nodes(self) -> u64 {
        match self {
            // Those who are outvoted are two.
            Self::Overwritten => 5,
            Self::Frozen
            | Self::Restarted
            | Self::Retried
            | Self::LeftBehind
            | Self::Damaged
            | Self::Forgetful
            | Self::Listed
            | Self::LateGrant => 3,
        }
    }

    /// Whether leases are refused to who makes no progress, as they are by sound nodes.
    pub fn has_gates(self) -> bool {
        self != Self::Overwritten
    }

    /// How nodes are set up for it, by their environment.
    pub fn environment(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::LeftBehind => &[("PORTCULLIS_SNAPSHOT_EVERY", "20")],
            // Elections take longer then, and starting a process does not.
            Self::Forgetful => &[("PORTCULLIS_WIDE_AREA", "true")],
            Self::Frozen
            | Self::Restarted
            | Self::Retried
            | Self::Damaged
            | Self::Listed
            | Self::LateGrant
            | Self::Overwritten => &[],
        }
    }

    /// How long leases last in it, if not by default: long enough for all of it to happen within one, or too short to matter.
    fn leases(self) -> Option<Duration> {
        match self {
            Self::Restarted | Self::Retried | Self::LateGrant => Some(Duration::from_secs(8)),
            Self::Forgetful => Some(Duration::from_millis(40)),
            // Clients take a node for dead that has been silent for longer.
            Self::Frozen => Some(Duration::from_millis(500)),
            Self::LeftBehind | Self::Damaged | Self::Listed | Self::Overwritten => None,
        }
    }

    /// How often it is played with one cluster. Who holds up writes again and again gets its next lease later each time, and
    /// what is damaged is not whole again.
    fn times(self) -> u64 {
        match self {
            Self::Frozen | Self::Restarted | Self::Retried | Self::LeftBehind | Self::Forgetful | Self::Overwritten => {
                4
            }
            Self::Damaged | Self::Listed | Self::LateGrant => 1,
        }
    }

    /// Plays it with one cluster, until something is wrong, and says what that is.
    pub async fn play(self, network: Network, binary: &Path, folder: &Path) -> anyhow::Result<Option<String>> {
        let by_region = (self == Self::Listed).then(|| by_region(binary, folder)).transpose()?;
        let mut stage = Stage::set(network, self.nodes(), by_region.as_deref().unwrap_or(binary), folder).await?;
        if let Some(length) = self.leases() {
            stage.set_leases(length).await?;
        }
        for time in 1..=self.times() {
            let access = Access(time);
            stage.tell(&format!("scene {}, for the {time}. time", self.name()));
            let wrong = match self {
                Self::Frozen => frozen::play(&mut stage, access).await?,
                Self::Restarted => restarted::play(&mut stage, access).await?,
                Self::Retried => retried::play(&mut stage, access).await?,
                Self::LeftBehind => left_behind::play(&mut stage, access).await?,
                Self::Damaged => damaged::play(&mut stage, access).await?,
                Self::Forgetful => forgetful::play(&mut stage, access).await?,
                Self::Listed => listed::play(&mut stage, access).await?,
                Self::LateGrant => late_grant::play(&mut stage, access).await?,
                Self::Overwritten => overwritten::play(&mut stage, access).await?,
            };
            if wrong.is_some() {
                return Ok(wrong);
            }
        }
        Ok(None)
    }
}

/// Writes a program that is the binary, in a region of each node's own.
fn by_region(binary: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("portcullis-by-region");
    let script = format!(
        "#!/bin/sh\nfor word; do [ \"$last\" = --node-id ] && node=$word; last=$word; done\n\
         PORTCULLIS_REGION=region-$node exec '{}' \"$@\"\n",
        binary.display()
    );
    fs::write(&path, script)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}
