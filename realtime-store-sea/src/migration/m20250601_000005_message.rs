//! `rt_message`: the messages, clustered by room.

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
            .table("rt_message")
            .col(dialect.uuid("room_id"))
            .col(number("seq").not_null())
            .col(number("rev").not_null())
            .col(number("sent_rev").not_null())
            .col(dialect.uuid("id"))
            .col(number("sender_id").not_null())
            .col(code("kind").not_null())
            .col(ColumnDef::new("counts").boolean().not_null())
            .col(name("client_id", NAME_CHARS))
            .col(number("fingerprint"))
            .col(number("reply_to_seq"))
            .col(number("sent_at").not_null())
            .col(number("edited_at"))
            .col(number("deleted_at"))
            .col(text("body"))
            .col(text("payload"))
            .primary_key(Index::create().col("room_id").col("seq"));
        manager
            .create_table(dialect.clustered(&mut table).take())
            .await?;
        // Sent once, for ever.
        manager
            .create_index(
                Index::create()
                    .name("rt_message_client")
                    .table("rt_message")
                    .col("room_id")
                    .col("sender_id")
                    .col("client_id")
                    .unique()
                    .take(),
            )
            .await?;
        // What was edited or deleted. What was only sent is found by its place, see
        // `read::changes`, so that sending writes no entry here.
        manager
            .create_index(
                dialect
                    .partial(
                        Index::create()
                            .name("rt_message_rewritten")
                            .table("rt_message")
                            .col("room_id")
                            .col("rev"),
                        Expr::cust("rev <> sent_rev"),
                    )
                    .take(),
            )
            .await
    }
}
