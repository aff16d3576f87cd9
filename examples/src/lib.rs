//! The examples are the programs in `examples/`.
