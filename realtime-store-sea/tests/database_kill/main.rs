//! What is promised when the database dies, hangs, loses its link or sees deadlocks: on
//! PostgreSQL and on MariaDB, each a real server that is killed and paused.
//!
//! A run whose fault hit nothing has shown nothing, and fails.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it hit"
)]

mod deadlock;
mod down;
mod killed;
mod link;
mod support;

/// Each of these on both databases.
macro_rules! on_both {
    ($($module:ident::$case:ident)*) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                super::$module::$case(realtime_testkit::database::Product::Postgres).await;
            })*
        }
        mod mariadb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                super::$module::$case(realtime_testkit::database::Product::MariaDb).await;
            })*
        }
    };
}

on_both! {
    killed::what_was_answered_survives_kills_under_load
    link::a_commit_that_does_not_arrive_is_indeterminate
    link::a_commit_whose_answer_is_lost_is_indeterminate
    link::a_link_that_breaks_before_the_commit_leaves_nothing
    link::a_sender_is_told_to_repeat_and_the_repeat_is_harmless
    down::a_paused_database_holds_nobody_for_ever
    down::a_database_that_was_down_is_used_again
    deadlock::a_deadlock_with_others_is_not_shown
    deadlock::two_servers_in_each_others_way_see_only_success
}
