//! Made-up records, and what the public listener answers about them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evenkeel::pump::published::Published;
use evenkeel::web::public::settings::Settings;
use evenkeel::web::{Site, public};
use evenkeel_core::Timestamp;
use evenkeel_core::event::{Event, What};
use evenkeel_core::finding::{FindingKey, FindingKind, Severity};
use evenkeel_core::ids::{ComponentId, IncidentId, MaintenanceId, MessageId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::language::Language;
use evenkeel_core::maintenance::{
    MaintenanceNews, MaintenanceStatus, MaintenanceWord, Plan, PlannedImpact, Stretch, Turn,
};
use evenkeel_core::message::{Body, Message};
use evenkeel_core::policy::{ComponentPolicy, Policy};
use evenkeel_core::record::Record;
use evenkeel_core::status::Status;
use evenkeel_core::subject::Subject;
use evenkeel_core::telling::{FreeText, PersonWord, ToldFacts};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::service::Service;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;

/// A record in the making, with its configuration.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) record: Record,
    pub(crate) policy: Policy,
    pub(crate) is_stale: bool,
    /// When it is published.
    pub(crate) at: Timestamp,
    pub(crate) settings: Settings,
}

/// A moment of the story; far from any midnight of the tests' own day.
pub(crate) fn second(n: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + n).expect("a time")
}

impl Scene {
    /// Components by name; their ids are `c0`, `c1`, ...
    pub(crate) fn of(names: &[&str]) -> Self {
        let mut policy = Policy::default();
        for (position, name) in (0..).zip(names) {
            let component = ComponentPolicy {
                name: (*name).into(),
                position,
                needs: Vec::new(),
            };
            policy.components.insert(component_id(position), component);
        }
        Self {
            record: Record::default(),
            policy,
            is_stale: false,
            at: second(1_000_000),
            settings: Settings::default(),
        }
    }

    pub(crate) fn happens(&mut self, at: Timestamp, what: What) {
        self.record.apply(&Event { at, what });
    }

    /// A component is seen to be so.
    pub(crate) fn is(&mut self, at: Timestamp, component: u32, to: Status) {
        let what = What::ComponentStatusChanged {
            component: component_id(component),
            from: Status::Unknown,
            to,
            reason: "it is seen".into(),
        };
        self.happens(at, what);
    }

    /// An incident that hurts these.
    pub(crate) fn opens(&mut self, at: Timestamp, harmed: &[(u32, Status)]) -> IncidentId {
        let incident = IncidentId(self.record.last.incident + 1);
        let what = What::IncidentOpened {
            incident,
            title: "Backend 4711 holds a lock".into(),
            severity: Severity::Critical,
            finding: FindingKey {
                kind: FindingKind::RunHung,
                subject: Subject::Database("main".into()),
            },
        };
        self.happens(at, what);
        let state = self.record.incidents.get_mut(&incident).expect("opened");
        let harmed = harmed
            .iter()
            .map(|(of, status)| (component_id(*of), *status));
        state.harmed = harmed.collect();
        incident
    }

    /// The incident comes to this, and customers are told.
    pub(crate) fn comes_to(&mut self, at: Timestamp, incident: IncidentId, to: IncidentStatus) {
        let from = self.record.incidents[&incident].status;
        let what = What::IncidentStatusChanged {
            incident,
            from,
            to,
            reason: "of the story".into(),
        };
        self.happens(at, what);
        self.says(at, incident);
    }

    /// One more public word about an incident.
    pub(crate) fn says(&mut self, at: Timestamp, incident: IncidentId) {
        self.tells(at, incident, None);
    }

    /// The same, with what a person knows.
    pub(crate) fn tells(
        &mut self,
        at: Timestamp,
        incident: IncidentId,
        person: Option<PersonWord>,
    ) {
        let state = &self.record.incidents[&incident];
        let is_past = state.status >= IncidentStatus::Monitoring;
        let components: BTreeMap<_, _> = state
            .harmed
            .iter()
            .map(|(id, status)| {
                (
                    id.clone(),
                    if is_past {
                        Status::Operational
                    } else {
                        *status
                    },
                )
            })
            .collect();
        let message = Message {
            id: MessageId(self.record.last.message + 1),
            at,
            incident: Some(incident),
            body: Body::Public {
                status: state.status,
                components,
                since: state.opened_at,
                next_update_at: (state.status != IncidentStatus::Resolved)
                    .then(|| evenkeel_core::time::after(at, Duration::from_secs(1200))),
                person: person.map(Box::new),
                approved_by: None,
            },
        };
        self.happens(at, What::MessageRequested { message });
    }

