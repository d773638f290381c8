//! Every order of two threads' steps, as memory may show them: a read, and a holder whose lease lapses and is renewed.
//!
//! What a read looks at are two cells that are stored and loaded one at a time, and the clocks. The cells may be seen late;
//! time may not, so the clocks and what is declared elsewhere are behind a lock.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loom::sync::atomic::AtomicU64 as Shared;
use loom::sync::{Arc, Mutex};
use loom::thread;
use portcullis_lease::read::{Mark, Published, begin, begin_broken_by};
use portcullis_lease::{Fault, Faults, Limit, Position, Reading};

/// When the lease ends at first, and after its renewal. In between, a write is declared without it.
const FIRST_END: u64 = 100;
const SECOND_END: u64 = 200;

/// What the two threads share.
struct World {
    expiry: Shared,
    registered: Shared,
    outside: Mutex<Outside>,
}

/// The time, and up to which entry everything is declared, by a leader elsewhere.
struct Outside {
    now: u64,
    declared: u64,
}

/// One read's view of it.
struct Looks {
    world: Arc<World>,
    /// What was declared at the last look.
    declared: Cell<u64>,
}

impl Looks {
    /// Looks at the clocks; every look takes place at some time.
    fn time(&self) -> u64 {
        let outside = self.world.outside.lock().expect("nobody panics");
        self.declared.set(outside.declared);
        outside.now
    }
}

impl Published for Looks {
    type View = Mark;

    fn expiry(&self) -> Option<Limit> {
        self.time();
        Some(Limit::new(at(0), Duration::from_millis(self.world.expiry.load(Ordering::Acquire))))
    }

    fn view(&self) -> Mark {
        self.time();
        Mark { base: 0, visible: 0, registered: Position::new(1, self.world.registered.load(Ordering::Acquire)) }
    }

    fn now(&self) -> Reading {
        at(self.time())
    }
}

fn at(millis: u64) -> Reading {
    let time = Duration::from_millis(millis);
    Reading { boot: time, raw: time, monotonic: time }
}

/// The holder: its lease lapses, an entry is declared without it, it registers the entry, and its lease is renewed.
fn lapse_and_renew(world: &World) {
    world.outside.lock().expect("nobody panics").now = FIRST_END;
    world.outside.lock().expect("nobody panics").declared = 1;
    world.registered.store(1, Ordering::Release);
    world.expiry.store(SECOND_END, Ordering::Release);
}

/// Looks once, in the order of the rules or of one that is broken, and checks what may follow from it.
fn look(faults: Option<Faults>) {
    let outside = Mutex::new(Outside { now: 0, declared: 0 });
    let world = Arc::new(World { expiry: Shared::new(FIRST_END), registered: Shared::new(0), outside });
    let holder = thread::spawn({
        let world = Arc::clone(&world);
        move || lapse_and_renew(&world)
    });
    let looks = Looks { world, declared: Cell::new(0) };
    looks.time();
    let declared_before = looks.declared.get();
    let begun = faults.map_or_else(|| begin(&looks), |faults| begin_broken_by(&looks, faults));
    if let Ok((began, _)) = begun {
        let registered = began.registered().index;
        assert!(registered >= declared_before, "a read misses what was declared before it began");
        assert!(registered >= looks.declared.get(), "an answer leaves although its end was declared");
    }
    holder.join().expect("the holder does not panic");
}

/// Checks all orders, and that each broken order of looks is noticed. Prints a row for each.
pub(crate) fn hold() -> bool {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let runs = |faults: Option<Faults>| {
        RUNS.store(0, Ordering::Relaxed);
        let explored = catch_unwind(AssertUnwindSafe(|| {
            loom::model(move || {
                RUNS.fetch_add(1, Ordering::Relaxed);
                look(faults);
            });
        }));
        (explored.is_ok(), RUNS.load(Ordering::Relaxed))
    };
    println!("{:<26} {:>9}", "order of looks", "orders");
    let (sound, orders) = runs(None);
    println!("{:<26} {orders:>9}{}", "lease, View, clock", if sound { "" } else { "  FAILED" });
    // What is noticed is noticed by a panic, which need not be told at length.
    std::panic::set_hook(Box::new(|_| {}));
    let broken = [Fault::ViewBeforeExpiry, Fault::ClockBeforeExpiry].map(|fault| {
        let (passed, orders) = runs(Some(Faults::plant(fault)));
        let noticed = if passed { "NOT NOTICED" } else { "noticed" };
        println!("{:<26} {orders:>9}  {noticed}", format!("{fault:?}"));
        !passed
    });
    drop(std::panic::take_hook());
    println!();
    sound && broken.iter().all(|noticed| *noticed)
}
