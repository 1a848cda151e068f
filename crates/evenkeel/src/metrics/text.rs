//! Writes Prometheus' text format: one family after the other, each once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::families::{self, Family};

/// Series of one metric that are shown. Ten thousand checks are the most one Evenkeel is
/// made for; what is beyond is counted in `evenkeel_metrics_series_left_out`.
pub(super) const SERIES_MAX: usize = 10_000;

/// What is written so far, by the family's place in the table.
#[derive(Default)]
pub(super) struct Text {
    lines: BTreeMap<usize, (usize, String)>,
    left_out: usize,
}

impl Text {
    /// One series. The name must be in the table.
    pub(super) fn put(&mut self, name: &'static str, labels: &[(&str, &str)], value: f64) {
        self.put_as(name, "", labels, value);
    }

    /// One series of a family whose series have names of their own (`_bucket`, `_sum`).
    pub(super) fn put_as(
        &mut self,
        name: &'static str,
        suffix: &str,
        labels: &[(&str, &str)],
        value: f64,
    ) {
        let (count, text) = self.lines.entry(families::place(name)).or_default();
        if *count >= SERIES_MAX {
            self.left_out += 1;
            return;
        }
        *count += 1;
        text.push_str(name);
        text.push_str(suffix);
        let mut mark = '{';
        for (label, value) in labels {
            text.push(mark);
            text.push_str(label);
            text.push_str("=\"");
            escape(value, text);
            text.push('"');
            mark = ',';
        }
        if mark == ',' {
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
    }

    /// The whole, in the order of the table.
    pub(super) fn finish(mut self) -> String {
        #[expect(clippy::cast_precision_loss, reason = "a count of lines")]
        let left_out = self.left_out as f64;
        self.put("evenkeel_metrics_series_left_out", &[], left_out);
        let mut whole = String::new();
        for (place, (_, lines)) in self.lines {
            let Family { name, kind, about } = families::FAMILIES[place];
            let kind = kind.as_str();
            let _ = write!(
                whole,
                "# HELP {name} {about}\n# TYPE {name} {kind}\n{lines}"
            );
        }
        whole
    }
}

fn escape(value: &str, into: &mut String) {
    for letter in value.chars() {
        match letter {
            '\\' => into.push_str("\\\\"),
            '"' => into.push_str("\\\""),
            '\n' => into.push_str("\\n"),
            other => into.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_out_and_series_are_bounded() {
        let mut text = Text::default();
        for _ in 0..=SERIES_MAX {
            text.put("evenkeel_runs_open", &[("job", "a\"} 1\nb\\")], 2.0);
        }
        let whole = text.finish();
        assert!(whole.contains("evenkeel_runs_open{job=\"a\\\"} 1\\nb\\\\\"} 2\n"));
        assert_eq!(whole.matches("evenkeel_runs_open{").count(), SERIES_MAX);
        assert!(whole.contains("\nevenkeel_metrics_series_left_out 1\n"));
    }
}
