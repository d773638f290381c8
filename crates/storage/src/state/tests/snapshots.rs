//! Snapshots from one store to another.

use std::path::PathBuf;

use super::*;
use crate::codec;
use crate::state::{Header, Inbox, Piece, ReceiveError, Received, Snapshot};

/// The node that sends.
const SENDER: u64 = 1;

/// A store whose snapshot takes several pieces.
fn large() -> Bench {
    let mut bench = Bench::new();
    let here = TenantId::default_tenant();
    for batch in 0..4 {
        let long = "x".repeat(600);
        let updates = (0..400).map(|n| touch(&format!("group:{long}{batch}-{n}#member@user:{long}"))).collect();
        bench.done(write(&here, updates));
    }
    bench.done(write(&here, vec![touch("group:g#member@user:a"), touch("document:a#parent@folder:f")]));
    bench.done(create_tenant("t1"));
    bench.store.apply_membership(at(bench.next), b"the members".to_vec()).unwrap();
    bench.next += 1;
    bench.store.publish().unwrap();
    bench
}

/// A store with another past.
fn other() -> Bench {
    let mut bench = Bench::new();
    bench.done(create_tenant("t10"));
    bench.done(write(&tenant("t10"), vec![touch("group:g1#member@user:ab")]));
    bench
}

fn pieces(snapshot: &Snapshot) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    loop {
        let after = pieces.last().map(|piece| {
            let rows: Vec<(Vec<u8>, Vec<u8>)> = codec::decode(&piece.rows).unwrap();
            rows.last().unwrap().0.clone()
        });
        pieces.push(snapshot.piece(after).unwrap());
        if pieces.last().unwrap().last {
            return pieces;
        }
    }
}

fn receive(inbox: &Inbox, snapshot: &Snapshot) -> Received {
    let mut incoming = inbox.receive(SENDER, snapshot.header()).unwrap();
    for piece in pieces(snapshot) {
        incoming.take(&piece).unwrap();
    }
    incoming.finish().unwrap()
}

/// Everything that can be seen of two stores is the same.
fn assert_same(ours: &Store, theirs: &Store) {
    assert_eq!((ours.applied(), ours.membership(), ours.sum), (theirs.applied(), theirs.membership(), theirs.sum));
    assert!(rows(ours) == rows(theirs), "the rows differ");
    assert_eq!(sum_of_all(ours), ours.sum);
    let (ours, theirs) = (ours.reader(), theirs.reader());
    assert_eq!(answers(&ours.view()), answers(&theirs.view()));
    assert_eq!(ours.view().revision, theirs.view().revision);
    let revision = ours.view().revision;
    assert_eq!(ours.state_hash(revision), theirs.state_hash(revision));
    assert_eq!(
        ours.view_at(&TenantId::default_tenant(), revision).unwrap().map(|view| answers(&view)),
        Some(answers(&theirs.view()))
    );
    assert_eq!(
        ours.present().unwrap().tenants(None, 100).unwrap(),
        theirs.present().unwrap().tenants(None, 100).unwrap()
    );
    assert_eq!(ours.cluster().unwrap(), theirs.cluster().unwrap());
}

