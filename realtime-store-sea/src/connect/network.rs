//! PostgreSQL, MariaDB and MySQL: a pool of connections that write and one of those that
//! read.
//!
//! The pools are built here and not by `sea_orm::Database::connect`, which tells its
//! options, the URL with the password among them, to whoever traces it.
//!
//! What a connection is to keep to is said once, when it is made, in statements of its own:
//! a pooler between us and the database need not understand options at the connection's
//! start, and a transaction costs no further round trip.
//!
//! **After the database was away** every pooled connection is dead. One that was idle for a
//! moment is asked before it is used; one that is found dead by its `BEGIN` is replaced,
//! see [`transaction`](crate::transaction).

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, SqlxMySqlConnector, SqlxPostgresConnector,
    sqlx::{
        self, AssertSqlSafe, ConnectOptions, Connection, Executor,
        mysql::{MySql, MySqlConnectOptions, MySqlPoolOptions},
        pool::PoolOptions,
        postgres::{PgConnectOptions, PgPoolOptions, Postgres},
    },
};

use super::{Connections, Migrator, Readers, Role};
use crate::{
    dialect::{Dialect, columns::Schema},
    limits::{
        CONNECT_TIMEOUT, CONNECTION_IDLE, CONNECTION_LIFETIME, PING_IDLE, ROW_LOCK_TIMEOUT,
        SILENCE_TIMEOUT, STATEMENT_CACHE, STATEMENT_TIMEOUT,
    },
    options::SeaOptions,
};

/// What the two kinds of pool have in common.
struct Pool<'a> {
    url: &'a str,
    options: &'a SeaOptions,
    schema: Schema,
    role: Role,
}

/// Opens the pools.
pub(super) async fn open(
    url: &str,
    options: &SeaOptions,
    schema: Schema,
) -> Result<Connections, DbErr> {
    let pool = |role| Pool {
        url,
        options,
        schema,
        role,
    };
    let (lanes, readers) = (options.writers.get(), options.readers.get());
    Ok(Connections {
        dialect: schema.dialect,
        writer: pool(Role::Writer).open(lanes).await?,
        readers: Readers::new(pool(Role::Reader).open(readers).await?, readers),
        keeper: None,
        writers: Arc::default(),
        lanes,
        most: lanes.max(readers),
    })
}

/// Opens the one connection that changes the schema, and asks who it is that answers.
pub(super) async fn migrator(url: &str, options: &SeaOptions) -> Result<Migrator, DbErr> {
    let dialect = Dialect::of(url).map_err(|error| DbErr::Custom(error.to_string()))?;
    let pool = |schema| Pool {
        url,
        options,
        schema,
        role: Role::Migrator,
    };
    let schema = Schema::new(dialect);
    match dialect {
        Dialect::Sqlite | Dialect::Postgres => {
            Ok(Migrator::of_its_own(pool(schema).open(1).await?, schema))
        }
        Dialect::MySql => {
            // Its texts are compared by what the server calls the right thing.
            let asked = pool(schema).open_asking().await?;
            let row = asked
                .query_one_raw(dialect.statement("SELECT VERSION()", []))
                .await?;
            let version: Option<String> = row.map(|row| row.try_get_by_index(0)).transpose()?;
            asked.close().await?;
            let is_mariadb = version.is_some_and(|version| version.contains("MariaDB"));
            let collation = if is_mariadb {
                Schema::MARIADB_COLLATION
            } else {
                Schema::MYSQL_COLLATION
            };
            let schema = Schema {
                collation,
                ..schema
            };
            Ok(Migrator::of_its_own(pool(schema).open(1).await?, schema))
        }
    }
}

