//! The place of a connection among those that speak HTTP.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedSemaphorePermit;

/// A place among the HTTP connections of a listener, which a stream gives up when it
/// takes a place among the clients. In the extensions of every request.
#[derive(Debug, Clone)]
pub(crate) struct HttpPlace(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl HttpPlace {
    pub(crate) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self(Arc::new(Mutex::new(Some(permit))))
    }

    /// Lets another connection have it.
    pub(crate) fn leave(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
