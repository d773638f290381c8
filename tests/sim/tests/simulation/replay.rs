//! A seed is all that a run depends on.

use std::process::Command;

use anyhow::{Result, ensure};

/// Runs a seed in a process of its own, and returns everything that it tells.
fn run(seed: u64) -> Result<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_sim")).args(["--seed", &seed.to_string()]).output()?;
    let told = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "seed {seed} failed: {told}{}", String::from_utf8_lossy(&output.stderr));
    Ok(told)
}

#[test]
fn a_seed_replays_a_run() -> Result<()> {
    for seed in [101, 102, 103] {
        let told = run(seed)?;
        assert!(told.contains("; history "), "it tells a digest of every call, and the state of every node: {told}");
        assert_eq!(told, run(seed)?);
    }
    Ok(())
}

#[test]
fn another_seed_is_another_run() -> Result<()> {
    let last = |told: String| told.lines().find(|line| line.contains("; history ")).map(str::to_owned);
    assert_ne!(last(run(101)?), last(run(102)?));
    Ok(())
}
