//! What a witness says, as tables: each row is a moment in seconds, what it sees, and what
//! it says.

use super::*;

const POLICY: WitnessPolicy = WitnessPolicy {
    silent_after: Duration::from_secs(20),
    look_every_max: Duration::from_secs(15),
};

/// Statements speak of now for a minute, so that a copy is renewed after 20 s.
const VALID_FOR: Duration = Duration::from_secs(60);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// How far the keeper's clock is from the witness's, in most tests: clocks differ.
const KEEPERS_CLOCK: i64 = -4_000;

fn stated(second: i64) -> Stated {
    Stated {
        made_at: at(second + KEEPERS_CLOCK),
        valid_for: VALID_FOR,
    }
}

/// One look: when, what the keeper and its copies say they were made at, how many
/// references answer, how the service looks; and what is said.
struct Look(i64, Option<i64>, Option<i64>, usize, Service, Word);

/// Said as early as it can be.
fn unreachable_since(second: i64, service: Service) -> Word {
    said_first(second + 20, second, service)
}

fn said_first(said: i64, since: i64, service: Service) -> Word {
    Word::Unreachable(Gap {
        since: at(since),
        said_at: at(said),
        service,
    })
}

fn waits_since(second: i64) -> Word {
    Word::Waits { since: at(second) }
}

fn play(looks: &[Look]) {
    let mut memory = WitnessMemory::default();
    for Look(second, keeper, copies, references_up, service, expected) in looks {
        let sight = Sight {
            now: at(*second),
            keeper: keeper.map(stated),
            copies: copies.map(stated),
            references_up: *references_up,
            service: *service,
        };
        let said = judge(&POLICY, &mut memory, &sight);
        assert_eq!(said, *expected, "at {second} s, {memory:?}");
    }
}

use Service::{Answers, Fails, Unknown};
use Word::{Blind, KeeperSpeaks, NeverHeard};

#[test]
fn a_lost_host_is_said_and_taken_back_when_the_keeper_speaks() {
    play(&[
        Look(0, Some(0), Some(0), 2, Answers, KeeperSpeaks),
        Look(10, Some(0), Some(0), 2, Answers, KeeperSpeaks),
        // Lost here. The copy is one that the keeper had stated itself: no news.
        Look(20, None, Some(0), 2, Fails, waits_since(10)),
        Look(29, None, Some(0), 2, Fails, waits_since(10)),
        Look(31, None, Some(0), 2, Fails, said_first(31, 10, Fails)),
        // Our own edition is there now, in which no keeper states anything.
        Look(40, None, None, 2, Fails, said_first(31, 10, Fails)),
        Look(50, None, None, 2, Answers, said_first(31, 10, Answers)),
        Look(60, Some(58), None, 2, Answers, KeeperSpeaks),
        Look(70, Some(58), Some(58), 2, Answers, KeeperSpeaks),
    ]);
}

#[test]
fn without_a_copy_silence_alone_counts() {
    play(&[
        Look(0, Some(0), None, 2, Answers, KeeperSpeaks),
        Look(10, None, None, 2, Unknown, waits_since(0)),
        Look(19, None, None, 2, Unknown, waits_since(0)),
        Look(20, None, None, 2, Unknown, unreachable_since(0, Unknown)),
    ]);
}

#[test]
fn a_silent_keeper_of_a_service_that_answers_is_said_to_be_just_that() {
    play(&[
        Look(0, Some(0), None, 2, Answers, KeeperSpeaks),
        Look(10, None, None, 2, Answers, waits_since(0)),
        Look(20, None, None, 2, Answers, unreachable_since(0, Answers)),
        Look(30, None, None, 2, Fails, unreachable_since(0, Fails)),
    ]);
}

#[test]
fn a_keeper_that_is_slow_once_or_restarts_is_not_silent() {
    play(&[
        Look(0, Some(0), None, 2, Answers, KeeperSpeaks),
        Look(10, None, None, 2, Answers, waits_since(0)),
        Look(19, Some(18), None, 2, Answers, KeeperSpeaks),
        Look(29, None, None, 2, Answers, waits_since(19)),
        Look(38, Some(37), None, 2, Answers, KeeperSpeaks),
    ]);
}

