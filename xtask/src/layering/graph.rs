//! The dependency graph, reduced to what the rules ask.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata};

/// Packages by id, because one name may stand for several versions.
pub(super) struct Graph {
    packages: BTreeMap<String, Package>,
}

pub(super) struct Package {
    id: String,
    pub(super) name: String,
    /// Whether it belongs to the workspace.
    pub(super) member: bool,
    /// The manifest's path within the checkout.
    pub(super) manifest: String,
    edges: Vec<(DependencyKind, String)>,
}

impl Graph {
    pub(super) fn of(metadata: &Metadata) -> Result<Self> {
        let resolve = metadata.resolve.as_ref().context("cargo metadata gave no dependency graph")?;
        let mut packages = BTreeMap::new();
        for node in &resolve.nodes {
            let edges = node.deps.iter().flat_map(|dependency| {
                dependency.dep_kinds.iter().map(|info| (info.kind, dependency.pkg.repr.clone()))
            });
            let package = &metadata[&node.id];
            let path = &package.manifest_path;
            let manifest = path.strip_prefix(&metadata.workspace_root).unwrap_or(path);
            let package = Package {
                id: node.id.repr.clone(),
                name: package.name.to_string(),
                member: metadata.workspace_members.contains(&node.id),
                manifest: manifest.to_string(),
                edges: edges.collect(),
            };
            packages.insert(package.id.clone(), package);
        }
        Ok(Self { packages })
    }

    #[cfg(test)]
    pub(super) fn made_up(edges: &[(&str, DependencyKind, &str)], member: impl Fn(&str) -> bool) -> Self {
        let mut packages = BTreeMap::new();
        for name in edges.iter().flat_map(|(from, _, to)| [from, to]) {
            let mine = edges.iter().filter(|(from, _, _)| from == name);
            let package = Package {
                id: (*name).to_owned(),
                name: (*name).to_owned(),
                member: member(name),
                manifest: format!("{name}/Cargo.toml"),
                edges: mine.map(|(_, kind, to)| (*kind, (*to).to_owned())).collect(),
            };
            packages.insert(package.id.clone(), package);
        }
        Self { packages }
    }

    /// The packages of the workspace.
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().filter(|package| package.member)
    }

    pub(super) fn dependencies(&self, package: &Package) -> impl Iterator<Item = (DependencyKind, &Package)> {
        package.edges.iter().map(|(kind, id)| (*kind, &self.packages[id]))
    }

    /// The shortest way, as names, to each package reached through normal dependencies.
    pub(super) fn ways(&self, from: &Package) -> Vec<Vec<&str>> {
        let mut seen = BTreeSet::from([from.id.as_str()]);
        let start = &self.packages[&from.id];
        let mut waiting = VecDeque::from([(start, vec![start.name.as_str()])]);
        let mut ways = Vec::new();
        while let Some((package, way)) = waiting.pop_front() {
            for (kind, next) in self.dependencies(package) {
                if kind == DependencyKind::Normal && seen.insert(&next.id) {
                    let mut longer = way.clone();
                    longer.push(&next.name);
                    waiting.push_back((next, longer));
                }
            }
            ways.push(way);
        }
        ways
    }
}
