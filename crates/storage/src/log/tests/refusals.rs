//! Folders that are not this node's to open.

use super::*;

/// Replaces the version in `IDENTITY`, and makes its checksum that of the new contents.
fn rewrite_identity(path: &Path, version: u8) {
    let mut bytes = fs::read(path.join("IDENTITY")).unwrap();
    bytes[8] = version;
    let body = bytes.len() - 4;
    let checksum = crc32c::crc32c(&bytes[..body]).to_be_bytes();
    bytes[body..].copy_from_slice(&checksum);
    fs::write(path.join("IDENTITY"), bytes).unwrap();
}

fn refusal(path: &Path, owner: Owner) -> OpenError {
    Log::open(path, &Options::default(), owner).err().expect("the folder should be refused")
}

#[test]
fn another_owner_is_refused_by_name() {
    let folder = folder();
    append(&open(folder.path()).unwrap(), entries(1, 0..3)).unwrap();
    for wanted in [Owner { node: 4, ..OWNER }, Owner { group: 2, ..OWNER }] {
        let error = refusal(folder.path(), wanted);
        assert!(matches!(error, OpenError::OtherOwner { found: OWNER, wanted: w, .. } if w == wanted), "{error}");
        let named = format!("belongs to node 3 of group 1, and this is node {} of group {}", wanted.node, wanted.group);
        assert!(error.to_string().contains(&named), "{error}");
    }
    assert_eq!(Kept::of(&open(folder.path()).unwrap()).unwrap().entries, entries(1, 0..3));
}

#[test]
fn a_newer_identity_is_refused() {
    let folder = folder();
    drop(open(folder.path()).unwrap());
    rewrite_identity(folder.path(), 2);
    let error = refusal(folder.path(), OWNER);
    assert!(matches!(error, OpenError::Newer { found: 2, .. }), "{error}");
    assert!(error.to_string().contains("upgrade the binary"), "{error}");
    rewrite_identity(folder.path(), 1);
    drop(open(folder.path()).unwrap());
}

#[test]
fn a_newer_row_is_refused() {
    let folder = folder();
    append(&open(folder.path()).unwrap(), entries(1, 0..3)).unwrap();
    let db = rocksdb::DB::open_default(folder.path().join("entries")).unwrap();
    let key = [&1_u32.to_be_bytes()[..], &[1], &1_u64.to_be_bytes()].concat();
    let mut value = db.get(&key).unwrap().unwrap();
    value[0] = 2;
    db.put(&key, value).unwrap();
    drop(db);
    let error = refusal(folder.path(), OWNER);
    assert!(matches!(error, OpenError::Newer { found: 2, .. }), "{error}");
}

#[test]
fn a_damaged_row_is_refused_by_name() {
    let folder = folder();
    append(&open(folder.path()).unwrap(), entries(1, 0..3)).unwrap();
    let db = rocksdb::DB::open_default(folder.path().join("entries")).unwrap();
    let key = |index: u64| [&1_u32.to_be_bytes()[..], &[1], &index.to_be_bytes()].concat();
    // A row that is whole, under the key of another.
    let value = db.get(key(0)).unwrap().unwrap();
    db.put(key(1), value).unwrap();
    drop(db);
    let error = refusal(folder.path(), OWNER);
    assert!(matches!(&error, OpenError::Damaged { what, .. } if what.contains("is damaged")), "{error}");
}

#[test]
fn two_cannot_have_it_open() {
    let folder = folder();
    let first = open(folder.path()).unwrap();
    let error = refusal(folder.path(), OWNER);
    assert!(matches!(error, OpenError::RocksDb { .. }), "{error}");
    assert!(error.to_string().contains("is another process using it?"), "{error}");
    append(&first, entries(1, 0..3)).unwrap();
}

#[test]
fn a_log_has_one_cluster_for_ever() {
    let folder = folder();
    let log = open(folder.path()).unwrap();
    assert_eq!(log.cluster(), None);
    let adopter = log.adopter();
    adopter.adopt([7; 16]).unwrap();
    adopter.adopt([7; 16]).unwrap();
    assert_eq!(adopter.adopt([8; 16]).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!((log.cluster(), adopter.cluster()), (Some([7; 16]), Some([7; 16])));
    drop((log, adopter));
    let log = open(folder.path()).unwrap();
    assert_eq!(log.cluster(), Some([7; 16]));
    assert!(log.adopter().adopt([8; 16]).is_err());
}

#[test]
fn every_opening_is_another_incarnation() {
    let folder = folder();
    let mut last = 0;
    for _ in 0..5 {
        let log = open(folder.path()).unwrap();
        assert!(log.incarnation() > last);
        last = log.incarnation();
    }
}

/// RocksDB forgets a last record that is cut short, and the incarnation may be all that is in it.
#[test]
fn an_incarnation_that_rocksdb_lost_does_not_come_again() {
    let folder = folder();
    append(&open(folder.path()).unwrap(), entries(1, 0..3)).unwrap();
    let last = open(folder.path()).unwrap().incarnation();
    let wal = fs::OpenOptions::new().write(true).open(only_file(folder.path(), ".log")).unwrap();
    wal.set_len(wal.metadata().unwrap().len() - 1).unwrap();
    assert!(open(folder.path()).unwrap().incarnation() > last);
}

#[test]
fn a_log_is_pristine_until_something_is_promised() {
    type Promise = fn(&Log);
    let promises: [Promise; 3] = [
        |log| append(log, entries(1, 0..1)).unwrap(),
        |log| wait(|done| log.save_vote(vote(1, 1, false), done)).unwrap(),
        |log| wait(|done| log.purge(LogId { term: 1, index: 9 }, done)).unwrap(),
    ];
    for promise in promises {
        let folder = folder();
        assert!(open(folder.path()).unwrap().is_pristine());
        let log = open(folder.path()).unwrap();
        promise(&log);
        assert!(log.is_pristine(), "it was when it was opened");
        drop(log);
        assert!(!open(folder.path()).unwrap().is_pristine());
    }
}
