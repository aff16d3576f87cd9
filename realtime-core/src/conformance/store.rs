//! Holds a database to the contract of [`crate::store`]: a case for each sentence.
//!
//! A backend runs them all by one line, in a module of its tests:
//! ```text
//! realtime_core::store_conformance!(my_empty_store().await);
//! ```
//! where the expression makes a fresh, empty store for each case, as [`Made`]. Each
//! case is a plain function, and fails by panicking.
//!
//! [`model::agrees_with_memory`] goes further: it plays a long random history to the
//! backend and to [`MemoryStore`](crate::memory::MemoryStore), and compares every read.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a case fails by panicking"
)]

pub mod batches;
pub mod changes;
pub mod editing;
pub mod erasure;
pub mod events;
pub mod exports;
mod fixture;
pub mod handover;
pub mod history;
pub mod left;
pub mod lists;
pub mod members;
pub mod model;
pub mod opening;
pub mod people;
pub mod pointers;
pub mod repeats;
pub mod retention;
pub mod rooms;
pub(crate) mod script;
pub mod sending;
pub mod text;
pub mod unread;
pub mod versions;
pub mod windows;

use crate::store::SharedBackend;

/// A store made for one case, and what must live as long as it does, for example
/// the directory of its files.
pub trait Made {
    /// The store.
    fn store(&self) -> SharedBackend;
}

impl Made for SharedBackend {
    fn store(&self) -> SharedBackend {
        Self::clone(self)
    }
}

impl<Guard> Made for (SharedBackend, Guard) {
    fn store(&self) -> SharedBackend {
        SharedBackend::clone(&self.0)
    }
}

