//! Watching: every change once, as a whole and in order, at whichever node, whatever fails.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use portcullis_client::{Client, Options, Watch, v1};
use portcullis_model::{Revision, Timestamp, Token};
use portcullis_tests::cluster::PATIENCE;
use portcullis_tests::{Cluster, requests, wait};
use portcullis_wire::v1::watch_client::WatchClient;
use tonic::transport::Endpoint;
use v1::change::Change;
use v1::relationship_update::Operation::{self, Delete, Touch};

use crate::asking::{grant_ids, make_viewer, may_view};
use crate::shell;
use crate::writers::Writers;

const SCHEMA: &str = "use expiration
definition user {}
definition group { relation member: user }
definition document { relation viewer: user | user with expiration permission view = viewer }";

fn write(operation: Operation, relationships: &[&str]) -> v1::WriteRelationshipsRequest {
    let update = |relationship: &&str| v1::RelationshipUpdate {
        operation: operation.into(),
        relationship: (*relationship).to_owned(),
    };
    let updates = relationships.iter().map(update).collect();
    v1::WriteRelationshipsRequest { updates, ..v1::WriteRelationshipsRequest::default() }
}

/// The next message, within what a test waits for.
async fn next(watch: &mut Watch) -> anyhow::Result<v1::WatchResponse> {
    Ok(tokio::time::timeout(PATIENCE, watch.message()).await.context("nothing was told")??)
}

async fn next_commit(watch: &mut Watch) -> anyhow::Result<v1::WatchResponse> {
    loop {
        let message = next(watch).await?;
        if !message.is_checkpoint {
            return Ok(message);
        }
        ensure!(message.changes.is_empty(), "a checkpoint changes something: {message:?}");
    }
}

fn position(message: &v1::WatchResponse) -> v1::Position {
    message.position.clone().unwrap_or_default()
}

