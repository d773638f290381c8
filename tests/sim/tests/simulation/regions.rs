//! What a revocation costs in round trips, and that checks cost none (docs/regions.md).

use std::time::Duration;

use anyhow::Result;
use portcullis_sim::history::{By, Outcome};
use portcullis_sim::regions::{FIVE, THREE, measure, spread};

#[test]
fn a_revocation_takes_the_ways_that_it_needs_and_a_check_none() -> Result<()> {
    for (map, voters, leading) in [(&THREE, 3, 1), (&FIVE, 3, 0)] {
        let mut run = spread(1, map, voters, leading, Duration::from_secs(5))?;
        for row in measure(&mut run, map, leading, 4)? {
            // The least possible way to do it: whichever comes last, that every holder has it, or that a majority has.
            let least = row.direct.max(row.committed);
            assert!(row.by_leader >= least, "{row:?}");
            for took in &row.alone {
                // And the syncs of a disk.
                assert!((least..=least + Duration::from_millis(10)).contains(took), "{row:?}");
            }
            assert!(row.behind.iter().all(|took| *took < row.by_leader * 2), "{row:?}");
            for check in &row.others {
                assert_eq!((check.outcome, check.took()), (Outcome::Allow(By::Lease), Some(Duration::ZERO)), "{check}");
            }
        }
    }
    Ok(())
}
