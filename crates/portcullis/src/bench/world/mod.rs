//! The data that is measured on: of named shape and size, and always the same.

use anyhow::Context;
use clap::ValueEnum;
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use portcullis_client::{Client, Error, Kind, v1};

/// Documents at the most.
pub(super) const SIZE_MAX: u32 = 10_000_000;
/// Members of a group.
const MEMBERS: u32 = 20;
/// Questions that are asked in turn.
const QUESTIONS: u32 = 20_000;
/// Updates in one write.
const UPDATES: usize = 1_000;
/// Writes that are under way at a time while a world is loaded.
const WRITES: usize = 64;

/// A role that is made last, so that a world that was loaded in part is not measured.
const LOADED: &str = "loaded";

/// The shape of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Shape {
    /// Documents in a tree of folders, each with a viewer; every fifth folder is shared with a nested group.
    Docs,
    /// Documents with a viewer each, and nothing else.
    Flat,
    /// One chain of folders, with a grant on the topmost.
    Deep,
    /// One user in many groups, one of which sees everything.
    Wide,
}

/// A world.
#[derive(Clone, Copy, Debug)]
pub(super) struct World {
    shape: Shape,
    documents: u32,
}

impl World {
    pub(super) fn new(shape: Shape, documents: u32) -> Self {
        Self { shape, documents }
    }

    fn users(self) -> u32 {
        (self.documents / 3).max(10)
    }

    fn groups(self) -> u32 {
        (self.documents / 60).max(2)
    }

    fn folders(self) -> u32 {
        match self.shape {
            Shape::Docs | Shape::Wide => (self.documents / 12).max(2),
            Shape::Flat => 0,
            Shape::Deep => 40,
        }
    }

    /// Loads the world into a tenant of its own, unless it is there, and returns the tenant.
    pub(super) async fn load(self, client: &Client) -> anyhow::Result<String> {
        let tenant = format!("bench-{:?}-{}", self.shape, self.documents).to_lowercase();
        match client.create_tenant(v1::CreateTenantRequest { id: tenant.clone(), options: None }).await {
            Ok(_) => {}
            Err(error) if error.kind() == Kind::AlreadyExists => {
                let marker = v1::GetRoleRequest { id: LOADED.to_owned(), ..v1::GetRoleRequest::default() };
                let remedy = "it was not loaded to its end: remove it with `portcullis tenant delete";
                client.for_tenant(&tenant).get_role(marker).await.with_context(|| format!("{remedy} {tenant}`"))?;
                return Ok(tenant);
            }
            Err(error) => return Err(error.into()),
        }
        let client = client.for_tenant(&tenant);
        client.create_role(role("viewer")).await?;
        let (relationships, grants) = (self.relationships(), self.grants());
        let progress = ProgressBar::new((relationships.len() + grants.len()) as u64);
        for updates in relationships.chunks(UPDATES) {
            let updates = updates.iter().cloned().map(touch).collect();
            let request = v1::WriteRelationshipsRequest { updates, ..v1::WriteRelationshipsRequest::default() };
            client.write_relationships(request).await?;
            progress.inc(UPDATES as u64);
        }
        let made = grants.into_iter().map(|(subject, scope)| {
            let (client, progress) = (client.clone(), progress.clone());
            async move {
                let role = "viewer".to_owned();
                let request = v1::CreateGrantRequest { subject, role, scope, ..v1::CreateGrantRequest::default() };
                client.create_grant(request).await?;
                progress.inc(1);
                Ok::<(), Error>(())
            }
        });
        stream::iter(made).buffer_unordered(WRITES).try_collect::<()>().await.context("a grant cannot be made")?;
        client.create_role(role(LOADED)).await?;
        progress.finish_and_clear();
        Ok(tenant)
    }

