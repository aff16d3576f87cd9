//! One connection of a database's own command line client, kept open.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
};

use super::PATIENCE;

/// What the client is asked to print after each statement.
const MARK: &str = "-- end of answer --";

/// The most lines of an answer that wait to be taken.
const LINES: usize = 1024;

/// A connection to one database, outside of what is tested: it looks at what is really
/// stored, and provokes what others must bear (locks, deadlocks).
#[derive(Debug)]
pub struct Console {
    client: Child,
    statements: ChildStdin,
    answers: Receiver<String>,
    /// The statement that makes the client print [`MARK`].
    mark: &'static str,
}

impl Console {
    pub(super) fn psql(mut client: Command, database: &str) -> Self {
        client.args(["--dbname", database]);
        client.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"]);
        client.args(["--field-separator", "\t"]);
        Self::open(&client, "\\echo '-- end of answer --'")
    }

    pub(super) fn mariadb(mut client: Command, database: &str) -> Self {
        client.args(["--database", database]);
        client.args(["--batch", "--skip-column-names", "--raw"]);
        // Go on after an error, which is an answer; but never with another connection.
        client.args(["--unbuffered", "--force", "--skip-reconnect"]);
        Self::open(&client, "SELECT '-- end of answer --';")
    }

    fn open(client: &Command, mark: &'static str) -> Self {
        // Errors come in between the rows, where they belong.
        let mut client = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 2>&1"])
            .arg(client.get_program())
            .args(client.get_args())
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let statements = client.stdin.take().expect("it is piped");
        let output = client.stdout.take().expect("it is piped");
        let (sender, answers) = sync_channel(LINES);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            client,
            statements,
            answers,
            mark,
        }
    }

    /// Runs statements, separated by `;`, and returns their rows: a line each, columns
    /// separated by tabs.
    ///
    /// # Panics
    /// The database answers with an error, or not within a minute.
    pub fn run(&mut self, sql: &str) -> String {
        self.start(sql);
        self.answer()
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Sends statements without waiting, for those that will have to wait for a lock.
    ///
    /// # Panics
    /// The client has ended, as it does when its connection breaks.
    pub fn start(&mut self, sql: &str) {
        let mark = self.mark;
        writeln!(self.statements, "{sql};\n{mark}").unwrap_or_else(|error| {
            let said: Vec<String> = self.answers.try_iter().collect();
            panic!("the database's client has ended: {error}; it said {said:?}");
        });
    }

    /// The answer to the eldest [`start`](Self::start) that was not taken yet.
    ///
    /// # Errors
    /// What the database said instead, from its first error on.
    ///
    /// # Panics
    /// No answer within a minute.
    pub fn answer(&mut self) -> Result<String, String> {
        let mut lines: Vec<String> = Vec::new();
        loop {
            match self.answers.recv_timeout(PATIENCE) {
                Ok(line) if line == MARK => break,
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => return Err(lines.join("\n")),
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no answer within {PATIENCE:?}; so far {lines:?}")
                }
            }
        }
        match lines.iter().position(|line| line.starts_with("ERROR")) {
            Some(error) => Err(lines.split_off(error).join("\n")),
            None => Ok(lines.join("\n")),
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.client.kill().ok();
        self.client.wait().ok();
    }
}
