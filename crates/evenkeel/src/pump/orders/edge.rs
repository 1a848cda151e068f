//! Orders to the edge: what makes one malformed, and what it cannot be about.

use evenkeel_core::edge::EdgeOrder;
use evenkeel_core::policy::Policy;
use evenkeel_core::record::{CAPS_MAX, Record};
use evenkeel_core::subject::Subject;

use super::{REASON_MAX, Refusal, RefusalKind, printable};

/// The longest text for customers, bytes: it stands above every page.
const TEXT_MAX: usize = 1000;

/// More languages than Evenkeel itself has words in, with room for the operator's own.
const TEXTS_MAX: usize = 20;

/// The longest name of a language or hash of a tenant's name, bytes.
const NAME_MAX: usize = 100;

/// The longest link, bytes.
const LINK_MAX: usize = 2000;

/// What is wrong with its words.
pub(super) fn malformed(order: &EdgeOrder) -> Option<&'static str> {
    let texts_of = match order {
        EdgeOrder::SwitchOff { texts, .. } | EdgeOrder::ShowBanner { texts, .. } => Some(texts),
        _ => None,
    };
    if let Some(texts) = texts_of {
        let named = |name: &str| name.len() <= NAME_MAX && printable(name);
        let said = |text: &str| text.len() <= TEXT_MAX && printable(text);
        let mut texts = texts.iter().take(TEXTS_MAX + 1);
        if texts.len() > TEXTS_MAX || !texts.all(|(name, text)| named(name) && said(text)) {
            return Some(
                "`texts` has at most 20 languages, each with a text of at most 1000 bytes on one line",
            );
        }
    }
    match order {
        EdgeOrder::Hold { reason, .. } | EdgeOrder::SwitchOff { reason, .. }
            if reason.len() > REASON_MAX || !printable(reason) =>
        {
            Some(super::REASON_WRONG)
        }
        EdgeOrder::ShowBanner { texts, .. } if texts.is_empty() => {
            Some("a banner says something: give a text")
        }
        EdgeOrder::ShowBanner {
            link: Some(link), ..
        } if link.len() > LINK_MAX
            || link.chars().any(|c| c.is_control() || c.is_whitespace())
            || !(link.starts_with("https://") || link.starts_with("http://")) =>
        {
            Some("`link` has to be a whole address, https://...")
        }
        EdgeOrder::CapTenant { tenant, .. } if tenant.len() > NAME_MAX || !printable(tenant) => {
            Some("`tenant` has to be the hash of a tenant's name, as the edge shows it")
        }
        EdgeOrder::CapTenant {
            requests_per_s_max: Some(0),
            ..
        } => Some("a tenant that may send nothing is shut out: give at least 1 request a second"),
        _ => None,
    }
}

/// Why it cannot do anything.
pub(super) fn objection(order: &EdgeOrder, record: &Record, policy: &Policy) -> Option<Refusal> {
    if let Some(unknown) = policy.lacks(order) {
        let why = unconfigured(&unknown, policy);
        return Some(Refusal::new(RefusalKind::NotFound, why));
    }
    let conflict = |why| Some(Refusal::new(RefusalKind::Conflict, why));
    match order {
        EdgeOrder::Admit { pool, instance } if !record.edge.drains(pool, instance) => {
            let recycled = record.recycling().any(|(_, other)| other == instance);
            conflict(if recycled {
                format!("{instance} is being recycled: it is admitted when that has ended")
            } else {
                format!("{instance} is not drained: nothing to admit")
            })
        }
        EdgeOrder::CapTenant {
            tenant,
            requests_per_s_max: Some(_),
        } if record.edge.tenants.len() >= CAPS_MAX && !record.edge.tenants.contains_key(tenant) => {
            conflict(format!(
                "{CAPS_MAX} tenants are capped already: lift a cap first, or set a limit for every tenant in the configuration"
            ))
        }
        _ => None,
    }
}

