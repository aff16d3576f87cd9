use proptest::prelude::*;

use super::*;
use crate::{
    id::{MessageId, RoomId},
    message::{Message, MessageKind, Sender},
    seq::Rev,
    time::Timestamp,
};

fn message(seq: u64) -> Message {
    Message {
        room: RoomId::from_uuid(uuid::Uuid::nil()),
        seq: Seq::new(seq),
        rev: Rev::new(seq + 1),
        id: MessageId::from_uuid(uuid::Uuid::from_u128(seq.into())),
        sender: Sender::System,
        client_id: None,
        kind: MessageKind::Text,
        body: Some("said".into()),
        metadata: None,
        reply_to: None,
        sent_at: Timestamp::default(),
        edited_at: None,
        deleted_at: None,
    }
}

/// A page of a room of which the messages from `first` to `last` are kept, by the
/// contract of the store.
fn read((first, last): (u64, u64), window: Window, limit: u64) -> HistoryPage {
    let (middle, before, after) = match window {
        Window::Latest => (last + 1, limit, 0),
        Window::Before(seq) => (seq.get(), limit, 0),
        Window::After(seq) => (seq.get().saturating_add(1), 0, limit),
        Window::Around(seq) => (seq.get(), limit / 2, limit - limit / 2),
    };
    let middle = middle.clamp(first, last + 1);
    let begin = middle.saturating_sub(before).max(first);
    let end = (middle + after).min(last + 1);
    HistoryPage {
        messages: (begin..end).map(message).collect(),
        has_older: begin > first,
        has_newer: end <= last,
        last_seq: Seq::new(last),
        rev: Rev::new(last + 1),
    }
}

/// As the service reads for somebody.
fn shown(kept: (u64, u64), visible: Visible, window: Window, limit: u64) -> HistoryPage {
    let window = clipped(window, visible);
    let mut page = cut(read(kept, window, limit), visible);
    if let (true, Some(beside)) = (page.messages.is_empty(), beside(window)) {
        complete(&mut page, window, &read(kept, beside, 1), visible);
    }
    page
}

fn window() -> impl Strategy<Value = Window> {
    let seq = || prop_oneof![0_u64..40, Just(u64::MAX)].prop_map(Seq::new);
    prop_oneof![
        Just(Window::Latest),
        seq().prop_map(Window::Before),
        seq().prop_map(Window::After),
        seq().prop_map(Window::Around),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Who sees a part of a room is told the same as if there were nothing else.
    #[test]
    fn a_part_of_a_room_looks_like_a_room(
        (first, last) in (1_u64..20, 0_u64..30).prop_map(|(first, more)| (first, first + more - 1)),
        from in 1_u64..35,
        to in proptest::option::of(1_u64..35),
        window in window(),
        limit in 1_u64..8,
    ) {
        let to = to.map(|to| to.max(from - 1).min(last));
        // Nobody is let in to see from a message on that is not the next one at most.
        let from = from.min(last + 1).min(to.map_or(u64::MAX, |to| to + 1));
        let visible = Visible { from: Seq::new(from), to: to.map(Seq::new) };
        let page = shown((first, last), visible, window, limit);
        let (low, high) = (first.max(from), last.min(to.unwrap_or(last)));
        let alone = if low <= high {
            read((low, high), window, limit)
        } else {
            HistoryPage { messages: Vec::new(), has_older: false, has_newer: false, ..page.clone() }
        };
        prop_assert_eq!(&page.messages, &alone.messages);
        prop_assert_eq!(page.has_older, alone.has_older, "older");
        prop_assert_eq!(page.has_newer, alone.has_newer, "newer");
        prop_assert!(to.is_none_or(|to| page.last_seq.get() <= to));
    }
}
