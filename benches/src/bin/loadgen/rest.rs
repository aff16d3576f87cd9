//! Creates rooms through the server's REST interface, before a run.
//!
//! One kept-alive connection, one request at a time: nothing here is measured.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::limits::{MAX_BODY_BYTES, MAX_HEAD_BYTES, REST_TIMEOUT};

/// A client of `/api/v1` with a service token.
#[derive(Debug)]
pub(crate) struct Rest {
    target: SocketAddr,
    authority: String,
    token: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Rest {
    /// A client that connects when it is first used.
    pub(crate) const fn new(target: SocketAddr, authority: String, token: String) -> Self {
        Self {
            target,
            authority,
            token,
            stream: None,
        }
    }

    /// Creates a room with these participants and answers its id; repeating the
    /// same `key` is safe.
    ///
    /// # Errors
    /// When the server cannot be reached or does not answer with the room's id.
    pub(crate) fn create_room<'a>(
        &mut self,
        key: &str,
        kind: &str,
        participants: impl Iterator<Item = &'a str>,
    ) -> Result<String, Failure> {
        let participants: Vec<Value> = participants
            .map(|user| json!({"user": user, "role": "member"}))
            .collect();
        let body = json!({"kind": kind, "participants": participants}).to_string();
        let answer = self.post("/api/v1/rooms", key, &body)?;
        room_id(&answer)
    }

    fn post(&mut self, path: &str, key: &str, body: &str) -> Result<Answer, Failure> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Idempotency-Key: {key}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.authority,
            self.token,
            body.len()
        );
        let reused = self.stream.is_some();
        match self.exchange(&request) {
            // The server may have closed the kept connection meanwhile; the
            // idempotency key makes the repeat safe.
            Err(_) if reused => self.exchange(&request),
            done => done,
        }
        .map_err(Failure::io(format!("POST {path}")))
    }

    fn exchange(&mut self, request: &str) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => BufReader::new(self.connect()?),
        };
        stream.get_mut().write_all(request.as_bytes())?;
        let (answer, keep) = read_answer(&mut stream)?;
        if keep {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.target)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REST_TIMEOUT))?;
        stream.set_write_timeout(Some(REST_TIMEOUT))?;
        Ok(stream)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    body: Vec<u8>,
}

fn room_id(answer: &Answer) -> Result<String, Failure> {
    let text = || {
        String::from_utf8_lossy(&answer.body)
            .chars()
            .take(500)
            .collect::<String>()
    };
    if !matches!(answer.status, 200 | 201) {
        let answer = format!("{} {}", answer.status, text());
        return Err(Failure::Refused {
            what: "a room",
            answer,
        });
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match body["id"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => Err(Failure::Protocol {
            what: "the answer to POST /rooms",
            answer: text(),
        }),
    }
}

/// Reads one response; the flag says whether the connection may be used again.
fn read_answer(stream: &mut impl io::BufRead) -> io::Result<(Answer, bool)> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut head = stream.take(MAX_HEAD_BYTES as u64);
    let status_line = line(&mut head)?;
    let status = status_line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| invalid("no HTTP status"))?;
    let (mut length, mut chunked, mut keep) = (None, false, true);
    loop {
        let header = line(&mut head)?.to_ascii_lowercase();
        let Some((name, value)) = header.split_once(':') else {
            if header.is_empty() {
                break;
            }
            return Err(invalid("a header without a colon"));
        };
        match (name, value.trim()) {
            ("content-length", value) => length = value.parse::<usize>().ok(),
            ("transfer-encoding", "chunked") => chunked = true,
            ("connection", "close") => keep = false,
            _ => {}
        }
    }
    let body = match length {
        _ if chunked => read_chunks(stream)?,
        Some(length) => read_exactly(stream, length)?,
        None => return Err(invalid("neither Content-Length nor chunked")),
    };
    Ok((Answer { status, body }, keep))
}

fn read_chunks(stream: &mut impl io::BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(stream)?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or("").trim(), 16)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let chunk = read_exactly(stream, size)?;
        line(stream)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
}

fn read_exactly(stream: &mut impl io::BufRead, length: usize) -> io::Result<Vec<u8>> {
    if length > MAX_BODY_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// One line without its end; the end of the stream is an error.
fn line(stream: &mut impl io::BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.take(MAX_HEAD_BYTES as u64).read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_with_a_length_is_read_to_its_end_and_not_beyond() {
        let mut bytes: &[u8] =
            b"HTTP/1.1 201 Created\r\ncontent-length: 10\r\n\r\n{\"id\":\"r\"}HTTP/1.1 200 OK\r\n";
        let (answer, keep) = read_answer(&mut bytes).unwrap();
        assert_eq!(room_id(&answer).unwrap(), "r");
        assert!(keep);
        assert!(bytes.starts_with(b"HTTP/1.1 200"));
    }

    #[test]
    fn a_chunked_response_is_joined() {
        let mut bytes: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
            Connection: close\r\n\r\n4\r\n{\"id\r\n6;x=y\r\n\":\"r\"}\r\n0\r\n\r\n";
        let (answer, keep) = read_answer(&mut bytes).unwrap();
        assert_eq!(answer.body, b"{\"id\":\"r\"}");
        assert!(!keep);
    }

    #[test]
    fn refusals_and_nonsense_are_errors() {
        let answer = |status, body: &str| Answer {
            status,
            body: body.into(),
        };
        assert!(matches!(
            room_id(&answer(403, "{}")),
            Err(Failure::Refused { .. })
        ));
        assert!(matches!(
            room_id(&answer(201, "{}")),
            Err(Failure::Protocol { .. })
        ));
        assert!(matches!(
            room_id(&answer(201, "no")),
            Err(Failure::Protocol { .. })
        ));
        for mut bytes in [
            &b""[..],
            b"HTTP/1.1",
            b"hello\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(read_answer(&mut bytes).is_err());
        }
    }
}
