//! Reads as they go on, and what must hold of their answers.

use portcullis_lease::Fault;

use crate::answer::{Look, Looks, Read, Ready, Stage, View};
use crate::step::Rules;
use crate::world::{NOW, Violation, World};

impl Rules<'_> {
    /// A read is invoked, and looks once.
    pub(crate) fn read(&self, world: &mut World, id: usize, key: u8) {
        world.node(id).read = Some(new_read(world, key, None));
        self.look(world, id);
    }

    pub(crate) fn look(&self, world: &mut World, id: usize) {
        let Some(mut read) = world.node(id).read.take() else { return };
        let Stage::Looking(looks) = &mut read.stage else { return };
        let node = &world.nodes[id];
        match self.order[looks.taken] {
            Look::Expiry => looks.expiry = node.holder.expiry(),
            Look::Clock => looks.now = Some(NOW),
            Look::View => {
                let mark = node.holder.mark();
                let value = node.last_of(read.key, 0, mark.base);
                let applied = if self.fault == Some(Fault::PendingAboveApplied) { node.applied } else { 0 };
                let pending = node.last_of(read.key, mark.base.max(applied), mark.registered.index);
                let has_floor = world.has_told(id, read.floor);
                looks.view = Some(View { mark, value, pending, has_floor });
            }
        }
        looks.taken += 1;
        if looks.taken < self.order.len() {
            world.node(id).read = Some(read);
            return;
        }
        let Ok((began, view)) = looks.begin(self.faults()) else { return };
        if let Some(ready) = read.ready.take() {
            return self.emit(world, id, &read, &ready, &view);
        }
        if view.pending > 0 && !began.may_ignore_pending_of(&view.mark) {
            read.stage = Stage::Waiting(began);
            world.node(id).read = Some(read);
            return;
        }
        self.answer(world, id, &read, view, began.token(&view.mark));
    }

    pub(crate) fn resolve(&self, world: &mut World, id: usize) {
        let Some(read) = world.node(id).read.take() else { return };
        let Stage::Waiting(began) = &read.stage else { return };
        let mark = world.nodes[id].holder.mark();
        let value = world.nodes[id].last_of(read.key, 0, mark.base);
        self.answer(world, id, &read, View { mark, value, pending: 0, has_floor: true }, began.token(&mark));
    }

    fn answer(&self, world: &mut World, id: usize, read: &Read, view: View, token: u64) {
        let base = view.mark.base as usize;
        if view.mark.base > world.declared {
            world.found(Violation::NotVisible);
        } else if world.committed.get(..base) != Some(&world.nodes[id].log[..base]) {
            world.found(Violation::NotCommitted);
        } else if !view.has_floor || view.value < read.floor_of_key {
            world.found(Violation::Stale);
        } else if token < view.mark.base || token < read.floor {
            world.found(Violation::Token);
        }
        if self.slice.emission {
            let ready = Ready { value: view.value, base: view.mark.base };
            world.node(id).read = Some(new_read(world, read.key, Some(ready)));
        }
    }

    /// The answer leaves, unless something touches it; then the read starts again.
    fn emit(&self, world: &mut World, id: usize, read: &Read, ready: &Ready, view: &View) {
        let touched = world.nodes[id].last_of(read.key, ready.base, view.mark.registered.index) > 0;
        let ignored = self.fault == Some(Fault::EmitTouched);
        if touched && !ignored {
            world.node(id).read = Some(new_read(world, read.key, None));
        } else if ready.value < read.floor_of_key {
            world.found(Violation::Stale);
        }
    }
}

/// A read that is invoked now: what is declared by now it must show.
fn new_read(world: &World, key: u8, ready: Option<Ready>) -> Read {
    Read { key, floor: world.told(), floor_of_key: world.told_of(key), stage: Stage::Looking(Looks::default()), ready }
}
