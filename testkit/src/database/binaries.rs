//! Where the databases' programs are, and as whom they run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Debian puts PostgreSQL's programs here, a folder for each version, and not in `PATH`.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// A program of PostgreSQL, of the newest version that has it.
pub(super) fn postgres(name: &str) -> PathBuf {
    let version = |path: &PathBuf| -> u32 {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.parse().unwrap_or_default()
    };
    let mut versions: Vec<PathBuf> = fs::read_dir(POSTGRES_VERSIONS)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    versions.sort_by_key(version);
    let newest = versions.iter().rev().map(|version| version.join("bin"));
    find(name, newest).unwrap_or_else(|| missing(name, "postgresql"))
}

/// A program of MariaDB.
pub(super) fn mariadb(name: &str, package: &str) -> PathBuf {
    find(name, std::iter::empty()).unwrap_or_else(|| missing(name, package))
}

fn find(name: &str, first: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // An ordinary user's `PATH` lacks the folders of servers.
    let servers = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    first
        .chain(std::env::split_paths(&path))
        .chain(servers)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

fn missing(name: &str, package: &str) -> ! {
    panic!(
        "{name} is not installed, and this test does not skip: `apt-get install {package}` \
         (on Debian), or run `./test rust` as root, which installs it"
    );
}

/// Whether the test runs as root.
pub(super) fn is_root() -> bool {
    let myself = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let uids = myself.lines().find_map(|line| line.strip_prefix("Uid:"));
    uids.and_then(|uids| uids.split_whitespace().nth(1)) == Some("0")
}

/// An account that a server runs under instead of root.
#[derive(Debug, Clone)]
pub(super) struct Account {
    name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// PostgreSQL refuses to run as root; then as the user that its package has made,
    /// or as nobody. `None`: whoever runs the test.
    pub(super) fn instead_of_root() -> Option<Self> {
        if !is_root() {
            return None;
        }
        let accounts = fs::read_to_string("/etc/passwd").expect("there are accounts");
        let account = ["postgres", "nobody"]
            .iter()
            .find_map(|name| accounts.lines().find_map(|line| Self::parse(line, name)));
        Some(account.expect("there is a user `postgres` or `nobody`"))
    }

    fn parse(line: &str, name: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let account = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (account == name).then(|| Self {
            name: name.to_owned(),
            uid,
            gid,
        })
    }
}

/// `program`, run under `account`.
pub(super) fn command(program: &Path, account: Option<&Account>) -> Command {
    let Some(account) = account else {
        return Command::new(program);
    };
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={}", account.name))
        .arg(format!("--regid={}", account.gid))
        .args(["--clear-groups", "--"])
        .arg(program);
    command
}
