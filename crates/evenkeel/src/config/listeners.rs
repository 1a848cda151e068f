//! Listeners beside the pages: `[metrics]`.

use std::net::SocketAddr;

use super::program::given_address;
use super::reader::{Report, Section};

pub(super) fn metrics(root: &mut Section<'_>, report: &mut Report<'_>) -> Option<SocketAddr> {
    let mut section = root.below_root(report, "metrics");
    let is_there = section.is_there();
    let at = section.at.clone();
    let listen = given_address(
        &mut section,
        report,
        SocketAddr::from(([127, 0, 0, 1], 9464)),
    );
    if is_there && listen.is_none() {
        report.warn(&at, "[metrics] names no `listen`: there are no metrics");
    }
    if let Some(listen) = &listen
        && !listen.value.ip().is_loopback()
    {
        report.warn(
            &listen.at,
            "metrics are read without a login: everyone who reaches this address learns the names of \
             jobs, databases and checks, and how they are; keep it in your own network",
        );
    }
    section.finish(report);
    listen.map(|listen| listen.value)
}
