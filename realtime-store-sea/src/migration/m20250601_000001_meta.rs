//! `rt_meta`: what is true of the database as a whole.

use sea_orm_migration::prelude::*;

use super::{dialect, text};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = dialect(manager)?;
        let mut table = Table::create();
        table
            .table("rt_meta")
            .col(text("key").not_null().primary_key())
            .col(text("value").not_null());
        manager
            .create_table(dialect.clustered(&mut table).take())
            .await
    }
}
