//! `rt_event`: which of the host's events and idempotency keys were applied, and
//! to what effect.

use sea_orm::entity::prelude::*;

use crate::rows::Columns;

/// The name is that of an event of the host's.
pub(crate) const EVENT: i16 = 0;
/// The name is an idempotency key.
pub(crate) const KEY: i16 = 1;

/// The columns in the order in which [`Model::read`] reads them, of `e`.
pub(crate) const COLUMNS: &str = "e.kind, e.id, e.fingerprint, e.room_id, e.seq, e.created_at";

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rt_event")]
pub(crate) struct Model {
    /// [`EVENT`] or [`KEY`]: two sets of names.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) kind: i16,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) fingerprint: i64,
    pub(crate) room_id: Uuid,
    /// The message that was posted, if any.
    pub(crate) seq: Option<i64>,
    pub(crate) created_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Reads [`COLUMNS`].
    pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Self, DbErr> {
        Ok(Self {
            kind: columns.next()?,
            id: columns.next()?,
            fingerprint: columns.next()?,
            room_id: columns.next()?,
            seq: columns.next()?,
            created_at: columns.next()?,
        })
    }
}
