//! `rt_room`: the rooms, with the heads of their two numberings.

use sea_orm_migration::prelude::*;

use super::{NAME_CHARS, code, dialect, name, number, text};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = dialect(manager)?;
        let mut table = Table::create();
        table
            .table("rt_room")
            .col(dialect.uuid("id").primary_key())
            .col(code("kind").not_null())
            .col(name("subject_type", NAME_CHARS))
            .col(name("subject_id", NAME_CHARS))
            .col(text("title"))
            .col(code("state").not_null())
            .col(number("locks_at"))
            .col(number("first_seq").not_null())
            .col(number("last_seq").not_null())
            .col(number("last_rev").not_null())
            .col(number("meta_rev").not_null())
            .col(number("receipt_rev").not_null())
            .col(number("participant_count").not_null())
            .col(number("last_message_at"))
            .col(text("metadata"))
            .col(number("created_at").not_null())
            .col(number("updated_at").not_null());
        manager
            .create_table(dialect.clustered(&mut table).take())
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("rt_room_subject")
                    .table("rt_room")
                    .col("subject_type")
                    .col("subject_id")
                    .unique()
                    .take(),
            )
            .await
    }
}
