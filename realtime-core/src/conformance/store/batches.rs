//! A batch is one transaction, in which each change stands alone.

use std::sync::Arc;

use futures::future::join_all;

use super::fixture::*;
use crate::{
    change::{Change, Pointer, Rejection},
    event::Topic,
    id::RoomId,
    participant::Role,
    seq::{Rev, Seq},
    store::{SharedBackend, Window},
};

/// Tasks that write, or read, at once.
const TASKS: u64 = 32;
/// What each of them does.
const ROUNDS: u64 = 8;

/// The answers are as many as the changes: none.
pub async fn an_empty_batch_is_answered_with_nothing(store: SharedBackend) {
    let house = House::new(store);
    assert_eq!(house.commits(&[]).await, []);
}

/// The answers come in the order of the changes, whatever each came to.
pub async fn answers_come_in_the_order_of_the_changes(store: SharedBackend) {
    let house = House::new(store);
    let (one, two) = (house.group(&["ann"]).await, house.group(&["ann"]).await);
    let outcomes = house
        .commits(&[
            Change::Send(two.draft(by("ann"), "to two")),
            Change::Send(one.draft(by("zoe"), "from a stranger")),
            Change::Send(one.draft(by("ann"), "to one")),
            one.mark("ann", Pointer::Read, 1),
            Change::Open(group(&["ann", "ben"])),
            Change::Send(two.draft(by("ann"), "to two again")),
        ])
        .await;
    let said = |index: usize| {
        let (message, _) = message_in(outcomes[index].as_ref().unwrap());
        (message.room, message.seq.get(), message.body.unwrap())
    };
    assert_eq!(said(0), (two.id, 1, "to two".to_owned()));
    assert_eq!(outcomes[1], Err(Rejection::NotFound));
    assert_eq!(said(2), (one.id, 1, "to one".to_owned()));
    let (receipt, ..) = pointers_in(outcomes[3].as_ref().unwrap());
    assert_eq!(receipt.read_seq, Seq::FIRST);
    let (room, created) = room_in(outcomes[4].as_ref().unwrap());
    assert!(created && room.participant_count == 2);
    assert_eq!(said(5), (two.id, 2, "to two again".to_owned()));
}

/// Each change is refused alone, leaves no trace, and burns no number.
pub async fn what_is_refused_leaves_no_trace_in_its_batch(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let watcher = room.admit("olga", Role::Observer);
    house.does(watcher).await;
    let outcomes = house
        .commits(&[
            Change::Send(room.draft(by("ann"), "1")),
            Change::Send(room.draft(by_named("zoe", "Zoe"), "a stranger")),
            Change::Send(room.draft(by_named("olga", "Olga"), "an observer")),
            Change::Send(room.draft(by("ben"), "2")),
            room.edit(by_named("ben", "Ben"), 1, "not mine"),
            room.delete(by("ann"), 77),
            room.mark("zoe", Pointer::Read, 1),
            Change::Open(group(&["kim", "kim"])),
            Change::Apply(Box::new(news("event", "no such job"))),
            room.remove("zoe"),
            Change::Send(room.draft(by("ann"), "3")),
        ])
        .await;
    let accepted: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    let (yes, no) = (true, false);
    assert_eq!(
        accepted,
        [yes, no, no, yes, no, no, no, no, no, no, yes],
        "{outcomes:?}"
    );
    let said = room.messages().await;
    let bodies: Vec<_> = said.iter().filter_map(|one| one.body.as_deref()).collect();
    assert_eq!(bodies, ["1", "2", "3"]);
    assert_eq!(seqs(&said), [1, 2, 3]);
    assert_eq!(
        room.head().await,
        Rev::new(5),
        "opened, admitted, three said"
    );
    assert_eq!(room.person("olga").await.name, None);
    assert_eq!(room.person("ben").await.name, None);
    assert_eq!(house.user_head("kim").await, Rev::ZERO);
    room.is_dense().await;
}

