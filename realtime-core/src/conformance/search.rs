//! Holds a search to the contract of [`crate::search`]: a case for each sentence.
//!
//! A backend runs them all by one line, in a module of its tests:
//! ```text
//! realtime_core::search_conformance!(my_rig().await);
//! ```
//! where the expression makes a [`Rig`] with a fresh, empty store for each case. Each
//! case is a plain function, and fails by panicking.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a case fails by panicking"
)]

pub mod access;
pub mod changing;
pub mod finding;
mod fixture;
pub mod indexing;
pub mod model;
pub mod paging;

use std::{any::Any, sync::Arc};

use crate::{
    search::Search,
    store::{Backend, SharedBackend},
};

/// A fresh, empty store and the search in it.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "backends build it")]
pub struct Rig {
    /// Where messages are stored.
    pub store: SharedBackend,
    /// Where they are found.
    pub search: Arc<dyn Search>,
    /// What must live as long as both, for example the directory of their files.
    pub guard: Option<Arc<dyn Any + Send + Sync>>,
}

impl Rig {
    /// Of a store that searches itself.
    pub fn of<T: Backend + Search + 'static>(store: Arc<T>) -> Self {
        Self {
            store: store.clone(),
            search: store,
            guard: None,
        }
    }

    /// Keeps something alive for as long as the case runs.
    #[must_use]
    pub fn keeping(mut self, guard: impl Any + Send + Sync) -> Self {
        self.guard = Some(Arc::new(guard));
        self
    }
}

/// Every case of the [suite](crate::conformance::search) as a `#[tokio::test]`, for the
/// [`Rig`] that the expression makes, which may await.
#[macro_export]
macro_rules! search_conformance {
    ($make:expr) => {
        $crate::search_conformance! { @tests $make;
            finding: [
                a_message_is_found_by_its_words,
                the_words_of_a_question_mean_nothing_else,
                messages_of_the_platform_are_found,
                every_script_is_found,
                long_words_and_long_messages_are_found,
                the_message_is_told_as_it_is_now,
                archived_rooms_are_searched,
            ];
            access: [
                strangers_find_nothing,
                others_rooms_are_not_searched,
                who_was_removed_finds_nothing,
                who_left_finds_what_was_before,
                a_newcomer_finds_what_comes_after,
                who_came_back_finds_again,
                a_room_that_is_not_seen_is_empty,
            ];
            changing: [
                an_edited_text_is_found_and_no_other,
                what_is_deleted_is_not_found,
                what_is_given_up_is_not_found,
                what_an_erased_person_said_is_gone,
                what_an_erased_person_said_and_was_kept_is_found,
                an_erased_person_finds_nothing,
                an_index_that_is_behind_shows_nothing_it_should_not,
            ];
            paging: [
                hits_come_newest_first,
                messages_of_one_moment_are_told_once,
                order_follows_the_time_of_sending,
                pages_join_without_a_seam,
                what_is_sent_meanwhile_is_on_no_later_page,
                a_page_is_limited,
                a_long_room_is_searched_to_its_beginning,
                phrases_are_found_among_many_that_are_none,
                many_rooms_are_searched,
            ];
            indexing: [
                what_lacks_is_told_until_it_is_indexed,
                rooms_that_are_not_there_are_left_out,
                many_indexers_do_no_harm,
                an_index_dropped_half_way_is_made_up_for,
            ];
            model: [
                random_rooms_agree_with_the_reference,
            ];
        }
    };
    (@tests $make:expr; $($module:ident: [$($case:ident),* $(,)?];)*) => {
        $($(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::conformance::search::$module::$case($make).await;
            }
        )*)*
    };
}

#[cfg(test)]
mod tests {
    /// A case that the macro does not list would never run.
    #[test]
    fn every_case_is_listed() {
        let list = include_str!("search.rs");
        let list = list.split("@tests $make;").nth(1).unwrap();
        let mut cases = 0;
        for source in [
            include_str!("search/access.rs"),
            include_str!("search/changing.rs"),
            include_str!("search/finding.rs"),
            include_str!("search/indexing.rs"),
            include_str!("search/model.rs"),
            include_str!("search/paging.rs"),
        ] {
            let written = source
                .lines()
                .filter_map(|line| line.strip_prefix("pub async fn "));
            for case in written.filter_map(|rest| rest.strip_suffix("(rig: Rig) {")) {
                let entry = format!("                {case},");
                assert!(
                    list.lines().any(|line| line == entry),
                    "{case} is not listed"
                );
                cases += 1;
            }
        }
        assert!(cases > 30, "the cases were found: {cases}");
    }
}