fn folders(bench: &Bench) -> Vec<String> {
    let items = fs::read_dir(bench.folder.path()).unwrap();
    let mut names: Vec<String> = items.map(|item| item.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn an_installed_snapshot_is_the_copy_that_was_frozen() {
    let (mut source, mut target) = (large(), other());
    let snapshot = source.store.snapshot().unwrap();
    let frozen = large();
    // What comes later is not part of it.
    source.done(create_tenant("t"));
    assert!(pieces(&snapshot).len() > 3, "{} pieces", pieces(&snapshot).len());
    let received = receive(&target.store.inbox(), &snapshot);
    assert_eq!(received.header(), snapshot.header());
    let reader = target.store.reader();
    let old_view = reader.view().clone();
    target.store.install(&received).unwrap();
    drop(received);
    // A handle that was there before sees the new copy; a version that somebody holds stays what it was.
    assert_eq!(reader.view().revision, Revision(frozen.next - 1));
    assert_eq!(reader.state_hash(old_view.revision), None, "that was of another past");
    assert!(old_view.resident.tenant(&tenant("t10")).is_some());
    assert!(reader.view().resident.tenant(&tenant("t10")).is_none());
    assert_same(&target.store, &frozen.store);
    assert_eq!(folders(&target), ["GENERATION", "gen-2"]);
    drop(reader);
    target.reopen();
    assert_same(&target.store, &frozen.store);
    // Both go on alike.
    target.next = frozen.next;
    target.done(create_tenant("t"));
    target.reopen();
    assert_same(&target.store, &source.store);
    drop(snapshot);
    assert_eq!(folders(&source), ["GENERATION", "gen-1"]);
}

#[test]
fn the_old_copy_stays_for_those_who_read_it() {
    let (mut source, mut target) = (large(), other());
    let received = receive(&target.store.inbox(), &source.store.snapshot().unwrap());
    let mut own = target.store.snapshot().unwrap();
    let reads = target.store.reads.owned(None);
    target.store.install(&received).unwrap();
    assert!(folders(&target).contains(&"gen-1".to_owned()));
    assert!(reads.rows(&Key::tenant(GroupId::FIRST, &tenant("t10"))).next().is_some());
    drop(reads);
    assert!(!folders(&target).contains(&"gen-1".to_owned()));
    // Neither does a snapshot that is being sent go with its copy.
    assert!(own.piece(None).unwrap().last);
    own = target.store.snapshot().unwrap();
    assert_eq!(own.header().applied(), source.store.applied());
}

#[test]
fn receiving_goes_on_where_it_was_interrupted() {
    let (mut source, mut target) = (large(), other());
    let snapshot = source.store.snapshot().unwrap();
    let pieces = pieces(&snapshot);
    let inbox = target.store.inbox();
    for piece in &pieces {
        let mut incoming = inbox.receive(SENDER, snapshot.header()).unwrap();
        assert_eq!(incoming.after(), piece.after.as_deref());
        incoming.take(piece).unwrap();
        // The node stops, and its copy is opened again.
        drop(incoming);
        target.reopen();
    }
    let incoming = inbox.receive(SENDER, snapshot.header()).unwrap();
    let received = incoming.finish().unwrap();
    target.store.install(&received).unwrap();
    assert_same(&target.store, &source.store);
}

#[test]
fn another_snapshot_begins_anew() {
    let (mut source, target) = (large(), other());
    let snapshot = source.store.snapshot().unwrap();
    let first = snapshot.piece(None).unwrap();
    let inbox = target.store.inbox();
    let mut incoming = inbox.receive(SENDER, snapshot.header()).unwrap();
    incoming.take(&first).unwrap();
    drop(incoming);
    assert!(inbox.receive(SENDER, snapshot.header()).unwrap().after().is_some());
    assert!(inbox.receive(SENDER + 1, snapshot.header()).unwrap().after().is_none());
    let mut incoming = inbox.receive(SENDER, snapshot.header()).unwrap();
    incoming.take(&first).unwrap();
    drop(incoming);
    let applied = snapshot.header().applied.map(|(term, index)| (term, index + 1));
    let later = Header { applied, ..snapshot.header().clone() };
    assert!(inbox.receive(SENDER, &later).unwrap().after().is_none());
}

#[test]
fn pieces_that_do_not_fit_are_refused_and_change_nothing() {
    let (mut source, mut target) = (large(), other());
    let snapshot = source.store.snapshot().unwrap();
    let pieces = pieces(&snapshot);
    let mut incoming = target.store.inbox().receive(SENDER, snapshot.header()).unwrap();
    for (n, piece) in pieces.iter().enumerate() {
        let after = incoming.after().map(<[u8]>::to_vec);
        let mut damaged = piece.clone();
        let middle = damaged.rows.len() / 2;
        damaged.rows[middle] ^= 1;
        assert!(matches!(incoming.take(&damaged), Err(ReceiveError::Damaged)));
        let rows = codec::encode(&"no rows");
        let malformed = Piece { checksum: crc32c::crc32c(&rows), rows, ..piece.clone() };
        assert!(matches!(incoming.take(&malformed), Err(ReceiveError::Malformed(_))));
        for other in pieces.iter().enumerate().filter(|(other, _)| *other != n).map(|(_, piece)| piece) {
            assert!(matches!(incoming.take(other), Err(ReceiveError::OutOfOrder)));
        }
        // Rows that go back within a piece.
        let mut rows: Vec<(Vec<u8>, Vec<u8>)> = codec::decode(&piece.rows).unwrap();
        if rows.len() > 1 {
            let last = rows.len() - 1;
            rows.swap(0, last);
            let rows = codec::encode(&rows);
            let turned = Piece { checksum: crc32c::crc32c(&rows), rows, ..piece.clone() };
            assert!(matches!(incoming.take(&turned), Err(ReceiveError::OutOfOrder)));
        }
        assert_eq!(incoming.after(), after.as_deref(), "a refused piece moved the place");
        incoming.take(piece).unwrap();
    }
    target.store.install(&incoming.finish().unwrap()).unwrap();
    assert_same(&target.store, &source.store);
}

#[test]
fn a_snapshot_that_is_not_what_was_announced_is_dropped() {
    let (mut source, mut target) = (large(), other());
    let snapshot = source.store.snapshot().unwrap();
    let inbox = target.store.inbox();
    let mut wrong = snapshot.header().clone();
    wrong.sum[0] ^= 1;
    let mut incoming = inbox.receive(SENDER, &wrong).unwrap();
    for piece in pieces(&snapshot) {
        incoming.take(&piece).unwrap();
    }
    assert!(matches!(incoming.finish(), Err(ReceiveError::WrongSum)));
    assert_eq!(folders(&target), ["GENERATION", "gen-1"]);
    assert!(inbox.receive(SENDER, &wrong).unwrap().after().is_none());
    // Neither is one that ends too early.
    let mut incoming = inbox.receive(SENDER, snapshot.header()).unwrap();
    incoming.take(&snapshot.piece(None).unwrap()).unwrap();
    assert!(matches!(incoming.finish(), Err(ReceiveError::WrongSum)));
    target.reopen();
    assert_same(&target.store, &other().store);
}

#[test]
fn a_received_snapshot_that_is_not_installed_goes() {
    let (mut source, target) = (large(), other());
    let received = receive(&target.store.inbox(), &source.store.snapshot().unwrap());
    assert_eq!(folders(&target), ["GENERATION", "gen-1", "incoming"]);
    drop(received);
    assert_eq!(folders(&target), ["GENERATION", "gen-1"]);
}

/// The database has become a generation, and the file does not name it yet.
#[test]
fn a_crash_before_the_new_copy_counts_leaves_the_old_one() {
    let (mut source, mut target) = (large(), other());
    let received = receive(&target.store.inbox(), &source.store.snapshot().unwrap());
    let root: PathBuf = target.folder.path().to_owned();
    replace(&mut target.store, || {
        fs::rename(root.join("incoming"), root.join("gen-2")).unwrap();
        received.removal.disarm();
        open(&root)
    });
    assert_same(&target.store, &other().store);
    assert_eq!(folders(&target), ["GENERATION", "gen-1"]);
    // And it is installed at the next attempt.
    let received = receive(&target.store.inbox(), &source.store.snapshot().unwrap());
    target.store.install(&received).unwrap();
    assert_same(&target.store, &source.store);
}

/// The file names the new copy, and the old one is still there.
#[test]
fn a_crash_before_the_old_copy_goes_leaves_the_new_one() {
    let (mut source, mut target) = (large(), other());
    let received = receive(&target.store.inbox(), &source.store.snapshot().unwrap());
    let root: PathBuf = target.folder.path().to_owned();
    let old = target.store.reads.owned(None);
    target.store.install(&received).unwrap();
    // A copy of the folder as the crash leaves it.
    let crashed = folder();
    copy(&root, crashed.path());
    drop(old);
    assert!(crashed.path().join("gen-1").is_dir());
    let store = open(crashed.path());
    assert_same(&store, &source.store);
    assert!(!crashed.path().join("gen-1").exists());
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let (path, target) = (item.as_ref().unwrap().path(), to.join(item.as_ref().unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(path, target).unwrap();
        }
    }
}

/// What a snapshot includes is on disk when it is made, so that the log may be purged up to it.
#[test]
fn what_a_snapshot_includes_survives_a_power_loss() {
    let mut bench = large();
    let snapshot = bench.store.snapshot().unwrap();
    let (sum, applied) = (bench.store.sum, snapshot.header().applied());
    bench.done(create_tenant("t"));
    let root = bench.folder.path().to_owned();
    replace(&mut bench.store, || {
        for item in fs::read_dir(root.join("gen-1")).unwrap().map(|item| item.unwrap().path()) {
            if item.extension().is_some_and(|extension| extension == "log") {
                fs::write(item, []).unwrap();
            }
        }
        open(&root)
    });
    assert_eq!((bench.store.applied(), bench.store.sum), (applied, sum));
}
