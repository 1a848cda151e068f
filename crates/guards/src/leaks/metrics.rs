//! What an instance tells of itself at its metrics address, in Prometheus' text format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>), OpenMetrics included.
//!
//! Read line by line as it comes, and only the few families that fill up are kept: a body
//! may be megabytes of histograms. Of runtimes that tell their heap the first that is
//! found counts, its areas and pools summed. A body that is cut off, no metrics at all, or
//! without anything that fills up is no look, and is told so: half a sum would be a drop.

use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::observation::{Level, Resource};
use hyper::Method;
use hyper::header::HeaderName;

use super::WebAddress;
use super::web::{Ask, exchange};

/// The largest body, bytes: a thousand histograms of thirty buckets.
const BODY_MAX: usize = 4 << 20;

/// The longest line that is looked at, bytes.
const LINE_MAX: usize = 16 * 1024;

/// The longest name of a release, characters.
const RELEASE_MAX: usize = 64;

/// Largest believable number: half of what fits, so that sums do.
const NUMBER_MAX: f64 = 9.0e18;

/// Heaps as runtimes tell them: what is used, what is the most, and the label that must
/// be so.
const HEAPS: &[Heap] = &[
    // Micrometer and the Prometheus client 1.0 for Java.
    Heap::of("jvm_memory_used_bytes", "jvm_memory_max_bytes").only("area", "heap"),
    // The older one.
    Heap::of("jvm_memory_bytes_used", "jvm_memory_bytes_max").only("area", "heap"),
    Heap::of("go_memstats_heap_inuse_bytes", "go_gc_gomemlimit_bytes"),
    Heap::of("nodejs_heap_size_used_bytes", ""),
    Heap::of("dotnet_gc_last_collection_heap_size_bytes", ""),
    Heap::of("dotnet_total_memory_bytes", ""),
    Heap::of("erlang_vm_memory_bytes_total", ""),
];

struct Heap {
    used: &'static str,
    most: &'static str,
    label: Option<(&'static str, &'static str)>,
}

impl Heap {
    const fn of(used: &'static str, most: &'static str) -> Self {
        Self {
            used,
            most,
            label: None,
        }
    }

    const fn only(mut self, name: &'static str, value: &'static str) -> Self {
        self.label = Some((name, value));
        self
    }
}

/// Families that count a runtime's threads.
const THREADS: &[&str] = &[
    "process_num_threads",
    "jvm_threads_current",
    "jvm_threads_live_threads",
    "dotnet_threadpool_num_threads",
    "go_threads",
];

/// `*build_info` families that speak of something else than the service's release.
const NOT_OURS: &[&str] = &["go_build_info", "prometheus_build_info"];

/// What was told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// Resident memory.
    pub(super) resident: Option<u64>,
    /// Open files.
    pub(super) open_files: Option<u64>,
    /// The most of them.
    pub(super) open_files_max: Option<u64>,
    /// Threads.
    pub(super) threads: Option<u64>,
    /// The heap and the most of it.
    pub(super) heap: Option<(u64, Option<u64>)>,
    /// When the process began.
    pub(super) started_at: Option<Timestamp>,
    /// The release it runs.
    pub(super) release: Option<String>,
}

impl Told {
    /// The heap as a level.
    pub(super) fn heap(&self) -> Option<Level> {
        let (used, limit) = self.heap?;
        Some(Level {
            resource: Resource::Heap,
            used,
            limit,
        })
    }

    fn says_nothing(&self) -> bool {
        let said = self.resident.is_some()
            || self.open_files.is_some()
            || self.threads.is_some()
            || self.heap.is_some();
        !said && self.started_at.is_none()
    }
}