impl Pool<'_> {
    async fn open(&self, connections: u32) -> Result<DatabaseConnection, DbErr> {
        let told: Arc<[String]> = self.told().into();
        match self.schema.dialect {
            Dialect::Sqlite | Dialect::Postgres => {
                let pool: PgPoolOptions =
                    pooled(connections).after_connect(move |connection, _| {
                        let told = told.clone();
                        Box::pin(async move { tell_postgres(connection, &told).await })
                    });
                let pool = pool
                    .connect_with(self.postgres()?)
                    .await
                    .map_err(not_opened)?;
                Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
            }
            Dialect::MySql => {
                let pool: MySqlPoolOptions =
                    pooled(connections).after_connect(move |connection, _| {
                        let told = told.clone();
                        Box::pin(async move { tell_mysql(connection, &told).await })
                    });
                let options = self.mysql()?.collation(self.schema.collation);
                let pool = pool.connect_with(options).await.map_err(not_opened)?;
                Ok(SqlxMySqlConnector::from_sqlx_mysql_pool(pool))
            }
        }
    }

    /// A connection that can be made whoever answers.
    async fn open_asking(&self) -> Result<DatabaseConnection, DbErr> {
        let pool: MySqlPoolOptions = pooled(1);
        let pool = pool.connect_with(self.mysql()?).await.map_err(not_opened)?;
        Ok(SqlxMySqlConnector::from_sqlx_mysql_pool(pool))
    }

    fn postgres(&self) -> Result<PgConnectOptions, DbErr> {
        let options: PgConnectOptions = self.url.parse().map_err(not_opened)?;
        let named = options.get_application_name().is_some();
        let options = options
            .statement_cache_capacity(STATEMENT_CACHE)
            // Statements are told at trace level by sea-orm itself, without values.
            .disable_statement_logging();
        Ok(if named {
            options
        } else {
            options.application_name(&self.options.application_name)
        })
    }

    fn mysql(&self) -> Result<MySqlConnectOptions, DbErr> {
        let options: MySqlConnectOptions = self.url.parse().map_err(not_opened)?;
        Ok(options
            .charset("utf8mb4")
            .statement_cache_capacity(STATEMENT_CACHE)
            .disable_statement_logging())
    }

    /// What a new connection is told.
    fn told(&self) -> Vec<String> {
        match self.schema.dialect {
            Dialect::Sqlite => Vec::new(),
            Dialect::Postgres => told_postgres(self.role),
            Dialect::MySql => told_mysql(
                self.role,
                self.schema.collation == Schema::MARIADB_COLLATION,
            ),
        }
    }
}

/// A pool of connections that live while they are used.
fn pooled<DB: sqlx::Database>(connections: u32) -> PoolOptions<DB> {
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT_TIMEOUT)
        .max_lifetime(CONNECTION_LIFETIME)
        .idle_timeout(CONNECTION_IDLE)
        .test_before_acquire(false)
        .before_acquire(|connection: &mut DB::Connection, used| {
            Box::pin(async move {
                if used.idle_for >= PING_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

fn not_opened(error: sqlx::Error) -> DbErr {
    DbErr::Conn(sea_orm::RuntimeErr::SqlxError(Arc::new(error)))
}

/// Which transactions a connection is for. Writers lock what they will change and then
/// read it as it is, so that the weaker isolation is enough; what several readers' statements
/// say is of one moment.
const fn isolation(role: Role) -> &'static str {
    match role {
        Role::Writer | Role::Keeper | Role::Migrator => {
            "ISOLATION LEVEL READ COMMITTED, READ WRITE"
        }
        Role::Reader => "ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    }
}

/// Every statement of ours finds its rows by an index, and every join leads from a few rows
/// to one more each. Of a table that was not counted yet PostgreSQL expects otherwise, and
/// would read it whole.
pub(crate) const BY_INDEX: [&str; 3] = [
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
];

fn told_postgres(role: Role) -> Vec<String> {
    let mut told = vec![
        format!(
            "SET SESSION CHARACTERISTICS AS TRANSACTION {}",
            isolation(role)
        ),
        // A plan made for no values in particular knows no sizes. Our queries stay
        // bounded with such a plan, too; this is the belt.
        "SET plan_cache_mode = force_custom_plan".to_owned(),
    ];
    told.extend(BY_INDEX.map(str::to_owned));
    if role != Role::Migrator {
        for (setting, limit) in [
            ("statement_timeout", STATEMENT_TIMEOUT),
            ("lock_timeout", ROW_LOCK_TIMEOUT),
            // A server that was stopped in the middle must not keep its rooms locked.
            ("idle_in_transaction_session_timeout", SILENCE_TIMEOUT),
        ] {
            told.push(format!("SET {setting} = {}", limit.as_millis()));
        }
    }
    told
}

fn told_mysql(role: Role, is_mariadb: bool) -> Vec<String> {
    let mut told = vec![
        format!("SET SESSION TRANSACTION {}", isolation(role)),
        // What does not fit is refused, not cut off.
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'".to_owned(),
    ];
    if role != Role::Migrator {
        let (locks, statements) = (ROW_LOCK_TIMEOUT.as_secs(), STATEMENT_TIMEOUT);
        told.push(format!("SET SESSION innodb_lock_wait_timeout = {locks}"));
        told.push(format!("SET SESSION lock_wait_timeout = {locks}"));
        told.push(if is_mariadb {
            format!("SET SESSION max_statement_time = {}", statements.as_secs())
        } else {
            format!(
                "SET SESSION max_execution_time = {}",
                statements.as_millis()
            )
        });
    }
    told
}

async fn tell_postgres(
    connection: &mut <Postgres as sqlx::Database>::Connection,
    told: &[String],
) -> Result<(), sqlx::Error> {
    for statement in told {
        connection.execute(AssertSqlSafe(statement.clone())).await?;
    }
    Ok(())
}

async fn tell_mysql(
    connection: &mut <MySql as sqlx::Database>::Connection,
    told: &[String],
) -> Result<(), sqlx::Error> {
    for statement in told {
        connection.execute(AssertSqlSafe(statement.clone())).await?;
    }
    Ok(())
}
