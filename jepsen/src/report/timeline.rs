//! The picture: faults above, and below them a strip for each node with what it led, held and answered.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::history::{Action, Call, History, Phase, Seen, Strike};
use crate::verdict::Judgement;

use super::bands::bands;
use super::{escape, seconds};

/// Widths and heights, in the units of the picture, of which ten are about a pixel.
const WIDTH: u64 = 12_000;
const LEFT: u64 = 700;
const LANE: u64 = 140;
const STRIP: u64 = 780;
const COUNTS: u64 = 360;
/// Into how many parts the time is divided for counts.
const PARTS: u64 = 220;

/// Into about how many parts the axis is divided.
const MARKS: u64 = 12;

const LEADS: &str = "#6a3fb5";
const HOLDS: &str = "#2e9e5b";
const SILENT: &str = "#b9b9b9";
const ANSWERED: &str = "#3b7dd8";
const UNANSWERED: &str = "#e08a1e";
const REVOKED: &str = "#0b3d91";
const WRONG: &str = "#c62828";

/// The picture with its key.
pub(super) fn section(history: &History, judgement: &Judgement) -> String {
    let colours = [
        (LEADS, "leads"),
        (HOLDS, "holds a read lease"),
        (SILENT, "did not say"),
        (ANSWERED, "reads answered"),
        (UNANSWERED, "reads not answered"),
        (REVOKED, "a revocation, or another write, returned"),
        (WRONG, "a wrong answer"),
    ];
    let mut key = String::new();
    for (colour, what) in colours {
        // INVARIANT: writing to a String succeeds.
        write!(key, "<span style=\"background:{colour}\"></span>{what}").expect("a String grows");
    }
    let mut picture = Picture { end_us: end_us(history).max(1), svg: String::new() };
    let top = picture.faults(history) + LANE;
    let strip = |node: u64| top + (node - 1) * STRIP;
    for node in 1..=history.run.nodes {
        picture.node(history, node, strip(node));
    }
    let bottom = strip(history.run.nodes + 1);
    picture.axis(history, bottom);
    for violation in &judgement.violations {
        let operation = violation.operations.last().map(Call::from);
        if let Some(answer) = violation.events.last().map(Call::from).or(operation) {
            let place = (strip(answer.node), STRIP - 80);
            picture.rectangle((answer.invoked_us, answer.completed_us), place, WRONG, &violation.to_string());
        }
    }
    let height = bottom + 300;
    format!(
        "<h2>Timeline</h2>\n<p class=\"key\">{key}</p>\n<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n{}</svg>\n",
        picture.svg
    )
}

/// When the last thing happened.
fn end_us(history: &History) -> u64 {
    let ends = history.calls().map(|call| call.completed_us);
    let looks = history.samples.iter().map(|sample| sample.at_us);
    ends.chain(looks).chain(history.phases.values().copied()).max().unwrap_or(0)
}

struct Picture {
    end_us: u64,
    svg: String,
}

impl Picture {
    fn x(&self, us: u64) -> u64 {
        LEFT + (WIDTH - LEFT) * us / self.end_us
    }

    fn rectangle(&mut self, (from_us, to_us): (u64, u64), (top, height): (u64, u64), colour: &str, what: &str) {
        let (x, width) = (self.x(from_us), (self.x(to_us) - self.x(from_us)).max(10));
        let title = if what.is_empty() { String::new() } else { format!("<title>{}</title>", escape(what)) };
        let shape = format!("x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" fill=\"{colour}\"");
        writeln!(self.svg, "<rect {shape}>{title}</rect>").expect("a String grows");
    }

    fn text(&mut self, x: u64, y: u64, text: &str) {
        writeln!(self.svg, "<text x=\"{x}\" y=\"{y}\">{}</text>", escape(text)).expect("a String grows");
    }

    /// Draws faults, each in the highest lane that is free, and returns where the last lane ends.
    fn faults(&mut self, history: &History) -> u64 {
        let mut lanes: Vec<u64> = Vec::new();
        for strike in &history.strikes {
            let until_us = history.relief_us(strike.step).unwrap_or(self.end_us);
            let lane = lanes.iter().position(|busy_us| *busy_us <= strike.at_us).unwrap_or(lanes.len());
            if lane == lanes.len() {
                lanes.push(until_us);
            }
            lanes[lane] = until_us;
            let what = format!("{} to {}: {}", seconds(strike.at_us), seconds(until_us), strike.what);
            let place = ((lane as u64 + 1) * LANE, LANE - 30);
            self.rectangle((strike.at_us, until_us), place, colour(strike), &what);
        }
        self.text(0, LANE + 100, "faults");
        (lanes.len() as u64 + 1) * LANE
    }

