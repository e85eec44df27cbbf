//! The command `networkdb`.
fn main() {}
