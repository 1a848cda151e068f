//! A scene of planned work.

use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::MaintenanceId;
use evenkeel_core::language::Language;
use evenkeel_core::maintenance::{MaintenanceOrder, Plan, PlannedImpact, Stretch, Turn};
use evenkeel_core::observation::{Order, PeakDates, Seen};
use evenkeel_core::policy::PeakPolicy;
use evenkeel_core::telling::FreeText;
use jiff::SignedDuration;

use super::story::Story;

impl Story {
    /// Work that is over, under way and extended, to come, and called off; and a peak.
    pub(super) fn plans_work(&mut self) {
        let peak = PeakPolicy {
            name: "VAT day".into(),
            components: ["invoices".into(), "vat".into()].into(),
        };
        self.policy.peaks.insert("vat-day".into(), peak);
        let began = self.now;
        let minute = |n: i64| began + SignedDuration::from_mins(n);
        let day = |n: i64| began + SignedDuration::from_hours(24 * n);
        let stretch = |from, until| Stretch { from, until };
        let plan = |components: &[&str], when, impact, text: Option<(Language, &str)>| {
            let plan = Plan {
                components: components.iter().map(|id| (*id).into()).collect(),
                when,
                impact,
                text: text.map(|(language, text)| FreeText {
                    language,
                    text: text.into(),
                }),
                begins: Turn::ByItself,
                ends: Turn::ByHand,
                reminders: [Duration::from_secs(86_400)].into(),
            };
            let reason = Some("the provider moves us".into());
            Seen::Order(Order::Maintenance(MaintenanceOrder::Plan { plan, reason }))
        };
        let dates = vec![stretch(day(9), day(10)), stretch(day(100), day(101))];
        let peaks = Seen::PeakDates(PeakDates {
            peak: "vat-day".into(),
            dates,
        });
        let text = (
            Language::German,
            "Wir ziehen auf neue Server um.\nBelege, die Sie in dieser Zeit senden, gehen nicht verloren.",
        );
        self.sees(
            1000,
            vec![
                peaks,
                plan(
                    &["payroll"],
                    stretch(minute(2), minute(10)),
                    PlannedImpact::NoImpact,
                    None,
                ),
                plan(
                    &["invoices", "quotes"],
                    stretch(minute(15), minute(45)),
                    PlannedImpact::Outage,
                    Some(text),
                ),
                plan(
                    &["login", "invoices", "quotes", "vat"],
                    stretch(day(5), day(5) + SignedDuration::from_hours(4)),
                    PlannedImpact::Degraded,
                    None,
                ),
                plan(
                    &["transport"],
                    stretch(day(7), day(7) + SignedDuration::from_hours(1)),
                    PlannedImpact::ReducedRedundancy,
                    None,
                ),
            ],
        );
        let order = |order| Seen::Order(Order::Maintenance(order));
        while self.now < Timestamp::now() - SignedDuration::from_secs(12) {
            let calm = self.nobody_waits();
            let second = self.now.as_second() - began.as_second();
            let mut seen = vec![calm];
            match second / 10 {
                54 => seen.push(order(MaintenanceOrder::Finish {
                    maintenance: MaintenanceId(1),
                    text: None,
                })),
                70 => seen.push(order(MaintenanceOrder::Cancel {
                    maintenance: MaintenanceId(4),
                    text: None,
                })),
                240 => seen.push(order(MaintenanceOrder::Move {
                    maintenance: MaintenanceId(2),
                    begins_at: None,
                    ends_at: minute(90),
                    text: None,
                    reason: None,
                })),
                _ => {}
            }
            self.sees(10_000, seen);
        }
    }
}
