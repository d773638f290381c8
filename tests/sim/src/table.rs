//! Tables of what was measured between regions, in Markdown.

use std::time::Duration;

use anyhow::Result;
use portcullis_sim::history::{By, Call, Outcome};
use portcullis_sim::regions::{FIVE, Loss, Row, THREE, lose_leader, measure, spread};

/// How many grants are revoked from each region.
const ROUNDS: u64 = 40;

/// The lengths of leases that the loss of a leader is measured with.
const LENGTHS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];
/// From how many runs.
const LOSSES: u64 = 5;

/// Measures and prints all tables.
pub(crate) fn print() -> Result<()> {
    for (map, voters) in [(&THREE, 3), (&FIVE, 5), (&FIVE, 3)] {
        for leading in 0..voters {
            let mut run = spread(1, map, voters, leading, LENGTHS[1])?;
            let rows = measure(&mut run, map, leading, ROUNDS)?;
            println!("\n{} regions, {voters} of them vote, leader in {}\n", map.names.len(), map.names[leading]);
            println!(
                "| caller | revoked everywhere | the least possible | ratio | by way of the leader | behind another write | checks of \
                 others | of the same |"
            );
            println!("|---|---|---|---|---|---|---|---|");
            rows.iter().for_each(print_row);
            for length in LENGTHS {
                let mut losses = Vec::new();
                for seed in 1..=LOSSES {
                    let mut run = spread(seed, map, voters, leading, length)?;
                    losses.push(lose_leader(&mut run, leading)?);
                }
                let range = |of: fn(&Loss) -> Duration| {
                    let times = losses.iter().map(of);
                    format!(
                        "{} to {}",
                        ms(times.clone().min().unwrap_or_default()),
                        ms(times.max().unwrap_or_default())
                    )
                };
                let (writes, checks) = (range(|loss| loss.writes_pause), range(|loss| loss.checks_pause));
                println!("\nleader lost, leases of {length:?}: writes pause for {writes}, checks for {checks}");
            }
        }
    }
    Ok(())
}

fn print_row(row: &Row) {
    let Row { caller, by_leader, direct, alone, behind, others, same } = row;
    let (typical, late) = (median(alone), behind.last().copied().unwrap_or_default());
    println!(
        "| {caller} | {} | {} | {:.2} | {} | {} to {} | {} | {} |",
        ms(typical),
        ms(*direct),
        typical.as_secs_f64() / direct.as_secs_f64(),
        ms(*by_leader),
        ms(behind.first().copied().unwrap_or_default()),
        ms(late),
        checks(others),
        checks(same),
    );
}

fn median(times: &[Duration]) -> Duration {
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn ms(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

/// How many checks were answered at once by the node's own lease, and how long the others waited at most.
fn checks(calls: &[Call]) -> String {
    let at_once = |call: &&Call| matches!(call.outcome, Outcome::Allow(By::Lease) | Outcome::Deny(By::Lease));
    let longest = calls.iter().filter_map(Call::took).max().unwrap_or_default();
    format!("{} of {} at once, {} at most", calls.iter().filter(at_once).count(), calls.len(), ms(longest))
}
