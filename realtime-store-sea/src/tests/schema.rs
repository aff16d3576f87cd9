//! The schema is what the entities say, whoever created it and whenever.

use std::collections::HashSet;

use realtime_core::store::Store;
use sea_orm::{ColumnTrait, EntityTrait, Iterable};

use realtime_testkit::database::{Database, Options, Product};

use super::fixture::{Fixture, commit, group, last_seq, open, send};
use crate::{
    SeaOptions, SeaStore,
    dialect::Dialect,
    durability::Survives,
    entity::{chore, edition, event, message, meta, participant, room, user},
    query::Query,
    rows::Columns,
};

/// The columns of an entity's table, as the database and as the entity name them.
async fn columns<E: EntityTrait>(fixture: &Fixture) -> (HashSet<String>, HashSet<String>) {
    let query = Query {
        db: fixture.writer(),
        dialect: fixture.dialect(),
    };
    let table = E::default().table_name().to_owned();
    let sql = match fixture.dialect() {
        Dialect::Sqlite => "SELECT name FROM pragma_table_info(?)",
        Dialect::Postgres => {
            "SELECT column_name::text FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = ?"
        }
        // What it computes itself is not ours to write.
        Dialect::MySql => {
            "SELECT column_name FROM information_schema.columns \
             WHERE table_schema = DATABASE() AND table_name = ? AND generation_expression IS NULL"
        }
    };
    let found = query.all(sql, [table.into()]).await.unwrap();
    let stored = found.iter().map(|row| Columns::of(row).take().unwrap());
    let named = E::Column::iter().map(|column| column.as_column_ref().1.to_string());
    (stored.collect(), named.collect())
}

#[tokio::test]
async fn the_tables_are_the_entities() {
    for fixture in Fixture::each().await {
        for (stored, named) in [
            columns::<meta::Entity>(&fixture).await,
            columns::<user::Entity>(&fixture).await,
            columns::<room::Entity>(&fixture).await,
            columns::<participant::Entity>(&fixture).await,
            columns::<message::Entity>(&fixture).await,
            columns::<event::Entity>(&fixture).await,
            columns::<edition::Entity>(&fixture).await,
            columns::<chore::Entity>(&fixture).await,
        ] {
            assert!(!stored.is_empty());
            assert_eq!(stored, named);
        }
    }
}

#[tokio::test]
async fn every_row_can_be_read_as_its_entity() {
    for fixture in Fixture::each().await {
        every_row_can_be_read_from(&fixture).await;
    }
}

async fn every_row_can_be_read_from(fixture: &Fixture) {
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
    for (first, other) in Fixture::each().await.into_iter().zip(Fixture::each().await) {
        let incarnation = first.store.incarnation().await.unwrap();
        let room = open(&first.store, group(["ann"])).await;
        commit(&first.store, &[send(room, "ann", "1")])
            .await
            .unwrap();
        first.store.close().await.unwrap();
        let again = first.another().await;
        assert_eq!(again.incarnation().await.unwrap(), incarnation);
        assert_eq!(last_seq(&again, room).await, 1);
        assert_ne!(other.store.incarnation().await.unwrap(), incarnation);
    }
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
async fn what_a_commit_survives_is_read_back_from_servers() {
    for product in [Product::Postgres, Product::MariaDb] {
        let durable = Database::start(product, Options::default());
        let store = SeaStore::connect(&durable.fresh_url(), SeaOptions::default())
            .await
            .unwrap();
        assert_eq!(
            store.durability().survives,
            Survives::PowerLoss,
            "{product}"
        );
        assert!(!store.durability().settings.is_empty());
    }
    for fixture in Fixture::servers().await {
        assert!(fixture.store.durability().survives < Survives::PowerLoss);
    }
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
