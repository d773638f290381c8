//! How long a lease lasts and how far clocks may drift apart: replicated configuration, checked once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::terms::Terms;

/// How far the elapsed time of two machines may differ: by a factor of at most one and this many parts per million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Drift {
    ppm: u32,
}

impl Drift {
    /// One per cent.
    pub const DEFAULT: Self = Self { ppm: 10_000 };
    /// Quartz is off by less than this many parts per million, so a lower bound could not be kept.
    pub const MIN_PPM: u32 = 200;
    /// A tenth; beyond it a machine is broken, and leases would only hide it.
    pub const MAX_PPM: u32 = 100_000;
    /// [`Drift::MAX_PPM`].
    pub const MAX: Self = Self { ppm: Self::MAX_PPM };

    /// Returns an error unless `ppm` is within [`Drift::MIN_PPM`] and [`Drift::MAX_PPM`].
    pub fn from_ppm(ppm: u32) -> Result<Self, ParametersError> {
        if (Self::MIN_PPM..=Self::MAX_PPM).contains(&ppm) {
            return Ok(Self { ppm });
        }
        Err(ParametersError::Drift { ppm })
    }

    /// In parts per million.
    pub fn ppm(self) -> u32 {
        self.ppm
    }

    /// The longest that another machine may measure while this one measures `time`. Rounded up.
    pub fn longest(self, time: Duration) -> Duration {
        scale(time, 1_000_000 + u128::from(self.ppm), 999_999)
    }

    /// The shortest that another machine may measure while this one measures `time`. Rounded down.
    pub fn shortest(self, time: Duration) -> Duration {
        scale(time, 1_000_000 - u128::from(self.ppm), 0)
    }
}

impl TryFrom<u32> for Drift {
    type Error = ParametersError;

    fn try_from(ppm: u32) -> Result<Self, ParametersError> {
        Self::from_ppm(ppm)
    }
}

impl From<Drift> for u32 {
    fn from(drift: Drift) -> Self {
        drift.ppm
    }
}

fn scale(time: Duration, by: u128, round: u128) -> Duration {
    let nanos = (time.as_nanos() * by + round) / 1_000_000;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The parameters of the leases of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Parameters {
    length: Duration,
    renewal: Duration,
    lag: Duration,
    drift: Drift,
}

/// The same, as it is read.
#[derive(Deserialize)]
struct Unchecked {
    length: Duration,
    renewal: Duration,
    lag: Duration,
    drift: Drift,
}

impl TryFrom<Unchecked> for Parameters {
    type Error = ParametersError;

    fn try_from(read: Unchecked) -> Result<Self, ParametersError> {
        Self::new(read.length, read.renewal, read.lag, read.drift)
    }
}

/// Why parameters were refused. Nothing changes; a retry with the same values is refused again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum ParametersError {
    /// A renewal that is lost once must not end a lease.
    #[error("lease length {length:?} is shorter than twice the renewal interval {renewal:?}; give at least {:?}", *.renewal * 2)]
    Length {
        /// As given.
        length: Duration,
        /// As given.
        renewal: Duration,
    },
    /// Beyond it, the loss of a node stops writes for longer than anybody would wait.
    #[error("lease length {length:?} is longer than {:?}", Parameters::LENGTH_MAX)]
    LengthMax {
        /// As given.
        length: Duration,
    },
    /// An interval of zero never ends.
    #[error("renewal interval {renewal:?} is below {:?}", Parameters::INTERVAL_MIN)]
    Renewal {
        /// As given.
        renewal: Duration,
    },
    /// Nobody acknowledges at once.
    #[error("lag {lag:?} is below {:?}", Parameters::INTERVAL_MIN)]
    Lag {
        /// As given.
        lag: Duration,
    },
    /// The drift is out of range.
    #[error("clock drift of {ppm} parts per million is outside {} to {}", Drift::MIN_PPM, Drift::MAX_PPM)]
    Drift {
        /// As given.
        ppm: u32,
    },
}

impl Parameters {
    /// The shortest renewal interval and progress gate.
    pub const INTERVAL_MIN: Duration = Duration::from_millis(1);
    /// The longest lease.
    pub const LENGTH_MAX: Duration = Duration::from_mins(1);

