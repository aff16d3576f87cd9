//! The ports in memory: the reference of their contracts, for tests, examples and
//! single servers that may forget.

mod broker;
pub(crate) mod lock;
mod presence;
mod quota;
mod store;

pub use broker::MemoryBroker;
pub use presence::MemoryPresence;
pub use quota::{MemoryQuota, Rate, Rates};
pub use store::MemoryStore;
