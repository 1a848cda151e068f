//! Kills a writing process some hundreds of times, at any moment, and holds what
//! is in the journal afterwards against what it had promised.
//!
//! The child is this very test, run again with a variable set. It appends with
//! several threads through group commit and says so on a pipe once an append is
//! durable. Beside them runs a small pump: it requests an action in the journal,
//! performs it (a line in a file), and notes its end; requests that it finds
//! without an end when it starts, it performs again.
//!
//! A killed process does not lose what the kernel has taken over, so this proves
//! the order of things and the recovery, not that `fsync` reaches the disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use evenkeel_journal::{
    Bounds, Draft, Entry, GroupCommit, Head, Journal, READ_ENTRIES_MAX, Revision, Snapshot,
    SqliteJournal, Writer,
};

const CHILD: &str = "EVENKEEL_JOURNAL_CRASH_CHILD";
const ROUND: &str = "EVENKEEL_JOURNAL_CRASH_ROUND";
const KILLS: u64 = 300;
const WRITERS: u64 = 4;
/// A child that has not begun by then never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// In the last round the child finishes what is open and goes by itself.
const LAST_ROUND: u64 = KILLS;

fn draft(kind: &str, body: String) -> Draft {
    let at = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    Draft {
        at,
        kind: kind.to_owned(),
        version: 1,
        body: body.into_bytes(),
    }
}

/// What writer `writer` appends as its `number`th batch in a round: one to three
/// drafts, of a size that both sides can work out.
fn batch(round: u64, writer: u64, number: u64) -> Vec<Draft> {
    let mut random = fastrand::Rng::with_seed(round << 40 | writer << 32 | number);
    (0..random.u64(1..=3))
        .map(|part| {
            let padding = "y".repeat(random.usize(..600));
            draft(
                "load",
                format!("{round}/{writer}/{number}/{part}/{padding}"),
            )
        })
        .collect()
}

fn read_after(journal: &dyn Journal, mut after: Revision) -> Vec<Entry> {
    let mut all = Vec::new();
    loop {
        let page = journal.read(after, READ_ENTRIES_MAX).unwrap();
        let Some(last) = page.last() else { return all };
        after = last.revision;
        all.extend(page);
    }
}

fn number_in(entry: &Entry) -> u64 {
    std::str::from_utf8(&entry.body).unwrap().parse().unwrap()
}

/// One line, in one write, so that a kill leaves it whole or out.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn perform(folder: &Path, action: u64, requested: Revision) {
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("actions.log"))
        .unwrap();
    log.write_all(format!("{action} {requested}\n").as_bytes())
        .unwrap();
}

/// What is open, folded from a snapshot and what came after it.
fn unfinished(writer: &Writer) -> (BTreeMap<u64, Revision>, u64) {
    let snapshot = writer.latest_snapshot(1).unwrap();
    let mut open = BTreeMap::new();
    let mut next = 0;
    let mut after = Revision::ZERO;
    if let Some(snapshot) = snapshot {
        after = snapshot.revision;
        next = String::from_utf8(snapshot.body).unwrap().parse().unwrap();
    }
    for entry in read_after(writer, after) {
        match entry.kind.as_str() {
            "action_requested" => {
                next = next.max(number_in(&entry) + 1);
                open.insert(number_in(&entry), entry.revision);
            }
            "action_ended" => {
                open.remove(&number_in(&entry));
            }
            _ => {}
        }
    }
    (open, next)
}

/// A snapshot of the fold while no action is open.
fn save(writer: &mut Writer, next: u64) {
    let revision = writer.revision().unwrap();
    let snapshot = Snapshot {
        revision,
        format: 1,
        body: next.to_string().into_bytes(),
    };
    writer.save_snapshot(&snapshot).unwrap();
}

