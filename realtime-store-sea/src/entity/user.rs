//! `rt_user`: the people, under a number of our own, so that the hot tables'
//! keys are short.

use sea_orm::entity::prelude::*;

use crate::rows::Columns;

/// The `sender_id` of the platform's messages; no user has it. Not null, because a
/// unique index does not tell two nulls apart.
pub(crate) const PLATFORM: i64 = 0;

/// The columns in the order in which [`Model::read`] reads them, of `u`.
pub(crate) const COLUMNS: &str = "u.id, u.external_id, u.display_name, u.last_rev, \
    u.last_seen_at, u.created_at, u.updated_at, u.state";

/// What a message shows of its sender, as [`sent_message`](crate::rows::sent_message)
/// reads it.
pub(crate) const SENDER: &str = "u.external_id, u.display_name, u.state";

/// The `state` of somebody who was erased; of all others it is 0.
pub(crate) const ERASED: i16 = 2;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rt_user")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: i64,
    /// The host's id; null once erased.
    #[sea_orm(unique)]
    pub(crate) external_id: Option<String>,
    pub(crate) display_name: Option<String>,
    /// The head of the user's own stream.
    pub(crate) last_rev: i64,
    pub(crate) last_seen_at: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    /// 0, or [`ERASED`].
    pub(crate) state: i16,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Reads [`COLUMNS`].
    pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Self, DbErr> {
        Ok(Self {
            id: columns.next()?,
            external_id: columns.next()?,
            display_name: columns.next()?,
            last_rev: columns.next()?,
            last_seen_at: columns.next()?,
            created_at: columns.next()?,
            updated_at: columns.next()?,
            state: columns.next()?,
        })
    }
}
