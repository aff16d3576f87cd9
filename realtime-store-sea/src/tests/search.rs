//! What a search reads, where others have said the same words 100,000 times, and where
//! the asker has.

use realtime_core::{
    change::{Actor, Change, Legacy},
    id::RoomId,
    message::Body,
    search::{Search, SearchQuery, SearchText},
    seq::Seq,
    store::Upkeep,
};
use sea_orm::Statement;

use super::{
    crowd::crowded,
    fixture::{Fixture, NOW, commit, group, open, send, user},
    plans, plans_postgres,
};
use crate::{dialect::Dialect, query::Query, rows::single};

/// Pages of 8 KiB that the statements of one search may touch in all on PostgreSQL, in
/// rooms of few messages: a handful for each of some ten statements.
const BUDGET: u64 = 300;
/// The same, in a room of 100,000 messages: some steps down the index for each of its 391
/// slots, or, of a common word, the entries of a few.
const BUDGET_OF_A_LONG_ROOM: u64 = 6_000;
/// Rows that MariaDB may read for a search, in rooms of few messages.
const ROWS: u64 = 300;
/// The same, in a room of 100,000 messages.
const ROWS_OF_A_LONG_ROOM: u64 = 20_000;

fn says(room: RoomId, who: &str, number: usize, text: &str) -> Change {
    let mut change = send(room, who, &format!("c-{number}"));
    if let Change::Send(draft) = &mut change {
        draft.body = Body::parse(text.to_owned(), text.len()).unwrap();
    }
    change
}

async fn indexed(fixture: &Fixture) {
    let mut after = None;
    loop {
        let behind = fixture.store.behind(after).await.unwrap();
        let mut rooms = behind.rooms;
        while !rooms.is_empty() {
            rooms = fixture.store.index(&rooms).await.unwrap().rest;
        }
        after = behind.next;
        if after.is_none() {
            return;
        }
    }
}

/// Dora's room, in which she says what everybody says, and something rare.
async fn doras(fixture: &Fixture) -> RoomId {
    let room = open(&fixture.store, group(["dora"])).await;
    let said = [
        says(room, "dora", 1, "message hello"),
        says(room, "dora", 2, "something rare"),
    ];
    commit(&fixture.store, &said).await.unwrap();
    room
}

/// The statements that a search runs, which finds so much on its first page.
async fn statements(fixture: &mut Fixture, who: &str, words: &str, hits: usize) -> Vec<Statement> {
    let query = SearchQuery {
        text: SearchText::parse(words).unwrap(),
        room: None,
        before: None,
        limit: 0,
    };
    let heard = fixture.listen();
    let page = fixture.store.search(&user(who), &query).await.unwrap();
    assert_eq!(page.hits.len(), hits, "{who} looks for {words}");
    let mut run = heard.take();
    run.retain(|told| told.sql.starts_with("WITH") || told.sql.starts_with("SELECT"));
    assert!(run.len() > 2, "{run:#?}");
    run
}

