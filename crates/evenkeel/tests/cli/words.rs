//! What is written about the program is true of it: every command that a message or a
//! page tells people to type is taken, and every piece of configuration on a page is known.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::place::Place;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Sources and pages that people read, by extension.
fn texts(extension: &str, folders: &[&str]) -> Vec<(PathBuf, String)> {
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let inside = std::fs::read_dir(&path).expect("a folder").flatten();
            open.extend(inside.map(|entry| entry.path()));
        } else if path.extension().is_some_and(|of| of == extension) {
            let text = std::fs::read_to_string(&path).expect("a text");
            found.push((path, text));
        }
    }
    found
}

/// `evenkeel ...` between backticks, and in the shell blocks of pages.
fn commands(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2).map(str::to_owned);
    let typed = blocks(text, "sh").into_iter().flat_map(|block| {
        block
            .replace("\\\n", " ")
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    quoted
        .chain(typed)
        .filter_map(|line| Some(line.trim().strip_prefix("evenkeel ")?.to_owned()))
        .filter(|line| !line.contains('\n'))
        .collect()
}

/// The fenced blocks of a page in one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    text.split(&opening)
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("```")?.0.to_owned()))
        .collect()
}

/// Words as a shell would make them, as far as these commands need it.
fn words(command: &str) -> Vec<String> {
    let quoted = command.split('"').enumerate();
    quoted
        .flat_map(|(n, part)| match n % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .take_while(|word| !matches!(word.as_str(), "#" | "|" | ">" | "&&" | ";"))
        .collect()
}

fn parsed(place: &Place, command: &str) -> Option<Output> {
    let mut words = words(command);
    let first = words.first()?.clone();
    // A stand-in for any command; and what is handed over to another program.
    if first == "COMMAND" || first == "drill" || first.starts_with(['{', '.']) {
        return None;
    }
    // What a message fills in.
    for word in &mut words {
        if word.starts_with('{') || word == "REVISION" {
            *word = "1".into();
        }
    }
    let open = words
        .last()
        .is_some_and(|word| word.starts_with("--") && word.len() > 2);
    let end = words.iter().position(|word| word == "--");
    words.insert(end.unwrap_or(words.len()), "--help".into());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let output = place.run(&words);
    if !open || output.status.success() {
        return Some(output);
    }
    // Its last word wants a value that a message leaves to the reader.
    let with_value: Vec<&str> = words[..words.len() - 1]
        .iter()
        .copied()
        .chain(["X", "--help"])
        .collect();
    Some(place.run(&with_value))
}

#[test]
fn every_command_that_people_are_told_to_type_is_taken() {
    let place = Place::with("");
    let sources = texts(
        "rs",
        &[
            "crates/core/src",
            "crates/journal/src",
            "crates/guards/src",
            "crates/evenkeel/src",
        ],
    );
    let pages = texts(
        "md",
        &["docs/guide", "README.md", "ARCHITECTURE.md", "CHANGELOG.md"],
    );
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (path, text) in sources.iter().chain(&pages) {
        for command in commands(text) {
            let Some(output) = parsed(&place, &command) else {
                continue;
            };
            count += 1;
            if !output.status.success() {
                let why = String::from_utf8_lossy(&output.stderr).into_owned();
                wrong.push(format!("{}: evenkeel {command}\n{why}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 40, "only {count} were found");
    // The check can fail.
    for invented in ["hold-action", "start", "journal verify --all"] {
        let output = parsed(&place, invented).expect("a command");
        assert_eq!(output.status.success(), invented == "start", "{invented}");
    }
}

#[test]
fn every_setting_on_a_page_is_known() {
    let place = Place::with("");
    let mut count = 0;
    for (path, text) in texts("md", &["docs/guide", "README.md"]) {
        for block in blocks(&text, "toml") {
            count += 1;
            // A piece that continues a job or database needs one to continue.
            let above = match block.trim_start().strip_prefix('[') {
                Some(piece) if piece.starts_with("job.") => "[[job]]\nid = \"a\"\n",
                Some(piece) if piece.starts_with("[maintenance]") => {
                    "[[component]]\nid = \"login\"\nname = \"Login\"\n"
                }
                Some(piece) if piece.starts_with("database.") => "[[database]]\nid = \"a\"\n",
                _ => "",
            };
            std::fs::write(place.config(), format!("{above}{block}")).expect("a configuration");
            let output = place.run(&["check", "--offline"]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let unknown: Vec<&str> = said
                .lines()
                // A piece of a file names what other pieces have.
                .filter(|line| {
                    !["there is no ", "has no `", "cannot be read", "warning: "]
                        .iter()
                        .any(|part| line.contains(part))
                })
                .collect();
            assert!(unknown.is_empty(), "{}:\n{block}\n{said}", path.display());
        }
    }
    assert!(count > 5, "only {count} were found");
}

#[test]
fn a_drill_without_its_program_says_how_to_get_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let alone = folder.path().join("evenkeel");
    // Not copied by this process: a child that another test starts meanwhile would hold
    // the copy open for writing, and a file that is being written cannot be started.
    let copied = std::process::Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_evenkeel"))
        .arg(&alone)
        .status();
    assert!(copied.expect("cp starts").success());
    let output = std::process::Command::new(&alone)
        .args(["drill", "hung-export", "--compare"])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("evenkeel-drill") && said.contains("cargo build"),
        "{said}"
    );
}

#[test]
fn a_database_that_does_not_answer_is_named_with_what_its_role_needs() {
    let place = Place::with("[[database]]\nid = \"main\"\nport = 1\ndbname = \"app\"\n");
    let output = place.run(&["check"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("database main: ") && said.contains("pg_monitor"),
        "{said}"
    );
    assert!(place.good(&["check", "--offline"]).contains("1 database"));
}

#[test]
fn the_reference_is_what_the_program_writes_wherever_it_is_made() {
    let place = Place::with("");
    let out = place.folder.path().join("reference");
    let status = place
        .command()
        .args(["docs", "--out"])
        .arg(&out)
        .env("COLUMNS", "60")
        .env("EVENKEEL_CONFIG", "/elsewhere/evenkeel.toml")
        .status();
    assert!(status.expect("it starts").success());
    for page in ["configuration.md", "cli.md", "findings.md"] {
        let read = |folder: &Path| std::fs::read_to_string(folder.join(page)).expect("a page");
        let committed = read(&root().join("docs/reference"));
        assert!(
            read(&out) == committed,
            "{page} is not what the program writes; type: cargo xtask docs"
        );
    }
}
