//! The sync server as its clients see it, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    missing_docs,
    unreachable_pub
)]

mod limits;
mod properties;
mod rules;
mod world;
