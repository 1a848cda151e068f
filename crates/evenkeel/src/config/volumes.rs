//! `[[volume]]`: file systems that are watched.

use std::path::PathBuf;

use evenkeel_core::ids::VolumeId;
use evenkeel_core::policy::{Policy, VolumePolicy};

use super::names::identity;
use super::reader::{Report, Section};
use super::settings::Kind;

/// A file system that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub id: VolumeId,
    /// A folder on it.
    pub path: PathBuf,
}

pub(super) fn read(sections: Vec<Section<'_>>, report: &mut Report<'_>) -> Vec<Volume> {
    let mut volumes: Vec<Volume> = Vec::new();
    for mut section in sections {
        let at = section.at.clone();
        let id = identity(&mut section, report, "volume");
        section.demand(report, "path");
        let path = section.path(report, "path", Kind::Folder);
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
        if volumes.iter().any(|known| known.id == id) {
            report.error(&at, format!("there are two volumes `{id}`"));
            continue;
        }
        volumes.push(Volume {
            id,
            path: path.value,
        });
    }
    volumes
}

/// What deciding needs to know of them.
pub(super) fn of_core(volumes: &[Volume], policy: &mut Policy) {
    for volume in volumes {
        policy
            .volumes
            .insert(volume.id.clone(), VolumePolicy::default());
    }
}
