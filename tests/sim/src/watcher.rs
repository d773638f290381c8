//! Those who watch, at one node and then at another: each is told of every change once, in order, wherever it is.
//!
//! A watcher remembers up to where it was told, and goes on from there. One that was away for longer than history lasts has to begin
//! anew, as it would in production; what it was told before and after is looked at apart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use portcullis_machine::Effect;
use portcullis_model::{GroupId, Revision, TenantId, Token};
use portcullis_node::{Node, Told, ViewError, Wanted, WatchError, Watched};
use tokio::time::Instant;

use crate::host::Host;
use crate::time::{TICK, pass};
use crate::world::{Phase, World};

/// How many there are.
pub const WATCHERS: usize = 2;
/// How long a node may take to begin.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is said up to where everything was told.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(200);
/// How long a watcher waits before it tries the same node again.
const AGAIN: Duration = Duration::from_millis(50);

/// What a watcher was told from one beginning on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Behind which revision it began.
    pub from: u64,
    /// Up to where everything was told.
    pub upto: u64,
    /// The changes, by their revisions, and the effects of each.
    pub told: Vec<(u64, Vec<String>)>,
}

/// Everybody who watches.
#[derive(Default)]
pub struct Watchers {
    all: Mutex<[One; WATCHERS]>,
}

#[derive(Default)]
struct One {
    /// Where it is.
    node: u64,
    /// How often it went elsewhere; what is left of a watch before tells it nothing any more.
    moves: u64,
    stretches: Vec<Stretch>,
}

impl Watchers {
    /// Sends a watcher to a node.
    pub fn send(&self, nth: usize, node: u64) {
        let one = &mut self.all()[nth];
        (one.node, one.moves) = (node, one.moves + 1);
    }

    /// What everybody was told.
    pub fn told(&self) -> Vec<Vec<Stretch>> {
        self.all().iter().map(|one| one.stretches.clone()).collect()
    }

    /// Whether everybody was told everything up to a revision.
    pub fn have_reached(&self, revision: u64) -> bool {
        self.all().iter().all(|one| one.stretches.last().is_some_and(|stretch| stretch.upto >= revision))
    }

    /// The move by which a watcher is at a node, if it is.
    fn is_at(&self, nth: usize, node: u64) -> Option<u64> {
        let one = &self.all()[nth];
        (one.node == node).then_some(one.moves)
    }

    fn position(&self, nth: usize) -> Option<u64> {
        self.all()[nth].stretches.last().map(|stretch| stretch.upto)
    }

    fn begin(&self, nth: usize, moves: u64, from: u64) {
        let one = &mut self.all()[nth];
        if one.moves == moves {
            one.stretches.push(Stretch { from, upto: from, told: Vec::new() });
        }
    }

    fn tell(&self, nth: usize, moves: u64, told: &Told) {
        let one = &mut self.all()[nth];
        let Some(stretch) = one.stretches.last_mut().filter(|_| one.moves == moves) else { return };
        stretch.upto = told.position().0;
        if let Told::Commit(commit) = told {
            let effects = commit.effects.iter().map(described).collect();
            stretch.told.push((commit.revision.0, effects));
        }
    }

    fn all(&self) -> MutexGuard<'_, [One; WATCHERS]> {
        self.all.lock().expect("INVARIANT: nothing panics while holding the watchers")
    }
}

/// Has a node tell those watchers that come to it.
pub(crate) fn serve(world: &Arc<World>, host: &Arc<Host>, node: &Arc<Node>) {
    for nth in 0..WATCHERS {
        let (world, host, node) = (Arc::clone(world), Arc::clone(host), Arc::clone(node));
        tokio::spawn(async move {
            loop {
                let moves = world.watchers.is_at(nth, host.id).filter(|_| world.phase() != Phase::Forming);
                match moves {
                    Some(moves) if !host.is_suspended() => watch(&world, &host, &node, nth, moves).await,
                    Some(_) | None => {}
                }
                pass(AGAIN).await;
            }
        });
    }
}

