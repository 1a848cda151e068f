//! Which route a request takes.
//!
//! Of the routes that fit, the one with an exact host wins over one with a pattern over one
//! without; then the longer path; then one with methods; then the earlier one. Longer means
//! more segments; of as many, a whole path (`/login$`) wins over a beginning (`/login`), and
//! a written segment over `*`.
//!
//! Exact hosts, and patterns that are `*.` and a suffix, are looked up; each leads to a tree
//! of path segments. A request's cost grows with the length of its path, not with the number
//! of routes; patterns of any other form are tried one after the other.
//!
//! The path is brought into a normal form first, for this choice only: the service gets what
//! the client sent. `//`, `/./`, `/../`, `%2e`, `%2f`, `\` and `;parameters` are what servers
//! read differently from each other, and what has carried requests past rules for ages. Here
//! each is read the way that lets a request arrive at the more specific place: whichever way
//! the service reads it, a request for `/x/..%2fadmin` is under the rules of `/admin`. It is
//! decoded once; case matters.

use std::borrow::Cow;
use std::collections::HashMap;

use evenkeel_core::policy::Pattern;
use foldhash::fast::FixedState;
use http::Method;

use crate::settings::Route;

/// The routes of a configuration.
pub(crate) struct Routes {
    /// By host, lower case.
    exact: HashMap<Box<str>, Paths, FixedState>,
    /// By what follows `*`, with its dot: `.example.com`.
    suffixes: HashMap<Box<str>, Paths, FixedState>,
    /// All other patterns.
    patterns: Vec<(Pattern, Paths)>,
    /// Routes for all hosts.
    any: Paths,
}

/// The paths of one host, as a tree of their segments. The first node is the root.
struct Paths(Vec<Node>);

#[derive(Default)]
struct Node {
    children: HashMap<Box<str>, usize, FixedState>,
    any: Option<usize>,
    /// Routes for exactly this path, the best first.
    whole: Vec<Entry>,
    /// Routes for it and everything below, the best first.
    below: Vec<Entry>,
}

struct Entry {
    route: usize,
    /// All where empty.
    methods: Vec<Method>,
}

/// How well a route fits; the greatest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    segments: usize,
    whole: bool,
    /// Written segments, not `*`.
    written: usize,
    methods: bool,
    earlier: std::cmp::Reverse<usize>,
}

impl Routes {
    pub(crate) fn new(routes: &[Route]) -> Self {
        let mut table = Self {
            exact: HashMap::default(),
            suffixes: HashMap::default(),
            patterns: Vec::new(),
            any: Paths::default(),
        };
        for (index, route) in routes.iter().enumerate() {
            if route.hosts.is_empty() {
                table.any.add(index, route);
            }
            for host in &route.hosts {
                table.paths_of(host).add(index, route);
            }
        }
        table
    }

    fn paths_of(&mut self, host: &Pattern) -> &mut Paths {
        let text = host.as_str();
        if !text.contains('*') {
            let host = text.to_ascii_lowercase().into_boxed_str();
            return self.exact.entry(host).or_default();
        }
        if let Some(suffix) = text.strip_prefix('*')
            && suffix.starts_with('.')
            && !suffix.contains('*')
        {
            return self.suffixes.entry(suffix.into()).or_default();
        }
        let known = self.patterns.iter().position(|(known, _)| known == host);
        let at = known.unwrap_or_else(|| {
            self.patterns.push((host.clone(), Paths::default()));
            self.patterns.len() - 1
        });
        &mut self.patterns[at].1
    }

    /// The route of a request; `path` as [`normal`] has it.
    pub(crate) fn find(&self, method: &Method, host: &str, path: &str) -> Option<usize> {
        let only_any =
            self.exact.is_empty() && self.suffixes.is_empty() && self.patterns.is_empty();
        if only_any {
            return self.any.find(method, path).map(|fit| fit.earlier.0);
        }
        let host = lower(without_port(host));
        let exact = self.exact.get(&*host);
        let found = exact.and_then(|paths| paths.find(method, path));
        let found = found.or_else(|| self.by_pattern(method, &host, path));
        found
            .or_else(|| self.any.find(method, path))
            .map(|fit| fit.earlier.0)
    }

    fn by_pattern(&self, method: &Method, host: &str, path: &str) -> Option<Fit> {
        let dots = host.match_indices('.').map(|(at, _)| &host[at..]);
        let suffixes = dots.filter_map(|suffix| self.suffixes.get(suffix));
        let patterns = self
            .patterns
            .iter()
            .filter(|(pattern, _)| pattern.fits(host));
        suffixes
            .chain(patterns.map(|(_, paths)| paths))
            .filter_map(|paths| paths.find(method, path))
            .max()
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self(vec![Node::default()])
    }
}

