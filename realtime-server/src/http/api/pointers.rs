//! How far somebody has received and read.

use http::StatusCode;
use realtime_core::{
    change::Pointer,
    seq::{Rev, Seq},
    store::Unread,
};
use serde::{Deserialize, Serialize};

use crate::http::{Answer, body::Input, call::Call, json};

#[derive(Debug, Deserialize)]
struct Mark {
    seq: Seq,
}

impl Input for Mark {
    const SAID_HERE: &'static [&'static str] = &["seq"];
}

#[derive(Serialize)]
struct Pointers {
    read_seq: Seq,
    delivered_seq: Seq,
    rev: Rev,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<Unread>,
}

pub(crate) async fn read(call: Call) -> Answer {
    mark(call, Pointer::Read).await
}

pub(crate) async fn delivered(call: Call) -> Answer {
    mark(call, Pointer::Delivered).await
}

async fn mark(call: Call, pointer: Pointer) -> Answer {
    let (app, user, room) = (call.app.clone(), call.user()?.clone(), call.room()?);
    let Mark { seq } = call.input().await?;
    let marked = app.realtime().mark(&user, room, pointer, seq).await?;
    let pointers = Pointers {
        read_seq: marked.receipt.read_seq,
        delivered_seq: marked.receipt.delivered_seq,
        rev: marked.rev,
        unread: marked.unread,
    };
    json(StatusCode::OK, &pointers)
}
