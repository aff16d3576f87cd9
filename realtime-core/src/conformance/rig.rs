//! What the suites need from the author of a backend, and how they check themselves.

use std::time::Duration;

use futures::future::BoxFuture;

/// Does something to the world outside, for example stops a server.
pub type Act = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Lets time pass: `tokio::time::advance` under a paused clock, a real sleep for a
/// backend with a clock of its own.
pub type Advance = Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// What the macros of the suites expand to: a test for each case.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($suite:ident, #[$test:meta] $rig:expr; $($case:ident)*) => {
        $(
            #[$test]
            async fn $case() {
                $crate::conformance::$suite::$case($rig.await).await;
            }
        )*
    };
}

/// Fails when a case of a suite is not listed in its macro, and so never runs.
#[cfg(test)]
pub(super) fn assert_all_listed(source: &str, suite: &str) {
    let start = source.find(&format!("macro_rules! {suite}")).unwrap();
    let end = start + source[start..].find("\n}\n").unwrap();
    let listed: Vec<_> = source[start..end].split_whitespace().collect();
    let cases = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub async fn "))
        .filter_map(|rest| rest.split('(').next())
        .collect::<Vec<_>>();
    assert!(!cases.is_empty());
    for case in cases {
        assert!(listed.contains(&case), "{case} is not listed in {suite}");
    }
}

#[cfg(test)]
mod tests {
    use super::assert_all_listed;

    const SOURCE: &str = "pub async fn one(rig: Rig) {\npub async fn two(rig: Rig) {\n";

    #[test]
    fn a_listed_case_is_fine() {
        let source = format!("{SOURCE}macro_rules! suite {{\n one two\n}}\n");
        assert_all_listed(&source, "suite");
    }

    #[test]
    #[should_panic(expected = "two is not listed")]
    fn a_case_that_is_not_listed_is_found() {
        let source = format!("{SOURCE}macro_rules! suite {{\n one\n}}\n");
        assert_all_listed(&source, "suite");
    }
}
