//! People are erased while others write, and while they themselves do.

use std::{collections::BTreeSet, sync::Arc};

use realtime_core::{
    change::{Change, History, Legacy},
    event::RoomEvent,
    id::RoomId,
    message::Sender,
    seq::Rev,
    store::{Catalog, Store, Window},
};
use sea_orm::DatabaseTransaction;

use super::{
    fixture::{Fixture, NOW, commit, group, newcomer, open, send, user},
    life::{LATER, erase, tidy_all},
    races::{sent_as, two, until_somebody_waits},
    upkeep::rows,
};
use crate::{
    SeaStore, transaction,
    write::{self, Ledger, memory::Memory},
};

/// A batch of another server that has done everything but commit.
async fn under_way(fixture: &Fixture, changes: &[Change]) -> DatabaseTransaction {
    let open = transaction::begin(fixture.connections()).await.unwrap();
    let ledger = Ledger::new(fixture.store.ids(), NOW);
    let applied = write::apply(&open, fixture.dialect(), Memory::default(), ledger, changes).await;
    assert!(applied.unwrap().outcomes.iter().all(Result::is_ok));
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_meanwhile_is_erased_too() {
    for fixture in Fixture::servers().await {
        let room = open(&fixture.store, group(["ann", "ben"])).await;
        let late = under_way(&fixture, &[send(room, "ann", "late")]).await;
        commit(&fixture.store, &[erase("ann", Legacy::Tombstone)])
            .await
            .unwrap();
        let mut watch = fixture.console();
        let fixture = Arc::new(fixture);
        let tidying = {
            let fixture = fixture.clone();
            tokio::spawn(async move { fixture.store.tidy_by(LATER, 10).await })
        };
        until_somebody_waits(&fixture, &mut watch).await;
        transaction::commit(late, fixture.dialect()).await.unwrap();
        let tidied = tidying.await.unwrap().unwrap();
        assert_eq!((tidied.events.len(), tidied.more), (1, false));
        let said = fixture
            .store
            .history(room, Window::Latest, 5)
            .await
            .unwrap()
            .messages;
        assert_eq!(said.len(), 1);
        assert_eq!((&said[0].sender, &said[0].body), (&Sender::Erased, &None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_a_name_back() {
    for fixture in Fixture::servers().await {
        let room = open(&fixture.store, group(["ann", "ben"])).await;
        let erasing = under_way(&fixture, &[erase("ann", Legacy::Tombstone)]).await;
        let mut watch = fixture.console();
        let fixture = Arc::new(fixture);
        let sending = {
            let fixture = fixture.clone();
            tokio::spawn(async move { commit(&fixture.store, &[sent_as(room, "ann", 7)]).await })
        };
        until_somebody_waits(&fixture, &mut watch).await;
        transaction::commit(erasing, fixture.dialect())
            .await
            .unwrap();
        sending.await.unwrap().unwrap();
        let named =
            "rt_user WHERE state <> 0 AND (external_id IS NOT NULL OR display_name IS NOT NULL)";
        assert_eq!(rows(&fixture, named).await, 0);
        assert_eq!(rows(&fixture, "rt_user WHERE state <> 0").await, 1);
        tidy_all(&fixture.store, 10).await.unwrap();
        let said = fixture
            .store
            .history(room, Window::Latest, 5)
            .await
            .unwrap()
            .messages;
        assert!(
            said.iter()
                .all(|one| one.body.is_none() && one.sender == Sender::Erased)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_meanwhile_is_somebody_new() {
    for fixture in Fixture::servers().await {
        let room = open(&fixture.store, group(["ann", "ben"])).await;
        let erasing = under_way(&fixture, &[erase("ann", Legacy::Tombstone)]).await;
        let mut watch = fixture.console();
        let fixture = Arc::new(fixture);
        let coming = {
            let fixture = fixture.clone();
            let comes = Change::Admit {
                room,
                participant: newcomer("ann"),
                history: History::FromNow,
            };
            tokio::spawn(async move { fixture.store.commit(LATER, &[comes]).await })
        };
        until_somebody_waits(&fixture, &mut watch).await;
        transaction::commit(erasing, fixture.dialect())
            .await
            .unwrap();
        let came = coming.await.unwrap().unwrap();
        assert_eq!(came[0].as_ref().unwrap().users[0].rev, Rev::FIRST);
        let ann = fixture
            .store
            .participant(room, &user("ann"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(ann.joined_at, LATER);
        assert_eq!(
            fixture
                .store
                .room(room)
                .await
                .unwrap()
                .unwrap()
                .participant_count,
            3
        );
        tidy_all(&fixture.store, 10).await.unwrap();
        assert_eq!(
            fixture
                .store
                .room(room)
                .await
                .unwrap()
                .unwrap()
                .participant_count,
            2
        );
        let still = fixture
            .store
            .participant(room, &user("ann"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(still, ann);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tidy_while_others_write() {
    const PEOPLE: usize = 5;
    const SAID: usize = 20;
    const MORE: usize = 60;
    for fixture in Fixture::each().await {
        let names: Vec<String> = (0..PEOPLE).map(|n| format!("person-{n}")).collect();
        let everybody = names.iter().map(String::as_str).chain(["ben"]);
        let room = open(&fixture.store, group(everybody)).await;
        let said: Vec<Change> = names
            .iter()
            .flat_map(|name| (0..SAID).map(move |n| send(room, name, &n.to_string())))
            .collect();
        commit(&fixture.store, &said).await.unwrap();
        let gone: Vec<Change> = names
            .iter()
            .map(|name| erase(name, Legacy::Tombstone))
            .collect();
        commit(&fixture.store, &gone).await.unwrap();
        let stores = two(fixture).await;
        let writer = stores[0].clone();
        let writing = tokio::spawn(async move {
            for n in 0..MORE {
                commit(&writer, &[send(room, "ben", &n.to_string())])
                    .await
                    .unwrap()[0]
                    .as_ref()
                    .unwrap();
            }
        });
        let tidying: Vec<_> = (0..4)
            .map(|n| {
                let store = stores[n % 2].clone();
                tokio::spawn(async move { tidy_all(&store, 3).await.unwrap() })
            })
            .collect();
        let mut told: Vec<RoomEvent> = Vec::new();
        for task in tidying {
            told.extend(task.await.unwrap().into_iter().flat_map(|step| step.events));
        }
        writing.await.unwrap();
        // Who found all that was left claimed by others has stopped; so may the last one.
        let rest = tidy_all(&stores[1], 3).await.unwrap();
        told.extend(rest.into_iter().flat_map(|step| step.events));
        let revs: BTreeSet<Rev> = told.iter().map(|event| event.rev).collect();
        assert_eq!((told.len(), revs.len()), (PEOPLE, PEOPLE));
        let now = stores[0].room(room).await.unwrap().unwrap();
        let changes = 1 + PEOPLE * SAID + MORE + PEOPLE;
        assert_eq!(
            (now.rev, now.participant_count),
            (Rev::new(changes as u64), 1)
        );
        assert_eq!(tombstones(&stores[1], room).await, PEOPLE * SAID);
    }
}

/// How many messages are nobody's any more: those, and no others, are empty.
async fn tombstones(store: &SeaStore, room: RoomId) -> usize {
    let set = store.changes(room, Rev::ZERO, 500).await.unwrap();
    let nobodys = set.messages.iter().filter(|message| {
        let is_nobodys = message.sender == Sender::Erased;
        assert_eq!(message.body.is_none(), is_nobodys);
        is_nobodys
    });
    nobodys.count()
}
