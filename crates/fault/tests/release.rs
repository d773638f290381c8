//! No build for users can break a rule: cargo is asked for one that can, and refuses.

use std::process::{Command, Output};

/// Compiles this crate as it is for users, with these flags more, in a folder of its own.
fn compile_for_users(flags: &[&str]) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "check",
        "--release",
        "--offline",
        "--manifest-path",
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
    ]);
    cargo.args(["--target-dir", env!("CARGO_TARGET_TMPDIR")]).args(flags);
    cargo.env_remove("CARGO_BUILD_BUILD_DIR").output().expect("cargo runs")
}

#[test]
fn no_release_can_break_a_rule() {
    let sound = compile_for_users(&[]);
    assert!(sound.status.success(), "{}", String::from_utf8_lossy(&sound.stderr));
    let broken = compile_for_users(&["--features", "planted-faults"]);
    let said = String::from_utf8_lossy(&broken.stderr);
    assert!(!broken.status.success() && said.contains("planted-faults is for checking only"), "{said}");
}
