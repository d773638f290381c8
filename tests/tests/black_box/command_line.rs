//! The client commands, with right and wrong input.
//!
//! Wrong input ends with status 2 and an error that names the value and the remedy, and changes nothing.

use portcullis_client::v1;
use portcullis_model::limit;
use portcullis_tests::{Cluster, requests};
use serde_json::Value;

use crate::asking::views;
use crate::shell::{Ran, run_in};

/// Somebody at a terminal.
struct Shell {
    endpoint: String,
}

impl Shell {
    fn of(cluster: &Cluster) -> Self {
        Self { endpoint: cluster.node(1).client_address.clone() }
    }

    async fn run(&self, args: &[&str]) -> Ran {
        run_in(&[("PORTCULLIS_ENDPOINT", &self.endpoint)], args).await.expect("the command runs")
    }

    /// Runs a line of words.
    async fn line(&self, line: &str) -> Ran {
        self.run(&line.split_whitespace().collect::<Vec<_>>()).await
    }

    async fn json(&self, line: &str) -> Value {
        let printed = self.line(&format!("{line} -o json")).await.done();
        serde_json::from_str(&printed).expect("one JSON document")
    }

    /// A small world.
    async fn settle(&self) {
        for line in [
            "role create viewer --permission document#view folder#view",
            "role create editor --permission document#edit --inherits viewer",
            "grant user:alice viewer folder:q3 --id g1",
            "relationship create document:plan#parent@folder:q3",
        ] {
            self.line(line).await.done();
        }
    }

