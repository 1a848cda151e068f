//! `test`: everything CI runs, in stages, to the end.
//!
//! A failed stage does not stop the others, except those that stand on it: one
//! run tells a person all there is to mend. Stages that take seconds come first.
//! The last line is `N passed, M failed`: tests by their own counts, and every
//! check and drill as one.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::programs::{self, Agreed, DRILLS, REFERENCE, SIM};
use crate::run;
use crate::workspace::Workspace;
use crate::{dependencies, docs, setup, tidy, versions};

mod counts;

use counts::Counts;

struct Stage {
    name: &'static str,
    what: &'static str,
    /// Stages without which this one cannot say anything.
    needs: &'static [&'static str],
    run: fn(&Workspace) -> Result<Counts, String>,
}

const STAGES: &[Stage] = &[
    Stage {
        name: "setup",
        what: "what the tests need is here",
        needs: &[],
        run: ready,
    },
    Stage {
        name: "fmt",
        what: "cargo fmt would change nothing",
        needs: &["setup"],
        run: fmt,
    },
    Stage {
        name: "tidy",
        what: "the rules of the tree",
        needs: &[],
        run: tidied,
    },
    Stage {
        name: "links",
        what: "every link on every page",
        needs: &[],
        run: links,
    },
    Stage {
        name: "dependencies",
        what: "licences, duplicates, banned crates",
        needs: &[],
        run: allowed,
    },
    Stage {
        name: "clippy",
        what: "no warnings",
        needs: &["setup"],
        run: clippy,
    },
    Stage {
        name: "build",
        what: "programs and tests",
        needs: &[],
        run: build,
    },
    Stage {
        name: "tests",
        what: "cargo test --workspace",
        needs: &["setup", "build"],
        run: tests,
    },
    Stage {
        name: "reference",
        what: "docs/reference is what the program writes",
        needs: &["build"],
        run: reference,
    },
    Stage {
        name: "sim",
        what: "simulated worlds from fixed seeds",
        needs: &["build"],
        run: sim,
    },
    Stage {
        name: "browser",
        what: "pages in a real browser",
        needs: &["setup", "build"],
        run: browser,
    },
    Stage {
        name: "drills",
        what: "outages with real parts, short form",
        needs: &["setup", "build"],
        run: drills,
    },
];

/// No stage comes near this on two cores; past it something hangs, and is ended.
const STAGE_LIMIT: Duration = Duration::from_secs(30 * 60);

enum Outcome {
    Ran(Counts),
    LeftOut(String),
}

pub(crate) fn command(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode, String> {
    let wanted = match arguments {
        [] => STAGES.iter().collect(),
        [list] if list == "--list" => {
            for stage in STAGES {
                println!("{:<14}{}", stage.name, stage.what);
            }
            return Ok(ExitCode::SUCCESS);
        }
        [only, names] if only == "--only" => chosen(names)?,
        _ => return Err("test takes --list, or --only STAGE[,STAGE]. See --help.".to_owned()),
    };
    versions::check_rust(workspace)?;

    let mut lines = Vec::new();
    let mut total = Counts::default();
    let mut fell: Vec<&str> = Vec::new();
    for stage in wanted {
        println!("\n== {}: {}", stage.name, stage.what);
        let started = Instant::now();
        let outcome = match stage.needs.iter().find(|need| fell.contains(need)) {
            Some(need) => Outcome::LeftOut(format!("because {need} failed")),
            None => outcome_of(stage, workspace),
        };
        let took = started.elapsed().as_secs_f64();
        let (verdict, detail) = match outcome {
            Outcome::Ran(counts) => {
                total.add(counts);
                let verdict = if counts.failed == 0 { "ok" } else { "FAILED" };
                (
                    verdict,
                    format!("{} passed, {} failed", counts.passed, counts.failed),
                )
            }
            Outcome::LeftOut(why) => {
                println!("left out {why}");
                ("left out", why)
            }
        };
        if verdict != "ok" {
            fell.push(stage.name);
        }
        println!("-- {}: {verdict} in {took:.1} s", stage.name);
        lines.push(format!(
            "{:<14}{took:>7.1} s  {verdict:<8}  {detail}",
            stage.name
        ));
    }

    println!("\n{}\n", lines.join("\n"));
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The named stages, and those they stand on, in their usual order.
fn chosen(names: &str) -> Result<Vec<&'static Stage>, String> {
    let mut wanted: Vec<&str> = Vec::new();
    for name in names.split(',') {
        let stage = STAGES
            .iter()
            .find(|stage| stage.name == name)
            .ok_or_else(|| format!("there is no stage {name:?}. See cargo xtask test --list"))?;
        wanted.push(stage.name);
        wanted.extend(stage.needs);
    }
    Ok(STAGES
        .iter()
        .filter(|stage| wanted.contains(&stage.name))
        .collect())
}

fn outcome_of(stage: &Stage, workspace: &Workspace) -> Outcome {
    let not_yet = |agreed: &[Agreed]| agreed.iter().all(|a| !a.ready);
    let waiting = match stage.name {
        "sim" => not_yet(SIM),
        "drills" => not_yet(DRILLS),
        "reference" => !REFERENCE.ready,
        _ => false,
    };
    if waiting {
        return Outcome::LeftOut("until its program is there".to_owned());
    }
    Outcome::Ran((stage.run)(workspace).unwrap_or_else(|problem| {
        println!("{problem}");
        Counts::one(false)
    }))
}

fn ready(workspace: &Workspace) -> Result<Counts, String> {
    setup::ready(workspace).map(|()| Counts::one(true))
}

fn fmt(workspace: &Workspace) -> Result<Counts, String> {
    one(workspace.cargo().args(["fmt", "--all", "--check"]))
}

fn tidied(workspace: &Workspace) -> Result<Counts, String> {
    Ok(listed(&tidy::problems(workspace)?))
}

fn links(workspace: &Workspace) -> Result<Counts, String> {
    Ok(listed(&docs::link_problems(workspace)?))
}

fn allowed(workspace: &Workspace) -> Result<Counts, String> {
    Ok(listed(&dependencies::problems(workspace)?))
}

fn clippy(workspace: &Workspace) -> Result<Counts, String> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "--deny",
        "warnings",
    ];
    one(workspace.cargo().args(arguments))
}