/// Asks at `address`.
///
/// # Errors
/// Why nothing is known from there, with what to do.
pub(super) async fn ask(
    address: &WebAddress,
    release: Option<&HeaderName>,
    patience: Duration,
) -> Result<Told, String> {
    let mut reader = Reader::default();
    let ask = Ask {
        method: Method::GET,
        host: address.host(),
        port: address.port(),
        authority: address.authority(),
        path: address.path(),
        patience,
        body_max: BODY_MAX,
    };
    let answer = exchange(&ask, |piece| reader.take(piece)).await;
    let wrong = |why: String| format!("the metrics at {address} cannot be read: {why}");
    let answer = answer.map_err(wrong)?;
    if answer.status != 200 {
        return Err(wrong(format!(
            "answered {}, expected 200; is the path right?",
            answer.status
        )));
    }
    if answer.is_cut {
        return Err(wrong(format!(
            "they are larger than {} MiB; name an address that tells fewer (of the process only)",
            BODY_MAX >> 20
        )));
    }
    let mut told = reader.finish().map_err(wrong)?;
    let header = release.and_then(|name| answer.headers.get(name));
    if let Some(named) = header.and_then(|value| value.to_str().ok()) {
        told.release = clean(named);
    }
    Ok(told)
}

/// Reads metrics as they come.
#[derive(Debug, Default)]
struct Reader {
    line: Vec<u8>,
    /// Whether the present line is too long to be looked at.
    skips: bool,
    samples: u64,
    sums: Sums,
}

/// What was summed up so far.
#[derive(Debug, Default)]
struct Sums {
    resident: Option<u64>,
    open_files: Option<u64>,
    open_files_max: Option<u64>,
    threads: [Option<u64>; THREADS.len()],
    used: [Option<u64>; HEAPS.len()],
    most: [Option<u64>; HEAPS.len()],
    started_at: Option<Timestamp>,
    /// Its rank: a lower one is nearer to the service itself.
    release: Option<(u8, String)>,
}

impl Reader {
    fn take(&mut self, mut piece: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', piece) {
            let (head, rest) = piece.split_at(end);
            piece = &rest[1..];
            if std::mem::take(&mut self.skips) {
                self.line.clear();
            } else if self.line.is_empty() {
                self.read(head);
            } else {
                self.keep(head);
                let line = std::mem::take(&mut self.line);
                if !std::mem::take(&mut self.skips) {
                    self.read(&line);
                }
            }
        }
        self.keep(piece);
    }

    fn keep(&mut self, piece: &[u8]) {
        if self.line.len() + piece.len() > LINE_MAX {
            self.skips = true;
        }
        if self.skips {
            self.line.clear();
        } else {
            self.line.extend_from_slice(piece);
        }
    }

    fn read(&mut self, line: &[u8]) {
        if line.len() > LINE_MAX {
            return;
        }
        let Some(sample) = std::str::from_utf8(line).ok().and_then(Sample::read) else {
            return;
        };
        self.samples += 1;
        self.sums.add(&sample);
    }

    fn finish(mut self) -> Result<Told, String> {
        let line = std::mem::take(&mut self.line);
        if !self.skips {
            self.read(&line);
        }
        if self.samples == 0 {
            return Err("it is no Prometheus text format; name the address that tells it".into());
        }
        let told = self.sums.told();
        if told.says_nothing() && told.release.is_none() {
            return Err(
                "none of the families that fill up is told (process_resident_memory_bytes, \
                 process_open_fds, the heap of a known runtime)"
                    .into(),
            );
        }
        Ok(told)
    }
}

impl Sums {
    fn add(&mut self, sample: &Sample<'_>) {
        let number = sample.number();
        let add = |sum: &mut Option<u64>| {
            if let Some(number) = number {
                *sum = Some(sum.unwrap_or_default().saturating_add(number));
            }
        };
        match sample.name {
            "process_resident_memory_bytes" => add(&mut self.resident),
            "process_open_fds" | "process_files_open_files" => add(&mut self.open_files),
            "process_max_fds" | "process_files_max_files" => add(&mut self.open_files_max),
            "process_start_time_seconds" => self.started_at = time(sample.value),
            name => {
                if let Some(at) = THREADS.iter().position(|known| *known == name) {
                    add(&mut self.threads[at]);
                } else if name.ends_with("build_info") {
                    self.name_release(sample);
                }
                for (at, heap) in HEAPS.iter().enumerate() {
                    let fits = || {
                        let label = heap.label;
                        label.is_none_or(|(key, value)| sample.label(key).as_deref() == Some(value))
                    };
                    if heap.used == name && fits() {
                        add(&mut self.used[at]);
                    } else if heap.most == name && fits() {
                        add(&mut self.most[at]);
                    }
                }
            }
        }
    }

