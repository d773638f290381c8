//! Many seeds, as many at a time as there are processors.

use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use portcullis_sim::coverage::Coverage;

/// How a run begins the line that says what it has covered.
pub(crate) const COUNTS: &str = "covered: ";

/// What came of a seed.
enum Ran {
    Held(Coverage),
    Failed(String),
}

/// Runs seeds, tells of those that fail, and rejects runs that together cover too little.
pub(crate) fn run(from: u64, seeds: u64, seconds: u64) -> Result<ExitCode> {
    let next = AtomicU64::new(from);
    let ran: Mutex<Vec<(u64, Ran)>> = Mutex::default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= from + seeds {
                    return Ok(());
                }
                let outcome = run_apart(seed, seconds)?;
                ran.lock().expect("INVARIANT: nothing panics while holding the outcomes").push((seed, outcome));
            }
        };
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("INVARIANT: a worker returns its errors"))
    })?;
    let mut covered = Coverage::default();
    let mut failed = 0;
    for (seed, outcome) in ran.into_inner().expect("INVARIANT: no worker panicked") {
        match outcome {
            Ran::Held(coverage) => covered += coverage,
            Ran::Failed(told) => {
                failed += 1;
                eprintln!(
                    "{told}\nseed {seed} FAILED: replay it with `cargo xtask sim --seed {seed} --seconds {seconds}`"
                );
            }
        }
    }
    println!("{seeds} seeds, {failed} failed: {covered}");
    let missing = covered.missing(seeds - failed);
    for missing in &missing {
        eprintln!("too little was covered to prove anything: {missing}");
    }
    Ok(if failed == 0 && missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a seed in a process of its own.
fn run_apart(seed: u64, seconds: u64) -> Result<Ran> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--seed", &seed.to_string(), "--seconds", &seconds.to_string()]).stdin(Stdio::null());
    let output = command.output().context("a seed cannot be run")?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let counts = told.lines().find_map(|line| line.strip_prefix(COUNTS));
    Ok(match counts.and_then(Coverage::parse).filter(|_| output.status.success()) {
        Some(coverage) => Ran::Held(coverage),
        None => Ran::Failed(format!("{told}{}", String::from_utf8_lossy(&output.stderr))),
    })
}
