//! The order of hits, and their pages.

use super::{
    Rig,
    fixture::{House, asking, at, opened},
};
use crate::{
    change::Change,
    id::RoomId,
    limits::{SEARCH_PAGE, SEARCH_ROOMS},
    search::{Hit, SearchQuery},
};

fn numbers(hits: &[Hit]) -> Vec<u64> {
    let number = |hit: &Hit| {
        hit.message
            .body
            .as_ref()?
            .split(' ')
            .next_back()?
            .parse()
            .ok()
    };
    hits.iter().filter_map(number).collect()
}

/// Over all rooms, as they were sent.
pub async fn hits_come_newest_first(rig: Rig) {
    let house = House::new(rig);
    let mut rooms = Vec::new();
    for _ in 0..3 {
        rooms.push(house.opens(&["ann"]).await);
    }
    for number in 0..30 {
        let room = rooms[number * 7 % 3];
        house.says(room, "ann", &format!("key {number}")).await;
    }
    house.indexes().await;
    let hits = house.all("ann", &asking("key")).await;
    assert_eq!(numbers(&hits), (0..30).rev().collect::<Vec<_>>());
}

/// Then room and number decide.
pub async fn messages_of_one_moment_are_told_once(rig: Rig) {
    let house = House::new(rig);
    let openings = vec![House::opening(&["ann"]); 5];
    let rooms: Vec<RoomId> = house.commits(&openings).await.iter().map(opened).collect();
    let batch: Vec<Change> = (0..50)
        .map(|number| house.saying(rooms[number % 5], "ann", &format!("key {number}")))
        .collect();
    house.commits(&batch).await;
    house.indexes().await;
    for limit in [1, 3, 7, 20, 100] {
        let query = SearchQuery {
            limit,
            ..asking("key")
        };
        let mut found = numbers(&house.all("ann", &query).await);
        found.sort_unstable();
        assert_eq!(found, (0..50).collect::<Vec<_>>(), "pages of {limit}");
    }
}

/// Also where the clock stepped back between two messages of a room.
pub async fn order_follows_the_time_of_sending(rig: Rig) {
    let house = House::new(rig);
    let (room, other) = (house.opens(&["ann"]).await, house.opens(&["ann"]).await);
    for number in 0..10 {
        house.says(room, "ann", &format!("key {number}")).await;
    }
    house.steps_back(8);
    for number in 10..20 {
        house.says(other, "ann", &format!("key {number}")).await;
        house
            .says(room, "ann", &format!("key {}", number + 10))
            .await;
    }
    house.indexes().await;
    let all = house.all("ann", &asking("key")).await;
    assert_eq!(all.len(), 30);
    for limit in [1, 4] {
        let query = SearchQuery {
            limit,
            ..asking("key")
        };
        assert_eq!(house.all("ann", &query).await, all, "pages of {limit}");
    }
}

/// Whatever their size.
pub async fn pages_join_without_a_seam(rig: Rig) {
    let house = House::new(rig);
    let (one, two) = (house.opens(&["ann"]).await, house.opens(&["ann"]).await);
    for number in 0..40 {
        let room = if number % 3 == 0 { one } else { two };
        let word = if number % 2 == 0 { "key" } else { "door" };
        house.says(room, "ann", &format!("{word} {number}")).await;
    }
    house.indexes().await;
    let expected: Vec<u64> = (0..40).filter(|number| number % 2 == 0).rev().collect();
    for limit in [1, 2, 3, 19, 20, 21] {
        let query = SearchQuery {
            limit,
            ..asking("key")
        };
        let hits = house.all("ann", &query).await;
        assert_eq!(numbers(&hits), expected, "pages of {limit}");
    }
}

/// It is newer than every position.
pub async fn what_is_sent_meanwhile_is_on_no_later_page(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    for number in 0..6 {
        house.says(room, "ann", &format!("key {number}")).await;
    }
    house.indexes().await;
    let query = SearchQuery {
        limit: 3,
        ..asking("key")
    };
    let first = house.page("ann", &query).await;
    assert_eq!(numbers(&first.hits), [5, 4, 3]);
    house.says(room, "ann", "key 6").await;
    house.indexes().await;
    let before = first.hits.last().map(at);
    let rest = house.all("ann", &SearchQuery { before, ..query }).await;
    assert_eq!(numbers(&rest), [2, 1, 0]);
}

/// To the default, the maximum, or what was asked for.
pub async fn a_page_is_limited(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    let (max, default) = SEARCH_PAGE;
    let texts = (0..=max).map(|number| format!("key {number}"));
    house.says_all(room, "ann", texts).await;
    house.indexes().await;
    for (limit, expected) in [(0, default), (1, 1), (max, max), (u32::MAX, max)] {
        let page = house
            .page(
                "ann",
                &SearchQuery {
                    limit,
                    ..asking("key")
                },
            )
            .await;
        assert_eq!(page.hits.len(), expected as usize);
        assert!(page.next.is_some());
    }
}

/// However rare or common the word, and also while the room goes on.
pub async fn a_long_room_is_searched_to_its_beginning(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    house.says(room, "ann", "needle 0").await;
    let texts = (1..=2_500).map(|number| format!("common {number}"));
    house.says_all(room, "ann", texts).await;
    house.says(room, "ann", "needle 2501").await;
    house.indexes().await;
    assert_eq!(
        numbers(&house.all("ann", &asking("needle")).await),
        [2_501, 0]
    );
    let query = SearchQuery {
        limit: 100,
        ..asking("common")
    };
    let hits = house.all("ann", &query).await;
    assert_eq!(numbers(&hits).len(), 2_500);
    assert_eq!(
        house.finds_in(room, "ann", "common 17").await.len(),
        1 + 10 + 100
    );
}

/// The index knows no order of words: whatever it offers in vain must be passed over.
pub async fn phrases_are_found_among_many_that_are_none(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    house.says(room, "ann", "red key 0").await;
    let texts = (1..=1_500).map(|number| format!("key red {number}"));
    house.says_all(room, "ann", texts).await;
    house.indexes().await;
    assert_eq!(
        numbers(&house.all("ann", &asking("\"red key\"")).await),
        [0]
    );
}

/// Those with the newest activity; the others by their name.
pub async fn many_rooms_are_searched(rig: Rig) {
    let house = House::new(rig);
    let count = u64::from(SEARCH_ROOMS) + 50;
    let mut rooms = Vec::new();
    for start in (0..count).step_by(150) {
        let openings = vec![House::opening(&["ann"]); (count - start).min(150) as usize];
        rooms.extend(house.commits(&openings).await.iter().map(opened));
    }
    let said: Vec<Change> = rooms
        .iter()
        .enumerate()
        .map(|(number, room)| house.saying(*room, "ann", &format!("key {number}")))
        .collect();
    for batch in said.chunks(25) {
        house.commits(batch).await;
    }
    house.indexes().await;
    let mut found = numbers(&house.all("ann", &asking("key")).await);
    found.sort_unstable();
    assert_eq!(found, (50..count).collect::<Vec<_>>());
    assert_eq!(house.finds_in(rooms[0], "ann", "key").await, [1]);
    assert_eq!(house.finds("ann", "key 1049").await, ["key 1049"]);
}
