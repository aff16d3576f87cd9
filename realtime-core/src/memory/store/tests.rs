//! The reference, held to the suite, and to something simpler than itself.

mod naive;
mod replica;

use std::sync::Arc;

use proptest::prelude::*;

use self::{naive::Naive, replica::Way};
use crate::{
    conformance::store::{
        model::{Echo, play},
        script::Step,
    },
    memory::MemoryStore,
    store::{SharedBackend, Store},
};

crate::store_conformance!(Arc::new(MemoryStore::default()) as SharedBackend);

#[tokio::test]
async fn a_restored_database_lives_another_life() {
    let store = MemoryStore::default();
    let born = store.incarnation().await.unwrap();
    let restored = store.declare_restored();
    assert_ne!(restored, born);
    assert_eq!(store.incarnation().await.unwrap(), restored);
}

/// Batches of at most so many changes.
const BATCH: usize = 6;
/// Batches of one history, at most.
const HISTORY: usize = 40;

fn histories() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let batch = prop::collection::vec(any::<Step>(), 1..=BATCH);
    prop::collection::vec(batch, 1..=HISTORY)
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(test)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The reference tells what a replay of all that was ever accepted tells.
    #[test]
    fn the_reference_agrees_with_a_replay(history in histories()) {
        let ids = Arc::new(Echo::default());
        let naive = Naive::new(Arc::clone(&ids));
        block_on(play(&MemoryStore::default(), &naive, &ids, &history));
    }

    /// Who missed any part of a history and catches up holds the room as it is.
    #[test]
    fn who_catches_up_holds_the_room_as_it_is(
        history in histories(),
        from in 0..HISTORY,
        every in 1..HISTORY,
    ) {
        let way = Way { page: u32::MAX, from, every };
        block_on(replica::catches_up(&MemoryStore::default(), &history, way));
    }

    /// Also page after page.
    #[test]
    fn who_catches_up_page_by_page_holds_the_room_as_it_is(
        history in histories(),
        from in 0..HISTORY,
        every in 1..HISTORY,
        page in 1..20_u32,
    ) {
        let way = Way { page, from, every };
        block_on(replica::catches_up(&MemoryStore::default(), &history, way));
    }
}