fn unconfigured(unknown: &Subject, policy: &Policy) -> String {
    let listed = |names: Vec<&str>| match names.is_empty() {
        true => "there is none".to_owned(),
        false => format!("there is: {}", names.join(", ")),
    };
    match unknown {
        Subject::Pool(pool) => {
            let known = policy.pools.keys().map(|pool| pool.as_str()).collect();
            let known = listed(known);
            format!("there is no pool {pool} in the configuration ({known})")
        }
        Subject::Component(component) => {
            let routes = policy.routes.values();
            let known: std::collections::BTreeSet<&str> = routes
                .filter_map(|route| Some(route.component.as_ref()?.as_str()))
                .collect();
            let known = listed(known.into_iter().collect());
            format!("no route of the edge belongs to component {component} ({known})")
        }
        Subject::Instance(instance) => {
            let pools = policy.pools.values();
            let known = pools.flat_map(|pool| &pool.instances);
            let known = listed(known.map(|instance| instance.as_str()).collect());
            format!("there is no instance {instance} in that pool ({known})")
        }
        other => format!("there is no {other} in the configuration"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use evenkeel_core::event::{Event, What};
    use evenkeel_core::policy::{PoolPolicy, RoutePolicy};

    fn policy() -> Policy {
        let pool = PoolPolicy {
            instances: ["web-1".into(), "web-2".into()].into(),
            ..PoolPolicy::default()
        };
        let route = RoutePolicy {
            component: Some("documents".into()),
            pool: "web".into(),
            criticality: Default::default(),
        };
        Policy {
            pools: BTreeMap::from([("web".into(), pool)]),
            routes: BTreeMap::from([("documents".into(), route)]),
            ..Policy::default()
        }
    }

    fn drain(pool: &str, instance: &str) -> EdgeOrder {
        EdgeOrder::Drain {
            pool: pool.into(),
            instance: instance.into(),
        }
    }

    #[test]
    fn what_is_not_configured_is_named_with_what_is() {
        let record = Record::default();
        for (order, why) in [
            (
                drain("app", "web-1"),
                "there is no pool app in the configuration (there is: web)",
            ),
            (
                drain("web", "web-3"),
                "there is no instance web-3 in that pool (there is: web-1, web-2)",
            ),
            (
                EdgeOrder::SwitchOn {
                    component: "login".into(),
                },
                "no route of the edge belongs to component login (there is: documents)",
            ),
        ] {
            let refusal = objection(&order, &record, &policy()).unwrap();
            assert_eq!(refusal.kind, RefusalKind::NotFound);
            assert_eq!(refusal.why, why);
        }
        assert_eq!(objection(&drain("web", "web-1"), &record, &policy()), None);
    }

    #[test]
    fn only_what_is_drained_can_be_admitted() {
        let admit = EdgeOrder::Admit {
            pool: "web".into(),
            instance: "web-1".into(),
        };
        let mut record = Record::default();
        let refusal = objection(&admit, &record, &policy()).unwrap();
        assert_eq!(refusal.kind, RefusalKind::Conflict);
        record.apply(&Event {
            at: evenkeel_core::Timestamp::UNIX_EPOCH,
            what: What::EdgeOrdered {
                change: drain("web", "web-1"),
                by: "operator:ana".into(),
            },
        });
        assert_eq!(objection(&admit, &record, &policy()), None);
    }

    #[test]
    fn words_for_customers_are_bounded() {
        let banner = |texts: &[(&str, &str)], link: Option<&str>| EdgeOrder::ShowBanner {
            texts: texts
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect(),
            link: link.map(str::to_owned),
        };
        let long = "x".repeat(TEXT_MAX + 1);
        let link = Some("https://status.example.com");
        assert_eq!(malformed(&banner(&[("en", "Slow")], link)), None);
        assert_eq!(malformed(&banner(&[("en", "Slow")], None)), None);
        for order in [
            banner(&[], None),
            banner(&[("en", " ")], None),
            banner(&[("en", "two\nlines")], None),
            banner(&[("en", &long)], None),
            banner(&[("en", "Slow")], Some("javascript:alert(1)")),
            EdgeOrder::Hold {
                pool: "web".into(),
                reason: String::new(),
            },
            EdgeOrder::CapTenant {
                tenant: "a1".into(),
                requests_per_s_max: Some(0),
            },
        ] {
            assert!(malformed(&order).is_some(), "{order:?}");
        }
    }
}
