//! `test`: everything that must hold before a commit, in the order in which it fails fastest. CI calls it and knows
//! nothing else. It never writes to the tree: it formats nothing, and every cargo command is `--locked`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cargo_metadata::Metadata;

use crate::cargo::{self, Cargo};
use crate::tree::{Finding, Tree};
use crate::{jepsen, layering, model, sim, tidy, workspace};

/// Names the folder of validation files that are not in the tree. Tests that need it say so where it is not set.
const CONFORMANCE: &str = "PORTCULLIS_CONFORMANCE";
/// Where that folder is looked for, from the root of the checkout.
const CONFORMANCE_BESIDE: &str = "../shared/conformance";

/// How a step ended.
enum Outcome {
    Held,
    Failed(String),
    /// With the reason.
    Skipped(String),
}

/// A step that was taken, for the summary.
struct Step {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// Takes every step, prints a summary, and tells whether all held.
pub(crate) fn run(root: &Path, filters: &[&str]) -> Result<ExitCode> {
    let metadata = workspace::metadata(root)?;
    let mut steps = Vec::new();
    let mut cargo = None;
    take(&mut steps, "setup", || {
        cargo = Some(Cargo::prepare(root, &metadata)?);
        Ok(Outcome::Held)
    });
    if let Some(cargo) = &cargo {
        gates(&mut steps, cargo, root, &metadata);
        tests(&mut steps, cargo, root, filters);
    }
    eprint!("{}", summary(&steps));
    let held = steps.iter().all(|step| !matches!(step.outcome, Outcome::Failed(_)));
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks that need nothing to run. All are taken, because their findings are independent.
fn gates(steps: &mut Vec<Step>, cargo: &Cargo, root: &Path, metadata: &Metadata) {
    take(steps, "format", || held(cargo.run(["fmt", "--all", "--check"])));
    take(steps, "clippy", || clippy(cargo, root));
    take(steps, "layering", || none(&layering::check(metadata, &Tree::read(root)?)?));
    take(steps, "tidy", || none(&tidy::check(&Tree::read(root)?)));
    take(steps, "deny", || deny(cargo));
}

fn tests(steps: &mut Vec<Step>, cargo: &Cargo, root: &Path, filters: &[&str]) {
    if filters.is_empty() {
        take(steps, "model", || held(model::run(cargo, &[])));
    }
    let built =
        take(steps, "build", || held(cargo.run(["build", "--profile", "verify", "--workspace", "--bins", "--locked"])));
    if filters.is_empty() {
        take(steps, "sim", || {
            if !built {
                return Ok(Outcome::Skipped("the build fails".to_owned()));
            }
            sim::build(cargo)?;
            // As many seeds as two minutes are enough for, and then rules that are broken.
            for args in [&["--seeds", "100", "--budget", "120"][..], &["--mutants"]] {
                let args: Vec<String> = args.iter().map(ToString::to_string).collect();
                let ended = sim::start(cargo, &args)?;
                if !ended.success() {
                    bail!("the simulation ends with {ended}");
                }
            }
            Ok(Outcome::Held)
        });
        take(steps, "jepsen", || {
            if !built {
                return Ok(Outcome::Skipped("the build fails".to_owned()));
            }
            let skipped: Vec<String> = jepsen::short(cargo, root)?.into_iter().collect();
            if skipped.is_empty() {
                return Ok(Outcome::Held);
            }
            Ok(Outcome::Skipped(format!("{}; what could be tried held", skipped.join(", "))))
        });
    }
    take(steps, "test", || {
        if !built {
            return Ok(Outcome::Skipped("the build fails".to_owned()));
        }
        let mut args = vec!["test", "--profile", "verify", "--workspace", "--locked", "--no-fail-fast", "--"];
        args.extend(filters);
        let mut command = cargo.command(args);
        // The black box is the binary that was just built.
        command.env("PORTCULLIS_BIN", cargo.binaries("verify").join("portcullis"));
        if std::env::var_os(CONFORMANCE).is_none()
            && let Some(folder) = conformance_beside(root)
        {
            command.env(CONFORMANCE, folder);
        }
        held(cargo::finish(command))
    });
}

/// The folder of validation files beside the checkout, if there is one.
fn conformance_beside(root: &Path) -> Option<PathBuf> {
    root.join(CONFORMANCE_BESIDE).canonicalize().ok().filter(|folder| folder.is_dir())
}

/// Clippy in the profile of the tests, so that build scripts and macros are compiled once.
///
/// Clippy takes the place of the wrapper that keeps checkouts apart (`.cargo/config.toml`), so cargo would take the
/// result of another checkout for this one's. Cargo runs clippy again when its arguments change, hence one that names
/// the checkout.
fn clippy(cargo: &Cargo, root: &Path) -> Result<Outcome> {
    let checkout = root.to_str().context("the path of the checkout is not UTF-8; move it")?;
    let checkout = format!("checkout={checkout:?}");
    let args = ["clippy", "--profile", "verify", "--workspace", "--all-targets", "--locked"];
    // The model check and the harness break rules on purpose, so they need the features to be looked at.
    let features = "portcullis-lease/planted-faults,portcullis/planted-faults";
    let args = args.into_iter().chain(["--features", features, "--"]);
    let lints = ["-D", "warnings", "--check-cfg", "cfg(checkout, values(any()))", "--cfg", &checkout];
    held(cargo.run(args.chain(lints)))
}

fn deny(cargo: &Cargo) -> Result<Outcome> {
    let mut probe = cargo.command(["deny", "--version"]);
    let installed = probe.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !installed {
        let remedy = "cargo-deny is not installed (cargo install --locked cargo-deny)";
        return Ok(Outcome::Skipped(remedy.to_owned()));
    }
    held(cargo.run(["deny", "--workspace", "--locked", "check", "bans", "licenses", "sources"]))
}

fn held(result: Result<()>) -> Result<Outcome> {
    result.map(|()| Outcome::Held)
}

fn none(findings: &[Finding]) -> Result<Outcome> {
    for finding in findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => Ok(Outcome::Held),
        1 => bail!("1 finding"),
        count => bail!("{count} findings"),
    }
}

/// Takes one step under a headline, and tells whether it held.
fn take(steps: &mut Vec<Step>, name: &'static str, step: impl FnOnce() -> Result<Outcome>) -> bool {
    eprintln!("\n== {name}");
    let started = Instant::now();
    let outcome = step().unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
    let took = started.elapsed();
    let step = Step { name, outcome, took };
    eprintln!("== {name}: {} after {}", verdict(&step.outcome), seconds(took));
    let held = matches!(step.outcome, Outcome::Held);
    steps.push(step);
    held
}

fn verdict(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Held => "ok".to_owned(),
        Outcome::Failed(error) => format!("FAILED: {error}"),
        Outcome::Skipped(reason) => format!("SKIPPED: {reason}"),
    }
}

