//! Why a command failed, and the exit code that says so.

use std::{fmt, process::ExitCode};

/// A failed command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The agent said no, or could not start or go on: exit code 1.
    Agent(String),
    /// The command or its configuration is wrong: exit code 2.
    Usage(String),
    /// No agent answers: exit code 3.
    Unreachable(String),
}

impl Failure {
    pub(crate) fn agent(reason: impl Into<String>) -> Self {
        Self::Agent(reason.into())
    }

    pub(crate) fn usage(reason: impl Into<String>) -> Self {
        Self::Usage(reason.into())
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Agent(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Agent(reason) | Self::Usage(reason) | Self::Unreachable(reason)) = self;
        f.write_str(reason)
    }
}