/// Tells a watcher until it goes elsewhere, or cannot be told here.
async fn watch(world: &World, host: &Host, node: &Arc<Node>, nth: usize, moves: u64) {
    let watchers = &world.watchers;
    let (tenant, wanted) = (TenantId::default_tenant(), Wanted::default());
    let asked = Watched { tenant, wanted, checkpoint_every: CHECKPOINT_EVERY };
    let position = watchers.position(nth);
    let since = position.map(|upto| Token { group: GroupId::FIRST, revision: Revision(upto) });
    let begun = node.watch(asked.clone(), since, Instant::now() + BEGIN_TIMEOUT).await;
    let begun = match begun {
        Err(WatchError::View(ViewError::NotRetained { .. })) => {
            node.watch(asked, None, Instant::now() + BEGIN_TIMEOUT).await.map(|watcher| (watcher, true))
        }
        begun => begun.map(|watcher| (watcher, position.is_none())),
    };
    let Ok((mut watcher, is_new)) = begun else { return };
    if host.trap.is_dead() {
        return;
    }
    if is_new {
        watchers.begin(nth, moves, watcher.position().0);
    }
    while watchers.is_at(nth, host.id) == Some(moves) {
        // It looks now and then whether it is still to be here. A call that is given up loses nothing.
        let Ok(told) = tokio::time::timeout(AGAIN, watcher.next()).await else { continue };
        let Ok(told) = told else { return };
        if host.trap.is_dead() {
            return;
        }
        while host.is_suspended() {
            pass(TICK).await;
        }
        watchers.tell(nth, moves, &told);
    }
}

/// What is wrong with what watchers were told; `upto` is what all have reached, and `written` are writes that were acknowledged.
pub fn check(told: &[Vec<Stretch>], written: &[u64]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut all: BTreeMap<u64, &Vec<String>> = BTreeMap::new();
    for (revision, effects) in told.iter().flatten().flat_map(|stretch| &stretch.told) {
        if *all.entry(*revision).or_insert(effects) != effects {
            wrong.push(format!("watchers were told different things of revision {revision}"));
        }
    }
    for (nth, stretch) in told.iter().enumerate().flat_map(|(nth, stretches)| stretches.iter().map(move |s| (nth, s))) {
        let Stretch { from, upto, told } = stretch;
        let revisions: Vec<u64> = told.iter().map(|(revision, _)| *revision).collect();
        if !revisions.is_sorted_by(|one, next| one < next) {
            wrong.push(format!("watcher {nth} was not told in order, or twice, behind {from}: {revisions:?}"));
        }
        let within = |revision: &&u64| **revision > *from && **revision <= *upto;
        let known = all.keys().filter(within).chain(written.iter().filter(within));
        for revision in known.filter(|revision| !revisions.contains(revision)) {
            wrong.push(format!("watcher {nth} was not told of revision {revision}, between {from} and {upto}"));
        }
    }
    wrong
}

fn described(effect: &Effect) -> String {
    format!("{effect:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(from: u64, upto: u64, revisions: &[u64]) -> Vec<Stretch> {
        let told = revisions.iter().map(|revision| (*revision, vec![format!("effect of {revision}")])).collect();
        vec![Stretch { from, upto, told }]
    }

    #[test]
    fn watchers_that_were_told_the_same_are_right() {
        assert_eq!(check(&[stretch(3, 9, &[5, 7, 9]), stretch(6, 8, &[7])], &[2, 5, 7, 9, 12]), Vec::<String>::new());
    }

    #[test]
    fn gaps_and_repeats_are_found() {
        assert_eq!(check(&[stretch(3, 9, &[5, 9]), stretch(4, 9, &[5, 7, 9])], &[]).len(), 1, "the other was told");
        assert_eq!(check(&[stretch(3, 9, &[5, 9])], &[7]).len(), 1, "it was acknowledged");
        assert_eq!(check(&[stretch(3, 9, &[5, 5, 9])], &[]).len(), 1);
        assert_eq!(check(&[stretch(3, 9, &[9, 5])], &[]).len(), 1);
        let mut other = stretch(3, 9, &[5]);
        other[0].told[0].1 = Vec::new();
        assert_eq!(check(&[stretch(3, 9, &[5]), other], &[]).len(), 1);
    }
}
