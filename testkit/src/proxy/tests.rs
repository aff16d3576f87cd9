//! The faults are those that were ordered, and nothing else.

use std::{io::ErrorKind, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{Cut, Direction, Flow, MARIADB_COMMIT, POSTGRES_COMMIT, Proxy};
use crate::PATIENCE;

/// What no byte may come in, where none should.
const QUIET: Duration = Duration::from_millis(100);

/// A server that answers each read with `!` and what it read, and tells the test.
struct Echo {
    proxy: Proxy,
    reads: mpsc::Receiver<Result<Vec<u8>, ErrorKind>>,
}

async fn echo() -> Echo {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, reads) = mpsc::channel(1000);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 * 1024];
                loop {
                    let read = match stream.read(&mut buffer).await {
                        Ok(0) => break,
                        Ok(read) => read,
                        Err(error) => {
                            sender.send(Err(error.kind())).await.ok();
                            break;
                        }
                    };
                    sender.send(Ok(buffer[..read].to_vec())).await.ok();
                    stream.write_all(b"!").await.ok();
                    stream.write_all(&buffer[..read]).await.ok();
                }
            });
        }
    });
    let proxy = Proxy::to(address).await.unwrap();
    Echo { proxy, reads }
}

impl Echo {
    async fn client(&self) -> TcpStream {
        TcpStream::connect(self.proxy.addr()).await.unwrap()
    }

    async fn read(&mut self) -> Result<Vec<u8>, ErrorKind> {
        timeout(PATIENCE, self.reads.recv()).await.unwrap().unwrap()
    }
}

async fn answers(client: &mut TcpStream, answer: &[u8]) {
    let mut buffer = vec![0; answer.len()];
    let read = timeout(PATIENCE, client.read_exact(&mut buffer)).await;
    read.unwrap().unwrap();
    assert_eq!(buffer, answer);
}

