//! A stand-in for the server that speaks just enough of the protocol to be
//! driven, and makes one planted mistake. One blocking thread a connection.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The mistake that is made, always around [`VICTIM_SEQ`] and towards the
/// second member of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The victim never gets the message.
    Lose,
    /// The victim gets it twice.
    Duplicate,
    /// The victim gets it after the next one.
    Swap,
    /// The victim gets another text.
    Alter,
    /// The message is stored under two numbers.
    StoreTwice,
    /// The send is never answered.
    NoAnswer,
    /// The send is first refused as `rate_limited`.
    RateLimit,
    /// The send is refused for good.
    Forbid,
    /// The victim's connection is closed as a slow consumer.
    Close,
    /// A client that resumes misses one message.
    ResumeShort,
    /// A client that resumes gets one message again.
    ResumeLong,
    /// A client that resumes is told to reload instead.
    Reset,
}

/// The message that the mistake is about.
const VICTIM_SEQ: usize = 5;

/// Messages joined into one text frame, as the protocol allows.
const JOINED: usize = 32;

#[derive(Default)]
struct Room {
    members: Vec<String>,
    log: Vec<String>,
    online: HashMap<String, Arc<Mutex<TcpStream>>>,
    held_back: Option<String>,
    has_erred: bool,
}

#[derive(Default)]
struct State {
    rooms: HashMap<String, Room>,
}

/// A running fake; its threads end with the process.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
}

impl Fake {
    pub(crate) fn start(fault: Fault) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                // A client that breaks off, and one that is broken, end their thread alone.
                std::thread::spawn(move || drop(serve(stream, &state, fault)));
            }
        });
        Ok(Self { address })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn serve(stream: TcpStream, state: &Mutex<State>, fault: Fault) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(64 * 1024, stream.try_clone()?);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        if head.starts_with("GET /ws/ ") {
            return Client::upgrade(stream, reader, &head, state, fault)?.run();
        }
        create_room(&stream, &mut reader, &head, state)?;
    }
}

fn create_room(
    mut stream: &TcpStream,
    reader: &mut impl Read,
    head: &str,
    state: &Mutex<State>,
) -> io::Result<()> {
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let length = length
        .and_then(|length| length.parse().ok())
        .ok_or_else(|| broken("length"))?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body: Value = serde_json::from_slice(&body)?;
    let users = body["participants"]
        .as_array()
        .ok_or_else(|| broken("participants"))?;
    let members = users
        .iter()
        .filter_map(|one| Some(one["user"].as_str()?.to_owned()))
        .collect();
    let mut state = lock(state);
    let id = format!("room-{}", state.rooms.len());
    state.rooms.insert(
        id.clone(),
        Room {
            members,
            ..Room::default()
        },
    );
    let answer = json!({"id": id, "rev": 0}).to_string();
    write!(
        stream,
        "HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n{answer}",
        answer.len()
    )
}

struct Client<'a> {
    reader: BufReader<TcpStream>,
    stream: Arc<Mutex<TcpStream>>,
    state: &'a Mutex<State>,
    fault: Fault,
    user: String,
    room: String,
    /// Number of the sends that this client has made, refused ones too.
    sends: usize,
}