    /// Work on these is planned for `minutes` from a moment on, and announced.
    pub(crate) fn plans(
        &mut self,
        at: Timestamp,
        components: &[u32],
        (from, minutes): (Timestamp, u64),
        impact: PlannedImpact,
    ) -> MaintenanceId {
        let maintenance = MaintenanceId(self.record.last.maintenance + 1);
        let until = evenkeel_core::time::after(from, Duration::from_secs(minutes * 60));
        let plan = Plan {
            components: components.iter().map(|of| component_id(*of)).collect(),
            when: Stretch { from, until },
            impact,
            text: Some(FreeText {
                language: Language::Danish,
                text: "Vi flytter; alt, hvad der er, \\ nemt!".into(),
            }),
            begins: Turn::ByItself,
            ends: Turn::ByItself,
            reminders: BTreeSet::new(),
        };
        let text = plan.text.clone();
        let what = What::MaintenancePlanned {
            maintenance,
            plan: Box::new(plan),
            occurrence: None,
            by: Some("operator:4711".into()),
            reason: Some("backend 4711 is old".into()),
        };
        self.happens(at, what);
        self.tells_of(at, maintenance, MaintenanceNews::Announced, text);
        maintenance
    }

    /// It stands elsewhere, and customers are told.
    pub(crate) fn turns(
        &mut self,
        at: Timestamp,
        maintenance: MaintenanceId,
        to: MaintenanceStatus,
        news: MaintenanceNews,
    ) {
        let from = self.record.maintenances[&maintenance].status;
        let what = What::MaintenanceTurned {
            maintenance,
            from,
            to,
            by: None,
            reason: "of the story".into(),
        };
        self.happens(at, what);
        self.tells_of(at, maintenance, news, None);
    }

    /// It ends later, and customers are told.
    pub(crate) fn moves(&mut self, at: Timestamp, maintenance: MaintenanceId, until: Timestamp) {
        let mut plan = self.record.maintenances[&maintenance].plan.clone();
        plan.when.until = until;
        let what = What::MaintenanceChanged {
            maintenance,
            plan: Box::new(plan),
            by: Some("operator:4711".into()),
            reason: None,
        };
        self.happens(at, what);
        self.tells_of(at, maintenance, MaintenanceNews::Extended, None);
    }

    fn tells_of(
        &mut self,
        at: Timestamp,
        maintenance: MaintenanceId,
        news: MaintenanceNews,
        text: Option<FreeText>,
    ) {
        let state = &self.record.maintenances[&maintenance];
        let components = state.plan.components.iter();
        let word = MaintenanceWord {
            maintenance,
            news,
            status: state.status,
            when: state.plan.when,
            components: components
                .map(|id| (id.clone(), Status::Operational))
                .collect(),
            text,
        };
        let message = Message {
            id: MessageId(self.record.last.message + 1),
            at,
            incident: None,
            body: Body::Maintenance(Box::new(word)),
        };
        self.happens(at, What::MessageRequested { message });
    }

    pub(crate) fn site(&self) -> Site {
        let mut published = Published::of(self.record.clone());
        published.at = self.at;
        if self.is_stale {
            published.trouble = Some((self.at, "the disk is full".into()));
        }
        // Nobody publishes further: what is there stays.
        let (_, receiver) = watch::channel(Arc::new(published));
        Site {
            published: receiver,
            policy: Arc::new(self.policy.clone()),
            evidence: std::env::temp_dir().join("evenkeel-no-evidence"),
            name: "Back office".into(),
            url: "https://status.example.com/".into(),
            settings: Arc::new(self.settings.clone()),
            useful: Arc::default(),
            subscribers: None,
        }
    }

    /// Every address for machines.
    pub(crate) fn paths(&self) -> Vec<String> {
        public::machines::paths(&self.policy)
    }

    /// What is answered at `path`: its text.
    pub(crate) fn text(&self, path: &str) -> String {
        let answer = self.ask(path, &[]);
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        answer.body
    }

    pub(crate) fn json(&self, path: &str) -> serde_json::Value {
        serde_json::from_str(&self.text(path)).expect(path)
    }

    pub(crate) fn ask(&self, path: &str, headers: &[(&'static str, &str)]) -> Answer {
        let router = TowerToHyperService::new(public::router(self.site()));
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::<Bytes>::default()).expect("a request");
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(async {
            let answer = router.call(request).await.expect("never fails");
            let (head, body) = answer.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            Answer {
                status: head.status,
                headers: head.headers,
                body: String::from_utf8(body.into()).expect("UTF-8"),
            }
        })
    }
}

/// A person's part of a word.
pub(crate) fn person(facts: ToldFacts, text: Option<FreeText>) -> PersonWord {
    PersonWord {
        by: "operator:ana".into(),
        text,
        facts,
        promised: false,
        reason: Some("the lock of 4711 is gone".into()),
        corrects: None,
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }
}

pub(crate) fn component_id(n: u32) -> ComponentId {
    format!("c{n}").into()
}
