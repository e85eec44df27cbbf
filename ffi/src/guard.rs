//! What panics are stopped by.

use std::panic::{AssertUnwindSafe, catch_unwind};

use networkdb_embed::Code;

use crate::{
    nodes::{self, Entry},
    types::{ndb_log_level, ndb_node},
};

/// Acts, and answers how it went.
pub(crate) fn guarded(act: impl FnOnce() -> Result<(), Code>) -> Code {
    let result = catch_unwind(AssertUnwindSafe(act)).unwrap_or(Err(Code::Poisoned));
    result.err().unwrap_or(Code::Ok)
}

/// Acts on a node; a panic poisons it.
pub(crate) fn on(number: ndb_node, act: impl FnOnce(&Entry) -> Result<(), Code>) -> Code {
    guarded(|| {
        let entry = nodes::find(number)?;
        catch_unwind(AssertUnwindSafe(|| act(&entry))).unwrap_or_else(|panic| {
            entry.node.poison();
            let text =
                panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
            entry
                .log(ndb_log_level::NDB_LOG_ERROR, &format!("internal fault: {}", text.unwrap_or("unknown")));
            Err(Code::Poisoned)
        })
    })
}
