//! What this program allocates.

use std::alloc::System;

use cap::Cap;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Bytes allocated since the start, those given back included.
pub(crate) fn allocated() -> usize {
    HEAP.total_allocated()
}
