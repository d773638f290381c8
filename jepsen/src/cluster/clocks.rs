//! Clocks of nodes, moved by libfaketime: a library that stands before the calls by which a process reads its clocks, and a file
//! that says what it makes of them.
//!
//! A file says how far a clock is off, and how fast it runs since its process began. So that a clock that is to run faster does
//! not jump as well, how far it is off is worked out anew whenever its rate changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, ensure};

use super::leftovers::{Mark, VARIABLE};
use super::shell;

/// The library, in the folder of libraries of the machine.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
/// Where that folder may be.
const FOLDERS: [&str; 4] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
/// How far a clock is moved to see whether it moves, in seconds.
const PROBE_S: f64 = 1_000.0;
/// How far off it may be then.
const PROBE_ERROR_S: f64 = 5.0;

/// Which clocks are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The wall clock only.
    Wall,
    /// All clocks, those too that measure elapsed time.
    All,
}

/// The clocks of the nodes.
#[derive(Debug)]
pub struct Clocks {
    library: PathBuf,
    folder: PathBuf,
    which: Which,
    hands: BTreeMap<u64, Hand>,
}

/// How a clock runs.
#[derive(Clone, Copy, Debug)]
struct Hand {
    /// How far it was off when its process began, in seconds.
    off_s: f64,
    /// How fast it runs; 1 is right.
    rate: f64,
    /// When its process began.
    began: Instant,
}

impl Hand {
    /// How far it is off at a moment, in seconds.
    fn off_at(&self, now: Instant) -> f64 {
        self.off_s + (self.rate - 1.0) * now.duration_since(self.began).as_secs_f64()
    }

    /// The same clock at another rate, from now on.
    fn at_rate(self, rate: f64, now: Instant) -> Self {
        let off_s = self.off_at(now) - (rate - 1.0) * now.duration_since(self.began).as_secs_f64();
        Self { off_s, rate, ..self }
    }

    fn words(&self) -> String {
        format!("{:+.6} x{:.6}\n", self.off_s, self.rate)
    }
}

impl Clocks {
    /// Clocks that are right, moved by files in a folder.
    pub fn make(which: Which, folder: &Path) -> anyhow::Result<Self> {
        let found = FOLDERS.iter().map(|folder| Path::new(folder).join(LIBRARY)).find(|path| path.is_file());
        let library = found.context("there is no libfaketime: install faketime")?;
        let folder = folder.join("clocks");
        fs::create_dir_all(&folder)?;
        Ok(Self { library, folder, which, hands: BTreeMap::new() })
    }

    /// The library.
    pub(super) fn library(&self) -> &Path {
        &self.library
    }

    /// What tells it where to look.
    pub(super) fn variables(&self, node: u64) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("FAKETIME_TIMESTAMP_FILE", self.control(node).display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
        ];
        match self.which {
            Which::Wall => variables.push(("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned())),
            Which::All => {}
        }
        variables
    }

    /// Notes that the process of a node begins. Its clock goes on from where it is.
    pub(super) fn begins(&mut self, node: u64) -> anyhow::Result<()> {
        let now = Instant::now();
        let off_s = self.hands.get(&node).map_or(0.0, |hand| hand.off_at(now));
        let rate = self.hands.get(&node).map_or(1.0, |hand| hand.rate);
        self.set(node, Hand { off_s, rate, began: now })
    }

    /// Lets the clock of a node jump.
    pub fn jump(&mut self, node: u64, by_s: f64) -> anyhow::Result<()> {
        let hand = self.hand(node)?;
        self.set(node, Hand { off_s: hand.off_s + by_s, ..hand })
    }

    /// Lets the clock of a node run at another rate, without a jump.
    pub fn run_at(&mut self, node: u64, rate: f64) -> anyhow::Result<()> {
        let hand = self.hand(node)?.at_rate(rate, Instant::now());
        self.set(node, hand)
    }

    /// Puts the clock of a node right after a trial, and returns whether it did. Clocks that measure elapsed time never jump
    /// back, so where those are moved, too, all nodes stay in the future alike.
    pub(super) fn jumps_back(&mut self, node: u64) -> anyhow::Result<bool> {
        match self.which {
            Which::Wall => self.put_right(node).map(|()| true),
            Which::All => Ok(false),
        }
    }

    /// Puts the clock of a node right, which may be a jump.
    pub fn put_right(&mut self, node: u64) -> anyhow::Result<()> {
        let hand = self.hand(node)?;
        self.set(node, Hand { off_s: 0.0, rate: 1.0, ..hand })
    }

    fn hand(&self, node: u64) -> anyhow::Result<Hand> {
        self.hands.get(&node).copied().with_context(|| format!("the clock of node {node} cannot be moved"))
    }

    fn set(&mut self, node: u64, hand: Hand) -> anyhow::Result<()> {
        let new = self.folder.join(format!("n{node}.new"));
        fs::write(&new, hand.words())?;
        // At once, so that nobody reads a part of it.
        fs::rename(new, self.control(node))?;
        self.hands.insert(node, hand);
        Ok(())
    }

    fn control(&self, node: u64) -> PathBuf {
        self.folder.join(format!("n{node}"))
    }
}

/// Says why clocks cannot be moved here, if so.
pub(super) fn try_clocks(which: Which, mark: Mark, folder: &Path) -> anyhow::Result<()> {
    ensure!(shell::has("date"), "there is no `date`");
    let mut clocks = Clocks::make(which, folder)?;
    clocks.begins(0)?;
    for by_s in [0.0, PROBE_S, -PROBE_S] {
        clocks.put_right(0)?;
        clocks.jump(0, by_s)?;
        let mut date = Command::new("date");
        date.arg("+%s").env("LD_PRELOAD", clocks.library()).envs(clocks.variables(0)).env(VARIABLE, mark.to_string());
        let told = date.stdin(Stdio::null()).output()?;
        let told: f64 = String::from_utf8_lossy(&told.stdout).trim().parse().context("`date` says no number")?;
        let off_s = told - wall().as_secs_f64();
        ensure!((off_s - by_s).abs() < PROBE_ERROR_S, "a clock that is to be {by_s} s off is {off_s} s off");
    }
    Ok(fs::remove_dir_all(&clocks.folder)?)
}

/// The wall clock of the harness, which nobody moves.
pub(super) fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_does_not_jump_when_its_rate_changes() {
        let began = Instant::now();
        let later = |s: u64| began + Duration::from_secs(s);
        let fast = Hand { off_s: 0.0, rate: 1.0, began }.at_rate(1.5, later(10));
        assert!((fast.off_at(later(10))).abs() < 1e-9 && (fast.off_at(later(14)) - 2.0).abs() < 1e-9);
        let steady = fast.at_rate(1.0, later(14));
        assert!((steady.off_at(later(14)) - 2.0).abs() < 1e-9 && (steady.off_at(later(99)) - 2.0).abs() < 1e-9);
        assert_eq!(fast.words(), "-5.000000 x1.500000\n");
    }
}
