//! Worlds of one idea each: nothing but viewers; long chains of folders; many groups and a large one.

use super::{Ask, Parts};

/// Folders in a chain.
const LEVELS: u32 = 30;
/// Groups that a document is shared with, and members of the last of them; the others have one.
const GROUPS: u32 = 1_000;
const MEMBERS: u32 = 10_000;

/// Documents with a viewer each, and nothing else.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Flat {
    documents: u32,
}

impl Flat {
    pub(super) fn new(size: u32) -> Self {
        Self { documents: size.max(2) }
    }

    fn users(self) -> u32 {
        (self.documents / 3).max(2)
    }

    fn viewer(self, document: u32) -> u32 {
        document.wrapping_mul(31) % self.users()
    }

    pub(super) fn relationships(self) -> impl Iterator<Item = String> {
        (0..self.documents).map(move |document| format!("document:d{document}#viewer@user:u{}", self.viewer(document)))
    }

    pub(super) fn parts(self) -> Parts {
        Parts::from([("users", self.users()), ("documents", self.documents)])
    }

    pub(super) fn question(self, nth: u32) -> Ask {
        // A step that shares no factor with most sizes spreads the questions over the whole world.
        let (document, allowed) = (nth.wrapping_mul(7_919) % self.documents, nth.is_multiple_of(2));
        let viewer = self.viewer(document);
        let user = if allowed { viewer } else { (viewer + 1) % self.users() };
        Ask { subject: format!("user:u{user}"), resource: format!("document:d{document}"), allowed }
    }
}

/// Chains of folders, each with a document at its end and a viewer of its topmost folder.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Deep {
    chains: u32,
}

impl Deep {
    pub(super) fn new(size: u32) -> Self {
        Self { chains: (size / (LEVELS + 1)).max(2) }
    }

    pub(super) fn relationships(self) -> impl Iterator<Item = String> {
        (0..self.chains).flat_map(|chain| {
            let viewer = format!("folder:f{chain}-0#viewer@user:u{chain}");
            let document = format!("document:d{chain}#parent@folder:f{chain}-{}", LEVELS - 1);
            let level = move |level| format!("folder:f{chain}-{level}#parent@folder:f{chain}-{}", level - 1);
            [viewer, document].into_iter().chain((1..LEVELS).map(level))
        })
    }

    pub(super) fn parts(self) -> Parts {
        Parts::from([("users", self.chains), ("folders", self.chains * LEVELS), ("documents", self.chains)])
    }

    pub(super) fn question(self, nth: u32) -> Ask {
        let (chain, allowed) = (nth.wrapping_mul(7_919) % self.chains, nth.is_multiple_of(2));
        let user = if allowed { chain } else { (chain + 1) % self.chains };
        Ask { subject: format!("user:u{user}"), resource: format!("document:d{chain}"), allowed }
    }
}

/// Documents that are shared with many groups each, of which one is large; and one more group each that is not.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Wide {
    documents: u32,
}

impl Wide {
    pub(super) fn new(size: u32) -> Self {
        Self { documents: (size / (2 * GROUPS + MEMBERS)).max(1) }
    }

    pub(super) fn relationships(self) -> impl Iterator<Item = String> {
        (0..self.documents).flat_map(|document| {
            let shared = move |group| format!("document:d{document}#viewer@group:g{document}-{group}#member");
            let one = move |group| format!("group:g{document}-{group}#member@user:v{document}-{group}");
            let last = move |user| format!("group:g{document}-{}#member@user:u{document}-{user}", GROUPS - 1);
            let groups = (0..GROUPS).map(shared);
            // The group after the last is not among those that the document is shared with.
            let ones = (0..GROUPS - 1).chain([GROUPS]).map(one);
            groups.chain(ones).chain((0..MEMBERS).map(last))
        })
    }

    pub(super) fn parts(self) -> Parts {
        let users = self.documents * (MEMBERS + GROUPS);
        Parts::from([("users", users), ("groups", self.documents * (GROUPS + 1)), ("documents", self.documents)])
    }

    pub(super) fn question(self, nth: u32) -> Ask {
        let (document, allowed) = (nth / 2 % self.documents, nth.is_multiple_of(2));
        let user = if allowed {
            format!("user:u{document}-{}", nth.wrapping_mul(7_919) % MEMBERS)
        } else {
            format!("user:v{document}-{GROUPS}")
        };
        Ask { subject: user, resource: format!("document:d{document}"), allowed }
    }
}
