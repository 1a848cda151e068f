//! What Ana writes after the export blocked logins.

use evenkeel_core::ids::IncidentId;
use evenkeel_core::language::Language;
use evenkeel_core::notice::{NoticeChange, Regime};
use evenkeel_core::observation::Order;
use evenkeel_core::postmortem::{PostmortemChange, Section};
use evenkeel_core::record::Day;
use evenkeel_core::telling::FreeText;

/// The post-mortem with two measures, one of them late, published; and the clock of a notice.
pub(crate) fn orders(today: Day) -> Vec<Order> {
    let text = |language, text: &str| FreeText {
        language,
        text: text.into(),
    };
    let dutch = |words| text(Language::Dutch, words);
    let write = |section, text| PostmortemChange::Write {
        section,
        text: Some(text),
        read: 0,
    };
    let measure = |what, days| PostmortemChange::AddMeasure {
        what,
        owner: "ana".into(),
        due: Day(today.0 + days),
    };
    let changes = [
        write(
            Section::Summary,
            dutch(
                "Inloggen lukte enkele minuten niet.\nDaarna werkte alles weer; er is niets verloren gegaan.",
            ),
        ),
        write(
            Section::Cause,
            dutch(
                "Een nachtelijke export bleef hangen en hield een tabel vast waar het inloggen op wachtte.",
            ),
        ),
        write(
            Section::WentWell,
            text(Language::English, "Nobody had to get up."),
        ),
        write(
            Section::Technical,
            text(
                Language::English,
                "payroll-export waits for FTP without a timeout; backend 4711 held payslips.",
            ),
        ),
        measure(dutch("De export krijgt een eigen server."), -30),
        measure(dutch("Elke export krijgt een maximale looptijd."), 30),
        PostmortemChange::Publish {
            read: 4,
            correction: None,
        },
    ];
    let mut orders: Vec<Order> = changes
        .into_iter()
        .map(|change| Order::Postmortem {
            incident: IncidentId(1),
            change,
        })
        .collect();
    orders.push(Order::Notice {
        incident: IncidentId(1),
        regime: Regime::Dora,
        change: NoticeChange::Start {
            reason: "a bank uses us for payroll".into(),
        },
    });
    orders
}
