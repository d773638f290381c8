//! Documents in a tree of folders, shared with groups in groups.

use super::dice::Dice;
use super::{Ask, Parts};

/// What all sizes have the parts of, and how many relationships that is.
const SIZE: u32 = 153_000;
const GROUPS: u32 = 1_000;
const FOLDERS: u32 = 5_000;
const DOCUMENTS: u32 = 60_000;
/// Members of a group. Every user is in one group; one of ten groups is in no other.
const MEMBERS: u32 = 20;
const OUTERMOST: u32 = 10;
/// Every so many folders one is shared, and every so many documents one has somebody banned.
const SHARED: u32 = 5;
const BANNED: u32 = 10;
/// Of so many allowed questions one is about the document's own viewer; the others are by way of a group.
const OWN: u32 = 5;

// What is drawn, each from a sequence of its own.
const GROUP_OF_GROUP: u64 = 1;
const GROUP_OF_FOLDER: u64 = 2;
const FOLDER_OF: u64 = 3;
const VIEWER_OF: u64 = 4;
const BANNED_OF: u64 = 5;
const PLACES: u64 = 6;
const QUESTIONS: u64 = 7;

/// The world.
#[derive(Clone, Debug)]
pub(in crate::bench) struct Docs {
    groups: u32,
    folders: u32,
    documents: u32,
    /// The users by group, and the group of each user.
    members: Vec<u32>,
    group_of: Vec<u32>,
}

impl Docs {
    /// A world of about so many relationships.
    pub(super) fn new(size: u32) -> Self {
        let part =
            |of: u32| u32::try_from(u64::from(of) * u64::from(size) / u64::from(SIZE)).unwrap_or(u32::MAX).max(2);
        let groups = part(GROUPS);
        let mut members: Vec<u32> = (0..groups * MEMBERS).collect();
        let mut dice = Dice(PLACES);
        for last in (1..members.len()).rev() {
            let most = u32::try_from(last + 1).expect("INVARIANT: users are counted in 32 bits");
            members.swap(last, dice.below(most) as usize);
        }
        let mut group_of = vec![0; members.len()];
        for (place, user) in (0..).zip(&members) {
            group_of[*user as usize] = place / MEMBERS;
        }
        Self { groups, folders: part(FOLDERS), documents: part(DOCUMENTS), members, group_of }
    }

    fn users(&self) -> u32 {
        self.groups * MEMBERS
    }

    pub(super) fn relationships(&self) -> impl Iterator<Item = String> {
        let members = (0..).zip(&self.members).map(|(place, user)| {
            let group = place / MEMBERS;
            format!("group:g{group}#member@user:u{user}")
        });
        let nested = (0..self.groups).filter_map(|group| {
            let outer = outer(group)?;
            Some(format!("group:g{outer}#member@group:g{group}#member"))
        });
        let above = (1..self.folders).map(|folder| format!("folder:f{folder}#parent@folder:f{}", above(folder)));
        let shared = (0..self.folders).step_by(SHARED as usize).map(|folder| {
            let group = self.shared_with(folder);
            format!("folder:f{folder}#viewer@group:g{group}#member")
        });
        let documents = (0..self.documents).flat_map(|document| {
            let (folder, viewer) = (self.folder_of(document), self.viewer(document));
            let place = format!("document:d{document}#parent@folder:f{folder}");
            let viewer = format!("document:d{document}#viewer@user:u{viewer}");
            let banned = self.banned(document).map(|user| format!("document:d{document}#banned@user:u{user}"));
            [place, viewer].into_iter().chain(banned)
        });
        members.chain(nested).chain(above).chain(shared).chain(documents)
    }

    /// What each part is, by name, as it is counted.
    pub(super) fn parts(&self) -> Parts {
        Parts::from([
            ("users", self.users()),
            ("groups", self.groups),
            ("folders", self.folders),
            ("documents", self.documents),
        ])
    }

    /// Every second question is allowed, most of those by way of a group on a folder above.
    pub(super) fn question(&self, nth: u32) -> Ask {
        let mut dice = Dice(QUESTIONS << 40 | u64::from(nth) << 8);
        let allowed = nth.is_multiple_of(2);
        loop {
            let document = dice.below(self.documents);
            let user = match (allowed, nth / 2 % OWN) {
                (true, 0) => self.viewer(document),
                (true, _) => self.member_above(document, &mut dice),
                (false, _) => dice.below(self.users()),
            };
            if self.is_allowed(user, document) == allowed {
                return Ask { subject: format!("user:u{user}"), resource: format!("document:d{document}"), allowed };
            }
        }
    }

    /// A member of the group with which the nearest folder at or above a document is shared, or of a group within it.
    fn member_above(&self, document: u32, dice: &mut Dice) -> u32 {
        let shared = self.shared_above(document).next().expect("INVARIANT: the topmost folder is shared");
        let within = |group: &u32| outer(*group) == Some(shared);
        let inner = (0..4).map(|_| dice.below(self.groups)).find(within);
        self.members[(inner.unwrap_or(shared) * MEMBERS + dice.below(MEMBERS)) as usize]
    }

    fn is_allowed(&self, user: u32, document: u32) -> bool {
        if self.banned(document) == Some(user) {
            return false;
        }
        let is_in = |wanted: u32| {
            let first = Some(self.group_of[user as usize]);
            std::iter::successors(first, |group| outer(*group)).any(|group| group == wanted)
        };
        self.viewer(document) == user || self.shared_above(document).any(is_in)
    }

    /// The groups with which folders at and above a document are shared, the nearest first.
    fn shared_above(&self, document: u32) -> impl Iterator<Item = u32> {
        let folders =
            std::iter::successors(Some(self.folder_of(document)), |folder| (*folder > 0).then(|| above(*folder)));
        folders.filter(|folder| folder.is_multiple_of(SHARED)).map(|folder| self.shared_with(folder))
    }

    fn shared_with(&self, folder: u32) -> u32 {
        Dice::nth(GROUP_OF_FOLDER, folder, self.groups)
    }

    fn folder_of(&self, document: u32) -> u32 {
        Dice::nth(FOLDER_OF, document, self.folders)
    }

    fn viewer(&self, document: u32) -> u32 {
        Dice::nth(VIEWER_OF, document, self.users())
    }

    fn banned(&self, document: u32) -> Option<u32> {
        document.is_multiple_of(BANNED).then(|| Dice::nth(BANNED_OF, document, self.users()))
    }
}

/// The folder above another, in a tree where each has three below it.
fn above(folder: u32) -> u32 {
    (folder - 1) / 3
}

/// The group that a group is in.
fn outer(group: u32) -> Option<u32> {
    (!group.is_multiple_of(OUTERMOST)).then(|| Dice::nth(GROUP_OF_GROUP, group, group))
}
