//! The deployable binary.
fn main() {}
