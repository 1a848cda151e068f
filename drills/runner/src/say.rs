//! The one place that writes to the terminal.

use std::io::Write;

/// What was asked for, on standard output. A reader that went away is no failure.
pub fn aloud(text: &str) {
    let mut out = std::io::stdout().lock();
    let _gone = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// What is told beside it, on standard error.
pub fn aside(text: &str) {
    let _gone = writeln!(std::io::stderr().lock(), "{text}");
}
