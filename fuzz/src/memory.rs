//! The memory a run may hold. An allocation beyond it fails, which ends the program: a finding.

use std::alloc::System;

use cap::Cap;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Runs `work`, which may hold `bytes` more than is held now.
pub fn within<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    HEAP.set_limit(HEAP.allocated() + bytes).expect("the limit is above what is held");
    let result = work();
    HEAP.set_limit(usize::MAX).expect("there is no limit");
    result
}

/// Bytes held now.
pub fn held() -> usize {
    HEAP.allocated()
}
