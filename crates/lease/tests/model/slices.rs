//! All slices. A deep check has larger bounds.

use std::time::Duration;

use crate::node::What;
use crate::slice::{Pace, Slice};

/// A lease that is over with the step in which it was asked for.
const SHORT: Duration = Duration::from_millis(500);
/// One that lasts a step longer.
const LONGER: Duration = Duration::from_millis(1_500);
/// One that lasts for two steps.
const LONG: Duration = Duration::from_secs(2);
/// One that is longer than [`LONGER`], and lasts for as many steps.
const LONGEST: Duration = Duration::from_millis(1_600);

/// All of them.
pub(crate) fn all(deep: bool) -> Vec<Slice> {
    [elections(deep), starts(deep), rules(deep), clocks(deep), changes(deep), direct(deep)].concat()
}

/// Leaders come and go.
fn elections(deep: bool) -> Vec<Slice> {
    vec![
        Slice { writes: 1 + usize::from(deep), ..Slice::base("failover") },
        Slice { candidates: &[1], ..Slice::base("the holder is elected") },
        Slice { holders: &[0], readers: &[0], ..Slice::base("a deposed leader reads") },
        Slice { promises: true, ..Slice::base("promises") },
        Slice {
            drops: true,
            learners: 1,
            holders: &[3],
            readers: &[3],
            writes: 0,
            reads: 0,
            ..Slice::base("older leases dropped")
        },
        Slice {
            drops: true,
            releases: 1,
            voters: 2,
            learners: 1,
            candidates: &[1],
            holders: &[2],
            readers: &[2],
            writes: deep.into(),
            ..Slice::base("transfer")
        },
        Slice {
            learners: 2,
            holders: &[3, 4],
            readers: &[],
            reads: 0,
            epochs: 1,
            writes: 1 + usize::from(deep),
            ..Slice::base("two learners")
        },
        Slice { epochs: 3, candidates: &[0, 2], writes: 0, reads: deep.into(), ..Slice::base("three epochs") },
        Slice { holders: &[0], readers: &[0], rounds: 2, writes: 0, reads: 0, ..Slice::base("two rounds") },
        Slice { holders: &[0], readers: &[0], writes: 3, reads: 0, ..Slice::base("a log that is cut") },
    ]
}

/// Processes start again.
fn starts(deep: bool) -> Vec<Slice> {
    let more = u64::from(deep);
    vec![
        Slice { epochs: 1, restarts: 1, writes: 1 + usize::from(deep), ..Slice::base("restart of a holder") },
        Slice { restarts: 1, restarting: &[0], ..Slice::pair("restart of the leader") },
        Slice { epochs: 3, restarts: 2, restarting: &[0], ..Slice::pair("two restarts of the leader") },
        Slice {
            promises: true,
            restarts: 1,
            restarting: &[2],
            writes: 0,
            reads: 0,
            ..Slice::base("promises and restarts")
        },
        Slice { epochs: 1, restarts: 1, purges: true, writes: 1 + usize::from(deep), ..Slice::base("purge") },
        Slice { epochs: 1 + more, snapshots: true, ..Slice::base("snapshots") },
    ]
}

/// One leader, its holders and their reads.
fn rules(deep: bool) -> Vec<Slice> {
    let more = u64::from(deep);
    vec![
        Slice { epochs: 1, writes: 2, keys: 2, requests: 1 + more, ..Slice::base("two keys") },
        Slice { epochs: 1, requests: 2, rounds: 2, ..Slice::base("renewal") },
        Slice { epochs: 1, requests: 3, rounds: 2, reads: 0, ..Slice::base("renewals under way") },
        Slice { epochs: 1, releases: 1, requests: 2, ..Slice::base("release") },
        Slice { epochs: 1, emission: true, ..Slice::base("emission") },
    ]
}

/// Leases that are long, and clocks that are off.
fn clocks(deep: bool) -> Vec<Slice> {
    let more = u64::from(deep);
    vec![
        Slice { epochs: 1, requests: 2, rounds: 2, lease: LONG, reads: 0, ..Slice::base("long leases") },
        Slice { rates: &[104, 95, 104], lease: LONG, epochs: 1 + more, ..Slice::base("clocks that drift") },
        Slice { epochs: 1, lease: LONG, paces: &[Pace::Steered(0)], ..Slice::base("steered clocks") },
        Slice {
            holders: &[0],
            readers: &[0],
            paces: &[Pace::Suspended(0)],
            reads: 0,
            ..Slice::base("suspended machines")
        },
    ]
}

/// The configuration changes.
fn changes(deep: bool) -> Vec<Slice> {
    let unread = Slice { readers: &[], reads: 0, ..Slice::base("") };
    let restarts = Slice { restarts: 1, restarting: &[0], ..Slice::pair("") };
    vec![
        Slice { name: "removal", reads: deep.into(), drops: true, changes: &[What::Remove(1)], ..restarts.clone() },
        Slice {
            name: "a longer lease",
            voters: 2,
            learners: 1,
            holders: &[2],
            candidates: &[1],
            writes: 0,
            lease: SHORT,
            changes: &[What::Length(LONGER)],
            ..unread.clone()
        },
        Slice {
            name: "a shorter lease",
            readers: &[],
            reads: 0,
            lease: LONGER,
            changes: &[What::Length(SHORT)],
            ..restarts.clone()
        },
        Slice {
            name: "shorter and shorter",
            readers: &[],
            reads: 0,
            writes: 0,
            late: true,
            lease: LONGER,
            former: Some(LONGEST),
            changes: &[What::Length(SHORT)],
            ..restarts.clone()
        },
        Slice {
            name: "shorter, and forgotten",
            readers: &[],
            reads: 0,
            writes: 0,
            epochs: 3,
            restarts: 2,
            late: true,
            forgets: true,
            lease: LONGER,
            changes: &[What::Length(SHORT)],
            ..restarts
        },
        Slice {
            name: "shorter for some only",
            voters: 2,
            learners: 1,
            holders: &[2],
            candidates: &[0, 1],
            epochs: 3,
            writes: 0,
            behind: true,
            lease: LONGER,
            changes: &[What::Length(SHORT)],
            ..unread
        },
    ]
}

/// Writers are answered by the node that took their write.
fn direct(deep: bool) -> Vec<Slice> {
    let direct = Slice { direct: true, ..Slice::base("") };
    let heard = Slice { hears: true, readers: &[], reads: 0, ..direct.clone() };
    vec![
        Slice { name: "direct answers", reads: 0, readers: &[], ..direct.clone() },
        Slice { direct: true, restarts: 1, restarting: &[0], ..Slice::pair("direct, leader restarts") },
        Slice {
            direct: true,
            epochs: 1,
            requests: 2,
            rounds: 2,
            lease: LONGER,
            reads: deep.into(),
            ..Slice::pair("direct, renewals")
        },
        Slice { name: "direct, by voters' word", writes: deep.into(), ..heard.clone() },
        Slice { name: "direct, learners", learners: 1, epochs: 1, ..heard.clone() },
        Slice {
            name: "direct, power loss",
            writes: deep.into(),
            syncs: true,
            restarts: 1,
            restarting: &[0, 1],
            candidates: &[0, 2],
            holders: &[],
            rounds: 0,
            ..heard.clone()
        },
        Slice {
            name: "direct, voters change",
            voters: 1,
            learners: 2,
            candidates: &[1],
            holders: &[],
            rounds: 0,
            changes: &[What::Voters(&[&[0], &[0, 1, 2]]), What::Voters(&[&[0, 1, 2]])],
            ..heard
        },
    ]
}
