//! The evaluation of checks alone, and one node's copy of a world, in this process and without any network.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use portcullis_eval::{Bounds, Budget, Query, Scratch, Snapshot, check_with};
use portcullis_model::{Object, PermissionName, Relationship, Subject, TenantId};
use portcullis_storage::resident::Resident;
use portcullis_storage::state::Stored;
use serde::Serialize;

use super::copy::{self, Copied};
use super::world::{self, Parts, World};

/// What is written over between two checks, so that each finds the caches of its processor as a server would.
const OTHER_WORK_BYTES: usize = 2 * 1_024 * 1_024;
/// Latencies above this count as this.
const LATENCY_NS_MAX: u64 = 1_000_000_000;

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Evaluated {
    /// What the world is made of.
    pub(super) world: Parts,
    pub(super) relationships: u64,
    /// Checks in a second of one thread that does nothing else.
    pub(super) rate: f64,
    /// What a check takes where other work was done before it.
    pub(super) p50_ns: u64,
    pub(super) p99_ns: u64,
    pub(super) p999_ns: u64,
    /// What a check takes right after the one before, on average and half of them at most.
    pub(super) mean_ns: f64,
    pub(super) in_turn_p50_ns: u64,
    /// Tuples that a check visits.
    pub(super) visited: f64,
    pub(super) bytes_per_relationship_memory: f64,
    /// What the node takes it for, by which it keeps to its budget.
    pub(super) bytes_per_relationship_estimate: f64,
    pub(super) bytes_per_relationship_disk: f64,
    /// Relationships a second: into memory; by commands of a thousand, into a node's copy; and from there at a start.
    pub(super) loaded_rate: f64,
    pub(super) applied_rate: f64,
    pub(super) started_rate: f64,
    /// The same of checks in a tenant that is read from the disk.
    pub(super) disk: FromDisk,
}

/// Checks in a tenant that is read from the disk, which the operating system has in memory.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FromDisk {
    /// Checks in a second of one thread that does nothing else.
    pub(super) rate: f64,
    pub(super) p50_ns: u64,
    pub(super) p99_ns: u64,
}

/// A question that is ready to be asked.
struct Asked {
    subject: Subject,
    resource: Object,
    expected: Bounds,
}

/// Checks one question, and returns how many tuples that visited.
type Check<'a> = &'a mut dyn FnMut(&Asked) -> anyhow::Result<u64>;

/// Measures for about `period`.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn run(world: &World, period: Duration) -> anyhow::Result<Evaluated> {
    if !world.has_schema() {
        bail!("--world: `evaluate` measures worlds that have a schema");
    }
    let tenant = TenantId::default_tenant();
    let before = resident_bytes()?;
    let (resident, loading) = load(world, &tenant)?;
    let bytes = resident_bytes()?.saturating_sub(before);
    let index = resident.tenant(&tenant).context("the tenant was put")?;
    let (relationships, estimate) = (index.relationships(), resident.bytes_estimate());
    let asked = asked(world)?;
    let mut scratch = Scratch::default();
    let mut check = |one: &Asked| decide(&mut scratch, &**index, one);
    let (rate, visited) = in_turn(&mut check, &asked, period / 2)?;
    let latencies = one_by_one(&mut check, &asked, period / 2, OTHER_WORK_BYTES)?;
    let in_turn = one_by_one(&mut check, &asked, period / 4, 0)?;
    drop(resident);
    let copied = copy::make(world, &tenant)?;
    let disk = from_disk(&copied, &tenant, &asked, period)?;
    let count = relationships as f64;
    let at = |quantile| latencies.value_at_quantile(quantile);
    Ok(Evaluated {
        world: world.parts(),
        relationships,
        rate,
        p50_ns: at(0.5),
        p99_ns: at(0.99),
        p999_ns: at(0.999),
        mean_ns: 1e9 / rate,
        in_turn_p50_ns: in_turn.value_at_quantile(0.5),
        visited,
        bytes_per_relationship_memory: bytes as f64 / count,
        bytes_per_relationship_estimate: estimate as f64 / count,
        bytes_per_relationship_disk: copied.disk_bytes as f64 / count,
        loaded_rate: count / loading.as_secs_f64(),
        applied_rate: count / copied.applying.as_secs_f64(),
        started_rate: count / copied.starting.as_secs_f64(),
        disk,
    })
}

