//! Evaluating over a tenant, wherever its relationships are.

/// Evaluates over a tenant with what is in doubt in it, if anything is: gives what `$value` gives for whichever snapshot
/// that is, of which there are four types. The answer of a tenant that could not be read is worth nothing, and dropped.
macro_rules! over {
    ($stored:expr, $doubts:expr, |$snapshot:ident| $value:expr) => {{
        use portcullis_storage::resident::Numbered as _;
        let doubts: Option<&portcullis_storage::resident::TenantDoubts> = $doubts;
        match $stored {
            portcullis_storage::state::Stored::Resident(index) => {
                $crate::over::with_doubts!(index, doubts, |$snapshot| $value).map_err($crate::check::CheckError::from)
            }
            portcullis_storage::state::Stored::Spilled(spilled) => {
                let reading = spilled.read(doubts);
                let value = $crate::over::with_doubts!(&reading, doubts, |$snapshot| $value);
                match reading.failure() {
                    None => value.map_err($crate::check::CheckError::from),
                    Some(error) => Err($crate::check::CheckError::unreadable(&error)),
                }
            }
        }
    }};
}

/// The same, over rows of one type.
macro_rules! with_doubts {
    ($rows:expr, $doubts:expr, |$snapshot:ident| $value:expr) => {
        match $doubts {
            None => {
                let $snapshot = $rows;
                $value
            }
            Some(doubts) => {
                let $snapshot = &$rows.doubted_by(doubts);
                $value
            }
        }
    };
}

pub(crate) use {over, with_doubts};
