//! Whatever is done in whatever order, the file gives the same answers as memory,
//! hash for hash, also when it is closed and opened in between.

use std::time::Duration;

use evenkeel_journal::{
    Draft, Head, Journal, MemoryJournal, Retention, Revision, Snapshot, SqliteJournal,
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Deed {
    /// Appends at the head plus this (0 is right).
    Append {
        off: u64,
        drafts: Vec<Draft>,
    },
    Read {
        after: u64,
        limit: usize,
    },
    Snapshot {
        revision: u64,
        format: u32,
    },
    Retain {
        kinds: Vec<(usize, u64)>,
        up_to: u64,
        now: i64,
    },
    Reopen,
}

const KINDS: [&str; 3] = ["finding_opened", "incident_opened", "run_ended"];

fn draft() -> impl Strategy<Value = Draft> {
    (
        0..KINDS.len(),
        -50_i64..50,
        0..3_i32,
        any::<u16>(),
        prop::collection::vec(any::<u8>(), 0..40),
    )
        .prop_map(|(kind, seconds, nanoseconds, version, body)| Draft {
            at: jiff::Timestamp::new(seconds, nanoseconds * seconds.signum() as i32).unwrap(),
            kind: KINDS[kind].to_owned(),
            version,
            body,
        })
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (prop_oneof![4 => Just(0_u64), 1 => 1..3_u64], prop::collection::vec(draft(), 0..12))
            .prop_map(|(off, drafts)| Deed::Append { off, drafts }),
        2 => (0..60_u64, 0..20_usize).prop_map(|(after, limit)| Deed::Read { after, limit }),
        2 => (0..60_u64, 1..3_u32).prop_map(|(revision, format)| Deed::Snapshot { revision, format }),
        2 => (prop::collection::vec((0..KINDS.len(), 0..60_u64), 0..3), 0..80_u64, -20..80_i64)
            .prop_map(|(kinds, up_to, now)| Deed::Retain { kinds, up_to, now }),
        1 => Just(Deed::Reopen),
    ]
}

/// What a journal answers, as text where errors cannot be compared.
fn answer(journal: &mut dyn Journal, deed: &Deed) -> String {
    let head = journal.revision().unwrap();
    match deed {
        Deed::Append { off, drafts } => {
            format!("{:?}", journal.append(Revision(head.0 + off), drafts))
        }
        Deed::Read { after, limit } => format!("{:?}", journal.read(Revision(*after), *limit)),
        Deed::Snapshot { revision, format } => {
            let snapshot = Snapshot {
                revision: Revision(*revision),
                format: *format,
                body: vec![7],
            };
            format!("{:?}", journal.save_snapshot(&snapshot))
        }
        Deed::Retain { kinds, up_to, now } => {
            let keep_for = kinds
                .iter()
                .map(|(kind, age)| (KINDS[*kind].to_owned(), Duration::from_secs(*age)))
                .collect();
            let rules = Retention {
                keep_for,
                up_to: Revision(*up_to),
            };
            let now = jiff::Timestamp::from_second(*now).unwrap();
            format!("{:?}", journal.retain(head, &rules, now))
        }
        Deed::Reopen => String::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_file_answers_as_memory_does(deeds in prop::collection::vec(deed(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let mut file = SqliteJournal::open(&path).unwrap().0;
        let mut memory = MemoryJournal::new();
        let mut heads: Vec<Head> = Vec::new();
        for deed in &deeds {
            if matches!(deed, Deed::Reopen) {
                drop(file);
                let (opened, report) = SqliteJournal::open(&path).unwrap();
                prop_assert_eq!(report.set_aside, None);
                file = opened;
            }
            prop_assert_eq!(answer(&mut file, deed), answer(&mut memory, deed), "{:?}", deed);
            prop_assert_eq!(file.head().unwrap(), memory.head().unwrap());
            heads.push(file.head().unwrap());
            for format in 1..3 {
                prop_assert_eq!(
                    file.latest_snapshot(format).unwrap(),
                    memory.latest_snapshot(format).unwrap()
                );
            }
        }
        // Every head that was ever noted still holds, or lies in a removed range.
        let verification = file.verify(&heads).unwrap();
        prop_assert_eq!(&verification.misfit, &None);
        prop_assert_eq!(verification, memory.verify(&heads).unwrap());
    }
}
