//! Who calls.

use portcullis_model::{Actor, Subject, Verified};
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::error;

/// The metadata in which a caller names itself, on a listener without authentication.
const AS: &str = "portcullis-as";
/// Who calls when nobody is named.
const DEFAULT: &str = "user:admin";

/// The actor of a call. Listeners without authentication take the caller's word for it.
pub(crate) fn actor(metadata: &MetadataMap) -> Result<Actor, Status> {
    let named = match metadata.get(AS).map(|value| value.to_str()) {
        None => DEFAULT,
        Some(Ok(named)) => named,
        Some(Err(_)) => return Err(error::invalid(AS, "the caller's name has characters outside ASCII")),
    };
    let caller: Subject = named.parse().map_err(|problem| error::invalid(AS, &format!("{problem}")))?;
    match caller {
        Subject::Object(_) => Ok(Actor { caller, on_behalf_of: None, verified: Verified::Assumed }),
        Subject::Userset { .. } | Subject::Wildcard(_) => {
            Err(error::invalid(AS, &format!("`{named}` is not one caller: give `type:id`, for example `user:alice`")))
        }
    }
}
