//! The real server as a process.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::PATIENCE;

/// What signs the tokens of test servers.
pub const SECRET: &str = "testkit-only-0123456789abcdefghijklmnopqrstuvwxyz";

/// The variable that names the database.
const DATABASE: &str = "REALTIME_DATABASE__URL";

const READY: &str = "listening on http://";

/// One `realtime-server serve` on a database of its own, which survives restarts.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    environment: Vec<(String, String)>,
    /// The most files that it may have open; `None`: as many as the test.
    files: Option<u32>,
    directory: TempDir,
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    /// Starts `program` and waits until it is ready. The environment of the test is
    /// not inherited where it would configure the server. Its database is a file of its
    /// own, unless `environment` names one.
    ///
    /// # Errors
    /// The program cannot be started, or does not get ready in time; then the error
    /// holds its log.
    pub async fn start(program: &Path, environment: &[(&str, &str)]) -> io::Result<Self> {
        Self::start_with_files(program, environment, None).await
    }

    /// The same with at most so many files open at once, sockets included.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with_files(
        program: &Path,
        environment: &[(&str, &str)],
        files: Option<u32>,
    ) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Vec<_> = environment.iter().map(own).collect();
        let log = Arc::default();
        let command = command(program, &environment, files, directory.path());
        let (child, address) = launch(command, &log).await?;
        Ok(Self {
            program: program.to_owned(),
            environment,
            files,
            directory,
            child,
            address,
            log,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The database's file.
    pub fn database(&self) -> PathBuf {
        self.directory.path().join("realtime.db")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Kills it as `kill -9` does, and waits for its end.
    ///
    /// # Errors
    /// It had ended before.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// Starts it again on the same database, on another port.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn restart(&mut self) -> io::Result<()> {
        let directory = self.directory.path();
        let command = command(&self.program, &self.environment, self.files, directory);
        (self.child, self.address) = launch(command, &self.log).await?;
        Ok(())
    }

    /// Sends a signal by name, such as `TERM`.
    ///
    /// # Errors
    /// It has ended, or there is no such signal.
    pub async fn signal(&self, name: &str) -> io::Result<()> {
        let gone = || io::Error::other("the server has ended");
        let pid = self.child.id().ok_or_else(gone)?.to_string();
        let status = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .await?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other("kill failed"))
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It does not end within `patience`.
    pub async fn ended(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        timeout(patience, self.child.wait())
            .await
            .map_err(io::Error::other)?
    }
}

fn command(
    program: &Path,
    environment: &[(String, String)],
    files: Option<u32>,
    directory: &Path,
) -> Command {
    let mut command = match files {
        None => Command::new(program),
        Some(files) => {
            let mut shell = Command::new("sh");
            let limited = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
            shell.arg("-c").arg(limited).arg(program);
            shell
        }
    };
    let inherited =
        std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("REALTIME_"));
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    // A database of the test's own comes by its variable, which a flag would go before.
    if !environment.iter().any(|(name, _)| name == DATABASE) {
        let file = directory.join("realtime.db");
        command
            .arg("--database")
            .arg(format!("sqlite://{}", file.display()));
    }
    command
        .env_clear()
        .envs(inherited)
        .env("REALTIME_JWT_SECRET", SECRET)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(directory);
    command
}

async fn launch(
    mut command: Command,
    log: &Arc<Mutex<Vec<u8>>>,
) -> io::Result<(Child, SocketAddr)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    collect_log(&mut child, Arc::clone(log));
    let ready = timeout(PATIENCE, first_line(&mut child)).await;
    let line = ready.map_err(io::Error::other)??;
    let address = line
        .strip_prefix(READY)
        .and_then(|rest| rest.trim_end().parse().ok());
    address.map(|address| (child, address)).ok_or_else(|| {
        let log = log.lock().unwrap_or_else(PoisonError::into_inner);
        let log = String::from_utf8_lossy(&log);
        io::Error::other(format!(
            "it said {line:?} instead of its address; its log:\n{log}"
        ))
    })
}

async fn first_line(child: &mut Child) -> io::Result<String> {
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line).await?;
    }
    Ok(line)
}

/// Reads the log as it comes: a full pipe would stop the server.
fn collect_log(child: &mut Child, log: Arc<Mutex<Vec<u8>>>) {
    let Some(mut stderr) = child.stderr.take() else {
        return;
    };
    tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend_from_slice(&buffer[..read]);
        }
    });
}
