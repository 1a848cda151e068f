//! What is known of an incident, as the golden file has it.

use std::collections::BTreeMap;

use evenkeel_core::action::ActionKind;
use evenkeel_core::finding::FindingKind;
use evenkeel_core::ids::{ActionId, MessageId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::postmortem::{Facts, Happened, Moment};
use evenkeel_core::status::Status;
use evenkeel_core::telling::{Affected, DataAffected};

use super::at;

pub(crate) fn facts() -> Facts {
    let moment = |second, what| Moment {
        at: at(second),
        what,
    };
    Facts {
        first_symptom_at: at(0),
        hurt_from: at(5),
        detected_at: at(10),
        first_word_at: Some(at(12)),
        recovered_at: at(70),
        resolved_at: at(190),
        reopened_count: 1,
        harmed: BTreeMap::from([("login".into(), Status::MajorOutage)]),
        affected: Some(Affected::Group("Payroll Plus".into())),
        data: Some(DataAffected::No),
        failed_requests: Some(412),
        failed_checks: Some(3),
        evidence: vec!["A-4".into()],
        timeline: vec![
            moment(0, Happened::Symptom),
            moment(10, Happened::Detected),
            moment(
                10,
                Happened::Found {
                    finding: FindingKind::RunHung,
                    of: "run:export-1".into(),
                    title: "Export hangs".into(),
                },
            ),
            moment(
                12,
                Happened::Told {
                    message: MessageId(7),
                    status: IncidentStatus::Investigating,
                    by_person: true,
                    corrects: false,
                },
            ),
            moment(
                30,
                Happened::Acted {
                    action: ActionId(4),
                    what: ActionKind::EndRun,
                    task: "end run export-1".into(),
                    done: true,
                    outcome: "the waiters moved".into(),
                },
            ),
            moment(
                40,
                Happened::LookedAfter {
                    by: "operator:ana".into(),
                },
            ),
            moment(
                70,
                Happened::Cleared {
                    finding: FindingKind::RunHung,
                    of: "run:export-1".into(),
                },
            ),
            moment(70, Happened::Recovered),
            moment(80, Happened::Reopened),
            moment(190, Happened::Resolved),
        ],
        left_out: 2,
    }
}