    fn name_release(&mut self, sample: &Sample<'_>) {
        if NOT_OURS.contains(&sample.name) {
            return;
        }
        let rank = match sample.name {
            "build_info" | "app_build_info" | "application_build_info" => 0,
            _ => 1,
        };
        if self
            .release
            .as_ref()
            .is_some_and(|(known, _)| *known <= rank)
        {
            return;
        }
        let labels = ["release", "version", "revision", "commit"];
        let named = labels.iter().find_map(|label| sample.label(label));
        if let Some(named) = named.as_deref().and_then(clean) {
            self.release = Some((rank, named));
        }
    }

    fn told(self) -> Told {
        let heap = self.used.iter().position(Option::is_some);
        // Go says "no limit" with the largest number there is.
        let limit = |most: Option<u64>| most.filter(|most| *most > 0 && *most < 1 << 60);
        Told {
            resident: self.resident,
            open_files: self.open_files,
            open_files_max: self.open_files_max,
            threads: self.threads.into_iter().flatten().next(),
            heap: heap.and_then(|at| Some((self.used[at]?, limit(self.most[at])))),
            started_at: self.started_at,
            release: self.release.map(|(_, named)| named),
        }
    }
}

fn clean(named: &str) -> Option<String> {
    let plain = named.trim().chars().filter(|c| !c.is_control());
    let named: String = plain.take(RELEASE_MAX).collect();
    (!named.is_empty() && named != "(devel)").then_some(named)
}

fn time(seconds: f64) -> Option<Timestamp> {
    let is_one = seconds.is_finite() && seconds > 1.0e9 && seconds < 1.0e11;
    let at = is_one.then(|| Timestamp::from_millisecond((seconds * 1000.0) as i64));
    at?.ok()
}

/// One line: `name{label="value"} 12`.
struct Sample<'a> {
    name: &'a str,
    labels: &'a str,
    value: f64,
}

impl<'a> Sample<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let line = line.trim();
        let first = line.chars().next()?;
        if !(first.is_ascii_alphabetic() || first == '_' || first == ':') {
            return None;
        }
        let end = line.find(['{', ' ', '\t'])?;
        let (name, rest) = line.split_at(end);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if !name.chars().all(plain) {
            return None;
        }
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => {
                let end = labels_end(rest)?;
                (&rest[..end], &rest[end + 1..])
            }
            None => ("", rest),
        };
        let value = rest.split_whitespace().next()?.parse().ok()?;
        Some(Self {
            name,
            labels,
            value,
        })
    }

    /// The value as a count of things, where it can be one.
    fn number(&self) -> Option<u64> {
        let is_one = self.value >= 0.0 && self.value < NUMBER_MAX;
        is_one.then_some(self.value as u64)
    }

    /// The value of a label, its escapes resolved.
    fn label(&self, wanted: &str) -> Option<String> {
        let mut rest = self.labels;
        loop {
            let (name, after) = rest.split_once('=')?;
            let after = after.trim_start().strip_prefix('"')?;
            let end = quote_end(after)?;
            if name.trim_matches([',', ' ', '\t']) == wanted {
                return Some(unescaped(&after[..end]));
            }
            rest = &after[end + 1..];
        }
    }
}

/// Where the labels end: at the first brace outside of quotes.
fn labels_end(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let next = at + text[at..].find(['"', '}'])?;
        if text.as_bytes()[next] == b'}' {
            return Some(next);
        }
        at = next + 1;
        at += quote_end(&text[at..])? + 1;
    }
}

/// Where a quoted text ends: at the first quote that is not escaped.
fn quote_end(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some(other) => other,
                None => break,
            },
            _ => c,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str) -> Result<Told, String> {
        let mut reader = Reader::default();
        reader.take(text.as_bytes());
        reader.finish()
    }

    const JAVA: &str = r#"# HELP jvm_memory_used_bytes The amount of used memory