impl Paths {
    fn add(&mut self, index: usize, route: &Route) {
        let methods = route.methods.iter().filter_map(|name| name.parse().ok());
        let methods: Vec<Method> = methods.collect();
        let everything = [String::from("/")];
        let paths = match route.paths.is_empty() {
            true => &everything,
            false => &route.paths[..],
        };
        for path in paths {
            let (path, whole) = match path.strip_suffix('$') {
                Some(path) => (path, true),
                None => (path.as_str(), false),
            };
            let path = normal(path);
            let mut at = 0;
            for segment in segments(&path) {
                at = self.child(at, segment);
            }
            let node = &mut self.0[at];
            let entries = if whole {
                &mut node.whole
            } else {
                &mut node.below
            };
            entries.push(Entry {
                route: index,
                methods: methods.clone(),
            });
            entries.sort_by_key(|entry| (entry.methods.is_empty(), entry.route));
        }
    }

    fn child(&mut self, at: usize, segment: &str) -> usize {
        let next = self.0.len();
        let node = &mut self.0[at];
        let child = match segment {
            "*" => *node.any.get_or_insert(next),
            written => *node.children.entry(written.into()).or_insert(next),
        };
        if child == next {
            self.0.push(Node::default());
        }
        child
    }

    fn find(&self, method: &Method, path: &str) -> Option<Fit> {
        let mut best = None;
        self.walk(0, path, (0, 0), method, &mut best);
        best
    }

    /// Looks at a node with what is left of the path, and everything under it. Both the
    /// written child and `*` are followed: a tree of routes is shallow.
    fn walk(
        &self,
        at: usize,
        left: &str,
        (segments, written): (usize, usize),
        method: &Method,
        best: &mut Option<Fit>,
    ) {
        let node = &self.0[at];
        let left = left.trim_start_matches('/');
        let mut offer = |entries: &[Entry], whole| {
            let fits = |entry: &&Entry| entry.methods.is_empty() || entry.methods.contains(method);
            if let Some(entry) = entries.iter().find(fits) {
                let fit = Fit {
                    segments,
                    whole,
                    written,
                    methods: !entry.methods.is_empty(),
                    earlier: std::cmp::Reverse(entry.route),
                };
                *best = (*best).max(Some(fit));
            }
        };
        offer(&node.below, false);
        if left.is_empty() {
            offer(&node.whole, true);
            return;
        }
        let (segment, rest) = left.split_once('/').unwrap_or((left, ""));
        if let Some(child) = node.children.get(segment) {
            self.walk(*child, rest, (segments + 1, written + 1), method, best);
        }
        if let Some(child) = node.any {
            self.walk(child, rest, (segments + 1, written), method, best);
        }
    }
}

/// A host without its port and the dot of its root.
pub(crate) fn without_port(host: &str) -> &str {
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    host.strip_suffix('.').unwrap_or(host)
}

fn lower(host: &str) -> Cow<'_, str> {
    match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(host.to_ascii_lowercase()),
        false => Cow::Borrowed(host),
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// A path in the form in which it is matched: see the module's words. What has that form
/// already, which is nearly every path, is not copied.
pub(crate) fn normal(path: &str) -> Cow<'_, str> {
    let bytes = path.as_bytes();
    let mut slash = false;
    let plain = bytes.iter().all(|byte| {
        let odd = matches!(byte, b'%' | b'\\' | b';') || (slash && matches!(byte, b'/' | b'.'));
        slash = *byte == b'/';
        !odd
    });
    if plain && bytes.first() != Some(&b'.') {
        return Cow::Borrowed(path);
    }
    Cow::Owned(brought_to_normal(bytes))
}

fn brought_to_normal(path: &[u8]) -> String {
    // Parameters are taken off before decoding, as the servers that know them do.
    let mut kept = Vec::with_capacity(path.len());
    let mut parameters = false;
    for byte in path {
        match byte {
            b'/' | b'\\' => parameters = false,
            b';' => parameters = true,
            _ => {}
        }
        if !parameters {
            kept.push(*byte);
        }
    }
    let decoded = decoded(&kept);
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let mut normal = String::with_capacity(decoded.len() + 1);
    for segment in segments {
        normal.push('/');
        normal.push_str(&String::from_utf8_lossy(segment));
    }
    if normal.is_empty() {
        normal.push('/');
    }
    normal
}

fn decoded(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut at = 0;
    while at < path.len() {
        let digit = |at: usize| (*path.get(at)? as char).to_digit(16);
        let octet = match path[at] {
            b'%' => digit(at + 1).zip(digit(at + 2)),
            _ => None,
        };
        match octet {
            Some((high, low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            None => {
                decoded.push(path[at]);
                at += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests;
