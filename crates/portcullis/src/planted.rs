//! A rule that a node breaks on purpose, so that the harness can show that it notices.
//!
//! Only a build with the feature `planted-faults` can break one, and no build without debug assertions has that. Every other
//! build refuses to start when it is told to, so that nobody takes a sound node for a broken one.

use portcullis_lease::Faults;

/// The environment variable that names the rule. It is no setting: no build for users knows a value of it. With [`GATELESS`] behind
/// the name, leases are granted to whoever makes no progress, too, as the model does: some rules matter only then.
const VARIABLE: &str = "PORTCULLIS_PLANTED_FAULT";

/// The rules that this node breaks: one if the environment names it, else none.
pub(crate) fn faults() -> anyhow::Result<Faults> {
    let Some(name) = std::env::var_os(VARIABLE) else { return Ok(Faults::default()) };
    named(&name.to_string_lossy())
}

/// What is said behind the name of a rule.
#[cfg(feature = "planted-faults")]
const GATELESS: &str = " without gates";

#[cfg(feature = "planted-faults")]
fn named(name: &str) -> anyhow::Result<Faults> {
    use anyhow::Context;
    use portcullis_lease::Fault;

    let (name, gateless) = name.strip_suffix(GATELESS).map_or((name, false), |name| (name, true));
    let fault = Fault::ALL.iter().find(|(fault, _)| format!("{fault:?}") == name);
    let (fault, what) = fault.with_context(|| format!("{VARIABLE}: no rule is called `{name}`"))?;
    tracing::warn!(name, what = what.trim(), "this node breaks a rule on purpose");
    let faults = Faults::plant(*fault);
    Ok(if gateless { faults.without_gates() } else { faults })
}

#[cfg(not(feature = "planted-faults"))]
fn named(name: &str) -> anyhow::Result<Faults> {
    anyhow::bail!("{VARIABLE}: `{name}` cannot be broken by this build: it has no planted faults")
}