fn from_disk(copied: &Copied, tenant: &TenantId, asked: &[Asked], period: Duration) -> anyhow::Result<FromDisk> {
    let store = copied.open_spilled()?;
    let view = Arc::clone(&store.reader().view());
    let Some(Stored::Spilled(spilled)) = view.tenant(tenant) else { bail!("the tenant is not on disk") };
    let mut scratch = Scratch::default();
    let mut check = |one: &Asked| {
        let reading = spilled.read(None);
        let visited = decide(&mut scratch, &reading, one)?;
        reading.failure().map_or(Ok(visited), |error| Err(error.into()))
    };
    let (rate, _) = in_turn(&mut check, asked, period / 2)?;
    let latencies = one_by_one(&mut check, asked, period / 2, OTHER_WORK_BYTES)?;
    Ok(FromDisk { rate, p50_ns: latencies.value_at_quantile(0.5), p99_ns: latencies.value_at_quantile(0.99) })
}

/// Loads a world into memory; also returns how long that took, without making its texts.
fn load(world: &World, tenant: &TenantId) -> anyhow::Result<(Resident, Duration)> {
    let schema = portcullis_schema::compile(world::SCHEMA).expect("INVARIANT: the schema of the worlds is sound");
    let mut resident = Resident::default();
    resident.put_tenant(tenant);
    resident.put_schema(tenant, &schema);
    let (mut took, mut tuples) = (Duration::ZERO, Vec::new());
    let mut all = world.relationships().peekable();
    while all.peek().is_some() {
        tuples.clear();
        for text in all.by_ref().take(1_000) {
            tuples.push(text.parse::<Relationship>()?.into());
        }
        let begun = Instant::now();
        for tuple in &tuples {
            resident.put_tuple(tenant, tuple);
        }
        took += begun.elapsed();
    }
    Ok((resident, took))
}

fn asked(world: &World) -> anyhow::Result<Vec<Asked>> {
    let asked = world.asks().map(|ask| {
        let expected = if ask.allowed { Bounds::YES } else { Bounds::NO };
        Ok(Asked { subject: ask.subject.parse()?, resource: ask.resource.parse()?, expected })
    });
    asked.collect()
}

/// One check after the other: how many in a second, and how many tuples each visits.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn in_turn(check: Check<'_>, asked: &[Asked], period: Duration) -> anyhow::Result<(f64, f64)> {
    let (mut count, mut visited) = (0_u64, 0);
    let begun = Instant::now();
    while begun.elapsed() < period {
        for one in asked {
            visited += check(one)?;
            count += 1;
        }
    }
    Ok((count as f64 / begun.elapsed().as_secs_f64(), visited as f64 / count as f64))
}

/// Each check by itself, after so many bytes of other work have been done.
fn one_by_one(
    check: Check<'_>,
    asked: &[Asked],
    period: Duration,
    other_bytes: usize,
) -> anyhow::Result<Histogram<u64>> {
    let mut latencies = Histogram::new_with_max(LATENCY_NS_MAX, 3).context("three digits are possible")?;
    let mut other = vec![1_u64; other_bytes / size_of::<u64>()];
    let started = Instant::now();
    for one in asked.iter().cycle() {
        for word in &mut other {
            *word = std::hint::black_box(word.wrapping_mul(3));
        }
        let begun = Instant::now();
        check(one)?;
        latencies.saturating_record(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        if started.elapsed() > period {
            break;
        }
    }
    Ok(latencies)
}

fn decide(scratch: &mut Scratch, index: &impl Snapshot, asked: &Asked) -> anyhow::Result<u64> {
    thread_local! {
        static VIEW: PermissionName = "view".parse().expect("INVARIANT: it is a name");
    }
    VIEW.with(|permission| {
        let Asked { subject, resource, expected } = asked;
        let query = Query { subject, permission, resource };
        let outcome = check_with(scratch, index, query, None, &Budget::new(&|| false))?;
        if outcome.bounds != *expected {
            bail!("{subject} and {resource}: the answer is {:?}, which is wrong", outcome.bounds);
        }
        Ok(outcome.visited)
    })
}

/// How much memory this process has.
fn resident_bytes() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in /proc/self/status")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1_024)
}

/// How many bytes the tables in a folder take, those that are there under several names once.
pub(super) fn table_bytes(folder: &Path) -> anyhow::Result<u64> {
    let (mut folders, mut tables) = (vec![folder.to_owned()], std::collections::BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|extension| extension == "sst") {
                tables.insert(metadata.ino(), metadata.len());
            }
        }
    }
    Ok(tables.values().sum())
}
