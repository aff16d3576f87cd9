//! P9: rooms change in the host's own transaction, with its rows or not at all. Every case
//! runs on SQLite, PostgreSQL and MariaDB, the host on a connection of its own that was
//! told nothing.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod alone;
mod contention;
mod delivery;
mod ground;
mod isolation;
mod through;

use ground::{Ground, Kind};

/// A case for each database.
macro_rules! on_every_database {
    ($($module:ident::$case:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$module::$case(super::Ground::new(super::Kind::Sqlite).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$module::$case(super::Ground::new(super::Kind::Postgres).await).await;
            })*
        }
        mod mariadb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$module::$case(super::Ground::new(super::Kind::MariaDb).await).await;
            })*
        }
    };
}

on_every_database! {
    alone::what_the_host_commits_is_there_with_its_row
    alone::what_the_host_rolls_back_was_never_there
    alone::a_call_that_fails_leaves_nothing_and_the_transaction_goes_on
    alone::a_call_that_was_dropped_is_taken_back_by_the_next
    alone::a_refusal_leaves_the_decision_to_the_host
    alone::a_connection_that_is_not_in_a_transaction_is_refused
    alone::a_message_of_the_platform_is_posted_once
    alone::people_come_and_go
    alone::a_room_is_locked_reopened_and_archived
    alone::names_that_cannot_be_stored_are_refused_alone
    contention::a_subject_that_two_hosts_open_at_once_has_one_room
    contention::hosts_and_the_store_take_turns_without_a_hole
    contention::hosts_that_wait_for_each_other_begin_anew
    delivery::what_is_handed_over_is_delivered_at_once
    delivery::what_is_not_handed_over_is_delivered_by_the_sweep
    delivery::what_was_rolled_back_is_not_delivered
    isolation::a_transaction_begun_in_the_usual_way_is_taken
    isolation::a_transaction_that_saw_an_earlier_state_changes_the_present_one
    through::random_histories_agree_with_the_reference
}