/// Programs and tests in one go: one set of features, so that every dependency
/// is built once, and the programs that tests start are there beforehand.
fn build(workspace: &Workspace) -> Result<Counts, String> {
    one(workspace.cargo().args([
        "build",
        "--workspace",
        "--bins",
        "--tests",
        "--examples",
        "--locked",
    ]))
}

fn tests(workspace: &Workspace) -> Result<Counts, String> {
    let mut counts = Counts::default();
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    let succeeded = run::watched(&mut cargo, STAGE_LIMIT, |line| counts.read_cargo(line))?;
    Ok(counts.settled(succeeded))
}

fn reference(workspace: &Workspace) -> Result<Counts, String> {
    Ok(listed(&docs::reference_problems(workspace)?))
}

fn sim(workspace: &Workspace) -> Result<Counts, String> {
    programs_of_ours(workspace, SIM)
}

fn drills(workspace: &Workspace) -> Result<Counts, String> {
    programs_of_ours(workspace, DRILLS)
}

fn browser(workspace: &Workspace) -> Result<Counts, String> {
    let suffix = ".test.mjs";
    let files = workspace.files()?;
    let tests = files
        .iter()
        .filter(|f| f.starts_with("tests/browser/") && f.ends_with(suffix));
    let mut counts = Counts::default();
    let mut node = workspace.program("node");
    node.args(["--test", "--test-reporter=spec"]).args(tests);
    let succeeded = run::watched(&mut node, STAGE_LIMIT, |line| counts.read_node(line))?;
    Ok(counts.settled(succeeded))
}

fn programs_of_ours(workspace: &Workspace, agreed: &[Agreed]) -> Result<Counts, String> {
    let mut counts = Counts::default();
    for Agreed {
        binary, arguments, ..
    } in agreed.iter().filter(|a| a.ready)
    {
        println!("{binary} {}", arguments.join(" "));
        counts.add(one(workspace
            .program(programs::binary(workspace, binary))
            .args(*arguments))?);
    }
    Ok(counts)
}

fn one(command: &mut Command) -> Result<Counts, String> {
    run::shown(command, STAGE_LIMIT).map(Counts::one)
}

fn listed(problems: &[String]) -> Counts {
    for problem in problems {
        println!("{problem}");
    }
    Counts::one(problems.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_brings_those_it_stands_on_in_their_order() {
        let names: Vec<&str> = chosen("browser,fmt")
            .expect("known")
            .iter()
            .map(|s| s.name)
            .collect();
        assert_eq!(names, ["setup", "fmt", "build", "browser"]);
        assert!(chosen("fmt,none").is_err());
    }

    #[test]
    fn stages_stand_only_on_earlier_ones() {
        for (n, stage) in STAGES.iter().enumerate() {
            for need in stage.needs {
                let earlier = STAGES[..n].iter().any(|s| s.name == *need);
                assert!(
                    earlier,
                    "{} needs {need}, which does not come before it",
                    stage.name
                );
            }
        }
    }
}
