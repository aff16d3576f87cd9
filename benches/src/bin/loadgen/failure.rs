//! Why a run could not be made. What a run *finds* is in
//! [`Findings`](crate::checker::Findings).

use std::io;

/// The run could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// A call to the operating system failed.
    #[error("{doing}")]
    Io {
        /// What was tried.
        doing: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The command line asks for something that cannot be.
    #[error("{0}")]
    Usage(String),
    /// The server refused something that the run needs.
    #[error("the server refused {what}: {answer}")]
    Refused {
        /// What was asked of it.
        what: &'static str,
        /// What it said.
        answer: String,
    },
    /// The server's answer is not the protocol.
    #[error("{what} is not as the protocol says: {answer}")]
    Protocol {
        /// Which answer.
        what: &'static str,
        /// What it said.
        answer: String,
    },
}

impl Failure {
    /// Wraps an I/O error with what was being done.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// The error and its causes in one line.
    pub(crate) fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            line = format!("{line}: {error}");
            cause = error.source();
        }
        line
    }
}
