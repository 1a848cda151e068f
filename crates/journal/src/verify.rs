//! Walking a whole journal, whichever backend holds it.
//!
//! Pages come from [`crate::Journal::read`], which checks every entry against its
//! predecessor; here they are counted, held against heads noted elsewhere, and
//! the removed ranges against what the chain itself tells of them.

use crate::{
    chain::{Misfit, Seal, Verification, Why, digest_of_seals},
    entry::{Entry, Head, Revision},
    error::ReadError,
    retention::{SEALED_KIND, announced_digest},
};

pub(crate) struct Verifier {
    report: Verification,
    known: Vec<Head>,
    announced: Option<(Revision, Option<crate::Hash>)>,
}

impl Verifier {
    pub(crate) fn new(known: &[Head]) -> Verifier {
        let mut known: Vec<Head> = known
            .iter()
            .copied()
            .filter(|head| head.revision > Revision::ZERO)
            .collect();
        known.sort_by_key(|head| std::cmp::Reverse(head.revision));
        Verifier {
            report: Verification::default(),
            known,
            announced: None,
        }
    }

    /// Where to read on.
    pub(crate) fn at(&self) -> Revision {
        self.report.head.revision
    }

    /// Takes the next page. `false` when the walk is over.
    pub(crate) fn take(&mut self, page: Result<Vec<Entry>, ReadError>) -> Result<bool, ReadError> {
        let page = match page {
            Ok(page) => page,
            Err(ReadError::Misfit(misfit)) => {
                self.report.misfit = Some(misfit);
                return Ok(false);
            }
            Err(other) => return Err(other),
        };
        for entry in &page {
            self.report.entries += 1;
            self.report.sealed_entries += entry.revision.0 - self.report.head.revision.0 - 1;
            self.report.head = Head {
                revision: entry.revision,
                hash: entry.hash,
            };
            if entry.kind == SEALED_KIND {
                self.announced = Some((entry.revision, announced_digest(&entry.body)));
            }
            while let Some(known) = self.known.pop_if(|known| known.revision < entry.revision) {
                self.report.heads_unchecked.push(known);
            }
            while let Some(known) = self.known.pop_if(|known| known.revision == entry.revision) {
                if known.hash != entry.hash {
                    self.report.misfit = Some(Misfit {
                        revision: entry.revision,
                        why: Why::Head,
                    });
                    return Ok(false);
                }
            }
        }
        Ok(!page.is_empty())
    }

    /// Whether anything was found that does not fit.
    pub(crate) fn found_misfit(&self) -> bool {
        self.report.misfit.is_some()
    }

    /// The end of a walk: do the removed ranges agree with the chain?
    pub(crate) fn finish(mut self, seals: impl IntoIterator<Item = Seal>) -> Verification {
        if self.report.misfit.is_none() {
            let ranges = &mut self.report.sealed_ranges;
            let digest = digest_of_seals(seals.into_iter().inspect(|_| *ranges += 1));
            let agrees = match self.announced {
                Some((_, announced)) => announced == Some(digest),
                None => *ranges == 0,
            };
            if !agrees {
                let revision = self.announced.map_or(Revision(1), |(revision, _)| revision);
                self.report.misfit = Some(Misfit {
                    revision,
                    why: Why::SealsChanged,
                });
            } else if let Some(known) = self.known.pop() {
                self.report.misfit = Some(Misfit {
                    revision: known.revision,
                    why: Why::Short,
                });
            }
        }
        self.report
    }
}