    /// Checks the parameters: `length` of a lease, interval between `renewal`s, and how long a holder may leave an entry
    /// unacknowledged (`lag`) before it gets no more leases.
    pub fn new(length: Duration, renewal: Duration, lag: Duration, drift: Drift) -> Result<Self, ParametersError> {
        if renewal < Self::INTERVAL_MIN {
            return Err(ParametersError::Renewal { renewal });
        }
        if lag < Self::INTERVAL_MIN {
            return Err(ParametersError::Lag { lag });
        }
        if length > Self::LENGTH_MAX {
            return Err(ParametersError::LengthMax { length });
        }
        if length < renewal * 2 {
            return Err(ParametersError::Length { length, renewal });
        }
        Ok(Self { length, renewal, lag, drift })
    }

    /// For nodes in one data centre: leases of 2 s, renewed every 100 ms.
    pub fn local() -> Self {
        let ms = Duration::from_millis;
        Self { length: ms(2_000), renewal: ms(100), lag: ms(500), drift: Drift::DEFAULT }
    }

    /// For nodes in several regions: leases of 5 s, renewed every 250 ms.
    pub fn wide() -> Self {
        let ms = Duration::from_millis;
        Self { length: ms(5_000), renewal: ms(250), lag: ms(500), drift: Drift::DEFAULT }
    }

    /// The same with leases that last no longer than `length`; for a while they may be too short to be renewed.
    pub(crate) fn at_most(self, length: Duration) -> Self {
        Self { length: self.length.min(length), ..self }
    }

    /// How long a lease lasts, called D.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// How often a holder asks for another.
    pub fn renewal(&self) -> Duration {
        self.renewal
    }

    /// How long a holder may leave an entry unacknowledged.
    pub fn lag(&self) -> Duration {
        self.lag
    }

    /// How far clocks may drift apart.
    pub fn drift(&self) -> Drift {
        self.drift
    }

    /// What bounds the leases that are granted by them.
    pub fn terms(&self) -> Terms {
        Terms { length: self.length, drift: self.drift }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_lease_must_outlive_a_lost_renewal() {
        let refused = Parameters::new(MS * 199, MS * 100, MS * 500, Drift::DEFAULT).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "lease length 199ms is shorter than twice the renewal interval 100ms; give at least 200ms"
        );
        assert!(Parameters::new(MS * 200, MS * 100, MS * 500, Drift::DEFAULT).is_ok());
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let drift = Drift::from_ppm(100_001).unwrap_err();
        assert_eq!(drift.to_string(), "clock drift of 100001 parts per million is outside 200 to 100000");
        assert!(Drift::from_ppm(0).is_err());
        let zero = Parameters::new(MS * 200, Duration::ZERO, MS, Drift::DEFAULT).unwrap_err();
        assert_eq!(zero.to_string(), "renewal interval 0ns is below 1ms");
        let zero = Parameters::new(MS * 200, MS, Duration::ZERO, Drift::DEFAULT).unwrap_err();
        assert_eq!(zero.to_string(), "lag 0ns is below 1ms");
        let long = Parameters::new(MS * 60_001, MS, MS, Drift::DEFAULT).unwrap_err();
        assert_eq!(long.to_string(), "lease length 60.001s is longer than 60s");
    }

    #[test]
    fn the_presets_pass_their_own_check() {
        for preset in [Parameters::local(), Parameters::wide()] {
            let again = Parameters::new(preset.length, preset.renewal, preset.lag, preset.drift);
            assert_eq!(again, Ok(preset));
        }
    }

    #[test]
    fn drift_rounds_against_the_one_who_gains() {
        let drift = Drift::from_ppm(10_000).unwrap();
        assert_eq!(drift.longest(MS * 100), MS * 101);
        assert_eq!(drift.shortest(MS * 100), MS * 99);
        assert_eq!(drift.longest(Duration::from_nanos(1)), Duration::from_nanos(2));
        assert_eq!(drift.shortest(Duration::from_nanos(1)), Duration::ZERO);
    }
}
