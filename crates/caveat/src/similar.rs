//! What somebody may have meant.

/// The name that is nearest to another, if one is near.
pub(crate) fn similar<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // Names that differ in more than a third are other names. Long ones are not compared.
    let most = (name.len() / 3).clamp(1, 3);
    let near = known.filter(|other| other.len().abs_diff(name.len()) <= most && name.len() <= 64);
    let counted = near.map(|other| (changes(name, other), other));
    counted.filter(|(count, _)| *count <= most && *count < name.len()).min().map(|(_, other)| other)
}

/// How many letters have to be changed, added or taken away, regardless of case.
fn changes(one: &str, two: &str) -> usize {
    let two: Vec<u8> = two.bytes().map(|letter| letter.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (number, letter) in one.bytes().map(|letter| letter.to_ascii_lowercase()).enumerate() {
        let mut diagonal = row[0];
        row[0] = number + 1;
        for (column, other) in two.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[two.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_others_are_not() {
        let known = ["ip", "user_ip", "startsWith", "region"];
        for (name, found) in [
            ("userip", Some("user_ip")),
            ("startswith", Some("startsWith")),
            ("regoin", Some("region")),
            ("xy", None),
            ("", None),
            ("ips", Some("ip")),
        ] {
            assert_eq!(similar(name, known.into_iter()), found, "{name}");
        }
    }
}
