//! openraft's own suite, on our log store and state machine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use portcullis_fault::Points;
use portcullis_lease::Faults;
use portcullis_model::{GroupId, NodeId};
use portcullis_storage::{log, state};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::clock::SystemClock;
use crate::group::origin;
use crate::leases::Leases;
use crate::log_store::LogStore;
use crate::state_machine::StateMachine;
use crate::types::{Runtime, Types};
use crate::{Transport, TransportError};

/// Opens a log and a state in a folder.
pub(super) fn open(folder: &Path, node: u64) -> (log::Log, state::Store) {
    let (log_folder, state_folder) = (folder.join("log"), folder.join("state"));
    std::fs::create_dir_all(&log_folder).unwrap();
    let owner = log::Owner { group: GroupId::FIRST.0, node };
    let log = log::Log::open(&log_folder, &log::Options::default(), owner).unwrap();
    let store = state::Store::open(&state_folder, &state::Options::new(GroupId::FIRST), &mut |_| {}).unwrap();
    (log, store)
}

/// There is nobody else.
pub(super) struct Nowhere;

impl Transport for Nowhere {
    fn call(
        &self,
        to: NodeId,
        address: &str,
        _message: Vec<u8>,
        _timeout: Duration,
    ) -> BoxFuture<'static, Result<Vec<u8>, TransportError>> {
        let error = TransportError::Unreachable { to, address: address.to_owned(), why: "nobody is there".to_owned() };
        futures::future::ready(Err(error)).boxed()
    }

    fn send(&self, _to: NodeId, _address: &str, _note: Vec<u8>) {}
}

struct Builder;

impl StoreBuilder<Types, LogStore, StateMachine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<Types>> {
        let folder = tempfile::tempdir().unwrap();
        let (log, store) = open(folder.path(), 1);
        let (published, _) = watch::channel(0);
        let origin = origin(NodeId(1), &log, &store, Faults::default()).unwrap();
        let leases = Leases::new(origin, Arc::new(SystemClock), Arc::new(Nowhere), Points::default());
        // The suite applies what no leader has declared.
        leases.proved_visible(u64::MAX);
        let machine = StateMachine::new(store, published, Arc::clone(&leases)).unwrap();
        Ok((folder, LogStore::new(log, leases), machine))
    }
}

#[tokio::test]
async fn openrafts_suite_passes() {
    Runtime::scope(1, Suite::test_all(Builder)).await.unwrap();
}