#[test]
fn a_witness_that_is_cut_off_says_nothing_and_counts_anew() {
    play(&[
        Look(0, Some(0), None, 2, Answers, KeeperSpeaks),
        Look(10, None, None, 0, Fails, Blind),
        Look(20, None, None, 0, Fails, Blind),
        Look(30, None, None, 0, Fails, Blind),
        // One of them has an outage of its own: the witness sees.
        Look(40, None, None, 1, Fails, waits_since(40)),
        Look(50, None, None, 1, Fails, waits_since(40)),
        Look(60, None, None, 1, Fails, unreachable_since(40, Fails)),
        // Cut off while it speaks: what it said is not renewed. It goes on where it was.
        Look(70, None, None, 0, Fails, Blind),
        Look(80, None, None, 2, Fails, waits_since(80)),
        Look(90, None, None, 2, Fails, waits_since(80)),
        Look(100, None, None, 2, Fails, unreachable_since(40, Fails)),
    ]);
}

#[test]
fn a_keeper_that_is_heard_speaks_whatever_the_references_do() {
    play(&[
        Look(0, Some(0), None, 0, Unknown, KeeperSpeaks),
        Look(10, Some(0), None, 0, Unknown, KeeperSpeaks),
    ]);
}

#[test]
fn who_never_heard_the_keeper_says_nothing_of_it() {
    play(&[
        Look(0, None, None, 2, Fails, NeverHeard),
        Look(10, None, None, 2, Fails, NeverHeard),
        Look(20, None, None, 2, Fails, NeverHeard),
        Look(30, None, None, 2, Fails, NeverHeard),
    ]);
}

#[test]
fn a_keeper_whose_copies_are_renewed_speaks_though_it_is_not_reached_itself() {
    play(&[
        Look(0, None, Some(0), 2, Answers, KeeperSpeaks),
        Look(10, None, Some(0), 2, Answers, KeeperSpeaks),
        Look(20, None, Some(20), 2, Answers, KeeperSpeaks),
        Look(30, None, Some(20), 2, Answers, KeeperSpeaks),
        Look(40, None, Some(20), 2, Answers, KeeperSpeaks),
        Look(50, None, Some(20), 2, Answers, KeeperSpeaks),
        // Renewed after 20 s, it should have been 11 s ago.
        Look(51, None, Some(20), 2, Answers, said_first(51, 20, Answers)),
    ]);
}

#[test]
fn a_keeper_that_only_the_witness_does_not_reach_is_believed_by_its_next_copy() {
    play(&[
        Look(0, Some(0), Some(0), 2, Answers, KeeperSpeaks),
        Look(10, None, Some(0), 2, Answers, waits_since(0)),
        Look(19, None, Some(19), 2, Answers, KeeperSpeaks),
        Look(30, None, Some(19), 2, Answers, KeeperSpeaks),
        Look(40, None, Some(39), 2, Answers, KeeperSpeaks),
        Look(50, None, Some(39), 2, Fails, KeeperSpeaks),
        Look(60, None, Some(59), 2, Fails, KeeperSpeaks),
        Look(70, None, Some(59), 2, Fails, KeeperSpeaks),
    ]);
}

#[test]
fn a_keeper_that_cannot_publish_speaks_while_it_answers_itself() {
    play(&[
        Look(0, Some(0), Some(0), 2, Answers, KeeperSpeaks),
        Look(12, Some(0), Some(0), 2, Answers, KeeperSpeaks),
        Look(24, Some(20), Some(0), 2, Answers, KeeperSpeaks),
        Look(36, Some(20), Some(0), 2, Answers, KeeperSpeaks),
        Look(48, Some(40), Some(0), 2, Answers, KeeperSpeaks),
        // Its copies have ended long ago.
        Look(60, Some(60), Some(0), 2, Answers, KeeperSpeaks),
        Look(72, Some(60), Some(0), 2, Answers, KeeperSpeaks),
        Look(84, Some(80), Some(0), 2, Answers, KeeperSpeaks),
    ]);
}