/// Every case of the [suite](crate::conformance::store) as a `#[tokio::test]`, for
/// the fresh and empty store that the expression makes, which may await.
#[macro_export]
macro_rules! store_conformance {
    ($make:expr) => {
        $crate::store_conformance! { @tests $make;
            batches: [
                an_empty_batch_is_answered_with_nothing,
                answers_come_in_the_order_of_the_changes,
                what_is_refused_leaves_no_trace_in_its_batch,
                a_change_sees_the_one_before_it_in_its_batch,
                what_was_answered_is_there,
                many_senders_in_one_room_stay_dense,
                batches_over_several_rooms_do_not_block_each_other,
                reads_during_writes_are_whole,
                a_dropped_commit_can_be_repeated,
                what_is_unknown_is_absent,
                the_incarnation_is_constant,
            ];
            sending: [
                a_message_is_stored_and_told,
                every_message_has_an_id_of_its_own,
                strangers_do_not_find_the_room,
                observers_do_not_send,
                only_the_platform_sends_system_messages,
                only_the_platform_writes_into_a_locked_room,
                a_room_locks_when_its_time_comes,
                a_reply_needs_its_message,
                order_does_not_follow_the_clock,
            ];
            repeats: [
                a_repeat_gets_the_first_answer,
                a_repeat_inside_its_batch_is_found,
                a_repeat_tells_the_message_as_it_is_now,
                a_repeat_is_answered_in_a_locked_room,
                a_client_id_is_not_reused,
                a_client_id_belongs_to_its_sender_and_room,
                the_platform_is_one_sender,
                a_refused_client_id_is_not_used_up,
                concurrent_repeats_are_one_message,
            ];
            editing: [
                an_edit_changes_the_text,
                the_same_text_again_changes_nothing,
                a_delete_leaves_a_tombstone,
                deleting_again_changes_nothing,
                a_deleted_message_is_not_edited,
                others_messages_are_left_alone,
                the_platform_changes_any_message,
                what_is_not_there_is_not_changed,
                observers_change_nothing,
                a_locked_room_stays_as_it_is,
                a_message_is_changed_in_its_time,
                what_comes_too_late_is_looked_at_last,
            ];
            pointers: [
                a_pointer_moves_and_is_told,
                reading_moves_the_delivered_pointer,
                a_pointer_never_moves_back,
                a_pointer_stops_at_the_newest_message,
                only_members_have_pointers_to_move,
                pointers_move_in_a_locked_room,
                a_sender_has_read_their_own_message,
                a_message_does_not_hide_the_one_it_crossed,
                only_a_new_message_moves_its_senders_pointers,
                a_large_room_shows_no_receipts,
            ];
            opening: [
                a_room_is_opened_by_its_first_rev,
                who_is_in_it_from_the_opening_on_is_told,
                user_streams_are_dense,
                a_subject_has_one_room,
                a_subject_has_one_room_inside_a_batch,
                a_subject_opened_by_many_at_once_has_one_room,
                rooms_without_a_subject_are_many,
                a_key_opens_one_room,
                a_key_is_not_reused,
                a_key_remembers_a_room_that_was_there,
                a_refused_opening_leaves_no_trace,
                a_key_used_by_many_at_once_opens_one_room,
                a_direct_room_is_for_two,
                nobody_is_in_a_room_twice,
                a_room_of_ten_thousand_is_opened_at_once,
            ];
            rooms: [
                a_room_is_described,
                a_description_is_removed,
                the_same_description_changes_nothing,
                a_room_is_locked_now,
                a_lock_to_come_is_noted,
                a_lock_never_opens,
                a_room_is_reopened,
                a_room_is_archived,
                an_unknown_room_is_not_changed,
            ];
            members: [
                a_newcomer_is_admitted,
                a_newcomer_has_nothing_unread,
                admitting_again_changes_nothing,
                a_role_or_name_changes,
                a_participant_is_removed,
                only_who_is_in_is_removed,
                a_participant_comes_back,
                the_host_admits_into_any_room,
                a_room_may_be_empty,
            ];
            windows: [
                a_participant_sees_everything,
                a_newcomer_sees_what_is_said_from_now_on,
                from_now_on_may_be_from_the_beginning_on,
                who_left_goes_on_reading,
                who_was_removed_sees_nothing,
                leaving_again_changes_nothing,
                who_comes_back_sees_what_was_decided_then,
                admitting_again_moves_no_window,
                what_is_not_seen_is_not_changed,
                what_is_not_seen_is_not_answered,
                a_repeat_is_known_before_its_senders_window,
                who_left_does_nothing,
                a_window_may_be_empty,
            ];
            left: [
                rooms_that_were_left_have_a_list,
                a_view_of_a_left_room_ends_with_it,
                a_left_room_may_show_nothing,
                a_left_room_shows_whom_one_met,
                a_left_room_is_in_its_list_alone,
                left_rooms_come_page_by_page,
            ];
            handover: [
                a_room_is_handed_over,
                each_sees_their_part_of_a_handed_over_room,
                a_room_is_handed_over_with_its_history,
                handing_over_again_changes_nothing,
                half_a_handover_is_completed,
                nobody_is_replaced_twice,
                one_place_is_given_once,
                a_handover_gives_a_role,
                only_who_was_there_is_replaced,
                nobody_replaces_themselves,
                a_handover_among_writers_is_one_place,
                a_room_is_handed_back,
            ];
            events: [
                an_event_opens_speaks_and_locks,
                an_event_finds_the_room_of_its_subject,
                an_event_opens_the_room_of_its_own_subject,
                an_event_about_nothing_is_not_found,
                an_event_is_applied_whole_or_not_at_all,
                a_repeated_event_changes_nothing,
                a_repeated_event_is_found_inside_its_batch,
                an_event_id_is_not_reused,
                event_ids_and_keys_do_not_meet,
                an_event_speaks_in_a_locked_room,
                an_event_may_ask_for_nothing,
                an_event_changes_who_is_there,
                a_roster_is_never_refused,
                an_event_opens_and_changes_who_is_there,
                an_event_sent_by_many_at_once_is_applied_once,
            ];
            changes: [
                the_changes_from_the_beginning_are_the_room,
                participants_of_one_rev_come_by_user,
                a_range_is_closed,
                after_the_head_is_nothing,
                many_edits_are_one_row,
                pages_join_without_a_seam,
                who_came_is_told_before_what_they_said,
                a_page_of_changes_is_limited,
                catching_up_tells_what_was_told,
                each_rev_is_told_once,
            ];
            history: [
                windows_end_where_they_say,
                an_empty_room_has_an_empty_page,
                a_page_of_history_is_limited,
                tombstones_keep_their_places,
                a_page_is_of_one_room,
            ];
            lists: [
                rooms_come_by_newest_activity,
                a_cursor_continues_a_list,
                a_list_is_of_a_state,
                a_list_is_of_the_unread,
                a_list_is_of_rooms_one_is_in,
                a_page_of_rooms_is_limited,
                a_view_shows_the_room,
                views_come_as_they_were_asked_for,
                a_large_room_does_not_list_its_people,
                participants_come_by_user,
                a_page_of_participants_is_limited,
            ];
            unread: [
                messages_of_others_are_unread,
                system_messages_are_not_unread,
                tombstones_are_not_unread,
                unread_is_counted_up_to_the_cap,
                what_does_not_count_is_not_in_the_cap,
                strangers_have_nothing_unread,
                totals_are_over_all_rooms_but_archived,
            ];
            people: [
                heads_come_as_they_were_asked_for,
                heads_of_many_topics_are_answered,
                a_name_is_remembered_with_a_message,
                a_name_is_not_remembered_with_nothing,
                the_host_names_people,
                acquaintances_share_a_room,
                last_seen_is_remembered,
                a_participant_is_looked_up,
            ];
            versions: [
                an_edit_keeps_what_was_said,
                a_delete_keeps_what_was_said,
                what_changes_nothing_keeps_nothing,
                versions_come_page_by_page,
                versions_go_with_their_message,
            ];
            retention: [
                what_is_kept_is_told_with_the_room,
                what_was_given_up_stays_so,
                history_begins_with_what_is_kept,
                changes_are_of_what_is_kept,
                an_emptied_room_goes_on,
                what_is_not_kept_is_not_unread,
                what_is_not_kept_is_not_changed,
                a_client_id_is_forgotten_with_its_message,
                a_list_keeps_its_order_when_messages_go,
                many_messages_are_purged_in_parts,
                there_may_be_nothing_to_tidy,
                aged_rooms_are_found,
                messages_age_in_their_order,
                a_room_is_asked_for_until_nothing_is_old,
            ];
            erasure: [
                an_event_erases_once,
                an_event_about_nobody_erases_nobody_later,
                who_was_erased_is_unknown,
                what_they_said_is_nobodys,
                messages_are_kept_if_so_said,
                messages_become_tombstones,
                each_of_their_rooms_is_reset,
                a_reset_is_told_instead_of_changes,
                only_who_is_known_is_erased,
                the_same_id_is_somebody_else,
                an_erasure_stands_in_its_place_in_a_batch,
                others_stay_as_they_are,
                what_was_left_behind_is_the_platforms,
                many_messages_are_erased_in_parts,
                messages_go_and_their_sender_too,
                an_erasure_among_writers_is_whole,
                tidying_by_many_at_once_is_done_once,
            ];
            exports: [
                an_export_is_all_that_is_known,
                rooms_of_before_are_exported,
                nobody_is_exported,
                an_export_comes_page_by_page,
                an_export_goes_on_after_any_room,
                what_is_not_kept_is_not_exported,
                who_comes_anew_is_exported_anew,
            ];
            text: [
                bodies_come_back_as_they_were,
                long_bodies_come_back_whole,
                bodies_are_compared_by_every_byte,
                metadata_comes_back_as_it_was,
                names_come_back_as_they_were,
                the_longest_ids_fit,
                users_are_told_apart_by_every_byte,
                keys_are_told_apart_by_every_byte,
                roles_come_back_as_they_were,
            ];
            model: [
                a_random_history_agrees_with_the_reference,
            ];
        }
    };
    (@tests $make:expr; $($module:ident: [$($case:ident),* $(,)?];)*) => {
        $($(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let made = $make;
                let store = $crate::conformance::store::Made::store(&made);
                $crate::conformance::store::$module::$case(store).await;
            }
        )*)*
    };
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/conformance/store");

    /// A case that no macro lists would never run.
    #[test]
    fn every_case_is_listed() {
        let listed = listed(include_str!("store.rs"));
        let written = written(Path::new(CASES));
        assert!(written.len() > 100, "the cases were found: {written:?}");
        assert_eq!(listed, written);
    }

    /// Pairs of module and case, as the macro lists them.
    fn listed(source: &str) -> BTreeSet<(String, String)> {
        let list = source.split("@tests $make;").nth(1).unwrap();
        let list = list.split("        }").next().unwrap();
        let mut module = "";
        let mut cases = BTreeSet::new();
        for line in list.lines().map(str::trim) {
            if let Some(name) = line.strip_suffix(": [") {
                module = name;
            } else if let Some(case) = line.strip_suffix(',') {
                cases.insert((module.to_owned(), case.to_owned()));
            }
        }
        cases
    }

    /// The same, as they are written in the files of a folder.
    fn written(cases_in: &Path) -> BTreeSet<(String, String)> {
        let mut cases = BTreeSet::new();
        for entry in fs::read_dir(cases_in).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let module = path.file_stem().unwrap().to_str().unwrap();
            let source = fs::read_to_string(&path).unwrap();
            for line in source.lines() {
                let case = line.strip_prefix("pub async fn ");
                if let Some(case) =
                    case.and_then(|case| case.strip_suffix("(store: SharedBackend) {"))
                {
                    cases.insert((module.to_owned(), case.to_owned()));
                }
            }
        }
        cases
    }
}