async fn is_reset(client: &mut TcpStream) {
    let read = timeout(PATIENCE, client.read(&mut [0; 10])).await.unwrap();
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn it_passes_both_ways_and_passes_on_the_end() {
    let mut echo = echo().await;
    let mut client = echo.client().await;
    client.write_all(b"hi").await.unwrap();
    answers(&mut client, b"!hi").await;
    assert_eq!(echo.read().await.unwrap(), b"hi");
    assert_eq!(echo.proxy.connections(), 1);
    client.shutdown().await.unwrap();
    let end = timeout(PATIENCE, client.read(&mut [0; 10])).await.unwrap();
    assert_eq!(end.unwrap(), 0);
}

#[tokio::test]
async fn what_is_held_arrives_when_it_passes_again() {
    let mut echo = echo().await;
    let mut client = echo.client().await;
    echo.proxy.set(Direction::Up, Flow::Hold);
    client.write_all(b"up").await.unwrap();
    assert!(timeout(QUIET, echo.reads.recv()).await.is_err());
    // One way only: up passes, down does not.
    echo.proxy.set(Direction::Down, Flow::Hold);
    echo.proxy.set(Direction::Up, Flow::Pass);
    assert_eq!(echo.read().await.unwrap(), b"up");
    assert!(timeout(QUIET, client.read_u8()).await.is_err());
    echo.proxy.set_both(Flow::Pass);
    answers(&mut client, b"!up").await;
}

#[tokio::test]
async fn a_delay_delays_and_does_not_slow_down() {
    const DELAY: Duration = Duration::from_millis(150);
    const LINES: u32 = 20;
    let echo = echo().await;
    echo.proxy.set(Direction::Up, Flow::Delay(DELAY));
    let mut client = echo.client().await;
    client.set_nodelay(true).unwrap();
    let began = Instant::now();
    for _ in 0..LINES {
        client.write_all(b"x").await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut got = 0;
    while got < LINES {
        let byte = timeout(PATIENCE, client.read_u8()).await.unwrap().unwrap();
        assert!(began.elapsed() >= DELAY);
        got += u32::from(byte == b'x');
    }
    assert!(began.elapsed() < DELAY * LINES, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_rate_limits() {
    let echo = echo().await;
    echo.proxy.set(Direction::Up, Flow::Rate(10_000));
    let mut client = echo.client().await;
    let began = Instant::now();
    client.write_all(&[b'x'; 2000]).await.unwrap();
    let mut got = 0;
    while got < 2000 {
        let byte = timeout(PATIENCE, client.read_u8()).await.unwrap().unwrap();
        got += u32::from(byte == b'x');
    }
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_cut_resets_both_ends_of_what_is_open_and_nothing_else() {
    let mut echo = echo().await;
    let mut clients = [echo.client().await, echo.client().await];
    for client in &mut clients {
        client.write_all(b"a").await.unwrap();
        answers(client, b"!a").await;
        echo.read().await.unwrap();
    }
    echo.proxy.cut();
    for client in &mut clients {
        is_reset(client).await;
        assert_eq!(echo.read().await.unwrap_err(), ErrorKind::ConnectionReset);
    }
    let mut next = echo.client().await;
    next.write_all(b"b").await.unwrap();
    answers(&mut next, b"!b").await;
}

#[tokio::test]
async fn who_is_refused_is_reset_and_others_stay() {
    let echo = echo().await;
    let mut before = echo.client().await;
    before.write_all(b"a").await.unwrap();
    answers(&mut before, b"!a").await;
    echo.proxy.refuse(true);
    let mut refused = echo.client().await;
    let read = timeout(PATIENCE, refused.read(&mut [0; 10])).await.unwrap();
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
    before.write_all(b"b").await.unwrap();
    answers(&mut before, b"!b").await;
    echo.proxy.refuse(false);
    let mut after = echo.client().await;
    after.write_all(b"c").await.unwrap();
    answers(&mut after, b"!c").await;
}

#[tokio::test]
async fn a_server_that_is_not_there_resets() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let proxy = Proxy::to(address).await.unwrap();
    let mut client = TcpStream::connect(proxy.addr()).await.unwrap();
    is_reset(&mut client).await;
}

#[tokio::test]
async fn cut_before_means_that_the_bytes_did_not_arrive() {
    let mut echo = echo().await;
    let mut client = echo.client().await;
    // One that passed before the trap was set does not spring it later.
    client.write_all(POSTGRES_COMMIT).await.unwrap();
    assert_eq!(echo.read().await.unwrap(), POSTGRES_COMMIT);
    let trap = echo.proxy.cut_at(POSTGRES_COMMIT, Cut::Before);
    client.write_all(b"insert").await.unwrap();
    assert_eq!(echo.read().await.unwrap(), b"insert");
    // In two pieces.
    let (first, second) = POSTGRES_COMMIT.split_at(4);
    client.write_all(first).await.unwrap();
    assert_eq!(echo.read().await.unwrap(), first);
    client.write_all(second).await.unwrap();
    trap.sprung().await.unwrap();
    assert_eq!(echo.read().await.unwrap_err(), ErrorKind::ConnectionReset);
    // Only once.
    let mut next = echo.client().await;
    next.write_all(POSTGRES_COMMIT).await.unwrap();
    assert_eq!(echo.read().await.unwrap(), POSTGRES_COMMIT);
}

#[tokio::test]
async fn cut_before_the_answer_means_that_the_bytes_arrived() {
    let mut echo = echo().await;
    let (mut client, mut other) = (echo.client().await, echo.client().await);
    let mut trap = echo.proxy.cut_at(MARIADB_COMMIT, Cut::BeforeAnswer);
    client.write_all(b"insert").await.unwrap();
    answers(&mut client, b"!insert").await;
    echo.read().await.unwrap();
    assert!(!trap.has_sprung());
    client.write_all(MARIADB_COMMIT).await.unwrap();
    assert_eq!(echo.read().await.unwrap(), MARIADB_COMMIT);
    trap.sprung().await.unwrap();
    is_reset(&mut client).await;
    other.write_all(MARIADB_COMMIT).await.unwrap();
    answers(&mut other, b"!").await;
}
