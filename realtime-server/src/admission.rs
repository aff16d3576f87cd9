//! How many connections there may be: over all, and from one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts connections; clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total_max: usize,
    per_address_max: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    /// Only kept when there is a limit for it.
    by_address: HashMap<IpAddr, usize>,
}

/// A place among the connections; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Admission,
    address: IpAddr,
}

impl Admission {
    /// At most so many in all, and from one address (0: as many as in all).
    pub(crate) fn new(total_max: usize, per_address_max: usize) -> Self {
        Self(Arc::new(Inner {
            total_max,
            per_address_max,
            counts: Mutex::default(),
        }))
    }

    /// Takes a place; `None` when there is none left.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        let mut counts = self.counts();
        if counts.total >= self.0.total_max {
            return None;
        }
        if self.0.per_address_max > 0 {
            let here = counts.by_address.entry(address).or_default();
            if *here >= self.0.per_address_max {
                return None;
            }
            *here += 1;
        }
        counts.total += 1;
        Some(Place {
            admission: self.clone(),
            address,
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing between lock and unlock can leave the counts half changed.
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.total = counts.total.saturating_sub(1);
        if let Some(here) = counts.by_address.get_mut(&self.address) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OFFICE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn a_place_is_free_again_once_it_is_left() {
        let admission = Admission::new(2, 0);
        let first = admission.enter(HOME).unwrap();
        let _second = admission.enter(HOME).unwrap();
        assert!(admission.enter(OFFICE).is_none());
        drop(first);
        assert!(admission.enter(OFFICE).is_some());
    }

    #[test]
    fn one_address_does_not_take_all() {
        let admission = Admission::new(10, 1);
        let home = admission.enter(HOME).unwrap();
        assert!(admission.enter(HOME).is_none());
        let mapped = IpAddr::V6(std::net::Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
        assert!(admission.enter(mapped).is_none());
        assert!(admission.enter(OFFICE).is_some());
        drop(home);
        assert!(admission.enter(HOME).is_some());
        assert_eq!(admission.counts().by_address.len(), 0);
    }
}