    /// Everything that can be listed.
    async fn everything(&self) -> Vec<String> {
        let mut lists = Vec::new();
        for line in ["tenant list", "role list", "grants list", "relationship read *"] {
            lists.push(self.line(&format!("{line} -o json")).await.done());
        }
        lists
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_do_what_they_say() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let shell = Shell::of(&cluster);
    shell.settle().await;

    let allowed = shell.line("check user:alice view document:plan").await;
    assert_eq!(allowed.status, Some(0), "{allowed:?}");
    assert!(allowed.stdout.starts_with("ALLOW  (revision "), "{allowed:?}");
    let explained = shell.line("check user:alice view document:plan --explain").await.done();
    assert!(explained.contains("grant g1: user:alice is viewer on folder:q3"), "{explained}");
    assert_eq!(shell.line("lookup permissions user:alice document:plan").await.done(), "view\n");
    let denied = shell.line("check user:bob view document:plan").await;
    assert_eq!((denied.status, denied.stderr.as_str()), (Some(1), ""), "{denied:?}");
    assert!(denied.stdout.starts_with("DENY  (revision "), "{denied:?}");

    assert_eq!(shell.line("grant user:bob editor document:plan --for 2h --id g2").await.done(), "g2\n");
    assert_eq!(shell.line("check user:bob view document:plan").await.status, Some(0), "by inheritance");
    let listed = shell.line("grants list --subject user:bob --active").await.done();
    assert!(listed.contains("g2") && !listed.contains("g1"), "{listed}");
    let revoked = shell.line("revoke g2 --reason leaving").await.done();
    assert!(revoked.starts_with("1 grant ended at revision "), "{revoked}");
    assert_eq!(shell.line("check user:bob view document:plan").await.status, Some(1));
    let shown = shell.json("grants get g2").await;
    assert_eq!((&shown["state"], &shown["revokeReason"]), (&"STATE_REVOKED".into(), &"leaving".into()), "{shown}");
    let revoked = shell.line("revoke --subject user:alice").await.done();
    assert!(revoked.starts_with("1 grant ended"), "{revoked}");
    assert_eq!(shell.line("check user:alice view document:plan").await.status, Some(1));
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_the_names_that_scripts_rely_on() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let shell = Shell::of(&cluster);
    shell.settle().await;

    let allowed = shell.json("check user:alice view document:plan").await;
    assert_eq!(allowed["decision"], "DECISION_ALLOW", "{allowed}");
    assert_eq!(allowed["evaluation"]["node"], 1, "{allowed}");
    assert!(allowed["evaluation"]["position"]["revision"].as_u64() > Some(0), "{allowed}");
    let token = allowed["evaluation"]["position"]["token"].as_str().unwrap_or_default().to_owned();
    let fresh = format!("check user:alice view document:plan --consistency at-least-as-fresh --token {token}");
    assert_eq!(shell.line(&fresh).await.status, Some(0));
    let aged = shell.json("check user:alice view document:plan --consistency minimize-latency").await;
    assert!(aged["evaluation"]["ageMs"].is_u64(), "{aged}");

    let granted = shell.json("grant user:bob viewer document:plan --id g2").await;
    assert_eq!(granted["id"], "g2", "{granted}");
    let revoked = shell.json("revoke g2").await;
    assert_eq!(revoked["ids"], serde_json::json!(["g2"]), "{revoked}");
    let role = shell.json("role get editor").await;
    assert_eq!((&role["permissions"][0], &role["inherits"][0]), (&"document#edit".into(), &"viewer".into()), "{role}");

    let status = shell.json("cluster status").await;
    let node = &status["nodes"][0];
    assert_eq!((&status["leader"], &node["id"], &node["role"]), (&1.into(), &1.into(), &"LEADER".into()), "{status}");
    assert_eq!(node["client"], cluster.node(1).client_address, "{status}");
    for name in ["term", "clusterId"] {
        assert!(!status[name].is_null(), "{name} in {status}");
    }
    for name in ["region", "applied", "visible"] {
        assert!(!node[name].is_null(), "{name} in {status}");
    }
    let roles = shell.line("role list -o json").await.done();
    let ids: Vec<Value> =
        roles.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect();
    assert_eq!(ids, ["editor", "viewer"], "one document a line");
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_input_is_refused_by_name_and_changes_nothing() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let shell = Shell::of(&cluster);
    shell.settle().await;
    let before = shell.everything().await;
    let long = "a".repeat(limit::ROLE_BYTES_MAX + 1);
    let create_long = format!("role create {long} --permission document#view");
    for (line, says) in [
        // What does not exist.
        ("grant user:bob nosuch folder:q3", &["role `nosuch` does not exist", "create it first"][..]),
        ("role get nosuch", &["role `nosuch` does not exist", "see `role list`"]),
        ("role create heir --inherits nosuch", &["role `nosuch` does not exist"]),
        ("revoke nosuch", &["grant `nosuch` does not exist", "see `grants list`"]),
        ("revoke g1 nosuch", &["grant `nosuch` does not exist"]),
        (
            "check user:alice view document:plan --tenant nosuch",
            &["tenant `nosuch` does not exist", "tenant create nosuch"],
        ),
        (
            "grant user:bob viewer folder:q3 --tenant nosuch",
            &["tenant `nosuch` does not exist", "tenant create nosuch"],
        ),
        // What exists already, or is in use.
        ("role create viewer --permission document#view", &["role `viewer` exists already", "choose another id"]),
        ("grant user:bob viewer folder:q3 --id g1", &["grant `g1` exists already", "choose another id"]),
        ("relationship create document:plan#parent@folder:q3", &["`document:plan#parent@folder:q3` exists", "touch"]),
        ("role delete viewer", &["role `viewer`", "first"]),
        // What is malformed.
        ("grant bob viewer folder:q3", &["bob", "`type:id`"]),
        ("grant user:bob viewer q3", &["q3", "`type:id`, for example `document:plan`"]),
        ("grant user:bob viewer Folder:q3", &["Folder", "lower-case letters"]),
        ("grant user:bob viewer folder:q3 --id a!b", &["a!b", "letters, digits"]),
        ("role create reader --permission view", &["view", "`type#permission`"]),
        ("check user:alice View document:plan", &["`View`", "lower-case letters"]),
        ("check user:alice view document:plan --token 1234 --consistency at-least-as-fresh", &["`1234`", "token"]),
        ("relationship touch document:plan@folder:q3", &["document:plan@folder:q3"]),
        ("relationship touch document:plan#parent@folder:*", &["`document:plan#parent@folder:*`", "parent"]),
        ("role list --tenant a!b", &["tenant", "`a!b`", "letters, digits"]),
        ("tenant create a!b", &["`a!b`", "letters, digits"]),
        ("tenant create default", &["tenant `default` exists already"]),
        ("tenant delete system", &["tenant `system` is built in"]),
        ("grants list --at yesterday", &["`yesterday`", "token"]),
        ("whoami --as bob", &["bob", "`type:id`"]),
        // What is too long.
        (&create_long, &["129 bytes long", "the most is 128"]),
        // Times.
        ("grant user:bob viewer folder:q3 --for -5s", &["-5s", "is not a duration", "`2h`"]),
        ("grant user:bob viewer folder:q3 --for=-5s", &["-5s", "is not a duration", "`2h`"]),
        ("grant user:bob viewer folder:q3 --for 0s", &["`0s` is not above zero", "`1ms`"]),
        ("grant user:bob viewer folder:q3 --for soon", &["`soon` is not a duration", "`2h`"]),
        ("grant user:bob viewer folder:q3 --until tomorrow", &["tomorrow", "RFC 3339"]),
        ("grant user:bob viewer folder:q3 --until 2020-01-01T00:00:00Z", &["2020-01-01T00:00:00Z", "give a later end"]),
        (
            "grant user:bob viewer folder:q3 --from 2100-01-02T00:00:00Z --until 2100-01-01T00:00:00Z",
            &["2100-01-01T00:00:00Z", "not after its start at 2100-01-02T00:00:00Z", "give a later end"],
        ),
        // Roles that inherit themselves.
        ("role update viewer --inherits editor", &["`viewer` → `editor` → `viewer`", "remove one"]),
        ("role update viewer --inherits viewer", &["`viewer` → `viewer`", "remove one"]),
        // Values that are no options.
        ("grants list --nosuch", &["--nosuch"]),
        ("revoke", &["GRANT_ID"]),
        ("check user:alice view document:plan --endpoint localhost", &["`localhost`", "`host:port`"]),
    ] {
        shell.line(line).await.assert_refused(says);
    }
    let reason = "r".repeat(limit::REASON_BYTES_MAX + 1);
    let ran = shell.run(&["revoke", "g1", "--reason", &reason]).await;
    ran.assert_refused(&["options.reason", "4097 bytes long", "the most is 4096"]);
    assert_eq!(shell.everything().await, before);
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_can_be_imported() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let shell = Shell::of(&cluster);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("relationships");
    let path = file.display().to_string();
    let mut lines: Vec<String> = (0..2_500).map(|nth| format!("group:eng#member@user:u{nth:04}")).collect();
    std::fs::write(&file, format!("# everybody\n{}\n", lines.join("\n")))?;
    let imported = shell.run(&["relationship", "import", &path]).await;
    assert!(imported.stdout.starts_with("2500 read, 2500 created at revision "), "{imported:?}");
    let again = shell.run(&["relationship", "import", &path]).await;
    assert!(again.stdout.starts_with("2500 read, 0 created at revision "), "{again:?}");
    lines.sort();
    let exported = shell.line("relationship export").await.done();
    assert_eq!(exported.lines().collect::<Vec<_>>(), lines);

    // One wrong line, and nothing is written.
    std::fs::write(&file, "group:ops#member@user:alice\ngroup:ops@user:bob\n")?;
    shell.run(&["relationship", "import", &path]).await.assert_refused(&["line 2, `group:ops@user:bob`", "nothing"]);
    shell.run(&["relationship", "import", "/nosuch"]).await.assert_refused(&["`/nosuch` cannot be read"]);
    assert_eq!(shell.line("relationship export").await.done(), exported);
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_at_once_is_refused() -> anyhow::Result<()> {
    let cluster = Cluster::start(1).await?;
    let shell = Shell::of(&cluster);
    shell.settle().await;
    let before = shell.everything().await;

    let members: Vec<String> = (0..=limit::UPDATES_MAX).map(|nth| format!("group:eng#member@user:u{nth}")).collect();
    let mut args = vec!["relationship", "touch"];
    args.extend(members.iter().map(String::as_str));
    shell.run(&args).await.assert_refused(&["1001", "the most is 1000", "split the call"]);
    let ids: Vec<String> = (0..=limit::UPDATES_MAX).map(|nth| format!("g{nth}")).collect();
    let mut args = vec!["revoke"];
    args.extend(ids.iter().map(String::as_str));
    shell.run(&args).await.assert_refused(&["1001 grant ids", "the most is 1000", "split the call"]);

    let client = cluster.client(1);
    let batch = |count: usize, subject: &str| {
        let item = requests::question(subject, "view", "document:plan").item.unwrap_or_default();
        v1::BatchCheckRequest { items: vec![item; count], ..v1::BatchCheckRequest::default() }
    };
    let refused = client.batch_check(batch(limit::BATCH_CHECKS_MAX + 1, "user:alice")).await.unwrap_err();
    assert_eq!(refused.reason(), "TOO_MANY", "{refused}");
    assert!(refused.to_string().contains("10001 checks given, the most is 10000: split the call"), "{refused}");
    let answered = client.batch_check(batch(limit::BATCH_CHECKS_MAX, "user:alice")).await?;
    assert_eq!(answered.results.len(), limit::BATCH_CHECKS_MAX);

    let long = format!("user:{}", "a".repeat(1_000));
    let refused = client.batch_check(batch(5_000, &long)).await.unwrap_err();
    assert_eq!(refused.kind(), portcullis_client::Kind::Invalid, "{refused:?}");
    assert!(refused.to_string().contains(&limit::MESSAGE_BYTES_MAX.to_string()), "{refused}");
    assert!(client.check(views("alice", "plan")).await.is_ok(), "the connection is of use afterwards");
    assert_eq!(shell.everything().await, before);
    cluster.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_cannot_be_reached_is_named() -> anyhow::Result<()> {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let args = ["check", "user:alice", "view", "document:plan", "--timeout", "500ms", "--endpoint", &nobody];
    run_in(&[], &args).await?.assert_refused(&["no node could be reached", &nobody, "500ms"]);
    Ok(())
}