impl<'a> Client<'a> {
    fn upgrade(
        mut stream: TcpStream,
        reader: BufReader<TcpStream>,
        head: &str,
        state: &'a Mutex<State>,
        fault: Fault,
    ) -> io::Result<Self> {
        for expected in [
            "dGhlIHNhbXBsZSBub25jZQ==",
            "rt.v1.json",
            "Sec-WebSocket-Version: 13",
        ] {
            if !head.contains(expected) {
                return Err(broken(expected));
            }
        }
        stream.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
              Sec-WebSocket-Protocol: rt.v1.json\r\n\r\n",
        )?;
        let stream = Arc::new(Mutex::new(stream));
        let (user, room) = (String::new(), String::new());
        Ok(Self {
            reader,
            stream,
            state,
            fault,
            user,
            room,
            sends: 0,
        })
    }

    /// Handles the frames that came together as one batch, so that a busy sender
    /// is fanned out in joined writes.
    fn run(mut self) -> io::Result<()> {
        loop {
            let mut batch = vec![self.frame()?];
            while !self.reader.buffer().is_empty() {
                batch.push(self.frame()?);
            }
            self.handle(&batch)?;
        }
    }

    fn handle(&mut self, batch: &[Vec<u8>]) -> io::Result<()> {
        let mut drafts = Vec::new();
        for text in batch {
            let command: Value = serde_json::from_slice(text)?;
            if command.get("connect").is_some() {
                self.connect(&command)?;
            } else if command.get("send").is_some() {
                drafts.push(command);
            } else if command.get("pong").is_none() {
                return Err(broken("command"));
            }
        }
        if drafts.is_empty() {
            Ok(())
        } else {
            self.send(&drafts)
        }
    }

    fn connect(&mut self, command: &Value) -> io::Result<()> {
        let token = command["connect"]["token"]
            .as_str()
            .ok_or_else(|| broken("token"))?;
        let claims = token
            .split('.')
            .nth(1)
            .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims: Value = serde_json::from_slice(&claims.ok_or_else(|| broken("claims"))?)?;
        self.user = claims["user_id"]
            .as_str()
            .ok_or_else(|| broken("user"))?
            .to_owned();
        let mut state = lock(self.state);
        let mut rooms = Vec::new();
        let mut missed = Vec::new();
        for (id, room) in &mut state.rooms {
            if !room.members.contains(&self.user) {
                continue;
            }
            self.room.clone_from(id);
            rooms.push(json!({"id": id, "rev": room.log.len(), "last_seq": room.log.len()}));
            room.online
                .insert(self.user.clone(), Arc::clone(&self.stream));
            if let Some(rev) = command["connect"]["rooms"][id].as_u64() {
                missed = self.resumed(room, rev as usize);
            }
        }
        let answer = json!({"id": command["id"], "ok": {"user": self.user, "rooms": rooms}});
        // A ping of each kind: both must be answered, or `frame` meets no pong.
        let mut out = frame(0x1, answer.to_string().as_bytes());
        out.extend(frame(0x1, b"{\"ping\":{}}"));
        out.extend(frame(0x9, b"alive?"));
        out.extend(join(&missed));
        lock(&self.stream).write_all(&out)
    }

    /// What the client missed after `rev`, or what the fault makes of it.
    fn resumed(&self, room: &mut Room, rev: usize) -> Vec<String> {
        let missed = &room.log[rev..];
        let errs = rev > 1 && missed.len() > 1 && !room.has_erred;
        let resumed = if errs && self.fault == Fault::ResumeShort {
            missed[1..].to_vec()
        } else if errs && self.fault == Fault::ResumeLong {
            room.log[rev - 1..].to_vec()
        } else if errs && self.fault == Fault::Reset {
            vec![json!({"reset": {"room": self.room, "rev": room.log.len()}}).to_string()]
        } else {
            return missed.to_vec();
        };
        room.has_erred = true;
        resumed
    }

    fn send(&mut self, drafts: &[Value]) -> io::Result<()> {
        let (mut answers, mut pushes) = (Vec::new(), Vec::new());
        let mut state = lock(self.state);
        let room = state
            .rooms
            .get_mut(&self.room)
            .ok_or_else(|| broken("room"))?;
        for draft in drafts {
            self.sends += 1;
            let (id, is_victim) = (&draft["id"], self.sends == VICTIM_SEQ);
            let refusals = [
                (Fault::RateLimit, "rate_limited"),
                (Fault::Forbid, "forbidden"),
            ];
            let refusal = refusals
                .iter()
                .find(|(fault, _)| is_victim && *fault == self.fault);
            if let Some((_, code)) = refusal {
                let error = json!({"code": code, "message": "planted", "retry_after_ms": 20});
                answers.push(json!({"id": id, "error": error}).to_string());
                continue;
            }
            let copies = if self.fault == Fault::StoreTwice && is_victim {
                2
            } else {
                1
            };
            for _ in 0..copies {
                let message = self.message(room.log.len() + 1, &draft["send"]);
                room.log.push(message.clone());
                pushes.push(message);
            }
            let seq = room.log.len();
            if !(self.fault == Fault::NoAnswer && is_victim) {
                let id = id.as_u64().ok_or_else(|| broken("id"))?;
                answers.push(format!(
                    r#"{{"id":{id},"ok":{{"seq":{seq},"rev":{seq},"id":"m-{seq}","sent_at":"2030-01-01T00:00:00.000Z","duplicate":false}}}}"#
                ));
            }
        }
        lock(&self.stream).write_all(&join(&answers))?;
        self.fan_out(room, &pushes)
    }

    fn message(&self, seq: usize, send: &Value) -> String {
        let Self { room, user, .. } = self;
        let body = &send["body"];
        format!(
            r#"{{"message":{{"room":"{room}","rev":{seq},"seq":{seq},"id":"0198c2f0-0000-7000-8000-{seq:012}","change":"sent","sender":{{"type":"user","id":"{user}"}},"kind":"text","body":{body},"sent_at":"2030-01-01T00:00:00.000Z"}}}}"#
        )
    }

    fn fan_out(&self, room: &mut Room, pushes: &[String]) -> io::Result<()> {
        let victim = room.members.get(1).cloned().unwrap_or_default();
        if let Some(stream) = room.online.get(&victim).cloned() {
            let planted = self.plant(room, pushes);
            write_or_forget(&stream, &join(&planted));
            let closes = self.fault == Fault::Close && room.log.len() >= VICTIM_SEQ;
            if closes && !std::mem::replace(&mut room.has_erred, true) {
                write_or_forget(&stream, &frame(0x8, &4002_u16.to_be_bytes()));
            }
        }
        let bytes = join(pushes);
        for (user, stream) in &room.online {
            if *user != victim {
                write_or_forget(stream, &bytes);
            }
        }
        Ok(())
    }

    /// The pushes as the victim gets them.
    fn plant(&self, room: &mut Room, pushes: &[String]) -> Vec<String> {
        let victim = format!("\"seq\":{VICTIM_SEQ},");
        let mut planted = Vec::new();
        for push in pushes {
            let fault = if push.contains(&victim) {
                self.fault
            } else {
                Fault::None
            };
            if fault == Fault::Swap {
                room.held_back = Some(push.clone());
            } else if fault == Fault::Alter {
                planted.push(push.replace("\"body\":\"", "\"body\":\"1"));
            } else if fault == Fault::Duplicate {
                planted.extend([push.clone(), push.clone()]);
            } else if fault != Fault::Lose {
                planted.push(push.clone());
                planted.extend(room.held_back.take());
            }
        }
        planted
    }

    /// The next text frame; pongs are taken silently.
    fn frame(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let mut head = [0; 2];
            self.reader.read_exact(&mut head)?;
            if head[1] & 0x80 == 0 {
                return Err(broken("a client frame must be masked"));
            }
            let mut length = usize::from(head[1] & 0x7f);
            if length == 126 {
                let mut extended = [0; 2];
                self.reader.read_exact(&mut extended)?;
                length = usize::from(u16::from_be_bytes(extended));
            }
            let mut mask = [0; 4];
            self.reader.read_exact(&mut mask)?;
            let mut payload = vec![0; length];
            self.reader.read_exact(&mut payload)?;
            for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
                *byte ^= key;
            }
            match head[0] {
                0x81 => return Ok(payload),
                0x8a if payload == b"alive?" => {}
                _ => return Err(broken("frame")),
            }
        }
    }
}

/// A peer that is gone notices itself.
fn write_or_forget(stream: &Mutex<TcpStream>, bytes: &[u8]) {
    drop(lock(stream).write_all(bytes));
}

/// Text frames of up to [`JOINED`] objects each.
fn join(objects: &[String]) -> Vec<u8> {
    objects
        .chunks(JOINED)
        .flat_map(|part| frame(0x1, part.join("\n").as_bytes()))
        .collect()
}

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..=125 => frame.push(short as u8),
        medium @ 126..=0xffff => {
            frame.push(126);
            frame.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}
