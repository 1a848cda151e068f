//! Names that customers are not to read: those of the configuration, as far as they are no
//! public name of a function.

use evenkeel_core::policy::Policy;
use evenkeel_core::postmortem::{Postmortem, names_within};

/// Names of machines, jobs, databases, pools, checks and people that stand in what customers
/// will read of a post-mortem.
pub fn in_public_texts(policy: &Policy, postmortem: &Postmortem) -> Vec<String> {
    let texts = postmortem.texts();
    let texts = texts.iter().filter(|(section, _)| section.is_public());
    let measures = postmortem
        .measures
        .iter()
        .map(|measure| measure.what.text.as_str());
    let texts: Vec<&str> = texts
        .map(|(_, text)| text.text.as_str())
        .chain(measures)
        .collect();
    let public: Vec<&str> = policy
        .components
        .values()
        .map(|it| it.name.as_str())
        .collect();
    let instances = policy.pools.values().flat_map(|pool| &pool.instances);
    let names = (policy.jobs.keys().map(|id| id.as_str()))
        .chain(policy.databases.keys().map(|id| id.as_str()))
        .chain(policy.pools.keys().map(|id| id.as_str()))
        .chain(policy.checks.keys().map(|id| id.as_str()))
        .chain(policy.volumes.keys().map(|id| id.as_str()))
        .chain(
            policy
                .calling
                .people
                .iter()
                .map(|person| person.id.as_str()),
        )
        .chain(instances.map(|id| id.as_str()))
        .filter(|name| !public.contains(name));
    let names: Vec<&str> = names.collect();
    let mut found: Vec<String> = texts
        .iter()
        .flat_map(|text| names_within(text, names.iter().copied()))
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    found
}