#[test]
fn a_statement_that_is_played_back_is_no_voice() {
    // The first one again: it does not move on, and is believed until a minute after the
    // last that did.
    play(&[
        Look(0, Some(0), None, 2, Answers, KeeperSpeaks),
        Look(12, Some(10), None, 2, Answers, KeeperSpeaks),
        Look(24, Some(0), None, 2, Answers, KeeperSpeaks),
        Look(36, Some(0), None, 2, Answers, KeeperSpeaks),
        Look(48, Some(0), None, 2, Answers, KeeperSpeaks),
        Look(60, Some(0), None, 2, Answers, KeeperSpeaks),
        Look(72, Some(0), None, 2, Answers, KeeperSpeaks),
        Look(84, Some(0), None, 2, Answers, waits_since(72)),
        Look(96, Some(0), None, 2, Answers, said_first(96, 72, Answers)),
    ]);
    // The newest one, over and over, until its minute is over.
    let mut looks = alloc::vec![Look(0, Some(0), None, 2, Answers, KeeperSpeaks)];
    for second in [12, 24, 36, 48, 60] {
        looks.push(Look(second, Some(0), None, 2, Answers, KeeperSpeaks));
    }
    looks.push(Look(72, Some(0), None, 2, Answers, waits_since(60)));
    looks.push(Look(
        84,
        Some(0),
        None,
        2,
        Answers,
        said_first(84, 60, Answers),
    ));
    play(&looks);
}

#[test]
fn a_keeper_whose_clock_is_set_back_is_heard_again_with_its_next_statement() {
    play(&[
        Look(0, Some(0), None, 2, Answers, KeeperSpeaks),
        Look(10, Some(-3600), None, 2, Answers, KeeperSpeaks),
        Look(20, Some(-3590), None, 2, Answers, KeeperSpeaks),
    ]);
}

#[test]
fn a_witness_whose_clock_jumps_or_whose_machine_slept_counts_anew() {
    play(&[
        Look(0, Some(0), Some(0), 2, Answers, KeeperSpeaks),
        // An hour passed, or the clock was set forwards: nobody looked.
        Look(3600, None, Some(0), 2, Fails, waits_since(3600)),
        Look(3610, None, Some(0), 2, Fails, waits_since(3600)),
        Look(
            3620,
            None,
            Some(0),
            2,
            Fails,
            unreachable_since(3600, Fails),
        ),
    ]);
    play(&[
        Look(3600, Some(3600), None, 2, Answers, KeeperSpeaks),
        // Set back by an hour, while the keeper goes on.
        Look(10, Some(3600), None, 2, Answers, KeeperSpeaks),
        Look(20, Some(3600), None, 2, Answers, KeeperSpeaks),
        Look(30, None, None, 2, Answers, waits_since(20)),
        Look(40, None, None, 2, Answers, unreachable_since(20, Answers)),
    ]);
}

#[test]
fn what_is_remembered_survives_a_restart() {
    let mut memory = WitnessMemory::default();
    let mut sight = Sight {
        now: at(0),
        keeper: Some(stated(0)),
        copies: None,
        references_up: 2,
        service: Fails,
    };
    assert_eq!(judge(&POLICY, &mut memory, &sight), KeeperSpeaks);
    let kept = serde_json::to_string(&memory).unwrap();
    let mut memory: WitnessMemory = serde_json::from_str(&kept).unwrap();
    sight.keeper = None;
    for (second, expected) in [
        (100, waits_since(100)),
        (110, waits_since(100)),
        (120, unreachable_since(100, Fails)),
    ] {
        sight.now = at(second);
        assert_eq!(judge(&POLICY, &mut memory, &sight), expected);
    }
}
