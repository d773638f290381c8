//! What someone may have meant.

/// Most candidates that are compared; beyond it nothing is proposed.
const CANDIDATES_MAX: usize = 1_000;

/// The candidate that takes the fewest changes of single letters, if few are enough.
pub(super) fn to<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let most = (name.len() / 3).min(2);
    let candidates = candidates.take(CANDIDATES_MAX);
    let near = candidates.filter(|candidate| candidate.len().abs_diff(name.len()) <= most);
    let (changes, best) = near.map(|candidate| (changes(name, candidate), candidate)).min()?;
    (changes <= most).then(|| best.to_owned())
}

/// How many letters have to be added, removed or exchanged.
fn changes(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, left) in from.bytes().enumerate() {
        let mut diagonal = line;
        row[0] = line + 1;
        for (column, right) in to.bytes().enumerate() {
            let exchanged = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = exchanged.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_changes_are_proposed() {
        let names = ["viewer", "owner", "user"];
        assert_eq!(to("veiwer", names.into_iter()), Some("viewer".to_owned()));
        assert_eq!(to("usr", names.into_iter()), Some("user".to_owned()));
        assert_eq!(to("document", names.into_iter()), None);
    }
}
