//! `rt_message_edit`: what messages said before they were edited or deleted, beside
//! each other as the messages are.

use sea_orm::entity::prelude::*;

use crate::rows::Columns;

/// The columns in the order in which [`Model::read`] reads them, of `e`.
pub(crate) const COLUMNS: &str =
    "e.room_id, e.seq, e.rev, e.written_at, e.replaced_at, e.body, e.payload";

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rt_message_edit")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) room_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) seq: i64,
    /// The change by which the message said this.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) rev: i64,
    pub(crate) written_at: i64,
    pub(crate) replaced_at: i64,
    pub(crate) body: String,
    pub(crate) payload: Option<String>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Reads [`COLUMNS`].
    pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Self, DbErr> {
        Ok(Self {
            room_id: columns.next()?,
            seq: columns.next()?,
            rev: columns.next()?,
            written_at: columns.next()?,
            replaced_at: columns.next()?,
            body: columns.next()?,
            payload: columns.next()?,
        })
    }
}
