//! `rt_room`: the rooms, with the heads of their two numberings.

use sea_orm::entity::prelude::*;

use crate::rows::Columns;

/// The columns in the order in which [`Model::read`] reads them, of `r`.
pub(crate) const COLUMNS: &str = "r.id, r.kind, r.subject_type, r.subject_id, r.title, r.state, \
    r.locks_at, r.first_seq, r.last_seq, r.last_rev, r.meta_rev, r.receipt_rev, \
    r.participant_count, r.last_message_at, r.metadata, r.created_at, \
    r.updated_at, r.reset_rev";

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rt_room")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) kind: i16,
    /// Null together with `subject_id`; the pair is unique.
    pub(crate) subject_type: Option<String>,
    pub(crate) subject_id: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) state: i16,
    pub(crate) locks_at: Option<i64>,
    pub(crate) first_seq: i64,
    pub(crate) last_seq: i64,
    pub(crate) last_rev: i64,
    pub(crate) meta_rev: i64,
    /// The newest change that moved only a participant's pointers. Who knows of it
    /// finds what is new among the participants by their memberships.
    pub(crate) receipt_rev: i64,
    pub(crate) participant_count: i64,
    pub(crate) last_message_at: Option<i64>,
    pub(crate) metadata: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    /// Who asks for what changed after a `rev` before this one must start anew.
    pub(crate) reset_rev: i64,
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
            subject_type: columns.next()?,
            subject_id: columns.next()?,
            title: columns.next()?,
            state: columns.next()?,
            locks_at: columns.next()?,
            first_seq: columns.next()?,
            last_seq: columns.next()?,
            last_rev: columns.next()?,
            meta_rev: columns.next()?,
            receipt_rev: columns.next()?,
            participant_count: columns.next()?,
            last_message_at: columns.next()?,
            metadata: columns.next()?,
            created_at: columns.next()?,
            updated_at: columns.next()?,
            reset_rev: columns.next()?,
        })
    }
}
