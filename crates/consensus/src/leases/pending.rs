//! Entries that are in the log and not yet in the state that reads are answered from.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use portcullis_lease::{Outlook, Position};
use portcullis_machine::{Command, Envelope, Footprint, VERSION_SUPPORTED};
use portcullis_storage::codec;

/// One entry.
#[derive(Debug)]
pub(super) struct Pending {
    position: Position,
    content: Content,
    /// Read when it is first asked for: where nobody reads meanwhile, no write pays for it.
    footprint: OnceLock<Option<Footprint>>,
}

#[derive(Debug)]
enum Content {
    /// It changes nothing that reads see.
    Nothing,
    Command(Bytes),
    /// It stands for entries that are only known to be there.
    Unknown,
}

impl Pending {
    /// An entry as it stands in the log; `command` is that of an entry that holds one.
    pub(super) fn new(position: Position, command: Option<Bytes>) -> Arc<Self> {
        let content = command.map_or(Content::Nothing, Content::Command);
        Arc::new(Self { position, content, footprint: OnceLock::new() })
    }

    /// Everything up to `position`, whatever it is.
    pub(super) fn unknown(position: Position) -> Arc<Self> {
        Arc::new(Self { position, content: Content::Unknown, footprint: OnceLock::new() })
    }

    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// Whether it is known what the entry holds.
    pub(super) fn is_known(&self) -> bool {
        !matches!(self.content, Content::Unknown)
    }

    /// The command, if it is known to hold one.
    pub(super) fn command(&self) -> Option<Bytes> {
        match &self.content {
            Content::Nothing | Content::Unknown => None,
            Content::Command(bytes) => Some(bytes.clone()),
        }
    }

    /// What the entry may change; `None` for anything.
    pub(super) fn footprint(&self) -> Option<&Footprint> {
        self.footprint.get_or_init(|| self.read()).as_ref()
    }

    fn read(&self) -> Option<Footprint> {
        match &self.content {
            Content::Nothing => Some(Footprint::default()),
            Content::Unknown => None,
            Content::Command(bytes) => {
                let envelope = envelope(bytes)?;
                Some(envelope.command.footprint(&envelope.tenant))
            }
        }
    }

    /// What a leader has to reckon with, since the entry may have been carried out and may not (R8).
    pub(super) fn widen(&self, outlook: Outlook) -> Outlook {
        match &self.content {
            Content::Nothing => outlook,
            Content::Unknown => outlook.with_anything(),
            Content::Command(bytes) => {
                let Some(envelope) = envelope(bytes) else { return outlook.with_anything() };
                if let Command::ConfigureLeases(change) = envelope.command { change.widen(outlook) } else { outlook }
            }
        }
    }
}

/// Reads an entry. What cannot be read here stops the node when it is applied; until then nothing is known of it.
fn envelope(bytes: &Bytes) -> Option<Envelope> {
    let version: u32 = codec::decode_first(bytes).ok()?;
    if version > VERSION_SUPPORTED {
        return None;
    }
    codec::decode(bytes).ok()
}