# TYPE jvm_memory_used_bytes gauge
jvm_memory_used_bytes{area="heap",id="G1 Eden Space",} 2.5165824E7
jvm_memory_used_bytes{area="heap",id="G1 Old Gen",} 1.0E7
jvm_memory_used_bytes{area="nonheap",id="Metaspace",} 9.0E7
jvm_memory_max_bytes{area="heap",id="G1 Eden Space",} -1.0
jvm_memory_max_bytes{area="heap",id="G1 Old Gen",} 5.36870912E8
process_files_open_files 61.0
process_files_max_files 1048576.0
jvm_threads_live_threads 33.0
process_start_time_seconds 1.790000000123E9
"#;

    const GO: &str = "# a comment\n\
        go_build_info{path=\"x\",version=\"(devel)\"} 1\n\
        web_build_info{branch=\"main\",version=\"v2.7.1\",revision=\"abc\"} 1\n\
        go_memstats_heap_inuse_bytes 1.048576e+06\n\
        go_gc_gomemlimit_bytes 9.223372036854776e+18\n\
        process_open_fds 11\nprocess_max_fds 1024\nprocess_resident_memory_bytes 5e6 1395066363000\n\
        go_threads 9 # {trace_id=\"a\"} 1.0\n# EOF\n";

    #[test]
    fn a_java_process_is_read() {
        let told = told(JAVA).unwrap();
        assert_eq!(told.heap, Some((35_165_824, Some(536_870_912))));
        assert_eq!(
            told.open_files.zip(told.open_files_max),
            Some((61, 1_048_576))
        );
        assert_eq!((told.threads, told.resident), (Some(33), None));
        let started = told.started_at.unwrap().to_string();
        assert_eq!(started, "2026-09-21T14:13:20.123Z");
    }

    #[test]
    fn a_go_process_is_read_with_its_release() {
        let told = told(GO).unwrap();
        assert_eq!(told.heap, Some((1_048_576, None)));
        assert_eq!(told.resident, Some(5_000_000));
        assert_eq!(told.threads, Some(9));
        assert_eq!(told.release.as_deref(), Some("v2.7.1"));
    }

    #[test]
    fn labels_hold_quotes_braces_and_commas() {
        let line = r#"build_info{note="a \"b\", version=\"no\" }",version="1\\2"} 1"#;
        let sample = Sample::read(line).unwrap();
        assert_eq!(sample.label("version").as_deref(), Some("1\\2"));
        assert_eq!(
            sample.label("note").as_deref(),
            Some("a \"b\", version=\"no\" }")
        );
        assert_eq!(sample.label("other"), None);
    }

    #[test]
    fn what_is_no_metrics_is_told() {
        for (text, why) in [
            ("", "no Prometheus"),
            ("<html><body>Not found</body></html>", "no Prometheus"),
            ("{\"heap\": 12}", "no Prometheus"),
            ("http_requests_total 12\n", "none of the families"),
            ("process_open_fds NaN\n", "none of the families"),
            (
                "process_open_fds -1\nprocess_max_fds +Inf\n",
                "none of the families",
            ),
            ("process_open_fds{x=\"1} 3\n", "no Prometheus"),
            ("process_open_fds\n", "no Prometheus"),
        ] {
            let refused = told(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    #[test]
    fn numbers_no_process_can_have_are_left_out() {
        let told = told("process_open_fds 3\nprocess_resident_memory_bytes 1e300\n").unwrap();
        assert_eq!(told.resident, None);
        assert_eq!(super::time(f64::NAN), None);
        assert_eq!(super::time(12.0), None);
    }

    #[test]
    fn a_line_without_end_is_passed_over() {
        let mut reader = Reader::default();
        for _ in 0..1000 {
            reader.take(&[b'x'; 1000]);
            assert!(reader.line.len() <= LINE_MAX);
        }
        reader.take(b" 1\nprocess_open_fds 7");
        let told = reader.finish().unwrap();
        assert_eq!(told.open_files, Some(7));
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_same_is_told(cuts in proptest::collection::vec(1_usize..60, 1..80)) {
            let text = format!("{GO}{JAVA}");
            let mut reader = Reader::default();
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (piece, other) = rest.split_at(cut.min(rest.len()));
                reader.take(piece);
                rest = other;
            }
            reader.take(rest);
            prop_assert_eq!(reader.finish(), told(&text));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a-z_{}\"\\\\=, 0-9.eN\n-]{0,200}|\\PC{0,100}") {
            let _ = told(&text);
        }
    }
}
