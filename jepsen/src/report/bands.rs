//! From what was seen now and then to what was so from when until when.

use crate::history::{Sample, Seen};

/// The times, in microseconds, during which something held of a node, as far as was seen: from each look on to the next.
pub(super) fn bands(
    samples: &[Sample],
    node: u64,
    end_us: u64,
    holds: impl Fn(Option<&Seen>) -> bool,
) -> Vec<(u64, u64)> {
    let looks: Vec<&Sample> = samples.iter().filter(|sample| sample.node == node).collect();
    let mut found: Vec<(u64, u64)> = Vec::new();
    for (place, look) in looks.iter().enumerate() {
        let until_us = looks.get(place + 1).map_or(end_us, |next| next.at_us).max(look.at_us);
        if !holds(look.seen.as_ref()) {
            continue;
        }
        match found.last_mut().filter(|(_, until)| *until == look.at_us) {
            Some((_, until)) => *until = until_us,
            None => found.push((look.at_us, until_us)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_that_show_the_same_are_one_band() {
        let look =
            |at_us, holds| Sample { node: 1, at_us, seen: Some(Seen { leader: None, term: 1, holds, visible: 0 }) };
        let samples =
            [look(0, true), look(10, true), look(20, false), look(30, true), Sample { node: 2, ..look(15, false) }];
        let held = |seen: Option<&Seen>| seen.is_some_and(|seen| seen.holds);
        assert_eq!(bands(&samples, 1, 50, held), [(0, 20), (30, 50)]);
        assert_eq!(bands(&samples, 3, 50, held), []);
        assert_eq!(bands(&samples, 1, 50, |seen| seen.is_none()), []);
    }
}
