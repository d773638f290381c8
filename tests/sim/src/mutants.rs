//! Rules of leases that are broken on purpose, and whether the simulation notices. It has to notice those that a handful of random
//! runs can come upon; the model check (`crates/lease`) goes through all orders of events, and notices every one.

#[cfg(feature = "mutants")]
mod planted {
    use std::process::{Command, ExitCode, Stdio};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use anyhow::{Context, Result};
    use portcullis_lease::{Fault, Faults};

    /// Rules that, broken, have to be noticed. That a voter's word of another term counts (`StoredOfAnyEpoch`) is not among them:
    /// it takes two elections around one write, and 30 seeds came upon none that mattered.
    const NOTICED: [Fault; 6] = [
        Fault::NoSessions,
        Fault::NoExpiry,
        Fault::SessionNotProlonged,
        Fault::NoFence,
        Fault::GrantWithoutProof,
        Fault::NoBarrier,
    ];
    /// Within how many seeds.
    const SEEDS_MAX: u64 = 30;

    /// The rule of this name, broken; none without one.
    pub(crate) fn named(name: Option<&str>) -> Result<Faults> {
        let Some(name) = name else { return Ok(Faults::default()) };
        let fault = Fault::ALL.iter().find(|(fault, _)| format!("{fault:?}") == name);
        fault.map(|(fault, _)| Faults::plant(*fault)).with_context(|| format!("no rule is called `{name}`"))
    }

    /// Breaks each of the rules in turn, and runs seeds until one finds an answer that must not be given.
    pub(crate) fn run(seconds: u64) -> Result<ExitCode> {
        let (next, all_noticed) = (AtomicUsize::new(0), AtomicBool::new(true));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let work = || -> Result<()> {
                while let Some(fault) = NOTICED.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = format!("{fault:?}");
                    let mut seeds = (1..=SEEDS_MAX).map(|seed| Ok((seed, noticed(&name, seed, seconds)?)));
                    let found = seeds.find_map(|ran: Result<_>| match ran {
                        Ok((_, None)) => None,
                        Ok((seed, Some(wrong))) => Some(Ok((seed, wrong))),
                        Err(error) => Some(Err(error)),
                    });
                    if let Some((seed, wrong)) = found.transpose()? {
                        println!("{name:<20} noticed by seed {seed:>2}: {wrong}");
                    } else {
                        all_noticed.store(false, Ordering::Relaxed);
                        eprintln!("{name:<20} NOT NOTICED by seeds 1 to {SEEDS_MAX}");
                    }
                }
                Ok(())
            };
            let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("INVARIANT: a worker returns its errors"))
        })?;
        Ok(if all_noticed.into_inner() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Runs a seed with a rule broken, and returns the first thing that is wrong with its answers.
    fn noticed(name: &str, seed: u64, seconds: u64) -> Result<Option<String>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--seed", &seed.to_string(), "--seconds", &seconds.to_string(), "--fault", name]);
        let output = command.stdin(Stdio::null()).output().context("a seed cannot be run")?;
        let told = String::from_utf8_lossy(&output.stdout);
        Ok(told.lines().find_map(|line| line.strip_prefix("WRONG: ")).map(str::to_owned))
    }
}

#[cfg(not(feature = "mutants"))]
mod planted {
    use std::process::ExitCode;

    use anyhow::{Result, bail, ensure};
    use portcullis_lease::Faults;

    const WHY: &str = "this build cannot break rules: use `cargo xtask sim`";

    pub(crate) fn named(name: Option<&str>) -> Result<Faults> {
        ensure!(name.is_none(), WHY);
        Ok(Faults::default())
    }

    pub(crate) fn run(_: u64) -> Result<ExitCode> {
        bail!(WHY)
    }
}

pub(crate) use planted::{named, run};
