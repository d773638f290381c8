//! What a revocation costs in round trips, and that checks cost none (docs/regions.md).

use std::time::Duration;

use anyhow::Result;
use portcullis_sim::history::{By, Outcome};
use portcullis_sim::regions::{FIVE, THREE, measure, spread};

#[test]
fn a_revocation_takes_the_ways_that_it_needs_and_a_check_none() -> Result<()> {
    // Among them leaders that have no majority near, for callers that have one.
    for (map, voters, leading) in [(&THREE, 3, 1), (&THREE, 3, 2), (&FIVE, 3, 0), (&FIVE, 5, 3)] {
        let mut run = spread(1, map, voters, leading, Duration::from_secs(5))?;
        for row in measure(&mut run, map, leading, 4)? {
            // No protocol could do it sooner, and it may take 12 % longer. What it takes are the syncs of a disk.
            let least = row.direct;
            assert!(row.by_leader >= least, "{row:?}");
            for took in &row.alone {
                assert!((least..=least * 112 / 100).contains(took), "{row:?}");
                assert!(*took <= least + Duration::from_millis(10), "{row:?}");
            }
            assert!(row.behind.iter().all(|took| *took < row.by_leader * 2), "{row:?}");
            for check in &row.others {
                assert_eq!((check.outcome, check.took()), (Outcome::Allow(By::Lease), Some(Duration::ZERO)), "{check}");
            }
        }
    }
    Ok(())
}
