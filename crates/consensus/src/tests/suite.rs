//! openraft's own suite, on our log store and state machine.

use std::path::Path;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use portcullis_model::GroupId;
use portcullis_storage::{log, state};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::log_store::LogStore;
use crate::state_machine::StateMachine;
use crate::types::Types;

/// Opens a log and a state in a folder.
pub(super) fn open(folder: &Path, node: u64) -> (log::Log, state::Store) {
    let (log_folder, state_folder) = (folder.join("log"), folder.join("state"));
    std::fs::create_dir_all(&log_folder).unwrap();
    let owner = log::Owner { group: GroupId::FIRST.0, node };
    let log = log::Log::open(&log_folder, &log::Options::default(), owner).unwrap();
    let store = state::Store::open(&state_folder, &state::Options::new(GroupId::FIRST), &mut |_| {}).unwrap();
    (log, store)
}

struct Builder;

impl StoreBuilder<Types, LogStore, StateMachine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<Types>> {
        let folder = tempfile::tempdir().unwrap();
        let (log, store) = open(folder.path(), 1);
        let (published, _) = watch::channel(0);
        let machine = StateMachine::new(store, published).unwrap();
        Ok((folder, LogStore::new(log), machine))
    }
}

#[tokio::test]
async fn openrafts_suite_passes() {
    Suite::test_all(Builder).await.unwrap();
}
