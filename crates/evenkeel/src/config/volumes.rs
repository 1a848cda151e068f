//! `[[volume]]`: file systems that are watched.

use evenkeel_core::ids::VolumeId;
use evenkeel_core::policy::{LeakPolicy, Policy, VolumePolicy};
use evenkeel_guards::leaks::VolumeSpec;

use super::names::{components, identity};
use super::reader::{Report, Section};
use super::settings::Kind;

pub(super) fn read(
    sections: Vec<Section<'_>>,
    leaks: &LeakPolicy,
    policy: &mut Policy,
    report: &mut Report<'_>,
) -> Vec<VolumeSpec> {
    let mut volumes: Vec<VolumeSpec> = Vec::new();
    for mut section in sections {
        let at = section.at.clone();
        let id = identity(&mut section, report, "volume");
        section.demand(report, "path");
        let path = section.path(report, "path", Kind::Folder);
        let components = components(&mut section, policy, report);
        section.finish(report);
        let (Some(id), Some(path)) = (id, path) else {
            continue;
        };
        if !path.value.exists() {
            let shown = path.value.display();
            let what = format!("{shown} is not there on this host: nothing can be seen of it here");
            report.warn(&path.at, what);
        }
        let id = VolumeId::from(id.value);
        let of_core = VolumePolicy {
            components,
            leaks: leaks.clone(),
        };
        if policy.volumes.insert(id.clone(), of_core).is_some() {
            report.error(&at, format!("there are two volumes `{id}`"));
            continue;
        }
        volumes.push(VolumeSpec {
            id,
            path: path.value,
        });
    }
    volumes
}
