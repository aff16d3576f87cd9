//! `rt_event`: events and idempotency keys that were applied.

use sea_orm_migration::prelude::*;

use super::{EVENT_ID_CHARS, code, dialect, name, number};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = dialect(manager)?;
        let mut table = Table::create();
        table
            .table("rt_event")
            .col(code("kind").not_null())
            .col(name("id", EVENT_ID_CHARS).not_null())
            .col(number("fingerprint").not_null())
            .col(dialect.uuid("room_id"))
            .col(number("seq"))
            .col(number("created_at").not_null())
            .primary_key(Index::create().col("kind").col("id"));
        manager
            .create_table(dialect.clustered(&mut table).take())
            .await
    }
}
