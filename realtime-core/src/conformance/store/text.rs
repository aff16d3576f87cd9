//! Text comes back as it went in, and ids are equal only if every byte is.

use serde_json::json;

use super::fixture::*;
use crate::{
    change::{Change, Draft, NewRoom},
    id::{ClientId, EventId, UserId},
    limits::{CLIENT_ID_CHARS, EVENT_ID_CHARS, Limits, NAME_CHARS, SUBJECT_CHARS, USER_ID_CHARS},
    participant::Role,
    room::Subject,
    store::SharedBackend,
};

/// What people write, and what breaks careless software.
const TEXTS: [&str; 16] = [
    "plain",
    " spaces around ",
    "line\nbreaks\r\nand\ttabs",
    "quotes ' \" ` ; -- /* */ \\ \\n \\0 %s %_ $1 ? :name",
    "'); DROP TABLE rt_message; --",
    "Gr\u{FC}\u{DF}e, \u{4F60}\u{597D}, \u{645}\u{631}\u{62D}\u{628}\u{627}",
    "\u{1F600}\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}\u{1F1E9}\u{1F1EA}",
    "e\u{301} is not \u{E9}",
    "\u{10FFFF}\u{10000}\u{FFFD}\u{FEFF}x",
    "\u{202E}right to left",
    "bell \u{7} escape \u{1B}[31m delete \u{7F}",
    "{\"json\": [1, null]}",
    "<script>alert(1)</script> &amp;",
    "null",
    "0",
    "x\u{2028}y\u{85}z",
];

/// Bodies, also as edits.
pub async fn bodies_come_back_as_they_were(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    for (number, body) in TEXTS.into_iter().enumerate() {
        let seq = number as u64 + 1;
        assert_eq!(room.says("ann", body).await.body.as_deref(), Some(body));
        assert_eq!(room.message(seq).await.body.as_deref(), Some(body));
        let edited = format!("{body}!");
        room.edits(by("ann"), seq, &edited).await;
        assert_eq!(room.message(seq).await.body, Some(edited));
    }
}

/// The longest body that is allowed by default, in characters of four bytes and of one.
pub async fn long_bodies_come_back_whole(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let bytes = Limits::default().body_bytes;
    for body in ["\u{1F600}".repeat(bytes / 4), "x".repeat(bytes)] {
        let message = room.says("ann", &body).await;
        let stored = room.message(message.seq.get()).await.body;
        assert_eq!(stored.as_deref(), Some(body.as_str()));
    }
}

/// Bodies differ by every byte: case, trailing blanks, accents.
pub async fn bodies_are_compared_by_every_byte(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says("ann", "Cafe").await;
    for body in ["cafe", "caf\u{E9}", "cafe\u{301}", "cafe\u{301} "] {
        let committed = room.edits(by("ann"), 1, body).await;
        the_event(&committed);
        assert_eq!(room.message(1).await.body.as_deref(), Some(body));
    }
}

/// Metadata of messages and rooms: any JSON object.
pub async fn metadata_comes_back_as_it_was(store: SharedBackend) {
    let house = House::new(store);
    for data in [
        json!({}),
        json!({"": "", " ": " ", "\u{1F600}": "\u{1F600}", "quote\"'": "\\"}),
        json!({"int": 9_007_199_254_740_991_i64, "negative": -1, "half": 0.5, "tiny": 1e-7}),
        json!({"true": true, "null": null, "list": [1, "2", [3], {}], "deep": {"a": {"b": []}}}),
        json!({"texts": TEXTS}),
        json!({"big": "x".repeat(4_000)}),
    ] {
        let data = Some(metadata(&data));
        let room = house
            .opens(NewRoom {
                metadata: data.clone(),
                ..group(&["ann"])
            })
            .await;
        assert_eq!(room.row().await.metadata, data);
        let message = Draft {
            metadata: data.clone(),
            ..room.draft(by("ann"), "hi")
        };
        let sent = room.sends(message.clone()).await;
        assert_eq!(sent.metadata, data);
        assert_eq!(room.message(1).await.metadata, data);
        let (_, duplicate) = message_in(&house.does(Change::Send(message)).await);
        assert!(duplicate, "the same metadata is the same request");
        let same = room.describes(None, Some(data.clone())).await;
        is_silent(&same);
    }
}

/// Titles, names and subjects.
pub async fn names_come_back_as_they_were(store: SharedBackend) {
    let house = House::new(store);
    let longest = "\u{1F600}".repeat(NAME_CHARS);
    for name in TEXTS.into_iter().chain([longest.as_str(), ""]) {
        let mut new = NewRoom {
            title: Some(name.to_owned()),
            ..group(&["ann"])
        };
        new.participants[0].name = Some(name.to_owned());
        let room = house.opens(new).await;
        assert_eq!(room.row().await.title.as_deref(), Some(name));
        assert_eq!(room.person("ann").await.name.as_deref(), Some(name));
    }
}

