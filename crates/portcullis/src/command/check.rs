//! `portcullis check`.

use std::process::ExitCode;

use portcullis_client::{Client, v1};

use super::{consistency, revision};
use crate::args::{Check, Output};
use crate::output;

/// Decides one question; the exit status says what was decided.
pub(crate) async fn run(client: &Client, output: Output, check: Check) -> anyhow::Result<ExitCode> {
    let item = Some(v1::CheckItem {
        subject: check.subject.to_string(),
        permission: check.permission,
        resource: check.resource.to_string(),
        context: check.context.unwrap_or_default(),
    });
    let consistency = consistency(check.consistency)?;
    let decision = if check.explain {
        let answer = client.explain(v1::ExplainRequest { tenant: String::new(), item, consistency }).await?;
        output::one(output, &answer, |answer| {
            let mut lines = vec![headline(answer.decision(), &answer.missing, answer.evaluation.as_ref())];
            lines.extend(answer.evaluation.as_ref().and_then(|evaluation| evaluation.lease.as_ref()).map(freshness));
            lines.extend(answer.steps.iter().map(|step| format!("  {step}")));
            lines.extend(answer.truncated.then(|| "  … more was left out".to_owned()));
            lines.join("\n")
        });
        answer.decision()
    } else {
        let answer = client.check(v1::CheckRequest { tenant: String::new(), item, consistency }).await?;
        output::one(output, &answer, |answer| headline(answer.decision(), &answer.missing, answer.evaluation.as_ref()));
        answer.decision()
    };
    Ok(match decision {
        v1::Decision::Allow => ExitCode::SUCCESS,
        v1::Decision::Deny => ExitCode::from(output::DENIED),
        v1::Decision::Conditional => ExitCode::from(output::CONDITIONAL),
        v1::Decision::Unspecified => ExitCode::from(output::FAILED),
    })
}

fn freshness(lease: &v1::LeaseUsed) -> String {
    let of_lease = format!("its lease of epoch {}, {} ms left", lease.epoch, lease.left_ms);
    match lease.by.as_str() {
        "lease" => format!("  answered by the node alone, under {of_lease}"),
        "waited" => format!("  answered by the node after a change of the answer was visible, under {of_lease}"),
        "leader" => "  the node holds no lease, and asked the leader how fresh it has to be".to_owned(),
        _ => "  the answer need not be fresh".to_owned(),
    }
}

fn headline(decision: v1::Decision, missing: &[String], evaluation: Option<&v1::Evaluation>) -> String {
    let word = match decision {
        v1::Decision::Allow => "ALLOW".to_owned(),
        v1::Decision::Deny => "DENY".to_owned(),
        v1::Decision::Conditional => format!("CONDITIONAL (missing: {})", missing.join(", ")),
        v1::Decision::Unspecified => "UNKNOWN".to_owned(),
    };
    let Some(evaluation) = evaluation else { return word };
    let age = if evaluation.age_ms > 0 { format!(", {} ms old", evaluation.age_ms) } else { String::new() };
    format!("{word}  (revision {}, node {}{age})", revision(evaluation.position.as_ref()), evaluation.node)
}
