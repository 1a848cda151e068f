//! Rules over the lines of one file.

use super::{Problem, at};
use crate::workspace::Source;

/// A name for the tests, and the rule: it hands over lines, counted from zero,
/// with what is wrong there.
type Rule = (&'static str, fn(&Source) -> Vec<(usize, String)>);

pub(super) const RULES: &[Rule] = &[
    ("length", length),
    ("module names", module_names),
    ("banners", banners),
    ("unfinished work", unfinished),
    ("sleeping tests", sleeping_tests),
    ("machine paths", machine_paths),
    ("registry hosts", registry_hosts),
];

/// A file holds one idea; past this it holds several.
const LINES_MAX: usize = 800;

pub(super) fn problems(source: &Source) -> Vec<Problem> {
    RULES
        .iter()
        .flat_map(|(_, rule)| rule(source))
        .map(|(line, what)| at(source, line, &what))
        .collect()
}

fn is_rust(source: &Source) -> bool {
    source.path.ends_with(".rs")
}

/// Files that tools write and people do not: lock files and licence texts.
fn is_generated(source: &Source) -> bool {
    source.path.ends_with(".lock")
        || source.path.ends_with("package-lock.json")
        || source.path.starts_with("LICENSE-")
}

fn length(source: &Source) -> Vec<(usize, String)> {
    let lines = source.text.lines().count();
    if !is_rust(source) || lines <= LINES_MAX {
        return Vec::new();
    }
    vec![(
        LINES_MAX,
        format!("{lines} lines, over {LINES_MAX}: split it by idea"),
    )]
}

fn module_names(source: &Source) -> Vec<(usize, String)> {
    const NAMELESS: &[&str] = &[
        "utils", "util", "helpers", "helper", "common", "manager", "misc",
    ];
    let Some(stem) = source.path.strip_suffix(".rs") else {
        return Vec::new();
    };
    let mut parts = stem.rsplit('/');
    let name = parts.next().unwrap_or_default();
    if name == "mod" {
        return vec![(
            0,
            "a mod.rs: name the file after its module, beside its folder".to_owned(),
        )];
    }
    std::iter::once(name)
        .chain(parts)
        .filter(|part| NAMELESS.contains(part))
        .map(|part| {
            (
                0,
                format!("{part:?} says nothing: name the module for what it knows"),
            )
        })
        .collect()
}

/// A comment that draws a line. Markdown tables in docs are no banners.
fn banners(source: &Source) -> Vec<(usize, String)> {
    let marker: &[&str] = match source.path.rsplit('.').next() {
        Some("rs") => &["///", "//!", "//", "/*"],
        Some("mjs" | "js" | "css") => &["//", "/*", "*"],
        Some("toml" | "sh" | "py" | "yml" | "yaml") => &["#"],
        Some("sql") => &["--"],
        _ => return Vec::new(),
    };
    let draws = |line: &str| {
        let line = line.trim_start();
        let Some(words) = marker.iter().find_map(|m| line.strip_prefix(m)) else {
            return false;
        };
        let words = words.trim();
        let Some(first) = words.chars().next() else {
            return false;
        };
        "=-*#~/".contains(first)
            && words.chars().take_while(|c| *c == first).count() >= 4
            && !words.contains('|')
    };
    let says = "a banner: let a module or a heading in its docs divide the file";
    lines_where(source, draws, says)
}

fn unfinished(source: &Source) -> Vec<(usize, String)> {
    if is_generated(source) {
        return Vec::new();
    }
    let word = concat!("FIX", "ME");
    let mut found = lines_where(
        source,
        |line| line.contains(word),
        "unfinished: finish it, or open an issue",
    );
    if is_rust(source) {
        let macros = [concat!("to", "do!("), concat!("unimple", "mented!(")];
        let calls = |line: &str| macros.iter().any(|m| line.contains(m));
        found.extend(lines_where(
            source,
            calls,
            "unfinished: finish it, or leave it out",
        ));
        let ignored = concat!("#[ign", "ore");
        found.extend(lines_where(
            source,
            |line| line.contains(ignored),
            "an ignored test: mend it, or take it out",
        ));
    }
    found
}

/// Waiting a fixed time hides a race. Polling with a deadline may sleep between
/// two looks, and says so in a `waits:` comment on the line or the one above.
fn sleeping_tests(source: &Source) -> Vec<(usize, String)> {
    let call = match source.path.rsplit('.').next() {
        Some("rs") => concat!("sle", "ep("),
        Some("mjs") => concat!("setTime", "out("),
        _ => return Vec::new(),
    };
    let lines: Vec<&str> = source.text.lines().collect();
    let in_tests_folder = source.path.starts_with("tests/") || source.path.contains("/tests/");
    let first = if in_tests_folder {
        0
    } else {
        let test_module = concat!("#[cfg(", "test)]");
        lines
            .iter()
            .position(|line| line.trim() == test_module)
            .unwrap_or(lines.len())
    };
    let reason = "// waits:";
    let explained =
        |n: usize| lines[n].contains(reason) || (n > 0 && lines[n - 1].contains(reason));
    (first..lines.len())
        .filter(|&n| calls_by_name(lines[n], call) && !explained(n))
        .map(|n| {
            (
                n,
                format!("a test sleeps: wait for what it waits for, or say why in `{reason} ..`"),
            )
        })
        .collect()
}

/// `call(` as a function's own name: `pg_call(` and `fn call(` are others.
fn calls_by_name(line: &str, call: &str) -> bool {
    line.match_indices(call).any(|(at, _)| {
        let before = &line[..at];
        !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.')
            && !before.ends_with("fn ")
    })
}

/// Paths that exist on one machine only.
fn machine_paths(source: &Source) -> Vec<(usize, String)> {
    const FOLDERS: &[&str] = &[
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
    ];
    let holds = |line: &str| {
        FOLDERS.iter().any(|folder| {
            line.match_indices(folder).any(|(at, _)| {
                let inside_a_path = |c: char| c.is_alphanumeric() || "_-.~/}*".contains(c);
                !line[..at].ends_with(inside_a_path)
            })
        })
    };
    lines_where(
        source,
        holds,
        "a path of one machine: make it relative, or configurable",
    )
}

/// A lock file that names a host works only where that host answers.
fn registry_hosts(source: &Source) -> Vec<(usize, String)> {
    let file = source.path.rsplit('/').next().unwrap_or_default();
    let says = "names a registry's host: leave it to the reader's own configuration";
    match file {
        "package-lock.json" => lines_where(source, |line| line.contains("\"resolved\""), says),
        "Cargo.lock" => {
            let foreign =
                |line: &str| line.starts_with("source = ") && !line.contains("/crates.io-index\"");
            lines_where(source, foreign, says)
        }
        ".npmrc" => lines_where(
            source,
            |line| line.trim_start().starts_with("registry"),
            says,
        ),
        "config.toml" => {
            let section = |line: &str| {
                ["[source", "[registr", "[net"]
                    .iter()
                    .any(|s| line.trim_start().starts_with(s))
            };
            lines_where(source, section, says)
        }
        _ => Vec::new(),
    }
}

fn lines_where(source: &Source, wrong: impl Fn(&str) -> bool, says: &str) -> Vec<(usize, String)> {
    source
        .text
        .lines()
        .enumerate()
        .filter(|(_, line)| wrong(line))
        .map(|(n, _)| (n, says.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that breaks the rule in one line, and one that keeps it.
    struct Case {
        rule: &'static str,
        broken: (&'static str, &'static str),
        kept: (&'static str, &'static str),
    }

    const CASES: &[Case] = &[
        Case {
            rule: "module names",
            broken: ("crates/core/src/utils.rs", ""),
            kept: ("crates/core/src/uncommon.rs", ""),
        },
        Case {
            rule: "module names",
            broken: ("crates/core/src/detect/mod.rs", ""),
            kept: ("crates/core/src/detect.rs", ""),
        },
        Case {
            rule: "module names",
            broken: ("crates/core/src/common/clock.rs", ""),
            kept: ("docs/common.md", ""),
        },
        Case {
            rule: "banners",
            broken: ("a.rs", "fn a() {}\n// ---- part two\n"),
            kept: (
                "a.rs",
                "//! | a | b |\n//! |-----|---|\n//! --json is a flag\n// a ----> b\n",
            ),
        },
        Case {
            rule: "banners",
            broken: ("a.rs", concat!("////", "////\n")),
            kept: ("a.rs", "/// docs\n//! docs\nlet x = 1; // ok\n"),
        },
        Case {
            rule: "banners",
            broken: ("Cargo.toml", "# ======= deps\n"),
            kept: ("guide.md", "# Title\n\n======\n"),
        },
        Case {
            rule: "unfinished work",
            broken: ("a.mjs", concat!("// FIX", "ME later")),
            kept: ("a.mjs", "// fixed"),
        },
        Case {
            rule: "unfinished work",
            broken: ("a.rs", concat!("fn a() { to", "do!() }")),
            kept: ("a.md", concat!("we refuse to", "do!()")),
        },
        Case {
            rule: "unfinished work",
            broken: ("a.rs", concat!("#[ign", "ore = \"slow\"]")),
            kept: ("a.rs", "#[test]"),
        },
        Case {
            rule: "sleeping tests",
            broken: (
                "crates/a/tests/b.rs",
                concat!("thread::sle", "ep(one_second);"),
            ),
            kept: (
                "crates/a/tests/b.rs",
                concat!("// waits: polls\nthread::sle", "ep(tick);"),
            ),
        },
        Case {
            rule: "sleeping tests",
            broken: (
                "a.rs",
                concat!(
                    "fn a() {}\n#[cfg(",
                    "test)]\nmod tests { fn b() { sle",
                    "ep(d); } }"
                ),
            ),
            kept: (
                "a.rs",
                concat!(
                    "fn a() { time::sle",
                    "ep(d); }\n#[cfg(",
                    "test)]\nmod tests { const Q: &str = \"pg_sle",
                    "ep(9)\"; }"
                ),
            ),
        },
        Case {
            rule: "sleeping tests",
            broken: (
                "tests/browser/a.test.mjs",
                concat!("await new Promise(r => setTime", "out(r, 500));"),
            ),
            kept: (
                "tests/browser/a.test.mjs",
                concat!("setTime", "out(stop, 500); // waits: the deadline"),
            ),
        },
        Case {
            rule: "machine paths",
            broken: ("a.md", concat!("see `/ho", "me/jo/evenkeel`")),
            kept: ("a.md", "https://example.org/home/page and ./workshop/here"),
        },
        Case {
            rule: "registry hosts",
            broken: (
                "tests/browser/package-lock.json",
                "\"resolved\": \"https://example.org/p.tgz\"",
            ),
            kept: (
                "tests/browser/package-lock.json",
                "\"integrity\": \"sha512-..\"",
            ),
        },
        Case {
            rule: "registry hosts",
            broken: (
                "Cargo.lock",
                "source = \"registry+https://mirror.example.org/index\"",
            ),
            kept: (
                "Cargo.lock",
                "source = \"registry+https://example.org/crates.io-index\"",
            ),
        },
        Case {
            rule: "registry hosts",
            broken: (".cargo/config.toml", "[source.crates-io]"),
            kept: (".cargo/config.toml", "[alias]"),
        },
    ];

    fn findings(rule: &str, path: &str, text: &str) -> usize {
        let (_, check) = RULES.iter().find(|(name, _)| *name == rule).expect(rule);
        check(&Source {
            path: path.to_owned(),
            text: text.to_owned(),
        })
        .len()
    }

    #[test]
    fn every_rule_can_fail_and_can_pass() {
        for case in CASES {
            let (path, text) = case.broken;
            assert_eq!(
                findings(case.rule, path, text),
                1,
                "{}: {path}: {text}",
                case.rule
            );
            let (path, text) = case.kept;
            assert_eq!(
                findings(case.rule, path, text),
                0,
                "{}: {path}: {text}",
                case.rule
            );
        }
        for (rule, _) in RULES.iter().filter(|(rule, _)| *rule != "length") {
            assert!(
                CASES.iter().any(|case| case.rule == *rule),
                "{rule} has no case"
            );
        }
    }

    #[test]
    fn a_file_over_800_lines_is_too_long() {
        assert_eq!(findings("length", "a.rs", &"\n".repeat(800)), 0);
        assert_eq!(findings("length", "a.rs", &"\n".repeat(801)), 1);
        assert_eq!(findings("length", "a.json", &"\n".repeat(801)), 0);
    }

    #[test]
    fn a_problem_names_file_and_line() {
        let source = Source {
            path: "a.rs".into(),
            text: "\n\n// ==== b".into(),
        };
        assert!(
            problems(&source)[0].starts_with("a.rs:3: "),
            "{:?}",
            problems(&source)
        );
    }
}
