//! The commented file of `evenkeel init`, and the reference page: both from the table.

use std::fmt::Write as _;

use super::checks;
use super::settings::{self, Kind, SECTIONS, Section, Setting};

/// The width of a comment, in characters.
const WIDTH: usize = 84;

/// A file that is complete and only watches: what must be given has an example to change,
/// what has a default stands commented out.
pub fn commented() -> String {
    let mut text = String::from(
        "# Evenkeel. `evenkeel check` says what does not fit; `evenkeel serve` starts it.\n\
         # As it stands it only watches: it says what it would do, and does nothing.\n\
         # Settings that stand behind a `#` without a space show the default, or an example:\n\
         # take the `#` away, and that of the section above, to set them.\n",
    );
    for section in SECTIONS {
        if section.name == "[check.step]" {
            // The example check has none; the guide writes a journey out in full.
            continue;
        }
        // The job and the database are examples to fill in.
        let active = matches!(section.name, "" | "page" | "operator" | "[component]");
        if !section.name.is_empty() {
            text.push('\n');
            for line in wrapped(section.about) {
                let _ = writeln!(text, "# {line}");
            }
            let mark = if active { "" } else { "#" };
            let _ = writeln!(text, "{mark}{}", heading(section));
        }
        for setting in settings::of(section.name) {
            let of_another_kind = section.name == "[check]" && !checks::has("http", setting.key);
            if setting.kind == Kind::Table || of_another_kind {
                continue;
            }
            let given = active && setting.default.is_empty();
            let value = match setting.default {
                "" | "-" => setting.example,
                default => default,
            };
            for line in wrapped(setting.about) {
                let _ = writeln!(text, "# {line}");
            }
            let mark = if given { "" } else { "#" };
            let _ = writeln!(text, "{mark}{} = {value}", setting.key);
        }
    }
    text
}

fn heading(section: &Section) -> String {
    // `[component.sessions]` is written [[component.sessions]], `job.retry` [job.retry].
    format!("[{}]", section.name)
}

/// The reference page, in Markdown.
pub fn reference() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         One TOML file, `evenkeel.toml` or the one named with `--config`. `evenkeel init` writes it with \
         comments, `evenkeel check` tells every problem at once with its line. Unknown settings are \
         refused. Paths are relative to the file's own folder.\n\n\
         Durations are written `500ms`, `90s`, `5m`, `1h 30m`, `7d`. Patterns know one sign: `*`, any text.\n\n\
         *Made from the table in `crates/evenkeel/src/config/settings.rs`.*\n",
    );
    for section in SECTIONS {
        let title = match section.name {
            "" => "Top of the file".to_owned(),
            _ => format!("`{}`", heading(section)),
        };
        let _ = write!(text, "\n## {title}\n\n{}\n\n", section.about);
        let plain: Vec<&Setting> = settings::of(section.name)
            .filter(|setting| setting.kind != Kind::Table)
            .collect();
        if plain.is_empty() {
            continue;
        }
        text.push_str("| setting | default | what it is for |\n|---|---|---|\n");
        for setting in plain {
            let default = match setting.default {
                "" => "must be given".to_owned(),
                "-" => "none".to_owned(),
                default => format!("`{default}`"),
            };
            let _ = writeln!(
                text,
                "| `{}` | {default} | {} Example: `{}` |",
                setting.key, setting.about, setting.example
            );
        }
    }
    text.push_str(
        "\n## Modes\n\n\
         `watch` says what would be done. `propose` asks: `evenkeel approve A-7`. `act` does it. In full:\n\n\
         ```toml\n[database.may]\n\
         end_backend = { mode = \"act\", budget = 3, per = \"1h\", interval = \"5s\", proposal = \"15m\" }\n```\n\n\
         At most `budget` actions within `per`, at least `interval` between two; a proposal stands for \
         `proposal`. What is not given has the defaults shown, for `start_run` a budget of 240 and no interval.\n",
    );
    text
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let full = lines
            .last()
            .is_some_and(|line| line.len() + 1 + word.len() > WIDTH);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
