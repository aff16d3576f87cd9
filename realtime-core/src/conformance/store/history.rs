//! Windows on a room's messages.

use super::fixture::*;
use crate::{
    limits::HISTORY_PAGE,
    seq::{Rev, Seq},
    store::{SharedBackend, Window},
};

fn before(seq: u64) -> Window {
    Window::Before(Seq::new(seq))
}

fn after(seq: u64) -> Window {
    Window::After(Seq::new(seq))
}

fn around(seq: u64) -> Window {
    Window::Around(Seq::new(seq))
}

/// Every window at every edge: which messages, and what lies on either side.
pub async fn windows_end_where_they_say(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says_often("ann", 10).await;
    let far = crate::seq::MAX_JSON_INTEGER;
    let (older, newer) = (true, true);
    for (window, limit, first_to_last, has_older, has_newer) in [
        (Window::Latest, 3, Some((8, 10)), older, !newer),
        (Window::Latest, 10, Some((1, 10)), !older, !newer),
        (Window::Latest, 11, Some((1, 10)), !older, !newer),
        (before(0), 5, None, !older, newer),
        (before(1), 5, None, !older, newer),
        (before(2), 5, Some((1, 1)), !older, newer),
        (before(5), 3, Some((2, 4)), older, newer),
        (before(5), 4, Some((1, 4)), !older, newer),
        (before(10), 2, Some((8, 9)), older, newer),
        (before(11), 2, Some((9, 10)), older, !newer),
        (before(far), 2, Some((9, 10)), older, !newer),
        (after(0), 3, Some((1, 3)), !older, newer),
        (after(1), 3, Some((2, 4)), older, newer),
        (after(7), 3, Some((8, 10)), older, !newer),
        (after(8), 3, Some((9, 10)), older, !newer),
        (after(9), 1, Some((10, 10)), older, !newer),
        (after(10), 3, None, older, !newer),
        (after(far), 3, None, older, !newer),
        (around(5), 1, Some((5, 5)), older, newer),
        (around(5), 2, Some((4, 5)), older, newer),
        (around(5), 3, Some((4, 6)), older, newer),
        (around(5), 4, Some((3, 6)), older, newer),
        (around(5), 10, Some((1, 9)), !older, newer),
        (around(5), 12, Some((1, 10)), !older, !newer),
        (around(1), 4, Some((1, 2)), !older, newer),
        (around(0), 4, Some((1, 2)), !older, newer),
        (around(0), 2, Some((1, 1)), !older, newer),
        (around(10), 4, Some((8, 10)), older, !newer),
        (around(11), 4, Some((9, 10)), older, !newer),
        (around(far), 4, Some((9, 10)), older, !newer),
        (around(far), 1, None, older, !newer),
    ] {
        let page = room.history(window, limit).await;
        let expected: Vec<u64> = match first_to_last {
            Some((first, last)) => (first..=last).collect(),
            None => Vec::new(),
        };
        let asked = format!("{window:?}, at most {limit}");
        assert_eq!(seqs(&page.messages), expected, "{asked}");
        assert_eq!(page.has_older, has_older, "older: {asked}");
        assert_eq!(page.has_newer, has_newer, "newer: {asked}");
        assert_eq!((page.last_seq, page.rev), (Seq::new(10), Rev::new(11)));
    }
}

/// A room in which nothing was said has nothing on either side.
pub async fn an_empty_room_has_an_empty_page(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    for window in [Window::Latest, before(5), after(0), after(5), around(1)] {
        let page = room.history(window, 10).await;
        assert_eq!(page.messages, []);
        assert!(!page.has_older && !page.has_newer);
        assert_eq!((page.last_seq, page.rev), (Seq::ZERO, Rev::FIRST));
    }
}

/// A page has its default and its maximum.
pub async fn a_page_of_history_is_limited(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let (most, default) = HISTORY_PAGE;
    room.says_often("ann", u64::from(most) + 50).await;
    for (limit, rows) in [
        (0, default),
        (1, 1),
        (most, most),
        (most + 1, most),
        (u32::MAX, most),
    ] {
        for window in [Window::Latest, before(1_000), after(0), around(101)] {
            let page = room.history(window, limit).await;
            assert_eq!(page.messages.len(), rows as usize, "{window:?} {limit}");
            assert!(page.messages.is_sorted_by_key(|message| message.seq));
        }
    }
}

/// Tombstones are in their places: a page is never short because something is gone.
pub async fn tombstones_keep_their_places(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says_often("ann", 6).await;
    for seq in [1, 3, 4, 6] {
        room.deletes(by("ann"), seq).await;
    }
    let page = room.history(Window::Latest, 4).await;
    assert_eq!(seqs(&page.messages), [3, 4, 5, 6]);
    let gone: Vec<bool> = page.messages.iter().map(|one| one.body.is_none()).collect();
    assert_eq!(gone, [true, true, false, true]);
    assert!(page.has_older);
    assert_eq!(seqs(&room.history(before(4), 2).await.messages), [2, 3]);
    assert_eq!(page.rev, Rev::new(11));
}

/// A page holds messages of its room only, as they are now.
pub async fn a_page_is_of_one_room(store: SharedBackend) {
    let house = House::new(store);
    let (one, two) = (house.group(&["ann"]).await, house.group(&["ann"]).await);
    for number in 0..5 {
        one.says("ann", &format!("one {number}")).await;
        two.says("ann", &format!("two {number}")).await;
    }
    one.edits(by("ann"), 3, "one, edited").await;
    let bodies: Vec<_> = one
        .messages()
        .await
        .into_iter()
        .map(|one| one.body)
        .collect();
    let expected = ["one 0", "one 1", "one, edited", "one 3", "one 4"];
    assert_eq!(bodies, expected.map(|body| Some(body.to_owned())));
    assert_eq!(one.history(after(4), 10).await.messages.len(), 1);
}
