//! `rt_participant`: who is in which room, and how far they have read.

use sea_orm::entity::prelude::*;

use crate::rows::Columns;

/// The columns in the order in which [`Model::read`] reads them, of `p`.
pub(crate) const COLUMNS: &str = "p.room_id, p.user_id, p.role, p.state, p.delivered_seq, p.read_seq, \
    p.delivered_at, p.read_at, p.muted_until, p.rev, p.member_rev, \
    p.joined_at, p.left_at, p.visible_from_seq, p.visible_to_seq";

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rt_participant")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) room_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) user_id: i64,
    pub(crate) role: i16,
    pub(crate) state: i16,
    pub(crate) delivered_seq: i64,
    pub(crate) read_seq: i64,
    pub(crate) delivered_at: Option<i64>,
    pub(crate) read_at: Option<i64>,
    pub(crate) muted_until: Option<i64>,
    /// The newest change of the row, receipt or membership.
    pub(crate) rev: i64,
    /// The newest change of the membership alone.
    pub(crate) member_rev: i64,
    pub(crate) joined_at: i64,
    pub(crate) left_at: Option<i64>,
    /// The first message that they may see.
    pub(crate) visible_from_seq: i64,
    /// The last one, of somebody who left.
    pub(crate) visible_to_seq: Option<i64>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Reads [`COLUMNS`].
    pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Self, DbErr> {
        Ok(Self {
            room_id: columns.next()?,
            user_id: columns.next()?,
            role: columns.next()?,
            state: columns.next()?,
            delivered_seq: columns.next()?,
            read_seq: columns.next()?,
            delivered_at: columns.next()?,
            read_at: columns.next()?,
            muted_until: columns.next()?,
            rev: columns.next()?,
            member_rev: columns.next()?,
            joined_at: columns.next()?,
            left_at: columns.next()?,
            visible_from_seq: columns.next()?,
            visible_to_seq: columns.next()?,
        })
    }
}