fn child(folder: &Path, round: u64) {
    let (journal, opened) = SqliteJournal::open(&folder.join("journal.db")).unwrap();
    if let Some(aside) = &opened.set_aside {
        say(&format!("\ndamage {aside}"));
    }
    let group = GroupCommit::start(Box::new(journal), Bounds::default()).unwrap();
    let mut pump = group.writer();
    let (open, mut next) = unfinished(&pump);
    std::thread::scope(|scope| {
        if round != LAST_ROUND {
            for writer in 0..WRITERS {
                let handle = group.writer();
                scope.spawn(move || {
                    for number in 0.. {
                        let span = handle.append_any(batch(round, writer, number)).unwrap();
                        say(&format!(
                            "\nappended {writer} {number} {} {}",
                            span.first, span.last
                        ));
                    }
                });
            }
        }
        for (action, requested) in open {
            perform(folder, action, requested);
            pump.append_any(vec![draft("action_ended", action.to_string())])
                .unwrap();
        }
        if round == LAST_ROUND {
            return;
        }
        loop {
            let action = next;
            next += 1;
            let span = pump.append_any(vec![draft("action_requested", action.to_string())]);
            let requested = span.unwrap().first;
            say(&format!("\nrequested {action} {requested}"));
            perform(folder, action, requested);
            pump.append_any(vec![draft("action_ended", action.to_string())])
                .unwrap();
            if action.is_multiple_of(16) {
                // Only this thread appends actions, so none is open now, whatever
                // the others append before the snapshot finds its revision.
                save(&mut pump, next);
            }
        }
    });
    drop(group.close());
    say("\nfinished");
}

/// When a child is to die.
enum Kill {
    /// So long after it was started.
    AfterStart(Duration),
    /// So long after its first acknowledgement.
    AtWork(Duration),
    Never,
}

/// What the parent knows: what was promised, and what it has read.
#[derive(Default)]
struct Ledger {
    head: Head,
    entries: u64,
    load: u64,
    requested: BTreeMap<u64, Revision>,
    ended: BTreeSet<u64>,
    performed: BTreeSet<u64>,
    performed_lines: usize,
    acknowledged: u64,
}

impl Ledger {
    /// Runs the child, kills it after a while, and takes down what it promised.
    fn round(&mut self, folder: &Path, round: u64, kill: Kill) -> Vec<String> {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", NAME, "--nocapture"]);
        command.env(CHILD, folder).env(ROUND, round.to_string());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let pipe = BufReader::new(child.stdout.take().unwrap());
        let (at_work, working) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut said = Vec::new();
            for line in pipe.lines().map_while(Result::ok) {
                if line.starts_with("appended") {
                    // Only the first is waited for.
                    let _ended = at_work.send(());
                }
                said.push(line);
            }
            said
        });
        match kill {
            Kill::Never => {}
            // waits: the moment of the kill is what is being tried
            Kill::AfterStart(wait) => std::thread::sleep(wait),
            Kill::AtWork(wait) => {
                working
                    .recv_timeout(PATIENCE)
                    .expect("the child never got to work");
                // waits: the same, counted from the first work done
                std::thread::sleep(wait);
            }
        }
        if !matches!(kill, Kill::Never) {
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        assert_eq!(
            status.success(),
            matches!(kill, Kill::Never),
            "round {round}: {status}"
        );
        reader.join().unwrap()
    }

    fn check(&mut self, folder: &Path, round: u64, said: &[String]) {
        let path = folder.join("journal.db");
        if !path.exists() {
            assert!(said.iter().all(|line| !line.starts_with("appended")));
            return;
        }
        // Every second time, what recovers the journal is the next child.
        let journal: Box<dyn Journal> = if round.is_multiple_of(2) {
            let (journal, opened) = SqliteJournal::open(&path).unwrap();
            assert_eq!(opened.set_aside, None, "round {round}");
            Box::new(journal)
        } else {
            match SqliteJournal::open_read_only(&path) {
                Ok(journal) => Box::new(journal),
                // Killed before it had made the tables.
                Err(error) => {
                    assert_eq!(self.head.revision, Revision::ZERO, "{error}");
                    return;
                }
            }
        };
        let fresh = read_after(&*journal, self.head.revision);
        let at = |revision: Revision| {
            let index = revision.0.checked_sub(self.head.revision.0 + 1);
            let found = index.and_then(|index| fresh.get(index as usize));
            found.unwrap_or_else(|| panic!("round {round}: acknowledged {revision} is gone"))
        };
        for line in said {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |word: usize| words[word].parse::<u64>().unwrap();
            match words[0] {
                "appended" if words.len() == 5 => {
                    let drafts = batch(round, number(1), number(2));
                    let (first, last) = (number(3), number(4));
                    assert_eq!(last - first + 1, drafts.len() as u64);
                    for (revision, draft) in (first..=last).zip(&drafts) {
                        assert!(at(Revision(revision)).holds(draft), "round {round}: {line}");
                    }
                    self.acknowledged += 1;
                }
                "requested" if words.len() == 3 => {
                    let entry = at(Revision(number(2)));
                    assert_eq!(
                        (&*entry.kind, number_in(entry)),
                        ("action_requested", number(1))
                    );
                    self.acknowledged += 1;
                }
                "damage" => panic!("round {round}: {line}"),
                _ => {}
            }
        }
        for entry in &fresh {
            match entry.kind.as_str() {
                "action_requested" => {
                    let again = self.requested.insert(number_in(entry), entry.revision);
                    assert_eq!(again, None, "round {round}: requested twice");
                }
                "action_ended" => {
                    assert!(
                        self.requested.contains_key(&number_in(entry)),
                        "round {round}"
                    );
                    self.ended.insert(number_in(entry));
                }
                _ => self.load += 1,
            }
        }
        if let Some(last) = fresh.last() {
            self.head = Head {
                revision: last.revision,
                hash: last.hash,
            };
            self.entries += fresh.len() as u64;
        }
        self.check_actions(folder, round);
        if round.is_multiple_of(50) {
            assert_eq!(journal.verify(&[self.head]).unwrap().misfit, None);
        }
    }

    /// Nothing was performed that the journal did not hold a request for by then.
    fn check_actions(&mut self, folder: &Path, round: u64) {
        let log = fs::read_to_string(folder.join("actions.log")).unwrap_or_default();
        for line in log.lines().skip(self.performed_lines) {
            self.performed_lines += 1;
            let (action, revision) = line.split_once(' ').unwrap();
            let (action, revision) = (action.parse().unwrap(), revision.parse().unwrap());
            let requested = self.requested.get(&action);
            assert_eq!(
                requested,
                Some(&Revision(revision)),
                "round {round}: action {action}"
            );
            self.performed.insert(action);
        }
        for ended in &self.ended {
            assert!(
                self.performed.contains(ended),
                "round {round}: {ended} ended, not performed"
            );
        }
    }
}

