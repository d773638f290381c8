//! A node that cannot start says why and what to do, and leaves everything as it was.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use portcullis_client::v1;
use portcullis_tests::{Cluster, requests};

use crate::asking::{assert_allowed, make_viewer, may_view, views};
use crate::shell::{Ran, run_in};

/// Addresses of listeners on ports that the system chooses.
const ANYWHERE: [&str; 6] = ["--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"];

async fn serve(args: &[&str]) -> Ran {
    serve_in(&[], args).await
}

async fn serve_in(environment: &[(&str, &str)], args: &[&str]) -> Ran {
    // The last of two equal flags would be refused, so listeners are given only where the case gives none.
    let listeners = if args.contains(&"--listen") { &ANYWHERE[2..] } else { &ANYWHERE[..] };
    let args: Vec<&str> = ["serve"].iter().chain(listeners).chain(args).copied().collect();
    run_in(environment, &args).await.expect("the node ends by itself")
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_make_no_sense_are_refused() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data").display().to_string();
    let config = folder.path().join("node.toml");
    let config_path = config.display().to_string();
    fs::write(&config, "node-id = 1\nlistne = \"127.0.0.1:0\"\n")?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let taken = taken.local_addr()?.to_string();
    let file = folder.path().join("file");
    fs::write(&file, "")?;
    let in_file = file.join("data").display().to_string();

    for (args, says) in [
        (&["--data-dir", &data][..], &["no node id", "`--node-id N`"][..]),
        (&["--node-id", "0", "--data-dir", &data], &["`0` is not a node id", "above 0"]),
        (&["--node-id", "one", "--data-dir", &data], &["one"]),
        (&["--node-id", "1"], &["no data folder", "`--data-dir DIR`"]),
        (&["--node-id", "1", "--data-dir", &in_file], &[&in_file]),
        (
            &["--node-id", "1", "--data-dir", &data, "--listen", "0.0.0.0:0"],
            &["0.0.0.0:0", "not on loopback", "--insecure"],
        ),
        (
            &["--node-id", "1", "--data-dir", &data, "--listen", "here"],
            &["`here` is not an address", "`127.0.0.1:8620`"],
        ),
        (&["--node-id", "1", "--data-dir", &data, "--listen", &taken], &[&taken, "port in use", "choose another"]),
        (&["--config", &config_path], &[&config_path, "listne", "unknown field"]),
        (&["--node-id", "1", "--data-dir", &data, "--nosuch", "x"], &["--nosuch"]),
        (&["--node-id", "1", "--data-dir", &data, "--region", "a b"], &["region", "`a b`", "letters, digits"]),
        (&["--node-id", "1", "--data-dir", &data, "--join", "localhost"], &["`localhost`", "`host:port`"]),
        (&["--node-id", "1", "--data-dir", &data, "--clock-sync", "maybe"], &["maybe", "ignore, warn, require"]),
        (&["--node-id", "1", "--data-dir", &data, "--history-retention-s", "0"], &["`0`", "at least 1"]),
        (&["--node-id", "1", "--data-dir", &data, "--snapshot-every", "-1"], &["-1"]),
    ] {
        serve(args).await.assert_refused(says);
    }
    let broken = serve_in(&[("PORTCULLIS_PLANTED_FAULT", "NoFence")], &["--node-id", "1", "--data-dir", &data]).await;
    broken.assert_refused(&["PORTCULLIS_PLANTED_FAULT", "`NoFence` cannot be broken by this build"]);
    let wrong = serve_in(&[("PORTCULLIS_NODE_ID", "one")], &["--data-dir", &data]).await;
    wrong.assert_refused(&["PORTCULLIS_NODE_ID", "`one`", "node-id"]);
    let wrong = run_in(&[], &["config", "--config", &config_path]).await?;
    wrong.assert_refused(&[&config_path, "listne"]);
    let shown = run_in(&[("PORTCULLIS_REGION", "north")], &["config", "--node-id", "7"]).await?.done();
    let row = |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(row("node-id").contains('7') && row("node-id").ends_with("flag"), "{shown}");
    assert!(row("region").contains("north") && row("region").ends_with("environment"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_of_another_node_or_process_is_refused() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(1).await?;
    let data = cluster.node(1).data_dir.display().to_string();
    let in_use = serve(&["--node-id", "1", "--data-dir", &data]).await;
    in_use.assert_refused(&[&data, "is another process using it?"]);
    assert_allowed_after_writes(&cluster).await?;
    cluster.kill(1)?;
    let before = contents(&cluster.node(1).data_dir)?;
    let other = serve(&["--node-id", "2", "--data-dir", &data]).await;
    other.assert_refused(&[&data, "belongs to node 1", "this is node 2", "a data folder of its own"]);
    assert_eq!(contents(&cluster.node(1).data_dir)?, before);
    cluster.restart(1).await?;
    assert_allowed(&cluster, &views("alice", "plan")).await;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_of_another_cluster_is_refused() -> anyhow::Result<()> {
    let mut other = Cluster::start(1).await?;
    let folder = tempfile::tempdir()?;
    let theirs = other.client(1).status(v1::StatusRequest {}).await?.cluster_id;
    other.kill(1)?;
    copy_folder(&other.node(1).data_dir, folder.path())?;
    other.finish()?;

    let cluster = Cluster::start(1).await?;
    let own = cluster.client(1).status(v1::StatusRequest {}).await?.cluster_id;
    let (data, join) = (folder.path().display().to_string(), cluster.node(1).client_address.clone());
    let before = cluster.agreed_hash().await?;
    let refused = serve(&["--node-id", "1", "--data-dir", &data, "--join", &join]).await;
    refused.assert_refused(&[&data, &theirs, &join, &own, "an empty one"]);
    assert_eq!(cluster.agreed_hash().await?, before);
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_data_folder_is_refused() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(1).await?;
    assert_allowed_after_writes(&cluster).await?;
    cluster.kill(1)?;
    let whole = cluster.node(1).data_dir.clone();
    let entries = largest_log(&whole.join("log/entries"))?;
    let entries = entries.strip_prefix(&whole)?.to_str().unwrap_or_default();
    let flip_all = |bytes: &mut Vec<u8>| bytes.iter_mut().for_each(|byte| *byte = !*byte);
    let flip_one = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    };
    let halve = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);

    for (what, file, damage, names) in [
        ("an overwritten file", "log/ACKED", &flip_all as &dyn Fn(&mut Vec<u8>), "log/ACKED"),
        ("a file cut in half", "log/IDENTITY", &halve, "log/IDENTITY"),
        ("one flipped bit in acknowledged entries", entries, &flip_one, "log/entries"),
        ("acknowledged entries that are gone", entries, &halve, "log/entries"),
    ] {
        // A copy, because a database that is opened may change what it finds.
        let copy = tempfile::tempdir()?;
        copy_folder(&whole, copy.path())?;
        let mut bytes = fs::read(copy.path().join(file))?;
        damage(&mut bytes);
        fs::write(copy.path().join(file), bytes)?;
        let data = copy.path().display().to_string();
        let refused = serve(&["--node-id", "1", "--data-dir", &data]).await;
        println!("{what}: {}", refused.stderr);
        refused.assert_refused(&[&data, names, "wipe the node's data folder"]);
    }
    cluster.restart(1).await?;
    assert_allowed(&cluster, &views("alice", "plan")).await;
    cluster.finish()
}

async fn assert_allowed_after_writes(cluster: &Cluster) -> anyhow::Result<()> {
    make_viewer(cluster.client(1)).await?;
    cluster.client(1).create_grant(may_view("alice", "plan")).await?;
    for nth in 0..20 {
        cluster.client(1).create_grant(requests::grant("", "user:bob", "viewer", &format!("document:d{nth}"))).await?;
    }
    assert_allowed(cluster, &views("alice", "plan")).await;
    Ok(())
}

/// The names and bytes of all files below a folder.
fn contents(folder: &Path) -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.push((path.clone(), fs::read(&path)?));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    for (path, bytes) in contents(from)? {
        let copy = to.join(path.strip_prefix(from)?);
        fs::create_dir_all(copy.parent().unwrap_or(to))?;
        fs::write(copy, bytes)?;
    }
    Ok(())
}

/// The largest write-ahead log of a RocksDB folder.
fn largest_log(folder: &Path) -> anyhow::Result<PathBuf> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "log") {
            logs.push((entry.metadata()?.len(), entry.path()));
        }
    }
    logs.sort();
    Ok(logs.pop().map(|(_, path)| path).unwrap_or_default())
}
