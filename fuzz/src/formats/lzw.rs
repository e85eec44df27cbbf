//! LZW, both ways.

use networkdb_core::wire::lzw::{LzwError, compress, expand};

use crate::memory::within;

/// Bytes the decoder may make of one input.
const EXPANDED: usize = 1 << 20;

/// What is compressed comes back; what expands stays within its budget, to the byte.
pub fn run(data: &[u8]) {
    within(8 * EXPANDED, || {
        assert_eq!(expand(&compress(data), &mut { data.len() }).as_deref(), Ok(data));
        let mut left = EXPANDED;
        let result = expand(data, &mut left);
        if let Ok(plain) = &result {
            assert_eq!(plain.len() + left, EXPANDED);
            assert_eq!(expand(&compress(plain), &mut { EXPANDED }).as_ref(), Ok(plain));
        }
        let Some(less) = result.ok().and_then(|plain| plain.len().checked_sub(1)) else { return };
        assert_eq!(expand(data, &mut { less }), Err(LzwError::TooLong));
    });
}