const NAME: &str = "whatever_was_acknowledged_survives_three_hundred_kills";

#[test]
fn whatever_was_acknowledged_survives_three_hundred_kills() {
    if let Some(folder) = std::env::var_os(CHILD) {
        let round = std::env::var(ROUND).unwrap().parse().unwrap();
        return child(Path::new(&folder), round);
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut ledger = Ledger::default();
    let mut random = fastrand::Rng::with_seed(20_180_829);
    let start = Instant::now();
    for round in 0..KILLS {
        // Every third dies while it opens the journal, or soon after.
        let kill = match round % 3 {
            0 => Kill::AfterStart(Duration::from_micros(random.u64(1_000..30_000))),
            _ => Kill::AtWork(Duration::from_micros(random.u64(..30_000))),
        };
        let said = ledger.round(folder, round, kill);
        ledger.check(folder, round, &said);
    }
    let open = ledger.requested.len() - ledger.ended.len();
    let said = ledger.round(folder, LAST_ROUND, Kill::Never);
    assert!(said.iter().any(|line| line == "finished"), "{said:?}");
    ledger.check(folder, LAST_ROUND, &said);
    let took = start.elapsed();

    let requested: BTreeSet<u64> = ledger.requested.keys().copied().collect();
    assert_eq!(
        requested, ledger.performed,
        "an action was lost, or made up"
    );
    assert_eq!(requested, ledger.ended, "an action was left open");
    let (journal, _) = SqliteJournal::open(&folder.join("journal.db")).unwrap();
    let verification = journal.verify(&[ledger.head]).unwrap();
    assert_eq!(
        (verification.misfit, verification.entries),
        (None, ledger.entries)
    );
    // The test must have had something to say.
    assert!(
        ledger.load > KILLS && ledger.acknowledged > KILLS,
        "too little was appended"
    );
    say(&format!(
        "{KILLS} kills in {took:.1?}: {} entries, {} acknowledgements, {} actions, \
         {} performed again, {open} open at the last kill",
        ledger.entries,
        ledger.acknowledged,
        requested.len(),
        ledger.performed_lines - requested.len(),
    ));
}