    fn relationships(self) -> Vec<String> {
        let mut all = Vec::new();
        if self.shape == Shape::Wide {
            all.extend((0..self.groups()).map(|group| format!("group:g{group}#member@user:u0")));
        } else if self.shape == Shape::Docs {
            for group in 0..self.groups() {
                let member = |nth| format!("group:g{group}#member@user:u{}", self.member(group, nth));
                all.extend((0..MEMBERS).map(member));
                if group % 10 != 0 {
                    all.push(format!("group:g{}#member@group:g{group}#member", group / 2));
                }
            }
        }
        all.extend((1..self.folders()).map(|folder| format!("folder:f{folder}#parent@folder:f{}", self.above(folder))));
        if self.folders() > 0 {
            let place = |document| format!("document:d{document}#parent@folder:f{}", self.folder_of(document));
            all.extend((0..self.documents).map(place));
        }
        all
    }

    fn grants(self) -> Vec<(String, String)> {
        let on_documents = (0..self.documents).map(|document| (self.viewer(document), format!("document:d{document}")));
        let shared = (0..self.folders()).step_by(5).map(|folder| {
            let group = self.shared_with(folder);
            (format!("group:g{group}#member"), format!("folder:f{folder}"))
        });
        match self.shape {
            Shape::Docs => on_documents.chain(shared).collect(),
            Shape::Flat => on_documents.collect(),
            Shape::Deep => vec![("user:u0".to_owned(), "folder:f0".to_owned())],
            Shape::Wide => vec![(format!("group:g{}#member", self.groups() - 1), "folder:f0".to_owned())],
        }
    }

    /// Questions of which about half are allowed.
    pub(super) fn questions(self) -> Vec<v1::CheckItem> {
        (0..QUESTIONS).map(|nth| self.question(nth)).collect()
    }

    fn question(self, nth: u32) -> v1::CheckItem {
        // A step that shares no factor with most sizes spreads the questions over the whole world.
        let document = nth.wrapping_mul(7_919) % self.documents;
        let stranger = format!("user:u{}", nth.wrapping_mul(104_729) % self.users());
        let subject = match (self.shape, nth % 10) {
            (Shape::Docs, 0..4) => {
                format!("user:u{}", self.member(self.shared_with(self.shared_above(document)), nth % MEMBERS))
            }
            (Shape::Docs, 4) | (Shape::Flat, 0..5) => self.viewer(document),
            (Shape::Deep | Shape::Wide, 0..5) => "user:u0".to_owned(),
            (Shape::Docs | Shape::Flat | Shape::Deep | Shape::Wide, _) => stranger,
        };
        v1::CheckItem {
            subject,
            permission: "view".to_owned(),
            resource: format!("document:d{document}"),
            context: String::new(),
        }
    }

    fn viewer(self, document: u32) -> String {
        format!("user:u{}", document.wrapping_mul(31) % self.users())
    }

    fn member(self, group: u32, nth: u32) -> u32 {
        (group * MEMBERS + nth).wrapping_mul(17) % self.users()
    }

    fn folder_of(self, document: u32) -> u32 {
        match self.shape {
            Shape::Deep => self.folders() - 1,
            Shape::Docs | Shape::Flat | Shape::Wide => document % self.folders(),
        }
    }

    fn above(self, folder: u32) -> u32 {
        if self.shape == Shape::Deep { folder - 1 } else { (folder - 1) / 3 }
    }

    fn shared_with(self, folder: u32) -> u32 {
        folder / 5 % self.groups()
    }

    /// The nearest folder at or above a document that is shared with a group.
    fn shared_above(self, document: u32) -> u32 {
        let mut folder = self.folder_of(document);
        while !folder.is_multiple_of(5) {
            folder = self.above(folder);
        }
        folder
    }
}

fn role(id: &str) -> v1::CreateRoleRequest {
    let permissions = vec!["document#view".to_owned()];
    v1::CreateRoleRequest { id: id.to_owned(), permissions, ..v1::CreateRoleRequest::default() }
}

/// An update that makes a relationship.
pub(super) fn touch(relationship: String) -> v1::RelationshipUpdate {
    v1::RelationshipUpdate { operation: v1::relationship_update::Operation::Touch.into(), relationship }
}
