//! `jepsen mutants`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use portcullis_jepsen::cluster::leftovers::Mark;
use portcullis_jepsen::cluster::network::{Network, Wanted, Wires};
use portcullis_jepsen::cluster::{binary, make_folder};
use portcullis_jepsen::mutants::scene::Scene;
use portcullis_jepsen::mutants::{ALL, Hunt, Mutant, Runs, VARIABLE, noticed};
use portcullis_jepsen::workload::Kind;

use super::child::Child;
use super::output::line;

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The rules to break; all if none is named
    #[arg(long, value_delimiter = ',', value_parser = known)]
    only: Vec<Mutant>,
    /// How many runs, or clusters that play a scene, it may take until a broken rule is noticed
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    runs: u64,
    /// What clients do, in place of what is meant for a rule
    #[arg(long, value_parser = super::run::known)]
    workload: Option<Kind>,
    /// The seed of the first run; each further one has the next
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long faults happen in a run, in seconds
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    time: u64,
    /// How many nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(3..=9))]
    nodes: u64,
    /// The folder for the runs; it has to be empty
    #[arg(long)]
    dir: PathBuf,
    /// The binary `portcullis`, built with the feature `planted-faults`; else that of `PORTCULLIS_BIN`
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Break nothing: a sound build must not be noticed by the same runs and scenes
    #[arg(long)]
    sound: bool,
    /// Play a scene in this process
    #[arg(long, hide = true, value_parser = scene)]
    scene: Option<Scene>,
}

/// How a rule was noticed.
struct Noticed {
    runs: u64,
    took: Duration,
    what: String,
}

/// What a scene says of something that is wrong.
const WRONG: &str = "WRONG: ";
/// What happened in a scene, in its folder.
const SCENE: &str = "scene.txt";

fn known(text: &str) -> Result<Mutant, String> {
    let found = ALL.iter().find(|mutant| mutant.name == text).copied();
    found.ok_or_else(|| "no such rule: see `jepsen list`".to_owned())
}

fn scene(text: &str) -> Result<Scene, String> {
    Scene::ALL.into_iter().find(|scene| scene.name() == text).ok_or_else(|| "no such scene".to_owned())
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let binary = binary::find(flags.binary.as_deref())?;
    make_folder(&flags.dir)?;
    if let Some(scene) = flags.scene {
        return play(flags, &binary, scene);
    }
    let chosen = if flags.only.is_empty() { ALL.to_vec() } else { flags.only.clone() };
    let mut missed = 0_usize;
    line(format_args!("{:<10} {:>4} {:>7}  noticed by", "rule", "runs", "seconds"));
    for mutant in &chosen {
        if let Some(Noticed { runs, took, what }) = hunt(flags, &binary, mutant)? {
            line(format_args!("{:<10} {runs:>4} {:>7.1}  {what}", mutant.name, took.as_secs_f64()));
        } else {
            missed += 1;
            line(format_args!("{:<10} {:>4} {:>7}  NOT NOTICED: {}", mutant.name, flags.runs, "", mutant.what));
        }
    }
    line(format_args!("{} of {} were noticed", chosen.len() - missed, chosen.len()));
    let expected = if flags.sound { chosen.len() } else { 0 };
    Ok(if missed == expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs until the rule that is broken is noticed.
fn hunt(flags: &Flags, binary: &Path, mutant: &Mutant) -> anyhow::Result<Option<Noticed>> {
    let began = Instant::now();
    let told = (!flags.sound).then(|| mutant.told());
    let found = match mutant.hunt {
        Hunt::Runs(runs) => in_runs(flags, binary, (mutant, runs), told.as_deref())?,
        Hunt::Scene(scene) => in_scene(flags, binary, (mutant, scene), told.as_deref())?,
    };
    Ok(found.map(|(runs, what)| Noticed { runs, took: began.elapsed(), what }))
}

fn in_runs(
    flags: &Flags,
    binary: &Path,
    (mutant, runs): (&Mutant, Runs),
    told: Option<&str>,
) -> anyhow::Result<Option<(u64, String)>> {
    for (run, seed) in (1..=flags.runs).zip(flags.seed..) {
        let folder = flags.dir.join(format!("{}-seed-{seed}", mutant.name));
        let child = Child {
            workload: flags.workload.map_or(runs.workload, |workload| workload.name),
            nodes: flags.nodes,
            nemeses: runs.nemeses,
            seed,
            time: Duration::from_secs(flags.time),
            binary,
            folder: &folder,
            broken: told,
        };
        let judgement = child.run()?;
        if let Some(violation) = noticed(&judgement.violations) {
            return Ok(Some((run, violation.rule.to_string())));
        }
    }
    Ok(None)
}

/// Has a scene played by processes of their own, since a process moves between namespaces before it has threads.
fn in_scene(
    flags: &Flags,
    binary: &Path,
    (mutant, scene): (&Mutant, Scene),
    told: Option<&str>,
) -> anyhow::Result<Option<(u64, String)>> {
    for run in 1..=flags.runs {
        let folder = flags.dir.join(format!("{}-{}-{run}", mutant.name, scene.name()));
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["mutants", "--scene", scene.name(), "--binary"]).arg(binary).arg("--dir").arg(&folder);
        command.envs(scene.environment().iter().copied());
        match told {
            Some(told) => command.env(VARIABLE, told),
            None => command.env_remove(VARIABLE),
        };
        let output = command.stdin(Stdio::null()).output()?;
        let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        anyhow::ensure!(output.status.success(), "the scene of `{}` did not end: {}", mutant.name, failed.trim());
        std::fs::write(folder.join(SCENE), &*said)?;
        if let Some(wrong) = said.lines().find_map(|line| line.strip_prefix(WRONG)) {
            return Ok(Some((run, wrong.to_owned())));
        }
    }
    Ok(None)
}

/// Plays a scene here. What it sees that is wrong is its last line.
fn play(flags: &Flags, binary: &Path, scene: Scene) -> anyhow::Result<ExitCode> {
    let folder = flags.dir.canonicalize()?;
    let (network, _) = Network::make(Wanted::Namespaces, Wires::Kernel, scene.nodes(), Mark::own()?)?;
    network.enter()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let wrong = runtime.block_on(scene.play(network, binary, &folder));
    if let Some(wrong) = wrong.with_context(|| format!("the logs of the nodes are in `{}`", folder.display()))? {
        println!("{WRONG}{wrong}");
    }
    Ok(ExitCode::SUCCESS)
}
