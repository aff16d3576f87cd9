//! Ports for servers that cannot be told to take any.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io,
    net::{Ipv4Addr, TcpListener},
};

/// Below those that the kernel hands out, so that no outgoing connection takes the
/// port of a server that is down for a while, least of all one to that very port.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How many ports are tried before it must have another reason.
const ATTEMPTS: u32 = 5;

/// Starts something on a port that nobody uses; again, if someone was faster.
pub(super) fn with_a_free_one<T>(mut start: impl FnMut(u16) -> io::Result<T>) -> (T, u16) {
    let mut attempt = 1;
    loop {
        let port = free();
        match start(port) {
            Ok(started) => return (started, port),
            Err(_) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => panic!("the database does not start: {error}"),
        }
    }
}

fn free() -> u16 {
    loop {
        // A `RandomState` is the random number that std has.
        let random = RandomState::new().build_hasher().finish();
        let span = u64::from(PORTS.end - PORTS.start);
        let offset = u16::try_from(random % span).expect("the span is small");
        let port = PORTS.start + offset;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
