//! The host's own table.

use sea_orm::entity::prelude::*;

/// A job that somebody wants done.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "booking_job")]
pub struct Model {
    /// The job's number.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Who wants it done.
    pub client: String,
    /// Who will do it, once somebody has accepted it.
    pub cleaner: Option<String>,
}

/// To nothing else.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
