//! What is found by which words.

use super::{
    Rig,
    fixture::{House, asking},
};
use crate::{
    change::{Change, RoomAction},
    message::Sender,
    search::Mark,
};

/// Each of them finds what it says itself.
const HOSTILE: &[&str] = &[
    "key*",
    "key AND",
    "-key",
    "+key",
    "key OR x",
    "NOT key",
    "^key",
    "col:key",
    "(key",
    "key)",
    "key%",
    "k_y",
    "NEAR(key x, 5)",
    "key'; DROP TABLE rt_message; --",
    "key\\",
    "{key}",
    "key\0x",
    "key:*",
    "key & !x",
    "key | x",
    "<-> key",
    "@key",
    "~key",
    "key@4",
    "\"key",
    "key \"\" x",
    "* key *",
    "key\u{202E}",
    "terms:key",
    "rt_search",
    "ke\\'y",
    "$1",
    "?1",
    "k'",
    "' OR '1'='1",
    "x\"*\"y",
    "1_key",
    "0_key",
    "_",
    "key_",
    "🔑key🔑",
];

/// All words must occur, the last may be a beginning, quoted ones follow each other.
pub async fn a_message_is_found_by_its_words(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann", "ben"]).await;
    let text = "The KEY is under the mat, says Mr. O'Neill";
    house.says(room, "ann", text).await;
    house.says(room, "ben", "No door here").await;
    house.indexes().await;
    for question in [
        "key",
        "Key mat",
        "mat key",
        "the",
        "under th",
        "o'neill",
        "\"is under the\"",
        "k",
        "mr",
        "is",
    ] {
        let expected = usize::from(question != "a");
        let found = house.finds("ben", question).await;
        assert_eq!(found.len(), expected, "{question}: {found:?}");
    }
    for question in [
        "door key",
        "ey",
        "\"key under\"",
        "\"the ma\"",
        "keys",
        "ma key",
    ] {
        assert!(house.finds("ben", question).await.is_empty(), "{question}");
    }
}

/// Neither SQL nor any language of questions has a say, and nothing is refused.
pub async fn the_words_of_a_question_mean_nothing_else(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann", "ben"]).await;
    for question in HOSTILE {
        let text = question.replace('\0', " ");
        house.says(room, "ann", &format!("I say {text} here")).await;
    }
    house.indexes().await;
    for question in HOSTILE {
        if let Ok(text) = crate::search::SearchText::parse(question) {
            let found = house.finds("ben", question).await;
            let own = format!("I say {} here", question.replace('\0', " "));
            assert!(found.contains(&own), "{question}: {found:?}");
            assert!(
                found.iter().all(|found| text.find(found).is_some()),
                "{question}"
            );
        }
    }
    let long = format!("{} key", "x".repeat(250));
    assert!(house.finds("ben", &long).await.is_empty());
    let many = "a b c d e f g h i j k l m n o key";
    assert!(house.finds("ben", many).await.is_empty());
}

/// What everybody reads in the history is found, whoever said it.
pub async fn messages_of_the_platform_are_found(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    house.announces(room, "The job was moved to Tuesday").await;
    house.indexes().await;
    assert_eq!(house.finds("ann", "tuesday").await.len(), 1);
}

/// Words are the same words on every database.
pub async fn every_script_is_found(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    let pairs = [
        ("cafe", "Im Café"),
        ("ÜBER", "u\u{308}ber"),
        ("ёлка", "Елка"),
        ("οδοσ", "Οδός"),
        ("京都", "東京都に住む"),
        ("都", "これは都"),
        ("กุญแจ", "ขอกุญแจหน่อย"),
        ("서울", "오늘서울에서"),
        ("हिन्दी", "यह हिन्दी है"),
        ("مفتاح", "هذا مفتاح"),
        ("𠮷野", "𠮷野家"),
        ("ａｂｃ", "ABC de"),
        ("ⅷ", "viii"),
        ("iphone手机", "新iPhone手机!"),
        ("😀 smile", "smile 😀"),
        ("ŀ", "l·l"),
        ("i", "İ"),
        ("ꙮ", "ꙮ"),
    ];
    for (_, text) in pairs {
        house.says(room, "ann", text).await;
    }
    house.indexes().await;
    for (question, text) in pairs {
        let found = house.finds("ann", question).await;
        assert!(
            found.iter().any(|found| found == text),
            "{question}: {found:?}"
        );
    }
    assert!(house.finds("ann", "都京").await.is_empty());
    assert!(house.finds("ann", "हिन्दा").await.is_empty());
}

/// A word is told apart from others to its last letter, and found at the end of a text.
pub async fn long_words_and_long_messages_are_found(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    for letter in ["a", "я", "中", "é"] {
        let long = letter.repeat(150);
        house.says(room, "ann", &format!("{long}x")).await;
        house.says(room, "ann", &format!("{long}y")).await;
    }
    let lines: Vec<String> = (0..1_200).map(|line| format!("line{line}")).collect();
    house
        .says(room, "ann", &format!("{} end", lines.join(" ")))
        .await;
    house.says(room, "ann", &"中文字".repeat(900)).await;
    house.indexes().await;
    for letter in ["a", "я", "é"] {
        let long = letter.repeat(150);
        assert_eq!(
            house.finds("ann", &format!("\"{long}x\"")).await.len(),
            1,
            "{letter}"
        );
        assert_eq!(
            house.finds("ann", &format!("\"{long}y\"")).await.len(),
            1,
            "{letter}"
        );
        assert_eq!(house.finds("ann", &long).await.len(), 2, "{letter}");
        assert!(house.finds("ann", &format!("{long}z")).await.is_empty());
    }
    assert_eq!(house.finds("ann", &"中".repeat(150)).await.len(), 2);
    for question in ["end", "line0", "line1199", "line7 line1100 end"] {
        assert_eq!(house.finds("ann", question).await.len(), 1, "{question}");
    }
    assert_eq!(house.finds("ann", "字中文").await.len(), 1);
}

/// With its number, its sender's name, and where the words stand.
pub async fn the_message_is_told_as_it_is_now(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann", "ben"]).await;
    let seq = house.says(room, "ann", "😀 The key, the keys").await;
    house.indexes().await;
    let page = house.page("ben", &asking("key")).await;
    assert!(page.next.is_none());
    let [hit] = page.hits.try_into().unwrap();
    let window = crate::store::Window::Latest;
    let history = house.rig.store.history(room, window, 1).await.unwrap();
    assert_eq!(hit.message, history.messages[0]);
    assert_eq!((hit.message.seq, hit.message.room), (seq, room));
    let ann = super::fixture::user("ann");
    assert!(matches!(&hit.message.sender, Sender::User { id, .. } if *id == ann));
    let mark = |start, end| Mark { start, end };
    assert_eq!(hit.marks, [mark(7, 10), mark(16, 20)]);
}

/// A job that is over is what people search for.
pub async fn archived_rooms_are_searched(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    house.says(room, "ann", "the code is 4711").await;
    let action = RoomAction::Archive;
    house.does(Change::Act { room, action }).await;
    house.indexes().await;
    assert_eq!(house.finds("ann", "4711").await.len(), 1);
    assert_eq!(house.finds_in(room, "ann", "4711").await, [1]);
}
