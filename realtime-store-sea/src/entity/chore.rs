//! `rt_chore`: what retention and erasure left to be done, and how far it is. A row is
//! gone once nothing is left of it.

use sea_orm::entity::prelude::*;

use crate::rows::Columns;

/// The columns in the order in which [`Model::read`] reads them, of `c`.
pub(crate) const COLUMNS: &str = "c.id, c.kind, c.room_id, c.user_id, c.legacy, c.from_seq, \
    c.to_seq, c.after_client_id, c.created_at";

/// Messages that a room no longer keeps are to go: from `from_seq` to the one before
/// `to_seq`. What went already moves `from_seq` along.
pub(crate) const PURGE: i16 = 0;
/// A person who was erased is to be taken out of their rooms, one after another, each
/// message by message in the order of their `client_id`s. `room_id` and
/// `after_client_id` say how far that is.
pub(crate) const SCRUB: i16 = 1;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rt_chore")]
pub(crate) struct Model {
    #[sea_orm(primary_key)]
    pub(crate) id: i64,
    /// [`PURGE`] or [`SCRUB`].
    pub(crate) kind: i16,
    pub(crate) room_id: Option<Uuid>,
    pub(crate) user_id: Option<i64>,
    pub(crate) legacy: Option<i16>,
    pub(crate) from_seq: Option<i64>,
    pub(crate) to_seq: Option<i64>,
    pub(crate) after_client_id: Option<String>,
    pub(crate) created_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Reads [`COLUMNS`].
    pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Self, DbErr> {
        Ok(Self {
            id: columns.next()?,
            kind: columns.next()?,
            room_id: columns.next()?,
            user_id: columns.next()?,
            legacy: columns.next()?,
            from_seq: columns.next()?,
            to_seq: columns.next()?,
            after_client_id: columns.next()?,
            created_at: columns.next()?,
        })
    }
}
