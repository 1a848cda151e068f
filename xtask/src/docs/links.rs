//! Every relative link and picture on a page leads to something in the tree, and
//! every `#part` to a heading. Links to other sites are not followed: a test
//! must not fail because somebody else's server is down.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::Source;

pub(super) fn problems(pages: &[&Source], files: &[String]) -> Vec<String> {
    let mut known: BTreeSet<&str> = files.iter().map(String::as_str).collect();
    for file in files {
        // A link may also lead to a folder.
        known.extend(file.match_indices('/').map(|(at, _)| &file[..at]));
    }
    let anchors: BTreeMap<&str, BTreeSet<String>> = pages
        .iter()
        .map(|page| (page.path.as_str(), anchors_of(&page.text)))
        .collect();

    let mut problems = Vec::new();
    for page in pages {
        for (line, target) in targets(&page.text) {
            if let Some(why) = broken(page, target, &known, &anchors) {
                problems.push(format!("{}:{}: {target:?} {why}", page.path, line + 1));
            }
        }
    }
    problems
}

fn broken(
    page: &Source,
    target: &str,
    known: &BTreeSet<&str>,
    anchors: &BTreeMap<&str, BTreeSet<String>>,
) -> Option<&'static str> {
    let to_elsewhere = target.contains("://") || target.starts_with("mailto:");
    if to_elsewhere || target.is_empty() {
        return target.is_empty().then_some("is a link to nothing");
    }
    let (path, part) = target.split_once('#').unwrap_or((target, ""));
    let file = if path.is_empty() {
        Some(page.path.clone())
    } else {
        resolve(&page.path, path)
    };
    let Some(file) = file else {
        return Some("leads out of the tree");
    };
    if !known.contains(file.as_str()) && !file.is_empty() {
        return Some("leads nowhere");
    }
    let headings = anchors.get(file.as_str());
    let part_missing = !part.is_empty() && headings.is_some_and(|h| !h.contains(part));
    part_missing.then_some("names a heading that is not there")
}

/// The path from the root; none if it climbs above it.
fn resolve(page: &str, target: &str) -> Option<String> {
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The lines of a page outside fenced code, without their inline code.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> + '_ {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(n, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        let kept = !fenced && !fence;
        kept.then(|| (n, line.split('`').step_by(2).collect::<Vec<_>>().join("`")))
    })
}

/// `[text](target)`, `![alt](target)`, `[name]: target`, `src="target"` and
/// `href="target"`, with the line they stand on.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (n, without_code) in prose(text) {
        let line = lines[n];
        for (opening, closing) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            for (at, _) in line.match_indices(opening) {
                let rest = &line[at + opening.len()..];
                let target = rest.split(closing).next().unwrap_or(rest);
                // A title may follow; angle brackets may surround.
                let target = target
                    .split(" \"")
                    .next()
                    .unwrap_or(target)
                    .trim_matches(['<', '>', ' ']);
                if without_code.contains(&format!("{opening}{}", first_of(target))) {
                    found.push((n, target));
                }
            }
        }
        if let Some((name, target)) = line.trim_start().split_once("]: ") {
            if name.starts_with('[') && !name.starts_with("[^") {
                found.push((
                    n,
                    target
                        .split(' ')
                        .next()
                        .unwrap_or(target)
                        .trim_matches(['<', '>']),
                ));
            }
        }
    }
    found
}

/// Enough of a target to tell one in prose from one shown as code.
fn first_of(target: &str) -> &str {
    target.split(['<', ' ']).next().unwrap_or(target)
}

/// The names that GitHub gives to a page's headings.
fn anchors_of(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if fenced || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let name: String = title.trim().to_lowercase().chars().filter(kept).collect();
        anchors.insert(name.replace(' ', "-"));
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_on(page: &str) -> Vec<String> {
        let guide = Source {
            path: "docs/guide/first.md".into(),
            text: page.to_owned(),
        };
        let readme = Source {
            path: "README.md".into(),
            text: "# Even keel: `run`\n".into(),
        };
        let files =
            ["README.md", "docs/guide/first.md", "docs/pictures/page.png"].map(str::to_owned);
        problems(&[&guide, &readme], &files)
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let page = "\
# First steps
[up](../../README.md), [heading](../../README.md#even-keel-run), [here](#first-steps),
![page](../pictures/page.png \"the page\"), [folder](../pictures/), [site](https://example.org/none),
[named][name], `[shown](as-code.md)`

```
[also](code.md)
```

[name]: ../../README.md
";
        assert_eq!(problems_on(page), Vec::<String>::new());
    }

    #[test]
    fn links_that_lead_nowhere_are_found_with_their_line() {
        for (page, part) in [
            ("[a](gone.md)", "nowhere"),
            ("![a](../pictures/gone.png)", "nowhere"),
            ("<img src=\"gone.png\">", "nowhere"),
            ("[a]: gone.md", "nowhere"),
            ("[a](#gone)", "heading"),
            ("[a](../../README.md#gone)", "heading"),
            ("[a](../../../secret.md)", "out of the tree"),
            ("[a]()", "nothing"),
        ] {
            let found = problems_on(page);
            assert_eq!(found.len(), 1, "{page}: {found:?}");
            assert!(
                found[0].starts_with("docs/guide/first.md:1:") && found[0].contains(part),
                "{found:?}"
            );
        }
    }
}
