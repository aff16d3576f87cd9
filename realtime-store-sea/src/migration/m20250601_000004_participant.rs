//! `rt_participant`: who is in which room, and how far they have read.

use sea_orm_migration::prelude::*;

use super::{code, dialect, number};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = dialect(manager)?;
        let mut table = Table::create();
        table
            .table("rt_participant")
            .col(dialect.uuid("room_id"))
            .col(number("user_id").not_null())
            .col(code("role").not_null())
            .col(code("state").not_null())
            .col(number("delivered_seq").not_null())
            .col(number("read_seq").not_null())
            .col(number("delivered_at"))
            .col(number("read_at"))
            .col(number("muted_until"))
            .col(number("rev").not_null())
            .col(number("member_rev").not_null())
            .col(number("joined_at").not_null())
            .col(number("left_at"))
            .primary_key(Index::create().col("room_id").col("user_id"));
        manager
            .create_table(dialect.clustered(&mut table).take())
            .await?;
        // A user's rooms.
        manager
            .create_index(
                Index::create()
                    .name("rt_participant_user")
                    .table("rt_participant")
                    .col("user_id")
                    .col("state")
                    .col("room_id")
                    .take(),
            )
            .await?;
        // Who came or went. Not by `rev`: that moves with every receipt, and the index
        // would be written as often; see `read::changes`.
        manager
            .create_index(
                Index::create()
                    .name("rt_participant_member")
                    .table("rt_participant")
                    .col("room_id")
                    .col("member_rev")
                    .take(),
            )
            .await
    }
}