fn summary(steps: &[Step]) -> String {
    let mut table = "\n".to_owned();
    for step in steps {
        // INVARIANT: writing to a String succeeds.
        writeln!(table, "{:<9} {:>9}  {}", step.name, seconds(step.took), verdict(&step.outcome))
            .expect("a String grows");
    }
    table
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_shows_every_step_with_its_verdict() {
        let step = |name, outcome| Step { name, outcome, took: Duration::from_millis(1500) };
        let steps = [
            step("format", Outcome::Held),
            step("tidy", Outcome::Failed("2 findings".into())),
            step("deny", Outcome::Skipped("not installed".into())),
        ];
        let expected = "\nformat        1.5 s  ok\ntidy          1.5 s  FAILED: 2 findings\n\
                        deny          1.5 s  SKIPPED: not installed\n";
        assert_eq!(summary(&steps), expected);
    }

    #[test]
    fn an_error_is_a_failed_step() {
        let mut steps = Vec::new();
        assert!(take(&mut steps, "a", || Ok(Outcome::Held)));
        assert!(!take(&mut steps, "b", || bail!("no")));
        assert!(!take(&mut steps, "c", || Ok(Outcome::Skipped("so".into()))));
        assert!(matches!(&steps[1].outcome, Outcome::Failed(error) if error == "no"));
    }
}
