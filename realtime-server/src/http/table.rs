//! Every route but the WebSockets: the one place that says who may call what.
//!
//! Of two paths that fit the same address, the upper counts.

use http::Method;

use super::{
    api::{events, messages, participants, people, pointers, rooms, search, users},
    health, metrics, openapi, page,
    route::{Doc, Route, Who},
    sse,
};

macro_rules! routes {
    ($( $method:ident $path:literal, $who:ident, $handler:path, $doc:expr; )*) => {
        /// The table.
        pub(crate) static ROUTES: &[Route] = &[ $( Route {
            method: Method::$method,
            path: $path,
            who: Who::$who,
            handler: |call| Box::pin($handler(call)),
            doc: $doc,
        }, )* ];
    };
}

const PAGE: (&str, &str) = ("limit", "Limit");
const ROOM: (u16, Option<&str>) = (200, Some("Room"));
const CREATED: (u16, Option<&str>) = (201, Some("Room"));
const SENT: (u16, Option<&str>) = (200, Some("Sent"));

routes! {
    GET "/api/v1/rooms", User, rooms::list,
        Doc::new("The user's rooms, latest activity first", &[(200, Some("RoomPage"))])
            .query(&[("cursor", "Cursor"), PAGE, ("state", "RoomState"), ("unread", "Flag"),
                ("membership", "Membership")]);
    POST "/api/v1/rooms", Opener, rooms::create,
        Doc::new("Opens a room; with an Idempotency-Key, once for each", &[CREATED, ROOM])
            .headers(&[("Idempotency-Key", false)])
            .body("NewRoom");
    PUT "/api/v1/rooms/by-subject/{type}/{id}", Service, rooms::by_subject,
        Doc::new("Opens the room of a subject, or answers with the one it has", &[CREATED, ROOM])
            .body("NewRoom");
    GET "/api/v1/rooms/{room}", Participant, rooms::read,
        Doc::new("One room", &[ROOM, (304, None)]).headers(&[("If-None-Match", false)]);
    PATCH "/api/v1/rooms/{room}", Service, rooms::describe,
        Doc::new("Changes the title or the metadata; null removes", &[ROOM]).body("RoomPatch");
    POST "/api/v1/rooms/{room}/lock", Service, rooms::lock,
        Doc::new("Lets participants no longer write, now or from a moment on", &[ROOM]).body("Lock");
    POST "/api/v1/rooms/{room}/reopen", Service, rooms::reopen,
        Doc::new("Lets participants write again", &[ROOM]);
    POST "/api/v1/rooms/{room}/archive", Service, rooms::archive,
        Doc::new("Locks the room and takes it out of the default list", &[ROOM]);
    POST "/api/v1/rooms/{room}/retention", Service, rooms::retain,
        Doc::new("Gives up old messages: those before from_seq, or all but the newest so many",
            &[ROOM])
            .body("Retention");

    GET "/api/v1/rooms/{room}/participants", Participant, participants::list,
        Doc::new("Active participants, by user id", &[(200, Some("ParticipantPage"))])
            .query(&[("after", "UserId"), PAGE]);
    PUT "/api/v1/rooms/{room}/participants/{user}", Service, participants::admit,
        Doc::new("Puts somebody into the room, or into another role", &[(200, Some("Participant"))])
            .body("ParticipantInput");
    DELETE "/api/v1/rooms/{room}/participants/{user}", Service, participants::remove,
        Doc::new("Takes somebody out of the room; with history=keep they go on reading what was \
            said up to now", &[(200, Some("Participant"))])
            .query(&[("history", "KeepHistory")]);
    POST "/api/v1/rooms/{room}/participants/{user}/replace", Service, participants::replace,
        Doc::new("Hands the room over: the one leaves and goes on reading what was said up to \
            now, the other comes", &[(200, Some("Replaced"))])
            .body("Replacement");

    GET "/api/v1/rooms/{room}/messages", Participant, messages::history,
        Doc::new("A page of messages, ascending; the latest without a position",
            &[(200, Some("History"))])
            .query(&[("before", "Seq"), ("after", "Seq"), ("around", "Seq"), PAGE]);
    POST "/api/v1/rooms/{room}/messages", Participant, messages::send,
        Doc::new("Sends a message, once for each client_id; 200 for a repeat",
            &[(201, Some("Sent")), SENT])
            .body("NewMessage");
    PATCH "/api/v1/rooms/{room}/messages/{seq}", Participant, messages::edit,
        Doc::new("Changes the text of a message of one's own", &[SENT]).body("MessagePatch");
    DELETE "/api/v1/rooms/{room}/messages/{seq}", Participant, messages::delete,
        Doc::new("Deletes a message of one's own; a tombstone stays", &[SENT]);
    GET "/api/v1/rooms/{room}/messages/{seq}/edits", Service, messages::edits,
        Doc::new("What a message said before it was edited or deleted, the first version first",
            &[(200, Some("Edits"))])
            .query(&[("after_rev", "Rev"), PAGE]);
    GET "/api/v1/rooms/{room}/changes", Participant, messages::changes,
        Doc::new("Everything that changed after a rev, as it is now", &[(200, Some("Changes"))])
            .query(&[("after_rev", "Rev"), PAGE]);

    PUT "/api/v1/rooms/{room}/read", User, pointers::read,
        Doc::new("Moves the read pointer forward", &[(200, Some("Pointers"))]).body("Mark");
    PUT "/api/v1/rooms/{room}/delivered", User, pointers::delivered,
        Doc::new("Moves the delivered pointer forward", &[(200, Some("Pointers"))]).body("Mark");

    GET "/api/v1/search", User, search::find,
        Doc::new("Messages with all these words in them, of those that the caller may see, newest \
            first", &[(200, Some("SearchPage"))])
            .query(&[("q", "SearchWords"), ("room", "RoomId"), ("before", "Cursor"), PAGE]);
    GET "/api/v1/unread", User, people::unread,
        Doc::new("What is unread over all rooms", &[(200, Some("UnreadTotals"))]);
    GET "/api/v1/presence", User, people::presence,
        Doc::new("Who is online, of users who share a room with the caller",
            &[(200, Some("PresenceList"))])
            .query(&[("users", "UserIds")]);
    GET "/api/v1/notifications", User, people::notifications,
        Doc::new("The feed", &[(200, Some("Notifications"))]);
    GET "/api/v1/export", User, users::export_own,
        Doc::new("Everything that is known of the caller, one JSON object a line; the last says \
            that it is complete", &[]).lines("ExportLine");
    DELETE "/api/v1/users/{user}", Service, users::erase,
        Doc::new("Erases a person: name and id at once, their messages room by room",
            &[(202, Some("Erasure"))])
            .query(&[("messages", "Legacy")]);
    GET "/api/v1/users/{user}/export", Service, users::export,
        Doc::new("Everything that is known of a person, one JSON object a line; the last says \
            that it is complete", &[]).lines("ExportLine");
    POST "/api/v1/events", Service, events::receive,
        Doc::new("Tells of something on the platform, once for each id; 202 for user.erased",
            &[(201, Some("EventResult")), (200, Some("EventResult")), (202, Some("Erasure"))])
            .body("Event");

    GET "/api/openapi.json", Anyone, openapi::serve,
        Doc::new("This document", &[(200, None)]);
    GET "/sse", User, sse::open,
        Doc::new("The pushes of the WebSocket protocol as server-sent events", &[(200, None)])
            .query(&[("last_event_id", "Position")])
            .headers(&[("Last-Event-ID", false)]);
    GET "/healthz", Anyone, health::live,
        Doc::new("The process lives", &[(200, Some("Live"))]);
    GET "/readyz", Anyone, health::ready,
        Doc::new("The server can serve; 503 when it cannot", &[(200, Some("Ready"))]);
    GET "/metrics", Anyone, metrics::serve,
        Doc::new("Prometheus metrics, unless they have a listener of their own", &[(200, None)]);
    GET "/", Anyone, page::index,
        Doc::new("The built-in page", &[(200, None)]);
    GET "/assets/{name}", Anyone, page::asset,
        Doc::new("A file of the built-in page", &[(200, None), (304, None)]);
}