/// Each change is applied to the state that the one before it left.
pub async fn a_change_sees_the_one_before_it_in_its_batch(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let mut reply = room.draft(by("cleo"), "hello");
    reply.reply_to = Some(Seq::FIRST);
    let outcomes = house
        .commits(&[
            Change::Send(room.draft(by("cleo"), "too early")),
            room.admit("cleo", Role::Member),
            Change::Send(room.draft(by("ann"), "welcome")),
            Change::Send(reply),
            room.edit(by("ann"), 1, "Welcome!"),
            room.mark("ben", Pointer::Read, 2),
            room.remove("ben"),
            Change::Send(room.draft(by("ben"), "too late")),
            room.delete(by("ann"), 1),
            room.edit(by("ann"), 1, "gone"),
        ])
        .await;
    let refused: Vec<usize> = (0..outcomes.len())
        .filter(|index| outcomes[*index].is_err())
        .collect();
    assert_eq!(refused, [0, 7, 9], "{outcomes:?}");
    let revs: Vec<u64> = outcomes
        .iter()
        .flatten()
        .flat_map(|committed| &committed.events)
        .map(|event| event.rev.get())
        .collect();
    assert_eq!(revs, [2, 3, 4, 5, 6, 7, 8]);
    // Each event carries its row as it was after that very change.
    let (edited, _) = message_in(outcomes[4].as_ref().unwrap());
    assert_eq!(edited.body.as_deref(), Some("Welcome!"));
    assert_eq!(room.message(1).await.body, None);
    assert_eq!(room.pointers("ben").await, (2, 2));
    room.is_dense().await;
}

/// What was answered is there for every later read, from any task.
pub async fn what_was_answered_is_there(store: SharedBackend) {
    let house = Arc::new(House::new(store));
    let room = house.group(&["ann", "ben"]).await.id;
    for _ in 0..ROUNDS {
        let message = house.place(room).says("ann", "hello").await;
        let reader = Arc::clone(&house);
        let read = tokio::spawn(async move { reader.place(room).messages().await });
        assert_eq!(read.await.unwrap().last(), Some(&message));
    }
}

/// However many tasks send into one room, `seq` and `rev` are dense.
pub async fn many_senders_in_one_room_stay_dense(store: SharedBackend) {
    let house = Arc::new(House::new(store));
    let room = house.group(&["ann", "ben"]).await.id;
    let senders = (0..TASKS).map(|task| {
        let house = Arc::clone(&house);
        tokio::spawn(async move {
            let place = house.place(room);
            let who = if task % 2 == 0 { "ann" } else { "ben" };
            let mut mine = Vec::new();
            for round in 0..ROUNDS {
                let message = place.says(who, &format!("{task}/{round}")).await;
                mine.push((message.seq, message.rev, message.body));
            }
            assert!(mine.is_sorted(), "one sender's messages keep their order");
            mine
        })
    });
    let mut told: Vec<_> = join_all(senders)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    told.sort();
    let place = house.place(room);
    place.is_dense().await;
    assert_eq!(place.head().await, Rev::new(1 + TASKS * ROUNDS));
    let mut after = Seq::ZERO;
    for (seq, rev, body) in told {
        assert!(seq.follows(after));
        assert_eq!(rev, Rev::new(seq.get() + 1), "one rev for each message");
        assert_eq!(place.message(seq.get()).await.body, body);
        after = seq;
    }
}

