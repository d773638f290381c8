//! What was measured, for people and for programs.

use super::Report;
use super::drive::Measured;
use super::evaluate::Evaluated;
use super::world::Parts;
use crate::args::Output;
use crate::output;

pub(super) fn report(output: Output, report: &Report) -> anyhow::Result<()> {
    match output {
        Output::Json => output::line(serde_json::to_string(report)?),
        Output::Table => {
            let mut table = table();
            table.set_header(["", "PER SECOND", "P50 µs", "P99 µs", "P99.9 µs", "SERVER CPU µs", "ERRORS"]);
            table.add_row(row("measured", &report.measured));
            table.add_row(row("reference", &report.reference));
            output::line(table.trim_fmt());
            output::line(format_args!("ratio to the reference: {:.3}", report.ratio_to_reference));
            output::line(made_of(&report.world));
            if report.per_call > 1 {
                output::line(format_args!("a call was about {}; the other figures are of calls", report.per_call));
            }
        }
    }
    Ok(())
}

pub(super) fn evaluated(output: Output, evaluated: &Evaluated) -> anyhow::Result<()> {
    match output {
        Output::Json => output::line(serde_json::to_string(evaluated)?),
        Output::Table => {
            let mut table = table();
            for (name, value) in [
                ("relationships", evaluated.relationships.to_string()),
                ("checks per second of one thread", format!("{:.0}", evaluated.rate)),
                ("one check after another, mean ns", format!("{:.0}", evaluated.mean_ns)),
                ("one check after another, p50 ns", evaluated.in_turn_p50_ns.to_string()),
                ("among other work, p50 ns", evaluated.p50_ns.to_string()),
                ("among other work, p99 ns", evaluated.p99_ns.to_string()),
                ("among other work, p99.9 ns", evaluated.p999_ns.to_string()),
                ("tuples visited", format!("{:.1}", evaluated.visited)),
                ("bytes per relationship, memory", format!("{:.1}", evaluated.bytes_per_relationship_memory)),
                ("the same as the node estimates it", format!("{:.1}", evaluated.bytes_per_relationship_estimate)),
                ("bytes per relationship, disk", format!("{:.1}", evaluated.bytes_per_relationship_disk)),
                ("loaded into memory per second", format!("{:.0}", evaluated.loaded_rate)),
                ("applied per second", format!("{:.0}", evaluated.applied_rate)),
                ("loaded at a start per second", format!("{:.0}", evaluated.started_rate)),
                ("from the disk, checks per second of one thread", format!("{:.0}", evaluated.disk.rate)),
                ("from the disk among other work, p50 ns", evaluated.disk.p50_ns.to_string()),
                ("from the disk among other work, p99 ns", evaluated.disk.p99_ns.to_string()),
            ] {
                table.add_row([name.to_owned(), value]);
            }
            output::line(table.trim_fmt());
            output::line(made_of(&evaluated.world));
        }
    }
    Ok(())
}

fn made_of(world: &Parts) -> String {
    let parts: Vec<String> = world.iter().map(|(name, count)| format!("{count} {name}")).collect();
    format!("world: {}", parts.join(", "))
}

fn table() -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table
}

fn row(name: &str, measured: &Measured) -> [String; 7] {
    let cpu = measured.server_cpu_us.map_or("-".to_owned(), |cpu| format!("{cpu:.0}"));
    [
        name.to_owned(),
        format!("{:.0}", measured.rate),
        measured.p50_us.to_string(),
        measured.p99_us.to_string(),
        measured.p999_us.to_string(),
        cpu,
        measured.errors.to_string(),
    ]
}
