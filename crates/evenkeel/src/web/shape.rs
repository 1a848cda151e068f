//! Status as a shape: told apart without colour, by outline and by how much is filled.

use evenkeel_core::status::Status;
use maud::{Markup, PreEscaped, html};

/// The shape of a status, as an image beside its word.
pub(super) fn of(status: Status) -> Markup {
    // A ring with a tick, a dashed ring, a square with a bar, a triangle, a half-filled
    // diamond, a filled octagon with a cross.
    let drawing = match status {
        Status::Operational => {
            r#"<circle cx="8" cy="8" r="7" fill="none" stroke="currentColor" stroke-width="1.6"/><path d="M4.6 8.3l2.3 2.3 4.5-5" fill="none" stroke="currentColor" stroke-width="1.8"/>"#
        }
        Status::Unknown => {
            r#"<circle cx="8" cy="8" r="6.8" fill="none" stroke="currentColor" stroke-width="1.6" stroke-dasharray="2.6 2"/><path d="M6.2 6.4a1.9 1.9 0 1 1 2.6 1.8c-.6.3-.8.6-.8 1.2M8 11v1.4" fill="none" stroke="currentColor" stroke-width="1.5"/>"#
        }
        Status::UnderMaintenance => {
            r#"<rect x="1.5" y="1.5" width="13" height="13" rx="2" fill="none" stroke="currentColor" stroke-width="1.6"/><path d="M4.5 8h7" stroke="currentColor" stroke-width="2"/>"#
        }
        Status::DegradedPerformance => {
            r#"<path d="M8 1.6L15 14H1z" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linejoin="round"/><path d="M8 6v4M8 11v1.6" stroke="currentColor" stroke-width="1.6"/>"#
        }
        Status::PartialOutage => {
            r#"<path d="M8 .8L15.2 8 8 15.2.8 8z" fill="none" stroke="currentColor" stroke-width="1.6"/><path d="M8 1v14L1 8z" fill="currentColor"/>"#
        }
        Status::MajorOutage => {
            r#"<path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" fill="currentColor"/><path d="M5.3 5.3l5.4 5.4M10.7 5.3l-5.4 5.4" class="x" stroke-width="1.8"/>"#
        }
    };
    html! {
        svg.shape viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" {
            (PreEscaped(drawing))
        }
    }
}

/// The class that gives a status its colour, in both style sheets.
pub(super) fn class(status: Status) -> &'static str {
    match status {
        Status::Operational => "ok",
        Status::Unknown => "unknown",
        Status::UnderMaintenance => "work",
        Status::DegradedPerformance => "slow",
        Status::PartialOutage => "part",
        Status::MajorOutage => "down",
    }
}
