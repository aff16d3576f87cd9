//! The shell that starts a server and outlives us, in order to end it.
//!
//! A test that is killed with -9 cannot clean up, and asking the kernel to kill the
//! server then takes code that is not safe. So a small shell stands between: it reads
//! orders from a pipe, and when the pipe ends, for whatever reason, it ends the server
//! and removes its folder.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

use tempfile::TempDir;

use super::PATIENCE;

/// Prints the pid of each server that it starts. Its error output and the server's are
/// one stream: the log.
const SCRIPT: &str = r#"
folder=$1 signal=$2
shift 2
while read -r order; do
  : >"$folder/pid"
  {
    sh -c 'echo $$ | tee "$0/pid"; exec "$@" >&2 </dev/null' "$folder" "$@"
    ended=$?
    rm -f "$folder/pid"
    echo "guardian: ended with $ended" >&2
  } &
done
# Empty: it is just being started.
while [ -e "$folder/pid" ] && [ ! -s "$folder/pid" ]; do sleep 0.01; done
if pid=$(cat "$folder/pid" 2>/dev/null); then
  kill -s CONT "$pid"
  kill -s "$signal" "$pid"
fi
wait
rm -rf "$folder"
"#;

const ENDED: &str = "guardian: ended with ";

/// The most of a log that is kept: what a failure needs is at its end.
const LOG_BYTES: usize = 256 * 1024;

/// A server's process, whichever it is at the moment.
#[derive(Debug)]
pub(super) struct Guardian {
    shell: Child,
    orders: Option<ChildStdin>,
    pids: BufReader<ChildStdout>,
    pid: Option<u32>,
    log: Arc<Log>,
    /// Removed by the shell; and by this if the shell did not get so far.
    _folder: TempDir,
}

impl Guardian {
    /// Takes care of `folder` and of what `server` starts. `signal` is what ends a
    /// server that still runs at the end.
    pub(super) fn new(folder: TempDir, signal: &str, server: &Command) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "guardian"])
            .arg(folder.path())
            .arg(signal)
            .arg(server.get_program())
            .args(server.get_args())
            .current_dir("/")
            // Messages that are waited for must not be translated.
            .env("LC_ALL", "C")
            // Ctrl-C is for the test; the guardian hears of it by the pipe.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let log = Arc::new(Log::default());
        let stream = shell.stderr.take().expect("it is piped");
        let kept = Arc::clone(&log);
        thread::spawn(move || kept.collect(stream));
        let pids = shell.stdout.take().expect("it is piped");
        Self {
            orders: shell.stdin.take(),
            pids: BufReader::new(pids),
            pid: None,
            shell,
            log,
            _folder: folder,
        }
    }

    /// Starts the server, and waits until its log says `ready`.
    ///
    /// # Errors
    /// It ended instead.
    pub(super) fn start(&mut self, ready: &str) -> io::Result<()> {
        assert!(self.pid.is_none(), "the server runs already");
        let from = self.log.position();
        let orders = self.orders.as_mut().expect("the guardian lives");
        orders.write_all(b"start\n")?;
        let mut pid = String::new();
        self.pids.read_line(&mut pid)?;
        let said = self.log.wait_for(from, &[ready, ENDED]);
        if said == ENDED {
            return Err(io::Error::other(format!(
                "it ended at once; its log:\n{}",
                self.log.text()
            )));
        }
        self.pid = Some(pid.trim_end().parse().expect("a pid is a number"));
        Ok(())
    }

    /// Kills the server with all its processes, as `kill -9` does, and waits for its end.
    pub(super) fn kill(&mut self) {
        let pid = self.pid.take().expect("the server runs");
        let from = self.log.position();
        // Stopped, it can neither start another process nor notice that one has died.
        signal("STOP", &[pid]);
        let mut everyone = children(pid);
        everyone.push(pid);
        signal("KILL", &everyone);
        self.log.wait_for(from, &[ENDED]);
    }

    /// Stops the server with all its processes in their tracks.
    pub(super) fn pause(&self) {
        let pid = self.pid.expect("the server runs");
        signal("STOP", &[pid]);
        signal("STOP", &children(pid));
    }

    /// Lets them go on.
    pub(super) fn resume(&self) {
        let pid = self.pid.expect("the server runs");
        let mut everyone = children(pid);
        everyone.push(pid);
        signal("CONT", &everyone);
    }

    pub(super) const fn pid(&self) -> Option<u32> {
        self.pid
    }

    pub(super) fn log(&self) -> String {
        self.log.text()
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            // Its processes may be paused, and could not be asked to end.
            signal("CONT", &children(pid));
        }
        drop(self.orders.take());
        self.shell.wait().ok();
    }
}

/// Sends a signal to processes that may have ended by themselves.
fn signal(name: &str, pids: &[u32]) {
    if pids.is_empty() {
        return;
    }
    let pids = pids.iter().map(ToString::to_string);
    let mut kill = Command::new("kill");
    kill.args(["-s", name]).args(pids).stderr(Stdio::null());
    kill.status().expect("there is `kill`");
}

/// The processes that `parent` has started.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("this is Linux");
    let pids = processes.flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in front may hold anything, brackets and spaces included.
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

/// The end of what a server has said, for as long as it runs.
#[derive(Debug, Default)]
struct Log {
    said: Mutex<Said>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Said {
    text: String,
    /// Bytes that were forgotten in front of `text`.
    forgotten: usize,
}

impl Log {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads as it comes: a full pipe would stop the server.
    fn collect(&self, mut stream: impl Read) {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            let mut said = self.said();
            said.text
                .push_str(&String::from_utf8_lossy(&buffer[..read]));
            if said.text.len() > LOG_BYTES {
                let cut = said.text.ceil_char_boundary(LOG_BYTES / 2);
                said.text.drain(..cut);
                said.forgotten += cut;
            }
            self.more.notify_all();
        }
    }

    fn position(&self) -> usize {
        let said = self.said();
        said.forgotten + said.text.len()
    }

    fn text(&self) -> String {
        self.said().text.clone()
    }

    /// Waits until one of `texts` was said at or after `from`, and tells which.
    fn wait_for<'a>(&self, from: usize, texts: &[&'a str]) -> &'a str {
        let deadline = Instant::now() + PATIENCE;
        let mut said = self.said();
        loop {
            let new = said
                .text
                .get(from.saturating_sub(said.forgotten)..)
                .unwrap_or_default();
            if let Some(found) = texts.iter().find(|text| new.contains(**text)) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "the server did not say any of {texts:?} within {PATIENCE:?}; its log:\n{}",
                said.text
            );
            let waited = self.more.wait_timeout(said, left);
            said = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