/// The longest ids that are allowed, in characters of four bytes.
pub async fn the_longest_ids_fit(store: SharedBackend) {
    let house = House::new(store);
    let long = |chars: usize| "\u{1F600}".repeat(chars);
    let who = long(USER_ID_CHARS);
    let who = who.as_str();
    let subject = Subject::parse(&long(SUBJECT_CHARS), &long(SUBJECT_CHARS)).unwrap();
    let new = NewRoom {
        subject: Some(subject.clone()),
        key: Some(EventId::parse(&long(EVENT_ID_CHARS)).unwrap()),
        ..group(&[who])
    };
    let room = house.opens(new.clone()).await;
    assert_eq!(room.row().await.subject, Some(subject.clone()));
    let found = house.store.room_of(&subject).await.unwrap();
    assert_eq!(found.map(|found| found.id), Some(room.id));
    let (again, created) = room_in(&house.does(Change::Open(new)).await);
    assert_eq!((again.id, created), (room.id, false));
    let draft = Draft {
        client_id: ClientId::parse(&"x".repeat(CLIENT_ID_CHARS)).unwrap(),
        ..room.draft(by(who), "hi")
    };
    let message = room.sends(draft.clone()).await;
    assert_eq!(message.client_id, Some(draft.client_id.clone()));
    assert_eq!(message.sender.user(), Some(&UserId::parse(who).unwrap()));
    let (_, duplicate) = message_in(&house.does(Change::Send(draft)).await);
    assert!(duplicate);
    let mut event = news(&long(EVENT_ID_CHARS), "1");
    event.subject = subject;
    house.does(Change::Apply(Box::new(event.clone()))).await;
    let (.., duplicate) = event_in(&house.does(Change::Apply(Box::new(event))).await);
    assert!(duplicate);
    assert_eq!(house.room_ids(who, &Default::default()).await, [room.id]);
}

/// Users whose ids look alike are different people.
pub async fn users_are_told_apart_by_every_byte(store: SharedBackend) {
    let house = House::new(store);
    let people = [
        "ann",
        "Ann",
        "ANN",
        "ann ",
        " ann",
        "\u{E0}nn",
        "a\u{300}nn",
        "ann\u{200B}",
        "%",
        "_",
        "' OR 1=1 --",
        "0",
        "00",
    ];
    let room = house.group(&people).await;
    for (number, who) in people.into_iter().enumerate() {
        let message = room.says(who, who).await;
        assert_eq!(message.seq.get(), number as u64 + 1);
        assert_eq!(message.sender.user(), Some(&user(who)));
        let head = house.user_head(who).await;
        assert_eq!(head.get(), 1, "{who:?}");
    }
    assert_eq!(room.unread("ann").await.count, people.len() as u32 - 1);
    room.removes("Ann").await;
    assert!(room.person("ann").await.is_active());
    assert!(!room.person("Ann").await.is_active());
    let listed = house.store.participants(room.id, None, 100).await.unwrap();
    let mut expected: Vec<&str> = people.into_iter().filter(|who| *who != "Ann").collect();
    expected.sort_unstable();
    assert_eq!(names(&listed), expected, "in the order of their bytes");
}

/// Subjects, keys and event ids that look alike are different ones.
pub async fn keys_are_told_apart_by_every_byte(store: SharedBackend) {
    let house = House::new(store);
    let words = ["a", "A", "a ", " a", "\u{E4}", "a\u{308}", "%", "a%"];
    let mut rooms = Vec::new();
    for word in words {
        for subject in [
            Subject::parse("job", word).unwrap(),
            Subject::parse(word, "1").unwrap(),
        ] {
            let new = NewRoom {
                subject: Some(subject.clone()),
                ..group(&["ann"])
            };
            let room = house.opens(new).await;
            let found = house.store.room_of(&subject).await.unwrap();
            assert_eq!(found.map(|room| room.id), Some(room.id));
            rooms.push(room.id);
        }
        let keyed = NewRoom {
            key: Some(key(word)),
            ..group(&["ann"])
        };
        rooms.push(house.opens(keyed).await.id);
        let event = Change::Apply(Box::new(news(word, "a")));
        let (.., duplicate) = event_in(&house.does(event).await);
        assert!(!duplicate, "{word:?}");
    }
    let told = rooms.len();
    rooms.sort();
    rooms.dedup();
    assert_eq!(rooms.len(), told);
}

/// Every role is kept.
pub async fn roles_come_back_as_they_were(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    for role in [Role::Observer, Role::Owner, Role::Member] {
        room.admits("ben", role).await;
        assert_eq!(room.person("ben").await.role, role);
    }
}