/// Tasks that write into several rooms at once, in opposite orders, all get through,
/// and every room is dense.
pub async fn batches_over_several_rooms_do_not_block_each_other(store: SharedBackend) {
    let house = Arc::new(House::new(store));
    let mut rooms: Vec<RoomId> = Vec::new();
    for _ in 0..3 {
        rooms.push(house.group(&["ann", "ben"]).await.id);
    }
    let writers = (0..TASKS).map(|task| {
        let (house, mut rooms) = (Arc::clone(&house), rooms.clone());
        if task % 2 == 0 {
            rooms.reverse();
        }
        tokio::spawn(async move {
            for _ in 0..ROUNDS / 2 {
                let drafts = rooms.iter().map(|room| house.place(*room));
                let drafts = drafts.map(|place| Change::Send(place.draft(by("ann"), "x")));
                let batch: Vec<Change> = drafts.collect();
                for outcome in house.commits(&batch).await {
                    outcome.unwrap();
                }
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    for room in rooms {
        let place = house.place(room);
        place.is_dense().await;
        assert_eq!(place.row().await.last_seq, Seq::new(TASKS * ROUNDS / 2));
    }
}

/// A read never returns half a change, nor one newer than the `rev` it states.
pub async fn reads_during_writes_are_whole(store: SharedBackend) {
    let house = Arc::new(House::new(store));
    let room = house.group(&["ann", "ben"]).await.id;
    let writer = tokio::spawn({
        let house = Arc::clone(&house);
        async move {
            for _ in 0..TASKS {
                house.place(room).says_often("ann", 3).await;
            }
        }
    });
    // In a room that was opened and only written into, a head of n + 1 means n messages.
    while !writer.is_finished() {
        let place = house.place(room);
        let page = place.history(Window::Latest, 5).await;
        assert_eq!(page.rev, Rev::new(page.last_seq.get() + 1));
        assert_eq!(
            page.messages.last().map_or(0, |newest| newest.seq.get()),
            page.last_seq.get()
        );
        assert!(!page.has_newer);
        assert!(page.last_seq.get().is_multiple_of(3), "half a batch");

        let set = place.changes(page.rev.get(), 500).await;
        assert_eq!(set.messages.len() as u64, set.rev.since(page.rev));
        assert!(set.messages.iter().all(|message| message.rev <= set.rev));
        assert!(set.participants.iter().all(|one| one.rev <= set.rev));

        let view = place.view("ben").await;
        let newest = view.last_message.map_or(Seq::ZERO, |newest| newest.seq);
        assert_eq!(newest, view.room.last_seq);
        assert_eq!(view.room.rev, Rev::new(view.room.last_seq.get() + 1));
        let unread = u64::from(view.unread.count);
        assert_eq!(unread, view.room.last_seq.get().min(100));
    }
    writer.await.unwrap();
    house.place(room).is_dense().await;
}

/// A dropped commit happened or did not; asking again tells the truth, once.
pub async fn a_dropped_commit_can_be_repeated(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    for round in 0..ROUNDS {
        let batch = [
            Change::Send(room.named_draft(by("ann"), &format!("a{round}"), "maybe")),
            Change::Send(room.named_draft(by("ben"), &format!("b{round}"), "maybe")),
        ];
        let mut commit = Box::pin(house.store.commit(house.now(), &batch));
        for _ in 0..round {
            if futures::poll!(&mut commit).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(commit);
        drop(house.store.history(room.id, Window::Latest, 1));
        let seqs: Vec<u64> = house
            .commits(&batch)
            .await
            .iter()
            .map(|outcome| message_in(outcome.as_ref().unwrap()).0.seq.get())
            .collect();
        assert_eq!(seqs, [2 * round + 1, 2 * round + 2]);
    }
    room.is_dense().await;
    assert_eq!(room.head().await, Rev::new(1 + 2 * ROUNDS));
}

/// What does not exist is absent, not an error.
pub async fn what_is_unknown_is_absent(store: SharedBackend) {
    let house = House::new(store);
    let unknown = house.place(RoomId::from_uuid(uuid::Uuid::from_u128(7)));
    let who = user("nobody");
    let topics = [Topic::Room(unknown.id), Topic::User(who.clone())];
    let heads = house.store.heads(&topics).await.unwrap();
    assert_eq!(heads, [Rev::ZERO, Rev::ZERO]);
    let set = unknown.changes(0, 10).await;
    assert!(set.messages.is_empty() && set.participants.is_empty() && set.room.is_none());
    assert_eq!((set.rev, set.complete), (Rev::ZERO, true));
    let page = unknown.history(Window::Latest, 10).await;
    assert!(page.messages.is_empty() && !page.has_older && !page.has_newer);
    assert_eq!((page.last_seq, page.rev), (Seq::ZERO, Rev::ZERO));

    let store = &house.store;
    assert_eq!(store.participant(unknown.id, &who).await.unwrap(), None);
    let memberships = store.memberships(&who, 10).await.unwrap();
    assert_eq!(memberships, (Vec::new(), Rev::ZERO));
    assert_eq!(store.room(unknown.id).await.unwrap(), None);
    assert_eq!(store.room_of(&job("7")).await.unwrap(), None);
    assert_eq!(house.room_ids("nobody", &Default::default()).await, []);
    assert_eq!(store.views(&who, &[unknown.id]).await.unwrap(), []);
    let people = store.participants(unknown.id, None, 10).await.unwrap();
    assert_eq!(people, []);
    assert_eq!(unknown.unread("nobody").await.count, 0);
    assert_eq!(store.unread_totals(&who).await.unwrap().rooms, 0);
    let known = store.acquaintances(&who, std::slice::from_ref(&who)).await;
    assert_eq!(known.unwrap(), []);
}

/// Which life of the database this is stays the same while it is open.
pub async fn the_incarnation_is_constant(store: SharedBackend) {
    let house = House::new(store);
    let born = house.store.incarnation().await.unwrap();
    house.group(&["ann"]).await.says("ann", "hi").await;
    assert_eq!(house.store.incarnation().await.unwrap(), born);
}
