use super::*;
use crate::limits::{STATEMENT_BYTES, STATEMENT_ROWS};

fn updates(dialect: Dialect, rows: usize) -> Vec<String> {
    let mut table = Rows::new(["id", "n"]);
    for row in 0..rows {
        let n = i64::try_from(row).unwrap();
        table.push([n.into(), n.into()]);
    }
    assert_eq!(table.len(), rows);
    dialect
        .update("t", 1, table)
        .map(|statement| statement.sql)
        .collect()
}

fn distinct(dialect: Dialect) -> usize {
    let texts: std::collections::HashSet<String> = (0..=2 * STATEMENT_ROWS)
        .flat_map(|rows| updates(dialect, rows))
        .collect();
    texts.len()
}

#[test]
fn statements_of_a_kind_have_few_texts() {
    assert_eq!(distinct(Dialect::Sqlite), 10);
    assert_eq!(distinct(Dialect::MySql), 10);
    assert_eq!(distinct(Dialect::Postgres), 1);
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
        assert!(updates(dialect, 0).is_empty());
    }
}

#[test]
fn each_database_has_its_own_words() {
    assert_eq!(
        updates(Dialect::Sqlite, 3),
        ["WITH v(id, n) AS (VALUES (?,?),(?,?),(?,?),(?,?)) \
          UPDATE OR FAIL t SET n = v.n FROM v WHERE t.id = v.id"]
    );
    assert_eq!(
        updates(Dialect::Postgres, 3),
        [
            "WITH v(id, n) AS (SELECT * FROM unnest(CAST($1 AS BIGINT[]), CAST($2 AS BIGINT[]))) \
          UPDATE t SET n = v.n FROM v WHERE t.id = v.id"
        ]
    );
    assert_eq!(
        updates(Dialect::MySql, 2),
        [
            "UPDATE (SELECT CAST(? AS SIGNED) AS id,CAST(? AS SIGNED) AS n \
          UNION ALL SELECT CAST(? AS SIGNED),CAST(? AS SIGNED)) AS v \
          STRAIGHT_JOIN t ON t.id = v.id SET t.n = v.n"
        ]
    );
}

#[test]
fn what_is_inserted_by_values_is_cut_into_powers_of_two() {
    let mut rows = Rows::new(["id"]);
    for n in 0..13_i64 {
        rows.push([n.into()]);
    }
    let sizes: Vec<usize> = Dialect::MySql
        .insert("t", rows)
        .map(|statement| statement.values.unwrap().0.len())
        .collect();
    assert_eq!(sizes, [8, 4, 1]);
}

#[test]
fn a_batch_is_one_statement() {
    assert_eq!(updates(Dialect::Sqlite, STATEMENT_ROWS).len(), 1);
    assert_eq!(updates(Dialect::Sqlite, STATEMENT_ROWS + 1).len(), 2);
    assert_eq!(updates(Dialect::Postgres, STATEMENT_ROWS + 1).len(), 1);
}

#[test]
fn long_texts_are_spread_over_statements() {
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
        let mut rows = Rows::new(["id", "body"]);
        for n in 0..4_i64 {
            rows.push([n.into(), "x".repeat(STATEMENT_BYTES / 2 + 1).into()]);
        }
        assert_eq!(dialect.insert("t", rows).count(), 2, "{dialect:?}");
    }
}

#[test]
fn a_column_of_texts_is_quoted_for_postgresql() {
    let mut rows = Rows::new(["a", "b", "c"]);
    for text in ["", "NULL", "a\"b\\c", "{,}", "\u{1f600}"] {
        rows.push([text.into(), None::<i64>.into(), true.into()]);
    }
    let statement = Dialect::Postgres.insert("t", rows).next().unwrap();
    assert_eq!(
        statement.values.unwrap().0,
        [
            Value::from(r#"{"","NULL","a\"b\\c","{,}","😀"}"#),
            Value::from("{NULL,NULL,NULL,NULL,NULL}"),
            Value::from("{true,true,true,true,true}"),
        ]
    );
}

#[test]
fn placeholders_are_numbered_where_they_must_be() {
    let sql = "SELECT ? WHERE a = ? LIMIT ?";
    assert_eq!(
        Dialect::Postgres.numbered(sql),
        "SELECT $1 WHERE a = $2 LIMIT $3"
    );
    assert_eq!(Dialect::Sqlite.numbered(sql), sql);
    assert_eq!(Dialect::MySql.numbered(sql), sql);
}

#[test]
fn a_foreign_database_is_refused_and_its_url_not_repeated() {
    for (url, dialect) in [
        ("sqlite://realtime.db", Dialect::Sqlite),
        ("postgres://localhost/realtime", Dialect::Postgres),
        ("postgresql://localhost/realtime", Dialect::Postgres),
        ("mysql://localhost/realtime", Dialect::MySql),
        ("mariadb://localhost/realtime", Dialect::MySql),
    ] {
        assert_eq!(Dialect::of(url).unwrap(), dialect);
    }
    let error = Dialect::of("oracle://scott:tiger@localhost").unwrap_err();
    let told = format!("{error:?} {:?}", std::error::Error::source(&error));
    assert!(!told.contains("tiger"), "{told}");
}
