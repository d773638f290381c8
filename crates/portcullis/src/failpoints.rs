//! What happens at the points that a node passes, for the harness of real processes.
//!
//! Only a build with the feature `planted-faults` can be told, and no build without debug assertions has that. Every other build refuses
//! to start when it is told something, so that nobody waits for what never happens.

use portcullis_fault::Points;

/// The environment variable that says what happens where, such as `vote.saved=exit:1%`. It is no setting: no build for users knows
/// a value of it.
const VARIABLE: &str = "PORTCULLIS_FAILPOINTS";

/// Who is told of points: nobody, unless the environment says what is to happen.
pub(crate) fn points() -> anyhow::Result<Points> {
    match std::env::var_os(VARIABLE) {
        Some(plans) => told::points(&plans.to_string_lossy()),
        None => Ok(Points::default()),
    }
}

#[cfg(feature = "planted-faults")]
mod told {
    use std::sync::Arc;

    use anyhow::Context;
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use portcullis_fault::{Act, Deed, Hook, Kind, Plan, Point, Points};
    use portcullis_node::{Entropy, SystemEntropy};

    use super::VARIABLE;

    struct Plans(Vec<Plan>);

    pub(super) fn points(text: &str) -> anyhow::Result<Points> {
        let plans = Plan::list(text).context(VARIABLE)?;
        tracing::warn!(plans = text, "things happen to this node on purpose");
        Ok(Points::told(Arc::new(Plans(plans))))
    }

    impl Hook for Plans {
        fn pass(&self, point: Point) -> Deed {
            let Some(plan) = self.0.iter().find(|plan| plan.point == point).filter(|plan| strikes(plan)) else {
                return Deed::Nothing;
            };
            match plan.act {
                Act::Error => Deed::Fail,
                Act::Sleep(time) if point.kind() == Kind::Waits => Deed::Wait(Box::pin(tokio::time::sleep(time))),
                Act::Sleep(time) => {
                    std::thread::sleep(time);
                    Deed::Nothing
                }
                Act::Exit => {
                    tracing::warn!(%point, "this node ends here on purpose");
                    // Nothing is closed in order.
                    kill(Pid::this(), Signal::SIGKILL).expect("INVARIANT: a process may end itself");
                    Deed::Nothing
                }
            }
        }
    }

    fn strikes(plan: &Plan) -> bool {
        let [a, b, c, d, ..] = SystemEntropy.bytes();
        u32::from_be_bytes([a, b, c, d]) % 1_000_000 < plan.chance_ppm
    }
}

#[cfg(not(feature = "planted-faults"))]
mod told {
    use portcullis_fault::Points;

    use super::VARIABLE;

    pub(super) fn points(plans: &str) -> anyhow::Result<Points> {
        anyhow::bail!("{VARIABLE}: `{plans}` cannot happen in this build: it has no points")
    }
}
