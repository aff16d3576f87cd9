//! `rt_user`: the people.

use sea_orm_migration::prelude::*;

use super::{NAME_CHARS, dialect, name, number, text};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = dialect(manager)?;
        let mut table = Table::create();
        table
            .table("rt_user")
            .col(dialect.number_key("id"))
            .col(name("external_id", NAME_CHARS))
            .col(text("display_name"))
            .col(number("last_rev").not_null())
            .col(number("last_seen_at"))
            .col(number("created_at").not_null())
            .col(number("updated_at").not_null());
        manager.create_table(table).await?;
        manager
            .create_index(
                Index::create()
                    .name("rt_user_external")
                    .table("rt_user")
                    .col("external_id")
                    .unique()
                    .take(),
            )
            .await
    }
}
