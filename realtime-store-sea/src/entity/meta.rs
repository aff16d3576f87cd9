//! `rt_meta`: what is true of the database as a whole.

use sea_orm::entity::prelude::*;

/// The key under which the database's
/// [`Incarnation`](realtime_core::id::Incarnation) is kept.
pub(crate) const INCARNATION: &str = "incarnation";

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rt_meta")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) key: String,
    pub(crate) value: String,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
