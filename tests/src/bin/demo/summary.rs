//! What is printed at the end.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::checkers::Checked;
use crate::revocations::Revoked;
use crate::served::Served;

/// The longest time that is told apart, in microseconds.
pub(crate) const LONGEST_US: u64 = 60_000_000;

/// What the same experiment meets elsewhere: what vendors document, and in one case what was measured.
const ELSEWHERE: &[(&str, &str)] = &[
    ("Google Cloud IAM", "documents 2 to 7 minutes, or longer"),
    ("Azure RBAC", "documents up to 10 minutes"),
    ("AWS IAM", "documents that changes are eventually consistent, without a bound"),
    ("SpiceDB", "by default may answer from a cache of up to 5 s; wrong answers were measured for up to 5.03 s"),
    ("OpenFGA", "with its caches on, each may be 10 s old"),
];

/// A duration in whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Prints what was seen, and returns whether the promise held.
pub(crate) fn print(revoked: &Revoked, checked: &Checked, served: &[Served]) -> bool {
    let stale = revoked.stale + checked.stale;
    println!();
    row("revocations acknowledged", &revoked.acknowledged.to_string());
    row("  and then asked of all nodes at once", &format!("{} answers", revoked.answers));
    row("checks answered meanwhile", &checked.answers.to_string());
    row("STALE ANSWERS", &stale.to_string());
    row("grants denied that were held", &checked.wrongly_denied.to_string());
    row("time to revoke, p50 and p99", &percentiles(&revoked.latency_us));
    row("time to check, p50 and p99", &percentiles(&checked.latency_us));
    row("where checks were answered", "since each node was last started");
    for by in served {
        row(&format!("  {}", by.how), &by.count.to_string());
    }
    println!();
    for kill in &revoked.kills {
        row(&format!("killed {} (node {})", kill.what, kill.node), "");
        row("  next revocation acknowledged after", &ms(micros(kill.writes_resumed_after)));
    }
    for (node, gap) in &checked.longest_gap {
        let was_killed = revoked.kills.iter().any(|kill| kill.node == *node);
        let what = if was_killed { " (killed, then started again)" } else { "" };
        row(&format!("  longest wait for an answer of node {node}"), &format!("{}{what}", ms(micros(*gap))));
    }
    row("  questions without an answer", &format!("{}", checked.unanswered + revoked.unanswered));
    println!();
    println!("After a revocation elsewhere, as documented by each (not measured by this demo):");
    for (system, delay) in ELSEWHERE {
        println!("  {system:<18}{delay}");
    }
    println!();
    let passed = stale == 0 && checked.wrongly_denied == 0;
    if passed {
        println!("Once a revocation was acknowledged, no node said yes.");
    } else {
        println!("FAILED: {stale} stale answers, {} wrong denials.", checked.wrongly_denied);
    }
    passed
}

fn row(name: &str, value: &str) {
    println!("{name:<50}{value}");
}

fn percentiles(latency_us: &Histogram<u64>) -> String {
    format!("{}, {}", ms(latency_us.value_at_quantile(0.5)), ms(latency_us.value_at_quantile(0.99)))
}

fn ms(us: u64) -> String {
    format!("{}.{} ms", us / 1_000, us % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds_with_a_tenth() {
        assert_eq!([ms(0), ms(1_950), ms(12_345_678)], ["0.0 ms", "1.9 ms", "12345.6 ms"]);
    }
}
