//! What the faults that last at the same time do to the network. Of each pair of nodes it is decided anew, because one fault
//! may end while another lasts: a process that is stopped must not be heard because its neighbour goes on.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::host::name;

/// What happens to messages between two nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Link {
    /// They arrive.
    #[default]
    Whole,
    /// They wait.
    Held,
    /// They are lost, both ways.
    Cut,
    /// They are lost from the first to the second.
    CutThere,
    /// They are lost from the second to the first.
    CutBack,
}

/// The network between all nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    known: BTreeMap<(u64, u64), Link>,
}

impl Links {
    /// Has the network be as the faults say that last.
    pub(crate) fn follow(
        &mut self,
        sim: &mut turmoil::Sim<'_>,
        nodes: std::ops::RangeInclusive<u64>,
        lasting: &[Fault],
    ) {
        for one in nodes.clone() {
            for other in nodes.clone().filter(|other| *other > one) {
                let wanted = link(one, other, lasting);
                let known = self.known.entry((one, other)).or_default();
                if *known == wanted {
                    continue;
                }
                let (there, back) = (name(one), name(other));
                match known {
                    Link::Held => sim.release(&*there, &*back),
                    Link::Cut | Link::CutThere | Link::CutBack => sim.repair(&*there, &*back),
                    Link::Whole => {}
                }
                match wanted {
                    Link::Held => sim.hold(&*there, &*back),
                    Link::Cut => sim.partition(&*there, &*back),
                    Link::CutThere => sim.partition_oneway(&*there, &*back),
                    Link::CutBack => sim.partition_oneway(&*back, &*there),
                    Link::Whole => {}
                }
                *known = wanted;
            }
        }
    }
}

fn link(one: u64, other: u64, lasting: &[Fault]) -> Link {
    let is_cut = |from: u64, to: u64| lasting.iter().any(|fault| fault.cuts(from, to));
    let is_held = lasting.iter().any(|fault| fault.holds(one, other));
    match (is_cut(one, other), is_cut(other, one)) {
        (true, true) => Link::Cut,
        _ if is_held => Link::Held,
        (true, false) => Link::CutThere,
        (false, true) => Link::CutBack,
        (false, false) => Link::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clocks::Stood;

    #[test]
    fn a_fault_that_ends_leaves_those_that_last() {
        let stopped = Fault::Suspend(2, Stood::Process);
        assert_eq!(link(2, 3, &[stopped, Fault::Suspend(3, Stood::Machine)]), Link::Held);
        assert_eq!(link(2, 3, &[stopped]), Link::Held);
        assert_eq!(link(2, 3, &[stopped, Fault::Deafen(3)]), Link::Held);
        assert_eq!(link(2, 3, &[Fault::Deafen(3)]), Link::CutThere);
        assert_eq!(link(2, 3, &[Fault::Deafen(3), Fault::Mute(3)]), Link::Cut);
        assert_eq!(link(1, 3, &[Fault::Split(3, 1), stopped]), Link::Cut);
        assert_eq!(link(1, 3, &[Fault::Split(3, 2), stopped]), Link::Whole);
    }
}