    fn node(&mut self, history: &History, node: u64, top: u64) {
        self.text(0, top + 120, &format!("node {node}"));
        let leads = |seen: Option<&Seen>| seen.is_some_and(|seen| seen.leader == Some(node));
        self.bands(history, node, (top, LEADS, "leads"), leads);
        let holds = |seen: Option<&Seen>| seen.is_some_and(|seen| seen.holds);
        self.bands(history, node, (top + 70, HOLDS, "holds a lease"), holds);
        self.bands(history, node, (top + 140, SILENT, "does not say"), |seen| seen.is_none());
        for strike in history.strikes.iter().filter(|strike| strike.victims.contains(&node)) {
            let until_us = history.relief_us(strike.step).unwrap_or(self.end_us);
            self.rectangle((strike.at_us, until_us), (top + 210, 30), colour(strike), &strike.what);
        }
        self.counts(history, node, top + 260);
        let revokes = history.operations.iter().filter(|operation| operation.action == Action::Revoke).map(Call::from);
        let writes = history.events.iter().filter(|event| event.writes).map(Call::from);
        for write in revokes.chain(writes).filter(|call| call.node == node && call.answered) {
            self.rectangle((write.completed_us, write.completed_us), (top + 640, 40), REVOKED, "");
        }
    }

    fn bands(
        &mut self,
        history: &History,
        node: u64,
        (top, colour, what): (u64, &str, &str),
        holds: impl Fn(Option<&Seen>) -> bool,
    ) {
        for band in bands(&history.samples, node, self.end_us, holds) {
            let what = format!("node {node} {what}, {} to {}", seconds(band.0), seconds(band.1));
            self.rectangle(band, (top, 60), colour, &what);
        }
    }

    /// Draws how many reads were answered, and how many were not, in each part of the time.
    fn counts(&mut self, history: &History, node: u64, top: u64) {
        let mut parts: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for call in history.calls().filter(|call| call.node == node && !call.writes) {
            let part = parts.entry(call.completed_us * PARTS / (self.end_us + 1)).or_default();
            if call.answered {
                part.0 += 1;
            } else {
                part.1 += 1;
            }
        }
        let most = parts.values().map(|(answered, not)| answered + not).max().unwrap_or(0).max(1);
        for (part, (answered, not)) in parts {
            let time = (self.end_us * part / PARTS, self.end_us * (part + 1) / PARTS);
            let tall = COUNTS * answered / most;
            self.rectangle(time, (top + COUNTS - tall, tall), ANSWERED, "");
            if not > 0 {
                // One that was not answered is seen, however many were.
                let more = (COUNTS * not / most).max(20);
                self.rectangle(time, (top + COUNTS - tall - more.min(COUNTS - tall), more), UNANSWERED, "");
            }
        }
    }

    fn axis(&mut self, history: &History, y: u64) {
        let step_s = (self.end_us / 1_000_000 / MARKS).max(1);
        for mark in (0..).step_by(usize::try_from(step_s).expect("INVARIANT: a part of the time")) {
            let us = mark * 1_000_000;
            if us > self.end_us {
                break;
            }
            self.text(self.x(us).min(WIDTH - 300), y + 120, &format!("{mark} s"));
        }
        for (phase, at_us) in history.phases.clone() {
            let name = match phase {
                Phase::Traffic => "traffic",
                Phase::Healed => "healed",
                Phase::FinalReads => "final reads",
                Phase::End => "end",
            };
            self.rectangle((at_us, at_us), (0, y), "#88888880", name);
            // The last parts are short: only what ends the traffic has room for its name.
            if phase <= Phase::Healed {
                self.text(self.x(at_us).min(WIDTH - 600), y + 260, name);
            }
        }
    }
}

fn colour(strike: &Strike) -> &'static str {
    match strike.nemesis.as_str() {
        "partition" => "#d1495b",
        "kill" => "#30343f",
        "restart" => "#3d7a5a",
        "loss" => "#d9902f",
        _ => "#7a8ba8",
    }
}
