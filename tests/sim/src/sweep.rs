//! Many seeds, as many at a time as there are processors.

use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use portcullis_fault::Points;
use portcullis_sim::coverage::Coverage;
use portcullis_sim::passed::Passed;

/// How a run begins the line that says what it has covered.
pub(crate) const COUNTS: &str = "covered: ";
/// How it begins the line that says which points were passed.
pub(crate) const POINTS: &str = "points: ";

/// One seed of so many is run twice, to see that it tells the same.
const REPLAYED: u64 = 25;
/// Of fewer seeds than these it is not asked that every point was passed.
const ALL_POINTS_WITHIN: u64 = 50;

/// Which seeds are run.
pub(crate) struct Seeds {
    pub(crate) from: u64,
    /// How many at least.
    pub(crate) least: u64,
    /// For how long more of them are begun.
    pub(crate) budget: Duration,
}

/// What came of a seed.
enum Ran {
    Held(Coverage, Passed),
    Failed(String),
}

/// What came of all seeds.
#[derive(Default)]
struct Outcome {
    seeds: u64,
    failed: u64,
    covered: Coverage,
    passed: Passed,
}

/// Runs seeds, tells of those that fail, and rejects runs that together cover too little.
pub(crate) fn run(seeds: &Seeds, seconds: u64) -> Result<ExitCode> {
    let (next, started) = (AtomicU64::new(seeds.from), Instant::now());
    let outcome: Mutex<Outcome> = Mutex::default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.from + seeds.least && started.elapsed() >= seeds.budget {
                    return Ok(());
                }
                let ran = run_apart(seed, seconds)?;
                outcome.lock().expect("INVARIANT: nothing panics while holding the outcome").add(seed, seconds, ran);
            }
        };
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("INVARIANT: a worker returns its errors"))
    })?;
    let outcome = outcome.into_inner().expect("INVARIANT: no worker panicked");
    Ok(if outcome.tell(started.elapsed()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Outcome {
    fn add(&mut self, seed: u64, seconds: u64, ran: Ran) {
        self.seeds += 1;
        match ran {
            Ran::Held(covered, passed) => {
                self.covered += covered;
                self.passed += passed;
            }
            Ran::Failed(told) => {
                self.failed += 1;
                eprintln!(
                    "{told}\nseed {seed} FAILED: replay it with `cargo xtask sim --seed {seed} --seconds {seconds}`"
                );
            }
        }
    }

    /// Tells of everything, and returns whether nothing is wrong with it.
    fn tell(&self, took: Duration) -> bool {
        let Self { seeds, failed, covered, passed } = self;
        let (points, struck) = passed.numbers();
        println!("{seeds} seeds in {} s, {failed} failed: {covered}", took.as_secs());
        println!("{points} points passed, at {struck} of them something was done");
        println!("{POINTS}{}", passed.line());
        let mut missing = covered.missing(seeds - failed);
        if Points::CAN_BE_TOLD && seeds - failed >= ALL_POINTS_WITHIN {
            missing.extend(passed.missing().into_iter().map(|point| format!("`{point}` was never passed")));
        }
        for missing in &missing {
            eprintln!("too little was covered to prove anything: {missing}");
        }
        *failed == 0 && missing.is_empty()
    }
}

/// Runs a seed in a process of its own; some of them twice.
fn run_apart(seed: u64, seconds: u64) -> Result<Ran> {
    let (told, ran) = run_once(seed, seconds)?;
    if seed.is_multiple_of(REPLAYED) && matches!(ran, Ran::Held(..)) {
        let (again, _) = run_once(seed, seconds)?;
        if again != told {
            return Ok(Ran::Failed("a seed that is run again does not tell the same".to_owned()));
        }
    }
    Ok(ran)
}

fn run_once(seed: u64, seconds: u64) -> Result<(String, Ran)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--seed", &seed.to_string(), "--seconds", &seconds.to_string()]).stdin(Stdio::null());
    let output = command.output().context("a seed cannot be run")?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |begin: &str| told.lines().find_map(|line| line.strip_prefix(begin));
    let held = line(COUNTS).and_then(Coverage::parse).zip(line(POINTS).and_then(Passed::parse));
    let ran = match held.filter(|_| output.status.success()) {
        Some((covered, passed)) => Ran::Held(covered, passed),
        None => Ran::Failed(format!("{told}{}", String::from_utf8_lossy(&output.stderr))),
    };
    Ok((told, ran))
}
