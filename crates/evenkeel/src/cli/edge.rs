//! The edge: the process itself.

use std::process::ExitCode;

use super::Outcome;
use super::print::{self, say};
use crate::config::Config;

/// Serves until it is stopped or replaced.
pub(super) fn edge(config: Config) -> Outcome {
    print::start_log(&config.log);
    for warning in &config.warnings {
        tracing::warn!(file = %config.file.display(), "{warning}");
    }
    // The edge's own thread serves; this one waits for signals.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no threads can be started: {error}"))?;
    let served = runtime.block_on(crate::edge::run(config, |places| {
        for place in places {
            say(&format!("edge: {place}\n"));
        }
    }));
    match served {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(print::chain(&error)),
    }
}
