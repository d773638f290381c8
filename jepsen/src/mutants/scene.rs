//! Scenes: situations in which a broken rule matters and that runs seldom come upon, played by real nodes.
//!
//! A scene says what it sees that must not be: on sound nodes it sees nothing, however often it is played.

mod damaged;
mod frozen;
mod left_behind;
mod restarted;
mod retried;

use std::path::Path;
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
}

impl Scene {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Frozen, Self::Restarted, Self::Retried, Self::LeftBehind, Self::Damaged];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::Restarted => "restarted",
            Self::Retried => "retried",
            Self::LeftBehind => "left-behind",
            Self::Damaged => "damaged",
        }
    }

    /// How nodes are set up for it, by their environment.
    pub fn environment(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::LeftBehind => &[("PORTCULLIS_SNAPSHOT_EVERY", "20")],
            Self::Frozen | Self::Restarted | Self::Retried | Self::Damaged => &[],
        }
    }

    /// How long leases last in it, if not by default: long enough for all of it to happen within one.
    fn leases(self) -> Option<Duration> {
        match self {
            Self::Restarted | Self::Retried => Some(Duration::from_secs(8)),
            Self::Frozen | Self::LeftBehind | Self::Damaged => None,
        }
    }

    /// Plays it so many times at the most, until something is wrong, and says what that is.
    pub async fn play(
        self,
        network: Network,
        binary: &Path,
        folder: &Path,
        times: u64,
    ) -> anyhow::Result<Option<String>> {
        let mut stage = Stage::set(network, binary, folder).await?;
        if let Some(length) = self.leases() {
            stage.lengthen_leases(length).await?;
        }
        for time in 1..=times {
            let access = Access(time);
            stage.tell(&format!("scene {}, for the {time}. time", self.name()));
            let wrong = match self {
                Self::Frozen => frozen::play(&mut stage, access).await?,
                Self::Restarted => restarted::play(&mut stage, access).await?,
                Self::Retried => retried::play(&mut stage, access).await?,
                Self::LeftBehind => left_behind::play(&mut stage, access).await?,
                // What is damaged is not whole again for another time.
                Self::Damaged if time > 1 => return Ok(None),
                Self::Damaged => damaged::play(&mut stage, access).await?,
            };
            if wrong.is_some() {
                return Ok(wrong);
            }
        }
        Ok(None)
    }
}
