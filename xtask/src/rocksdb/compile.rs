//! One compilation of RocksDB, by cargo, in a folder that is thrown away.
//!
//! A made-up crate that depends on librocksdb-sys alone makes cargo run its build script with exactly the flags that
//! our own build would pass; the archive is then found in the script's output folder.

use std::fs;
use std::io::{BufReader, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;

use super::recipe::Recipe;
use crate::toolchain;

const REPORT_EVERY_ON_TERMINAL: Duration = Duration::from_secs(1);
const REPORT_EVERY_ELSEWHERE: Duration = Duration::from_secs(30);

/// RocksDB 11 has about this many source files; librocksdb-sys's own list is used where it can be found.
const SOURCES_GUESS: usize = 343;

/// Compiles the recipe and puts the result into `home` in one step.
pub(super) fn compile(root: &Path, recipe: &Recipe, home: &Path) -> Result<()> {
    let work = home.with_extension("unfinished");
    clear(&work)?;
    let (krate, ready) = (work.join("crate"), work.join("ready"));
    write_crate(root, recipe, &krate)?;
    eprintln!(
        "xtask: compiling RocksDB, once for every checkout and profile; this takes 20 to 30 minutes on two cores"
    );
    eprintln!("xtask: it goes to {}", home.display());
    let out_dir = run(recipe, &krate)?;

    let lib = ready.join("lib");
    fs::create_dir_all(&lib).with_context(|| format!("cannot create `{}`", lib.display()))?;
    let archive = out_dir.join("librocksdb.a");
    fs::rename(&archive, lib.join("librocksdb.a"))
        .with_context(|| format!("librocksdb-sys left no archive at `{}`", archive.display()))?;
    fs::write(ready.join("key.txt"), recipe.words()).context("cannot write key.txt")?;
    clear(home)?;
    fs::rename(&ready, home).with_context(|| format!("cannot move the result to `{}`", home.display()))?;
    clear(&work)
}

fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", folder.display()))
        }
        _ => Ok(()),
    }
}

fn write_crate(root: &Path, recipe: &Recipe, krate: &Path) -> Result<()> {
    let source = krate.join("src");
    fs::create_dir_all(&source).with_context(|| format!("cannot create `{}`", source.display()))?;
    fs::write(source.join("lib.rs"), "").context("cannot write the made-up crate")?;
    fs::write(krate.join("Cargo.toml"), manifest(recipe)).context("cannot write the made-up crate's manifest")?;
    // Cargo keeps the pins it can use and drops the rest.
    fs::copy(root.join("Cargo.lock"), krate.join("Cargo.lock")).context("cannot copy Cargo.lock")?;
    Ok(())
}

fn manifest(recipe: &Recipe) -> String {
    let features = recipe.features.iter().map(|feature| format!("{feature:?}")).collect::<Vec<_>>().join(", ");
    format!(
        "[package]\nname = \"portcullis-rocksdb-cache\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\nlibrocksdb-sys = {{ version = \"={}\", default-features = false, features = [{features}] }}\n\n\
         [profile.release]\nopt-level = 3\ndebug = false\n",
        // A version requirement takes no build metadata.
        recipe.version.split('+').next().unwrap_or_default(),
    )
}

