//! Parts of times: the hour of a point in time, or how many hours a span has.

use super::{Applied, wrong_operands};
use crate::error::{Error, shortened};
use crate::function::{Function, Part};
use crate::moment::zone_seconds;
use crate::value::Value;

/// The part of a time, as seen in a zone; without one in UTC.
pub(super) fn of(part: Part, time: &Value, zone: Option<&Value>) -> Applied {
    let offset = match zone {
        None => 0,
        Some(Value::Text(zone)) => {
            zone_seconds(zone).ok_or_else(|| Box::new(Error::NotZone { given: shortened(zone) }))?
        }
        Some(other) => return wrong_operands(Function::Part(part), &[time, other]),
    };
    let wrong = || wrong_operands(Function::Part(part), &[time]);
    let number = match time {
        Value::Timestamp(moment) => {
            let reading = moment.read(offset);
            match part {
                Part::FullYear => reading.year,
                Part::Month => reading.month - 1,
                Part::Date => reading.day,
                Part::DayOfMonth => reading.day - 1,
                Part::DayOfWeek => reading.day_of_week,
                Part::DayOfYear => reading.day_of_year,
                Part::Hours => reading.hour,
                Part::Minutes => reading.minute,
                Part::Seconds => reading.second,
                Part::Milliseconds => i64::from(reading.nanos / 1_000_000),
            }
        }
        // Of a span it is not a part, but all of it in that unit.
        Value::Duration(span) if zone.is_none() => match part {
            Part::Hours => span.nanos() / 3_600_000_000_000,
            Part::Minutes => span.nanos() / 60_000_000_000,
            Part::Seconds => span.nanos() / 1_000_000_000,
            Part::Milliseconds => span.nanos() / 1_000_000,
            Part::FullYear | Part::Month | Part::Date | Part::DayOfMonth | Part::DayOfWeek | Part::DayOfYear => {
                return wrong();
            }
        },
        _ => return wrong(),
    };
    Ok(Value::Int(number))
}
