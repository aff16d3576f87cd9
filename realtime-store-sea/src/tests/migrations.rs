//! The schema is brought up to date once, whoever begins and whoever is killed.

use std::collections::HashSet;

use realtime_core::store::{Catalog, Store, StoreError};
use sea_orm::ConnectionTrait;

use super::fixture::{Fixture, commit, group, last_seq, open, send};
use crate::{MissingChange, SeaOptions, SeaStore, connect::Migrator, dialect::Dialect, migrate};

/// URLs of databases without any of our tables, and what must live as long.
fn empty() -> (Vec<String>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let urls = vec![
        format!("sqlite://{}", folder.path().join("new.db").display()),
        realtime_testkit::database::postgres().fresh_url(),
        realtime_testkit::database::mariadb().fresh_url(),
    ];
    (urls, folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_open_a_new_database_at_once_open_the_same() {
    const MANY: usize = 8;
    let (urls, _folder) = empty();
    for url in urls {
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
        assert_eq!(incarnations.len(), 1, "{url}");
    }
}

#[tokio::test]
async fn a_dry_run_tells_everything_and_changes_nothing() {
    let (urls, folder) = empty();
    let options = SeaOptions::default();
    for url in urls {
        let planned = migrate(&url, &options, true).await.unwrap();
        assert_eq!(planned.changes[0].name, "m20250601_000001_meta");
        assert!(
            planned
                .changes
                .iter()
                .all(|change| !change.statements.is_empty()),
            "{planned:#?}"
        );
        assert_eq!(migrate(&url, &options, true).await.unwrap(), planned);
        if url.starts_with("sqlite") {
            let made = folder.path().join("new.db").exists();
            assert!(!made, "a file was made by looking for it");
        }
        let refused = SeaOptions {
            migrate: false,
            ..SeaOptions::default()
        };
        let error = SeaStore::connect(&url, refused.clone()).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
        assert_eq!(migrate(&url, &options, false).await.unwrap(), planned);
        assert!(
            migrate(&url, &options, true)
                .await
                .unwrap()
                .changes
                .is_empty()
        );
        SeaStore::connect(&url, refused).await.unwrap();
    }
}

/// Killed after each statement in turn: what a database keeps of a schema that was changed
/// by half is different, but all of them go on from there.
#[tokio::test]
async fn a_change_that_was_interrupted_is_completed() {
    let options = SeaOptions::default();
    for make in [
        || realtime_testkit::database::postgres().fresh_url(),
        || realtime_testkit::database::mariadb().fresh_url(),
    ] {
        let planned = migrate(&make(), &options, true).await.unwrap();
        let statements: Vec<&String> = planned
            .changes
            .iter()
            .flat_map(|change: &MissingChange| &change.statements)
            .collect();
        for done in 1..=statements.len() {
            let url = make();
            let by_hand = Migrator::open(&url, &options, false)
                .await
                .unwrap()
                .unwrap();
            for statement in &statements[..done] {
                by_hand.db.execute_unprepared(statement).await.unwrap();
            }
            by_hand.close().await;
            let store = SeaStore::connect(&url, SeaOptions::default())
                .await
                .unwrap();
            let room = open(&store, group(["ann"])).await;
            commit(&store, &[send(room, "ann", "1")]).await.unwrap();
            assert_eq!(store.room(room).await.unwrap().unwrap().last_seq.get(), 1);
            store.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_newer_version_has_only_added() {
    for fixture in Fixture::each().await {
        fixture
            .sql(
                "INSERT INTO rt_migration (version, applied_at) VALUES ('m99990101_000001_new', 0)",
            )
            .await;
        let column = match fixture.dialect() {
            Dialect::Sqlite | Dialect::Postgres => "mood text",
            Dialect::MySql => "mood longtext",
        };
        fixture
            .sql(&format!("ALTER TABLE rt_room ADD COLUMN {column}"))
            .await;
        let older = fixture.another().await;
        let room = open(&older, group(["ann"])).await;
        commit(&older, &[send(room, "ann", "1")]).await.unwrap();
        assert_eq!(last_seq(&older, room).await, 1);
    }
}

#[tokio::test]
async fn a_database_that_was_restored_begins_a_new_life_for_everybody() {
    for fixture in Fixture::each().await {
        let other = fixture.another().await;
        let before = other.incarnation().await.unwrap();
        assert_eq!(fixture.store.incarnation().await.unwrap(), before);
        let declared = fixture.store.declare_restored().await.unwrap();
        assert_ne!(declared, before);
        assert_eq!(other.incarnation().await.unwrap(), declared);
        assert_eq!(
            fixture.another().await.incarnation().await.unwrap(),
            declared
        );
    }
}
