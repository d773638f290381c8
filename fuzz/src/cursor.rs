//! The pages of lists: how long, and after what.

use portcullis_model::limit;
use portcullis_wire::{page, page_token};

/// Four bytes for the size of the page, then the cursor.
pub(crate) fn run(input: &[u8]) {
    let Some((size, rest)) = input.split_first_chunk() else { return };
    let size = u32::from_le_bytes(*size);
    if let Some(text) = crate::text(rest) {
        asked(size, text);
    }
    // Whatever is handed out is understood.
    let expected = (!rest.is_empty()).then(|| rest.to_vec());
    assert_eq!(page(1, &page_token(Some(rest))), Ok((1, expected)));
}

fn asked(size: u32, cursor: &str) {
    match page(size, cursor) {
        Ok((items, after)) => {
            assert!((1..=limit::PAGE_MAX).contains(&items), "a page of {items}");
            assert!(size == 0 || items == size as usize);
            assert_eq!(after.is_none(), cursor.is_empty());
            let token = page_token(after.as_deref());
            assert!(token.eq_ignore_ascii_case(cursor), "{token} was read from {cursor}");
        }
        Err(error) => assert!(["page_size", "page_token"].contains(&error.field.as_str()), "{error}"),
    }
}
