//! The schema is what the entities say, whoever created it and whenever.

use std::collections::HashSet;

use realtime_core::store::Store;
use sea_orm::{ColumnTrait, EntityTrait, Iterable};

use super::fixture::{Fixture, commit, group, last_seq, open, send};
use crate::{
    SeaOptions, SeaStore,
    durability::Survives,
    entity::{event, message, meta, participant, room, user},
    query::Query,
    rows::Columns,
};

/// The columns of an entity's table, as the database and as the entity name them.
async fn columns<E: EntityTrait>(fixture: &Fixture) -> (HashSet<String>, HashSet<String>) {
    let query = Query {
        db: fixture.writer(),
        dialect: fixture.connections().dialect,
    };
    let table = E::default().table_name().to_owned();
    let sql = "SELECT name FROM pragma_table_info(?)";
    let found = query.all(sql, [table.into()]).await.unwrap();
    let stored = found.iter().map(|row| Columns::of(row).take().unwrap());
    let named = E::Column::iter().map(|column| column.as_column_ref().1.to_string());
    (stored.collect(), named.collect())
}

#[tokio::test]
async fn the_tables_are_the_entities() {
    let fixture = Fixture::new().await;
    for (stored, named) in [
        columns::<meta::Entity>(&fixture).await,
        columns::<user::Entity>(&fixture).await,
        columns::<room::Entity>(&fixture).await,
        columns::<participant::Entity>(&fixture).await,
        columns::<message::Entity>(&fixture).await,
        columns::<event::Entity>(&fixture).await,
    ] {
        assert!(!stored.is_empty());
        assert_eq!(stored, named);
    }
}

#[tokio::test]
async fn every_row_can_be_read_as_its_entity() {
    let fixture = Fixture::new().await;
    let room = open(&fixture.store, group(["ann", "ben"])).await;
    commit(&fixture.store, &[send(room, "ann", "1")])
        .await
        .unwrap();
    let db = fixture.writer();
    assert_eq!(meta::Entity::find().all(db).await.unwrap().len(), 1);
    assert_eq!(user::Entity::find().all(db).await.unwrap().len(), 2);
    assert_eq!(room::Entity::find().all(db).await.unwrap().len(), 1);
    assert_eq!(participant::Entity::find().all(db).await.unwrap().len(), 2);
    let messages = message::Entity::find().all(db).await.unwrap();
    assert!(
        messages
            .iter()
            .all(|row| row.counts && row.sent_rev == row.rev)
    );
}

#[tokio::test]
async fn a_database_keeps_its_incarnation_and_its_rooms() {
    let first = Fixture::new().await;
    let incarnation = first.store.incarnation().await.unwrap();
    let room = open(&first.store, group(["ann"])).await;
    commit(&first.store, &[send(room, "ann", "1")])
        .await
        .unwrap();
    first.store.close().await.unwrap();
    let again = SeaStore::connect(&first.url(), SeaOptions::default())
        .await
        .unwrap();
    assert_eq!(again.incarnation().await.unwrap(), incarnation);
    assert_eq!(last_seq(&again, room).await, 1);
    let other = Fixture::new().await;
    assert_ne!(other.store.incarnation().await.unwrap(), incarnation);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_open_a_new_database_at_once_open_the_same() {
    const MANY: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("new.db").display());
    let opening: Vec<_> = (0..MANY)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { SeaStore::connect(&url, SeaOptions::default()).await })
        })
        .collect();
    let mut incarnations = HashSet::new();
    for store in opening {
        let store = store.await.unwrap().unwrap();
        incarnations.insert(store.incarnation().await.unwrap().to_string());
    }
    assert_eq!(incarnations.len(), 1);
}

#[tokio::test]
async fn a_newer_version_has_only_added() {
    let fixture = Fixture::new().await;
    fixture
        .sql("INSERT INTO rt_migration (version, applied_at) VALUES ('m99990101_000001_new', 0)")
        .await;
    fixture
        .sql("ALTER TABLE rt_room ADD COLUMN mood text")
        .await;
    let older = SeaStore::connect(&fixture.url(), SeaOptions::default())
        .await
        .unwrap();
    let room = open(&older, group(["ann"])).await;
    commit(&older, &[send(room, "ann", "1")]).await.unwrap();
    assert_eq!(last_seq(&older, room).await, 1);
}

#[tokio::test]
async fn what_a_commit_survives_is_read_back() {
    let file = Fixture::new().await;
    assert_eq!(file.store.durability().survives, Survives::PowerLoss);
    let settings = &file.store.durability().settings;
    assert!(settings.contains(&("journal_mode", "wal".to_owned())));
    assert!(settings.contains(&("synchronous", "full".to_owned())));
    let memory = SeaStore::connect("sqlite::memory:", SeaOptions::default())
        .await
        .unwrap();
    assert_eq!(memory.durability().survives, Survives::Nothing);
}

#[tokio::test]
async fn a_missing_file_is_created_unless_the_url_forbids_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.db");
    let url = |mode: &str| format!("sqlite://{}{mode}", path.display());
    let options = SeaOptions::default;
    assert!(
        SeaStore::connect(&url("?mode=rw"), options())
            .await
            .is_err()
    );
    assert!(!path.exists());
    SeaStore::connect(&url("?mode=rwc"), options())
        .await
        .unwrap();
    SeaStore::connect(&url(""), options()).await.unwrap();
    assert!(path.exists());
}
