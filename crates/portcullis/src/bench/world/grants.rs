//! Documents in a tree of folders, with grants in place of a schema.

use super::{Ask, Parts};

/// What all sizes have the parts of, in documents, and how many relationships and grants that is.
const SIZE: u32 = 14_700;
const DOCUMENTS: u32 = 6_000;
/// Members of a group.
const MEMBERS: u32 = 20;

/// Each document has a viewer; every fifth folder is shared with a group, nine tenths of which are nested in another.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Grants {
    documents: u32,
}

impl Grants {
    pub(super) fn new(size: u32) -> Self {
        let documents = u64::from(DOCUMENTS) * u64::from(size) / u64::from(SIZE);
        Self { documents: u32::try_from(documents).unwrap_or(u32::MAX).max(10) }
    }

    fn users(self) -> u32 {
        (self.documents / 3).max(10)
    }

    fn groups(self) -> u32 {
        (self.documents / 60).max(2)
    }

    fn folders(self) -> u32 {
        (self.documents / 12).max(2)
    }

    pub(super) fn relationships(self) -> impl Iterator<Item = String> {
        let members = (0..self.groups()).flat_map(move |group| {
            let member = move |nth| format!("group:g{group}#member@user:u{}", self.member(group, nth));
            let nested = (group % 10 != 0).then(|| format!("group:g{}#member@group:g{group}#member", group / 2));
            (0..MEMBERS).map(member).chain(nested)
        });
        let above = (1..self.folders()).map(|folder| format!("folder:f{folder}#parent@folder:f{}", (folder - 1) / 3));
        let place = move |document| format!("document:d{document}#parent@folder:f{}", self.folder_of(document));
        members.chain(above).chain((0..self.documents).map(place))
    }

    /// Subjects and scopes.
    pub(super) fn grants(self) -> impl Iterator<Item = (String, String)> {
        let on_documents =
            (0..self.documents).map(move |document| (self.viewer(document), format!("document:d{document}")));
        let shared = (0..self.folders()).step_by(5).map(move |folder| {
            let group = self.shared_with(folder);
            (format!("group:g{group}#member"), format!("folder:f{folder}"))
        });
        on_documents.chain(shared)
    }

    pub(super) fn parts(self) -> Parts {
        Parts::from([
            ("users", self.users()),
            ("groups", self.groups()),
            ("folders", self.folders()),
            ("documents", self.documents),
        ])
    }

    /// About half are allowed: those of strangers are by chance.
    pub(super) fn question(self, nth: u32) -> Ask {
        // A step that shares no factor with most sizes spreads the questions over the whole world.
        let document = nth.wrapping_mul(7_919) % self.documents;
        let subject = match nth % 10 {
            0..4 => format!("user:u{}", self.member(self.shared_with(self.shared_above(document)), nth % MEMBERS)),
            4 => self.viewer(document),
            _ => format!("user:u{}", nth.wrapping_mul(104_729) % self.users()),
        };
        Ask { subject, resource: format!("document:d{document}"), allowed: nth % 10 < 5 }
    }

    fn viewer(self, document: u32) -> String {
        format!("user:u{}", document.wrapping_mul(31) % self.users())
    }

    fn member(self, group: u32, nth: u32) -> u32 {
        (group * MEMBERS + nth).wrapping_mul(17) % self.users()
    }

    fn folder_of(self, document: u32) -> u32 {
        document % self.folders()
    }

    fn shared_with(self, folder: u32) -> u32 {
        folder / 5 % self.groups()
    }

    /// The nearest folder at or above a document that is shared with a group.
    fn shared_above(self, document: u32) -> u32 {
        let mut folder = self.folder_of(document);
        while !folder.is_multiple_of(5) {
            folder = (folder - 1) / 3;
        }
        folder
    }
}
