//! Changes of inputs that lead somewhere more often than chance would.

/// Longest input, in bytes. More bytes find nothing that fewer do not, and take longer.
const INPUT_BYTES_MAX: usize = 4_096;
/// Most changes of one input.
const CHANGES_MAX: usize = 5;
/// Most times that a piece is repeated.
const REPEATS_MAX: usize = 300;
/// Pieces that mean something in one input or another.
const PIECES: &[&[u8]] = &[
    b"(",
    b")",
    b"[",
    b"]",
    b"{",
    b"}",
    b"<",
    b">",
    b"\"",
    b"'",
    b"\\",
    b"/",
    b"//",
    b"/*",
    b"*/",
    b".",
    b"...",
    b",",
    b":",
    b";",
    b"#",
    b"@",
    b"*",
    b"+",
    b"-",
    b"->",
    b"&",
    b"&&",
    b"|",
    b"||",
    b"!",
    b"?",
    b"=",
    b"==",
    b"%",
    b" ",
    b"\n",
    b"\r\n",
    b"\t",
    b"\0",
    b"0",
    b"1",
    b"-1",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551615",
    b"1e308",
    b"1e-320",
    b"0.5",
    b"nil",
    b"null",
    b"true",
    b".all(",
    b".all(x, ",
    b".map(x, ",
    b".size()",
    b" in ",
    b" with ",
    b"use ",
    b"expiration",
    "…".as_bytes(),
    "é".as_bytes(),
    "\u{10ffff}".as_bytes(),
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
];

/// One of the inputs, changed. The same seed makes the same of the same inputs.
pub(crate) fn mutated(inputs: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    let mut input = dice.one(inputs).clone();
    for _ in 0..=dice.below(CHANGES_MAX) {
        let other = dice.one(inputs);
        change(&mut input, other, &mut dice);
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}

fn change(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let place = dice.piece(input.len());
    match dice.below(9) {
        // A bit is flipped.
        0 => {
            if let Some(byte) = input.get_mut(place.start) {
                *byte ^= 1 << dice.below(8);
            }
        }
        // A byte becomes another.
        1 => {
            if let Some(byte) = input.get_mut(place.start) {
                *byte = dice.byte();
            }
        }
        // A piece is cut out.
        2 => drop(input.drain(place)),
        // Something that means something comes in, or takes a place.
        3 => drop(input.splice(place.start..place.start, dice.one(PIECES).iter().copied())),
        4 => drop(input.splice(place, dice.one(PIECES).iter().copied())),
        // A piece of another input comes in.
        5 => drop(input.splice(place.start..place.start, other[dice.piece(other.len())].iter().copied())),
        // The beginning of one and the end of another.
        6 => {
            input.truncate(place.start);
            input.extend_from_slice(&other[dice.below(other.len() + 1)..]);
        }
        // A piece is repeated.
        7 => {
            let most = if dice.below(4) == 0 { REPEATS_MAX } else { 4 };
            let times = 1 + dice.below(most);
            let piece = input[place.clone()].repeat(times);
            input.splice(place.end..place.end, piece);
        }
        // A piece is written over by one of the same length, which keeps what counts lengths.
        _ => {
            let from = dice.below(other.len() + 1);
            let length = place.len().min(other.len() - from);
            input[place.start..place.start + length].copy_from_slice(&other[from..from + length]);
        }
    }
}

/// Numbers that look random, and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("INVARIANT: below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn one<'o, T>(&mut self, of: &'o [T]) -> &'o T {
        &of[self.below(of.len())]
    }

    /// A piece of so many bytes, more often a short one.
    fn piece(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let most = if self.below(2) == 0 { 8.min(length - start) } else { length - start };
        start..start + self.below(most + 1)
    }
}

#[test]
fn a_seed_makes_the_same_change_again() {
    let inputs = [b"document:plan#viewer@user:alice".to_vec(), b"group:eng#member@user:*".to_vec(), Vec::new()];
    let changed: Vec<Vec<u8>> = (0..200).map(|seed| mutated(&inputs, seed)).collect();
    assert_eq!(changed, (0..200).map(|seed| mutated(&inputs, seed)).collect::<Vec<_>>());
    let distinct: std::collections::BTreeSet<_> = changed.iter().collect();
    assert!(distinct.len() > 100, "{} changes are distinct", distinct.len());
    assert!(changed.iter().all(|input| input.len() <= INPUT_BYTES_MAX));
}
