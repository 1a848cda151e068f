//! Orders about post-mortems and legal notices.

/// Orders that change a post-mortem or a clock: of what, how, and their fields.
pub(super) const CHANGES: &[(&str, &str, &[&str])] = &[
    (
        "postmortem",
        "write",
        &[
            "incident text",
            "section text",
            "text -FreeText",
            "read number",
        ],
    ),
    (
        "postmortem",
        "add_measure",
        &["incident text", "what FreeText", "owner text", "due number"],
    ),
    (
        "postmortem",
        "change_measure",
        &[
            "incident text",
            "measure number",
            "state text",
            "due number",
            "reason -text",
        ],
    ),
    (
        "postmortem",
        "publish",
        &["incident text", "read number", "correction -FreeText"],
    ),
    (
        "notice",
        "start",
        &["incident text", "regime text", "reason text"],
    ),
    (
        "notice",
        "stop",
        &["incident text", "regime text", "reason text"],
    ),
    (
        "notice",
        "give",
        &[
            "incident text",
            "regime text",
            "step text",
            "reference text",
        ],
    ),
];
