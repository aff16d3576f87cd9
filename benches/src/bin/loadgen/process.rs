//! What a process costs, as Linux counts it in `/proc`.

use std::fs;
use std::io;
use std::time::Duration;

use crate::failure::Failure;
use crate::limits::TICKS_PER_SECOND;

/// Memory and CPU time of a process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Resident memory, in KiB.
    pub(crate) rss_kib: u64,
    /// CPU time of all threads in user and kernel mode; steps of 10 ms.
    pub(crate) cpu: Duration,
}

/// A process that can be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process(String);

impl Process {
    /// The process with this id.
    pub(crate) fn with_pid(pid: u32) -> Self {
        Self(format!("/proc/{pid}"))
    }

    /// Reads its usage.
    ///
    /// # Errors
    /// When there is no such process, or no `/proc`.
    pub(crate) fn usage(&self) -> Result<Usage, Failure> {
        let read = |file: &str| {
            let path = format!("{}/{file}", self.0);
            fs::read_to_string(&path).map_err(Failure::io(format!("reading {path}")))
        };
        let (status, stat) = (read("status")?, read("stat")?);
        let unread = || io::Error::new(io::ErrorKind::InvalidData, "an unknown format");
        let usage = rss_kib(&status).zip(cpu(&stat));
        let (rss_kib, cpu) =
            usage.ok_or_else(|| Failure::io(format!("reading {}", self.0))(unread()))?;
        Ok(Usage { rss_kib, cpu })
    }
}

fn rss_kib(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// `utime` and `stime`, the 14th and 15th field; the second, the program's
/// name in parentheses, may hold anything.
fn cpu(stat: &str) -> Option<Duration> {
    const MILLIS_PER_TICK: u64 = 1_000 / TICKS_PER_SECOND;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis(
        (ticks()? + ticks()?) * MILLIS_PER_TICK,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_status() {
        let status = "Name:\tx\nVmHWM:\t  9999 kB\nVmRSS:\t   12345 kB\nThreads:\t2\n";
        assert_eq!(rss_kib(status), Some(12_345));
        assert_eq!(rss_kib("Name:\tkthread\n"), None);
    }

    #[test]
    fn cpu_time_is_read_behind_any_name() {
        let stat = "7 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 1 0 99 1 2";
        assert_eq!(cpu(stat), Some(Duration::from_millis(1_750)));
        assert_eq!(cpu("7 (a) R 1"), None);
    }

    #[test]
    fn the_own_process_has_memory() {
        assert!(
            Process::with_pid(std::process::id())
                .usage()
                .unwrap()
                .rss_kib
                > 0
        );
    }
}
