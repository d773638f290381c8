//! What will come of entries that are appended and may be cut off.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_lease::{Faults, Position};
use portcullis_machine::Command;
use portcullis_machine::command::CreateTenant;
use portcullis_model::NodeId;
use portcullis_storage::codec;

use super::suite::{Nowhere, open};
use super::wires::{envelope, initialise};
use crate::clock::SystemClock;
use crate::foresee::Foreseer;
use crate::group::origin;
use crate::leases::Leases;

fn entry(epoch: u64, index: u64, command: Command) -> (Position, Option<Bytes>) {
    (Position::new(epoch, index), Some(codec::encode(&envelope(command)).into()))
}

fn tenant(id: &str) -> Command {
    Command::CreateTenant(CreateTenant { id: id.parse().unwrap() })
}

#[test]
fn what_was_cut_off_decides_nothing_of_what_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (log, store) = open(folder.path(), 1);
    let leases = Leases::new(
        origin(NodeId(1), &log, &store, Faults::default()).unwrap(),
        Arc::new(SystemClock),
        Arc::new(Nowhere),
        portcullis_fault::Points::default(),
    );
    let foreseer = Foreseer::new(Arc::clone(&leases), store.reader());
    let succeeds = |epoch, index| foreseer.foresee(Position::new(epoch, index)).map(|reply| reply.result.is_ok());

    leases.appended(&[entry(1, 1, initialise()), entry(1, 2, tenant("a")), entry(1, 3, tenant("a"))], None);
    assert_eq!((succeeds(1, 2), succeeds(1, 3)), (Some(true), Some(false)), "the tenant exists then");
    leases.truncated_after(1);
    assert_eq!(succeeds(1, 3), None, "it is cut off");
    leases.appended(&[entry(2, 2, tenant("b")), entry(2, 3, tenant("a"))], None);
    assert_eq!(succeeds(1, 3), None, "another entry is there");
    assert_eq!((succeeds(2, 3), succeeds(2, 2)), (Some(true), Some(true)), "no tenant of that name exists then");
}