/// Of whom, what is asked, how much is on the first page, whether a room is long.
const QUESTIONS: &[(&str, &str, usize, bool)] = &[
    ("dora", "message", 1, false),
    ("dora", "m", 1, false),
    ("dora", "rare", 1, false),
    ("dora", "nothing", 0, false),
    ("dora", "\"message hello\"", 1, false),
    ("cleo", "message", 20, true),
    ("cleo", "\"99999\"", 1, true),
    ("cleo", "\"17\"", 1, true),
    ("cleo", "nothing", 0, true),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_touches_few_pages_on_postgres() {
    let mut fixture = Fixture::postgres().await;
    crowded(&fixture).await;
    doras(&fixture).await;
    indexed(&fixture).await;
    let mut console = fixture.console();
    for analyzed in [false, true] {
        if analyzed {
            console.run("VACUUM ANALYZE");
        }
        console.run("SET plan_cache_mode = force_generic_plan");
        for (who, words, hits, long) in QUESTIONS {
            let mut touched = 0;
            for statement in statements(&mut fixture, who, words, *hits).await {
                let plan = plans_postgres::plan(&mut console, &statement);
                if plans_postgres::lists_rooms(&statement.sql) {
                    // As every list of somebody's rooms, see there.
                    continue;
                }
                touched += plans_postgres::touched(&plan);
                let all = plans_postgres::reads_all(&plan);
                assert!(!all, "{}\n{plan:#}", statement.sql);
            }
            let budget = if *long { BUDGET_OF_A_LONG_ROOM } else { BUDGET };
            assert!(
                touched <= budget,
                "{touched} of {budget} for {who}: {words}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_reads_few_rows_on_mariadb() {
    let mut fixture = Fixture::mariadb().await;
    crowded(&fixture).await;
    doras(&fixture).await;
    indexed(&fixture).await;
    let mut console = fixture.console();
    for (who, words, hits, long) in QUESTIONS {
        let run = statements(&mut fixture, who, words, *hits).await;
        console.run("FLUSH STATUS");
        let mut asked = 0;
        for statement in &run {
            let plan = console.run(&format!("EXPLAIN {statement}"));
            if statement.sql.contains("MATCH(") {
                asked += 1;
                assert!(plan.contains("\tfulltext\t"), "{plan}");
            }
        }
        assert!(asked > 0, "the index was asked");
        console.run("FLUSH STATUS");
        for statement in &run {
            console.run(&format!("ANALYZE {statement}"));
        }
        let told = console.run("SHOW SESSION STATUS LIKE 'Handler_read%'");
        let read: u64 = told
            .lines()
            .filter_map(|line| line.split('\t').nth(1)?.parse::<u64>().ok())
            .sum();
        let budget = if *long { ROWS_OF_A_LONG_ROOM } else { ROWS };
        assert!(
            read <= budget,
            "{read} of {budget} for {who}: {words}\n{told}"
        );
    }
}

/// The table of entries is read by nothing but its index, which is asked for terms of the
/// asker's own slots only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_asks_the_index_for_its_own_slots_on_sqlite() {
    let mut fixture = Fixture::new().await;
    for number in 0..20 {
        let room = open(&fixture.store, group(["ann", "ben"])).await;
        let said: Vec<_> = (0..20)
            .map(|n| says(room, "ann", n, &format!("message {number}")))
            .collect();
        commit(&fixture.store, &said).await.unwrap();
    }
    doras(&fixture).await;
    indexed(&fixture).await;
    for (who, words, hits, _) in QUESTIONS.iter().filter(|(who, ..)| *who == "dora") {
        let mut asked = 0;
        for statement in statements(&mut fixture, who, words, *hits).await {
            for step in plans::plan(&fixture, &statement).await {
                if step.starts_with("SCAN e VIRTUAL TABLE") {
                    asked += 1;
                    assert!(step.contains("INDEX 0:M"), "by its words: {step}");
                    let slots = statement.to_string().matches("\"21_").count();
                    assert!(slots > 0, "{statement}");
                } else {
                    assert!(plans::is_bounded(&step), "{step}\n{}", statement.sql);
                }
            }
        }
        assert!(asked > 0, "the index was asked");
    }
}

/// How many entries of slot 1 have a term, whatever the messages say now.
async fn entries(fixture: &Fixture, word: &str) -> i64 {
    let matches = match fixture.dialect() {
        Dialect::Sqlite => format!("rt_search_entry MATCH '\"1_{word}\"'"),
        Dialect::Postgres => format!("terms @@ CAST('1_{word}' AS tsquery)"),
        Dialect::MySql => format!("MATCH(terms) AGAINST ('+1_{word}' IN BOOLEAN MODE)"),
    };
    let query = Query {
        db: fixture.writer(),
        dialect: fixture.dialect(),
    };
    let sql = format!("SELECT COUNT(*) FROM rt_search_entry WHERE {matches}");
    single(query.one(&sql, []).await.unwrap()).unwrap().unwrap()
}

/// What was edited, deleted, given up or erased stays in no index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_forgets_what_was_taken_back() {
    for fixture in Fixture::each().await {
        let room = open(&fixture.store, group(["ann", "ben"])).await;
        let words = ["givenup", "edited", "deleted", "erased", "kept"];
        let said: Vec<Change> = words
            .iter()
            .enumerate()
            .map(|(number, word)| {
                let who = if *word == "erased" { "ben" } else { "ann" };
                says(room, who, number, &format!("secret {word}"))
            })
            .collect();
        commit(&fixture.store, &said).await.unwrap();
        indexed(&fixture).await;
        assert_eq!(entries(&fixture, "secret").await, 5);
        let by = || Actor::user(user("ann"));
        let taken_back = [
            Change::Edit {
                room,
                seq: Seq::new(2),
                by: by(),
                body: Body::parse("open".to_owned(), 10).unwrap(),
                sent_after: None,
            },
            Change::Delete {
                room,
                seq: Seq::new(3),
                by: by(),
                sent_after: None,
            },
            Change::Retain {
                room,
                from: Seq::new(2),
            },
            Change::Erase {
                user: user("ben"),
                messages: Legacy::Tombstone,
                once: None,
            },
        ];
        for outcome in commit(&fixture.store, &taken_back).await.unwrap() {
            outcome.unwrap();
        }
        while fixture.store.tidy(NOW).await.unwrap().more {}
        indexed(&fixture).await;
        for word in ["givenup", "edited", "deleted", "erased"] {
            assert_eq!(entries(&fixture, word).await, 0, "{word}");
        }
        assert_eq!(entries(&fixture, "secret").await, 1);
        assert_eq!(entries(&fixture, "kept").await, 1);
        assert_eq!(entries(&fixture, "open").await, 1);
    }
}
