//! What time a node itself says that it is: the date of its answers by HTTP.

use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::clocks::wall;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How much of an answer is read. Its head is shorter.
const HEAD_BYTES: usize = 4_096;
/// The seconds of a day.
const DAY_S: i64 = 24 * 60 * 60;

/// How far the wall clock of a node is off, in whole seconds, to the nearest day; nothing while it does not answer.
pub(super) async fn off_s(address: &str) -> Option<i64> {
    let head = tokio::time::timeout(TIMEOUT, head(address)).await.ok()?.ok()?;
    let now = i64::try_from(wall().as_secs()).ok()?;
    Some(nearest(of_day(&head)? - now.rem_euclid(DAY_S)))
}

async fn head(address: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n").await?;
    let mut head = vec![0; HEAD_BYTES];
    let length = stream.read(&mut head).await?;
    Ok(String::from_utf8_lossy(head.get(..length).context("more was read than there is room for")?).into_owned())
}

/// The second of the day in the head of an answer, such as `date: Thu, 26 Nov 2026 09:26:42 GMT`.
fn of_day(head: &str) -> Option<i64> {
    let date = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("date:").map(str::to_owned))?;
    let clock: Vec<i64> = date.split_whitespace().nth(4)?.split(':').filter_map(|part| part.parse().ok()).collect();
    let [hours, minutes, seconds] = clock[..] else { return None };
    Some((hours * 60 + minutes) * 60 + seconds)
}

/// A difference of two times of day, to the nearest day.
fn nearest(difference_s: i64) -> i64 {
    (difference_s + DAY_S / 2).rem_euclid(DAY_S) - DAY_S / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_and_compared_over_midnight() {
        assert_eq!(of_day("HTTP/1.1 200 OK\r\nDate: Thu, 26 Nov 2026 09:26:42 GMT\r\n"), Some(34_002));
        assert_eq!(of_day("HTTP/1.1 200 OK\r\n"), None);
        assert_eq!([nearest(10 - (DAY_S - 10)), nearest(DAY_S - 20), nearest(5)], [20, -20, 5]);
    }
}