/// A commit in the words of a test.
fn words(commit: &v1::WatchResponse) -> String {
    let words = |change: &v1::Change| match change.change.as_ref() {
        Some(Change::RelationshipTouched(relationship)) => format!("+{relationship}"),
        Some(Change::RelationshipDeleted(relationship)) => format!("-{relationship}"),
        Some(Change::Grant(grant)) => format!("{} {}", grant.id, grant.state().as_str_name()),
        Some(Change::Role(role)) => format!("role {}", role.permissions.join(" ")),
        Some(Change::RoleDeleted(role)) => format!("no role {role}"),
        Some(Change::Schema(text)) => format!("schema of {} bytes", text.len()),
        None => "nothing".to_owned(),
    };
    commit.changes.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// So many commits, each with its revision.
async fn commits(watch: &mut Watch, count: usize) -> anyhow::Result<Vec<v1::WatchResponse>> {
    let mut commits: Vec<v1::WatchResponse> = Vec::new();
    while commits.len() < count {
        let commit = next_commit(watch).await?;
        let before = commits.last().map_or(0, |before| position(before).revision);
        ensure!(position(&commit).revision > before, "{commit:?} comes behind revision {before}");
        commits.push(commit);
    }
    Ok(commits)
}

fn since(token: &str) -> v1::WatchRequest {
    v1::WatchRequest { since: token.to_owned(), ..v1::WatchRequest::default() }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    Timestamp(i64::try_from(since.as_millis()).expect("the clock is right"))
}

/// Changes something of every kind, and returns what is to be told of it.
async fn change_everything(cluster: &Cluster) -> anyhow::Result<Vec<String>> {
    let (one, two, three) = (cluster.client(1), cluster.client(2), cluster.client(3));
    make_viewer(one).await?;
    let because = v1::WriteOptions { reason: "because".to_owned(), ..v1::WriteOptions::default() };
    two.create_grant(v1::CreateGrantRequest { options: Some(because), ..may_view("alice", "plan") }).await?;
    three.write_relationships(write(Touch, &["group:eng#member@user:a", "group:eng#member@user:b"])).await?;
    // What another tenant does is its own affair.
    one.create_tenant(v1::CreateTenantRequest { id: "other".to_owned(), ..v1::CreateTenantRequest::default() }).await?;
    one.for_tenant("other").write_relationships(write(Touch, &["group:other#member@user:a"])).await?;
    one.revoke_grants(requests::revoke("plan")).await?;
    let all = v1::RelationshipFilter { resource_type: "group".to_owned(), ..v1::RelationshipFilter::default() };
    let delete = v1::DeleteRelationshipsRequest { filter: Some(all), ..v1::DeleteRelationshipsRequest::default() };
    two.delete_relationships(delete).await?;
    three.delete_role(v1::DeleteRoleRequest { id: "viewer".to_owned(), ..v1::DeleteRoleRequest::default() }).await?;
    // Refused, so nothing is told.
    three.create_grant(may_view("bob", "plan")).await.expect_err("its role is gone");
    one.write_schema(v1::WriteSchemaRequest { schema: SCHEMA.to_owned(), ..v1::WriteSchemaRequest::default() }).await?;
    let short = format!("document:plan#viewer@user:a[expiration:{}]", now().plus_ms(1_500));
    two.write_relationships(write(Touch, &[&short])).await?;
    Ok([
        "role document#view",
        "plan STATE_ACTIVE",
        "+group:eng#member@user:a, +group:eng#member@user:b",
        "plan STATE_REVOKED",
        "-group:eng#member@user:a, -group:eng#member@user:b",
        "no role viewer",
        &format!("schema of {} bytes", SCHEMA.len()),
        &format!("+{short}"),
        // It ends by itself.
        "-document:plan#viewer@user:a",
    ]
    .map(str::to_owned)
    .into())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_tells_the_same_as_a_whole_and_in_order() -> anyhow::Result<()> {
    let cluster = Cluster::start_with_spilling_node(3).await?;
    let mut watches: Vec<Watch> = (1..=3).map(|id| cluster.client(id).watch(v1::WatchRequest::default())).collect();
    let mut tokens = BTreeSet::new();
    for watch in &mut watches {
        let first = next(watch).await?;
        ensure!(first.is_checkpoint, "the first is a checkpoint: {first:?}");
        assert_eq!(watch.token(), position(&first).token);
        tokens.insert(watch.token().to_owned());
    }
    let beginning = tokens.pop_first().context("no token")?;
    let expected = change_everything(&cluster).await?;
    let mut told: Option<Vec<v1::WatchResponse>> = None;
    for watch in &mut watches {
        let commits = commits(watch, expected.len()).await?;
        assert_eq!(commits.iter().map(words).collect::<Vec<_>>(), expected);
        assert!(told.is_none_or(|told| told == commits), "every node tells the same");
        told = Some(commits);
    }
    let told = told.unwrap_or_default();
    assert_eq!(told[1].reason, "because");
    assert_eq!(told[1].actor.clone().unwrap_or_default().caller, "user:admin");
    let ended_by = told.last().and_then(|last| last.actor.clone()).unwrap_or_default().caller;
    assert!(ended_by.starts_with("node:"), "{ended_by}");

    // From wherever, and at whichever node, the rest is told.
    let tokens = [vec![beginning], told.iter().map(|commit| position(commit).token).collect()].concat();
    for (nth, token) in tokens.iter().enumerate().take(told.len()) {
        let id = u64::try_from(nth % 3)? + 1;
        let rest = commits(&mut cluster.client(id).watch(since(token)), told.len() - nth).await?;
        assert_eq!(rest, told[nth..], "behind {token} at node {id}");
    }

    // And of what is not asked for nothing.
    let beginning = since(&tokens[0]);
    let types = vec!["document".to_owned()];
    let filter = v1::RelationshipFilter { subject: "user:b".to_owned(), ..v1::RelationshipFilter::default() };
    let kinds = |kind: v1::ChangeKind| vec![kind.into()];
    for (request, expected) in [
        (v1::WatchRequest { object_types: types.clone(), ..beginning.clone() }, vec![0, 1, 3, 5, 6, 7, 8]),
        (v1::WatchRequest { kinds: kinds(v1::ChangeKind::Grant), ..beginning.clone() }, vec![1, 3]),
        (v1::WatchRequest { kinds: kinds(v1::ChangeKind::Schema), ..beginning.clone() }, vec![6]),
        (
            v1::WatchRequest {
                kinds: kinds(v1::ChangeKind::Relationship),
                object_types: types,
                relationships: Vec::new(),
                ..beginning.clone()
            },
            vec![7, 8],
        ),
    ] {
        let some = commits(&mut cluster.client(2).watch(request), expected.len()).await?;
        let expected: Vec<_> = expected.into_iter().map(|nth| told[nth].clone()).collect();
        assert_eq!(some, expected);
    }
    let of_bob =
        v1::WatchRequest { relationships: vec![filter], kinds: kinds(v1::ChangeKind::Relationship), ..beginning };
    let some = commits(&mut cluster.client(1).watch(of_bob), 2).await?;
    let some: Vec<_> = some.iter().map(words).collect();
    assert_eq!(some, ["+group:eng#member@user:b", "-group:eng#member@user:b"]);
    cluster.finish()
}

/// Follows until a revision is reached, and returns what was told of grants, each with its revision.
async fn follow(mut watch: Watch, last: tokio::sync::oneshot::Receiver<u64>) -> anyhow::Result<Vec<(u64, String)>> {
    let mut told: Vec<(u64, String)> = Vec::new();
    let (mut at, mut last, mut end) = (0, std::pin::pin!(last), None);
    while end.is_none_or(|end| at < end) {
        let message = tokio::select! {
            message = next(&mut watch) => message?,
            found = &mut last, if end.is_none() => {
                end = Some(found?);
                continue;
            }
        };
        let revision = position(&message).revision;
        ensure!(revision >= at, "revision {revision} comes behind {at}");
        ensure!(message.is_checkpoint || revision > at, "revision {revision} comes twice");
        at = revision;
        if !message.is_checkpoint {
            told.push((revision, words(&message)));
        }
    }
    Ok(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_elsewhere_without_gap_or_repetition() -> anyhow::Result<()> {
    let mut cluster = Cluster::start_with_spilling_node(3).await?;
    make_viewer(cluster.client(1)).await?;
    let all = cluster.client_of_all()?;
    let mut watch = all.watch(v1::WatchRequest::default());
    let beginning = position(&next(&mut watch).await?).token;
    let (found, last) = tokio::sync::oneshot::channel();
    let following = tokio::spawn(follow(watch, last));
    let writers = Writers::start(&all);
    writers.go_on().await?;
    // One of them is the node that is watched, and one after the other leads.
    for id in 1..=3 {
        cluster.kill(id)?;
        writers.go_on().await?;
        cluster.restart(id).await?;
        writers.go_on().await?;
    }
    let leader = cluster.leader().await?;
    cluster.terminate(leader).await?;
    writers.go_on().await?;
    cluster.restart(leader).await?;
    let acknowledged = writers.stop().await;
    let end = cluster.client(1).create_grant(may_view("alice", "end")).await?.position.unwrap_or_default();
    assert!(found.send(end.revision).is_ok(), "the watch ended: {:?}", following.await);
    let told = following.await??;
    acknowledged.assert_all_there(&cluster).await?;

    // Told is what is there, once.
    let made = told.iter().filter_map(|(_, words)| words.strip_suffix(" STATE_ACTIVE"));
    let mut made: Vec<String> = made.map(str::to_owned).collect();
    made.sort();
    assert_eq!(made, grant_ids(cluster.client(2), v1::GrantFilter::default()).await?);
    assert_eq!(told.last().map(|(at, words)| (*at, words.as_str())), Some((end.revision, "end STATE_ACTIVE")));
    // And what every node tells of it afterwards.
    for id in 1..=3 {
        let again = commits(&mut cluster.client(id).watch(since(&beginning)), told.len()).await?;
        let again: Vec<_> = again.iter().map(|commit| (position(commit).revision, words(commit))).collect();
        assert!(again == told, "node {id} tells something else");
    }
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_sent_a_snapshot_tells_everything() -> anyhow::Result<()> {
    let mut cluster = Cluster::start_with(3, &["--snapshot-every", "100"]).await?;
    make_viewer(cluster.client(1)).await?;
    let behind = cluster.followers().await?[0];
    let mut watch = cluster.client(behind).watch(v1::WatchRequest::default());
    let beginning = position(&next(&mut watch).await?).token;
    let last = cluster.node(behind).gauge("portcullis_raft_last_log_index").await?;
    let generation = std::fs::read_to_string(cluster.node(behind).data_dir.join("state/GENERATION"))?;
    cluster.kill(behind)?;
    let writers = Writers::start(&cluster.client_of_all()?);
    wait::until_true("the log to be cut off", PATIENCE, async || {
        writers.go_on().await?;
        let mut is_cut_off = true;
        for id in cluster.up() {
            is_cut_off &= cluster.node(id).gauge("portcullis_raft_purged_index").await? > last;
        }
        Ok(is_cut_off)
    })
    .await?;
    // The watch goes on by itself where it was, once the node is there again, while others write.
    cluster.restart_unready(behind)?;
    writers.go_on().await?;
    writers.stop().await;
    cluster.until_ready(behind).await?;
    let now = std::fs::read_to_string(cluster.node(behind).data_dir.join("state/GENERATION"))?;
    assert_ne!(now, generation, "the node was not sent a snapshot");
    let made = grant_ids(cluster.client(behind), v1::GrantFilter::default()).await?.len();
    let told = wait::until("the node to be watched again", PATIENCE, async || match next_commit(&mut watch).await {
        Ok(first) => Ok(Some([vec![first], commits(&mut watch, made - 1).await?].concat())),
        Err(error) if error.is::<portcullis_client::Error>() => Ok(None),
        Err(error) => Err(error),
    })
    .await?;
    let elsewhere = cluster.followers().await?.into_iter().find(|id| *id != behind).context("no other follower")?;
    let expected = commits(&mut cluster.client(elsewhere).watch(since(&beginning)), made).await?;
    assert!(told == expected, "node {behind} and node {elsewhere} tell something else");
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_watched_is_refused_by_name() -> anyhow::Result<()> {
    let flags = ["--history-retention-s", "1", "--watchers-max", "2"];
    let mut cluster = Cluster::start_with(1, &flags).await?;
    let client = cluster.node(1).client_within(Duration::from_secs(1))?;
    make_viewer(&client).await?;
    let mut first = client.watch(v1::WatchRequest::default());
    let old = position(&next(&mut first).await?).token;
    let other_group = Token { group: portcullis_model::GroupId(7), revision: Revision(1) }.to_string();
    let ahead = Token { group: portcullis_model::GroupId::FIRST, revision: Revision(1 << 40) }.to_string();
    let none = v1::WatchRequest::default;
    let tenant = |tenant: &str| v1::WatchRequest { tenant: tenant.to_owned(), ..none() };
    let every = |seconds, nanos| v1::WatchRequest {
        checkpoint_every: Some(portcullis_wire::Duration { seconds, nanos }),
        ..none()
    };
    for (request, reason, says) in [
        (since("nonsense"), "INVALID_FIELD", "since: `nonsense` is not a valid token"),
        (since(&other_group), "TOKEN_OF_OTHER_GROUP", "the token is of group 7"),
        (since(&ahead), "NOT_FRESH", "was not visible here by the deadline"),
        (tenant("nobody"), "TENANT_NOT_FOUND", "tenant `nobody` does not exist"),
        (tenant("a!b"), "INVALID_FIELD", "tenant: "),
        (v1::WatchRequest { kinds: vec![99], ..none() }, "INVALID_FIELD", "kinds[0]: `99` is not a kind"),
        (v1::WatchRequest { object_types: vec!["A".to_owned()], ..none() }, "INVALID_FIELD", "object_types[0]"),
        (v1::WatchRequest { object_types: vec![String::new(); 101], ..none() }, "INVALID_FIELD", "the most is 100"),
        (every(0, 1_000_000), "INVALID_FIELD", "1 ms is out of range"),
        (every(61, 0), "INVALID_FIELD", "give 100 ms to 60000 ms"),
    ] {
        let refused = client.watch(request).message().await.expect_err(says);
        assert_eq!(refused.reason(), reason, "{refused}");
        assert!(refused.to_string().contains(says), "{refused}");
    }

    // A tenant that goes ends its watches, behind what came before.
    let other = client.for_tenant("other");
    client.create_tenant(v1::CreateTenantRequest { id: "other".to_owned(), ..<_>::default() }).await?;
    let mut watch = other.watch(none());
    next(&mut watch).await?;
    assert_eq!(cluster.node(1).gauge("portcullis_watchers").await?, 2);
    let refused = client.watch(none()).message().await.expect_err("there are two");
    assert_eq!(refused.reason(), "TOO_MANY_WATCHERS", "{refused}");
    other.write_relationships(write(Touch, &["group:eng#member@user:a"])).await?;
    client.delete_tenant(v1::DeleteTenantRequest { id: "other".to_owned(), ..<_>::default() }).await?;
    assert_eq!(words(&next_commit(&mut watch).await?), "+group:eng#member@user:a");
    let ended =
        next_commit(&mut watch).await.expect_err("its tenant is gone").downcast::<portcullis_client::Error>()?;
    assert_eq!(ended.reason(), "TENANT_NOT_FOUND", "{ended}");

    // What is too old to be read is too old to go on from.
    client.create_grant(may_view("alice", "plan")).await?;
    client.revoke_grants(requests::revoke("plan")).await?;
    let refused = wait::until("history to go", PATIENCE, async || {
        Ok(client.watch(since(&old)).message().await.err().filter(|error| error.reason() != "TOO_MANY_WATCHERS"))
    })
    .await?;
    assert_eq!(refused.reason(), "REVISION_NOT_RETAINED", "{refused}");
    assert!(refused.to_string().contains("history begins at revision "), "{refused}");
    // Whoever watched meanwhile has missed nothing.
    let told = commits(&mut first, 2).await?;
    assert_eq!(told.iter().map(words).collect::<Vec<_>>(), ["plan STATE_ACTIVE", "plan STATE_REVOKED"]);
    // And no watch holds up a node that is to stop.
    let stopped = cluster.terminate(1).await?;
    assert!(stopped.success(), "{stopped}");
    assert!(!cluster.node(1).log().contains("cut off"), "{}", cluster.node(1).log());
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_told_of_its_own_however_much_others_do() -> anyhow::Result<()> {
    const TENANTS: u64 = 4;
    let cluster = Cluster::start(1).await?;
    let client = cluster.client(1);
    let name = |nth: u64| format!("t{nth}");
    let mut watches = Vec::new();
    for nth in 0..TENANTS {
        client.create_tenant(v1::CreateTenantRequest { id: name(nth), ..<_>::default() }).await?;
        let every = portcullis_wire::Duration { seconds: 0, nanos: 100_000_000 };
        let request = v1::WatchRequest { checkpoint_every: Some(every), ..<_>::default() };
        let mut watch = client.for_tenant(&name(nth)).watch(request);
        next(&mut watch).await?;
        watches.push(watch);
    }
    // One writes all the time, and the others less and less.
    let writers = (0..TENANTS).map(|nth| {
        let client = client.for_tenant(&name(nth));
        async move {
            let mut written = Vec::new();
            for count in 0..400_u64 {
                let member = format!("group:g{count}#member@user:a");
                let of = if count % (1 + 20 * nth) == 0 { &client } else { &client.for_tenant("default") };
                let done = of.write_relationships(write(Touch, &[&member])).await?;
                if count % (1 + 20 * nth) == 0 {
                    written.push((done.position.unwrap_or_default().revision, format!("+{member}")));
                }
            }
            anyhow::Ok(written)
        }
    });
    let written = futures::future::try_join_all(writers).await?;
    let last = client.write_relationships(write(Touch, &["group:end#member@user:a"])).await?;
    let last = last.position.unwrap_or_default().revision;
    for (watch, written) in watches.iter_mut().zip(written) {
        let told = commits(watch, written.len()).await?;
        let told: Vec<_> = told.iter().map(|commit| (position(commit).revision, words(commit))).collect();
        assert_eq!(told, written);
        // What others do is left behind all the same.
        while position(&next(watch).await?).revision < last {}
    }
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_is_disconnected_and_may_go_on() -> anyhow::Result<()> {
    let cluster = Cluster::start_with(1, &["--watcher-patience-s", "1"]).await?;
    let client = cluster.client(1);
    let endpoint = Endpoint::from_shared(format!("http://{}", cluster.node(1).client_address))?;
    let mut slow = WatchClient::new(endpoint.connect().await?).max_decoding_message_size(usize::MAX);
    let mut messages = slow.watch(v1::WatchRequest::default()).await?.into_inner();
    let beginning = messages.message().await?.context("the watch ended")?;

    // More than a connection takes on by itself, and nobody reads.
    let long = "x".repeat(900);
    let mut written = Vec::new();
    for commit in 0..8 {
        let members: Vec<String> = (0..1_000).map(|nth| format!("group:{long}-{commit}-{nth}#member@user:a")).collect();
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        let done = client.write_relationships(write(Touch, &members)).await?;
        written.push(done.position.unwrap_or_default().revision);
    }
    wait::until_true("the watcher to be disconnected", PATIENCE, async || {
        Ok(cluster.node(1).gauge("portcullis_watchers").await? == 0)
    })
    .await?;
    assert_eq!(cluster.node(1).gauge("portcullis_watch_too_slow_total").await?, 1);

    let (mut told, mut token) = (Vec::new(), position(&beginning).token);
    let ended = loop {
        match messages.message().await {
            Ok(Some(message)) => {
                token = position(&message).token;
                told.extend((!message.is_checkpoint).then(|| position(&message).revision));
                assert!(message.is_checkpoint || message.changes.len() == 1_000, "it is told as a whole");
            }
            Ok(None) => anyhow::bail!("the watch ended and did not say why"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), tonic::Code::ResourceExhausted, "{ended}");
    assert!(ended.message().contains(&format!("watch on from `{token}`")), "{ended}, and the last was {token}");
    assert!(told.len() < written.len(), "it was told everything: {told:?}");
    let rest = commits(&mut client.watch(since(&token)), written.len() - told.len()).await?;
    told.extend(rest.iter().map(|commit| position(commit).revision));
    assert_eq!(told, written);
    client.write_relationships(write(Delete, &["group:eng#member@user:a"])).await?;
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_sends_its_watchers_elsewhere() -> anyhow::Result<()> {
    let mut cluster = Cluster::start_with_spilling_node(3).await?;
    make_viewer(cluster.client(1)).await?;
    let mut watch = cluster.node(1).client_within(Duration::from_secs(2))?.watch(v1::WatchRequest::default());
    next(&mut watch).await?;
    cluster.pause(2)?;
    cluster.pause(3)?;
    let ended = loop {
        if let Err(error) = next(&mut watch).await {
            break error.downcast::<portcullis_client::Error>()?;
        }
    };
    assert_eq!(ended.reason(), "NOT_FRESH", "{ended}");
    assert!(ended.to_string().contains("could not prove"), "{ended}");
    cluster.resume(2)?;
    cluster.resume(3)?;
    cluster.until_ready(1).await?;
    // The others may be told of in the meantime, and the same watch goes on.
    cluster.client(2).create_grant(may_view("alice", "plan")).await?;
    assert_eq!(words(&next_commit(&mut watch).await?), "plan STATE_ACTIVE");
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_prints_changes_as_they_come() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let endpoint = &cluster.node(1).client_address;
    make_viewer(cluster.client(1)).await?;
    let client = Client::new(Options::new([endpoint]))?;
    let beginning = position(&next(&mut client.watch(v1::WatchRequest::default())).await?);
    client.create_grant(may_view("alice", "plan")).await?;
    client.write_relationships(write(Touch, &["group:eng#member@user:a", "group:eng#member@user:b"])).await?;

    let watch = ["--endpoint", endpoint, "watch", "--since", &beginning.token];
    let lines = shell::first_lines(&[&watch[..], &["--kind", "relationship", "--type", "group"]].concat(), 2).await?;
    let at = beginning.revision + 2;
    let member = |user| format!("{at}  user:admin  touched group:eng#member@user:{user}");
    assert_eq!(lines, [member("a"), member("b")]);

    let lines = shell::first_lines(&[&watch[..], &["-o", "json"]].concat(), 3).await?;
    let documents: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?;
    assert_eq!(documents[0]["isCheckpoint"], true);
    assert_eq!(documents[0]["position"]["token"], beginning.token);
    assert_eq!(documents[1]["changes"][0]["grant"]["id"], "plan");
    assert_eq!(documents[1]["actor"]["caller"], "user:admin");
    assert_eq!(documents[2]["changes"][1]["relationshipTouched"], "group:eng#member@user:b");

    let refused = shell::run_in(&[], &["--endpoint", endpoint, "watch", "--since", "nonsense"]).await?;
    refused.assert_refused(&["`nonsense` is not a valid token"]);
    let refused = shell::run_in(&[], &["--endpoint", endpoint, "--tenant", "nobody", "watch"]).await?;
    refused.assert_refused(&["tenant `nobody` does not exist"]);
    cluster.finish()
}
