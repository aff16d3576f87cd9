//! The reference, held to the suite, and to something simpler than itself.

#[cfg(feature = "conformance")]
mod conformance {
    use std::sync::Arc;

    use crate::{memory::MemoryStore, store::SharedBackend};

    crate::store_conformance!(Arc::new(MemoryStore::default()) as SharedBackend);
}
