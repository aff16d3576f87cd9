//! `rt_message`: the messages, clustered by room. What counting and numbering
//! look at stands before the text, so that a scan never touches overflow pages.

use sea_orm::entity::prelude::*;

use crate::rows::Columns;

/// The columns in the order in which [`Model::read`] reads them, of `m`.
pub(crate) const COLUMNS: &str = "m.room_id, m.seq, m.rev, m.sent_rev, m.id, m.sender_id, m.kind, m.counts, \
    m.client_id, m.fingerprint, m.reply_to_seq, m.sent_at, m.edited_at, \
    m.deleted_at, m.body, m.payload";

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rt_message")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) room_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) seq: i64,
    /// The change that last touched it.
    pub(crate) rev: i64,
    /// The change by which it was sent. Grows with `seq`.
    pub(crate) sent_rev: i64,
    pub(crate) id: Uuid,
    /// [`PLATFORM`](super::user::PLATFORM), or a user's number.
    pub(crate) sender_id: i64,
    pub(crate) kind: i16,
    /// Whether it counts as unread; decided once, when it is stored.
    pub(crate) counts: bool,
    pub(crate) client_id: Option<String>,
    pub(crate) fingerprint: Option<i64>,
    pub(crate) reply_to_seq: Option<i64>,
    pub(crate) sent_at: i64,
    pub(crate) edited_at: Option<i64>,
    pub(crate) deleted_at: Option<i64>,
    /// Null once deleted.
    pub(crate) body: Option<String>,
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
            sent_rev: columns.next()?,
            id: columns.next()?,
            sender_id: columns.next()?,
            kind: columns.next()?,
            counts: columns.next()?,
            client_id: columns.next()?,
            fingerprint: columns.next()?,
            reply_to_seq: columns.next()?,
            sent_at: columns.next()?,
            edited_at: columns.next()?,
            deleted_at: columns.next()?,
            body: columns.next()?,
            payload: columns.next()?,
        })
    }
}