/// Runs cargo and returns the output folder of librocksdb-sys's build script.
fn run(recipe: &Recipe, krate: &Path) -> Result<PathBuf> {
    let mut child = Command::new(toolchain::cargo())
        .args(["check", "--release", "--quiet", "--message-format=json-render-diagnostics"])
        .current_dir(krate)
        .env("CARGO_ENCODED_RUSTFLAGS", recipe.rustflags.join("\x1f"))
        .env("CARGO_TARGET_DIR", krate.join("target"))
        .env_remove("CARGO_BUILD_BUILD_DIR")
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("ROCKSDB_LIB_DIR")
        .env_remove("ROCKSDB_STATIC")
        .env_remove("ROCKSDB_COMPILE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let out_dir = follow(&mut child, krate);
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() {
        bail!(
            "cargo cannot compile RocksDB ({status}); its messages are above, and `cargo xtask setup` checks the tools"
        );
    }
    out_dir?.context("cargo did not run librocksdb-sys's build script")
}

/// Reads cargo's messages to the end, reporting progress meanwhile.
fn follow(child: &mut Child, krate: &Path) -> Result<Option<PathBuf>> {
    // INVARIANT: `run` asked for the pipe.
    let stdout = child.stdout.take().expect("stdout is piped");
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for message in Message::parse_stream(BufReader::new(stdout)) {
            if sender.send(message).is_err() {
                break;
            }
        }
    });
    let mut progress = Progress::start(krate.join("target"));
    let mut out_dir = None;
    loop {
        match receiver.recv_timeout(progress.pause()) {
            Ok(Ok(Message::BuildScriptExecuted(script))) if script.package_id.repr.contains("librocksdb-sys") => {
                out_dir = Some(script.out_dir.into_std_path_buf());
            }
            Ok(Ok(Message::CompilerArtifact(artefact))) if artefact.target.is_custom_build() => {
                progress.learn_total(artefact.manifest_path.as_std_path());
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error).context("cannot read cargo's messages"),
            Err(RecvTimeoutError::Timeout) => progress.report(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    progress.finish();
    // INVARIANT: the reader ends with cargo's output and holds nothing that can panic.
    reader.join().expect("the reader does not panic");
    Ok(out_dir)
}

/// Progress seen from outside: object files made, of source files listed.
struct Progress {
    target: PathBuf,
    total: usize,
    started: Instant,
    terminal: bool,
}

impl Progress {
    fn start(target: PathBuf) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { target, total: SOURCES_GUESS, started: Instant::now(), terminal }
    }

    fn pause(&self) -> Duration {
        if self.terminal { REPORT_EVERY_ON_TERMINAL } else { REPORT_EVERY_ELSEWHERE }
    }

    fn learn_total(&mut self, manifest: &Path) {
        let list = manifest.with_file_name("rocksdb_lib_sources.txt");
        if let Ok(text) = fs::read_to_string(list) {
            self.total = text.lines().filter(|line| !line.trim().is_empty()).count();
        }
    }

    fn report(&self) {
        let done = objects(&self.target, false);
        let line = progress_line(done, self.total, self.started.elapsed());
        if self.terminal {
            eprint!("\r\x1b[K{line}");
            // A progress line that cannot be shown harms nothing.
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }

    fn finish(&self) {
        let end = if self.terminal { "\r\x1b[K" } else { "" };
        eprintln!("{end}xtask: cargo ended after {}", minutes(self.started.elapsed()));
    }
}

fn progress_line(done: usize, total: usize, elapsed: Duration) -> String {
    let gone = format!("xtask: RocksDB {done}/{total} files, {} gone", minutes(elapsed));
    // The first files say little about the pace of the others.
    if done < total.div_ceil(20) {
        return gone;
    }
    let [done, total] = [done, total].map(|files| u32::try_from(files).unwrap_or(u32::MAX).max(1));
    format!("{gone}, about {} left", minutes(elapsed * total.saturating_sub(done) / done))
}

fn minutes(time: Duration) -> String {
    format!("{}:{:02} min", time.as_secs() / 60, time.as_secs() % 60)
}

/// Counts the object files below the folders of librocksdb-sys.
fn objects(folder: &Path, inside: bool) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                objects(&path, inside || name.to_string_lossy().starts_with("librocksdb-sys"))
            } else {
                usize::from(inside && path.extension().is_some_and(|extension| extension == "o"))
            }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_waits_for_a_pace() {
        let minute = Duration::from_mins(1);
        assert_eq!(progress_line(3, 340, minute), "xtask: RocksDB 3/340 files, 1:00 min gone");
        assert_eq!(progress_line(170, 340, minute), "xtask: RocksDB 170/340 files, 1:00 min gone, about 1:00 min left");
    }

    #[test]
    fn the_made_up_crate_pins_version_and_features() {
        let recipe = Recipe {
            version: "0.19.0+11.8.1".into(),
            features: ["lz4".to_owned(), "zstd".to_owned()].into(),
            headers: [].into(),
            compiler: String::new(),
            rustflags: vec![],
            target: String::new(),
        };
        let text = manifest(&recipe);
        assert!(
            text.contains("version = \"=0.19.0\", default-features = false, features = [\"lz4\", \"zstd\"]"),
            "{text}"
        );
    }
}
