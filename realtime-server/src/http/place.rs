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

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn a_place_is_left_once_whoever_holds_it() {
        let places = Arc::new(Semaphore::new(1));
        let place = HttpPlace::new(Arc::clone(&places).try_acquire_owned().unwrap());
        let stream = place.clone();
        assert_eq!(places.available_permits(), 0);
        stream.leave();
        place.leave();
        assert_eq!(places.available_permits(), 1);
    }
}
