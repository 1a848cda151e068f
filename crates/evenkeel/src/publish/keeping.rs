//! Keeps one target at the newest edition.
//!
//! One task for each target: what hangs here hangs here only. A try has a bound; a failed
//! one is followed by a pause that doubles, with a part left to chance so that targets at
//! one provider do not come back together. Each try takes the newest edition there is then:
//! an older one never replaces a newer.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::TargetId;
use evenkeel_core::observation::{CopyReport, Seen};
use evenkeel_core::time;
use evenkeel_guards::outlet::Outlet;
use tokio::sync::watch;
use tokio::time::Instant;

use super::RENEWALS;
use super::edition::Edition;
use super::standing::Slate;
use super::targets::Target;

/// The first pause after a failed try; doubled up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The longest a try may take, where editions are valid for long.
const TRY_MAX: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct Keeper {
    pub(super) id: TargetId,
    pub(super) target: Arc<dyn Target>,
    pub(super) standing: Slate,
    pub(super) outlet: Outlet,
    pub(super) valid_for: Duration,
}

impl Keeper {
    pub(super) async fn keep(self, mut editions: watch::Receiver<Option<Arc<Edition>>>) {
        // As if there were a copy: when nothing is delivered by its end, people are called.
        let mut valid_until = time::after(Timestamp::now(), self.valid_for);
        self.report(valid_until, None);
        let mut pause = PAUSE;
        loop {
            let Some(edition) = editions.borrow_and_update().clone() else {
                if editions.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let began = Instant::now();
            match self.deliver(&edition).await {
                Ok(written) => {
                    pause = PAUSE;
                    let stamp = &edition.stamp;
                    valid_until = stamp.valid_until;
                    let took = began.elapsed();
                    self.standing
                        .delivered(stamp.made_at, valid_until, written, took);
                    tracing::debug!(published_to = %self.id, written, ?took, "the public page was published");
                    self.report(valid_until, None);
                    if editions.changed().await.is_err() {
                        return;
                    }
                }
                Err(why) => {
                    tracing::warn!(published_to = %self.id, "the public page was not published: {why}");
                    self.standing.failed(Timestamp::now(), &why);
                    self.report(valid_until, Some(why));
                    tokio::time::sleep(with_chance(pause)).await;
                    pause = (pause * 2).min(PAUSE_MAX).min(self.valid_for / RENEWALS);
                }
            }
        }
    }

    async fn deliver(&self, edition: &Edition) -> Result<usize, String> {
        let most = (self.valid_for / RENEWALS).min(TRY_MAX);
        match tokio::time::timeout(most, self.target.publish(edition)).await {
            Ok(Ok(written)) => Ok(written),
            Ok(Err(error)) => Err(crate::pump::store::chain(&error)),
            Err(_) => Err(format!(
                "it did not take the page within {} s; look whether it answers at all",
                most.as_secs()
            )),
        }
    }

    fn report(&self, valid_until: Timestamp, trouble: Option<String>) {
        self.outlet.picture(Seen::CopyReport(CopyReport {
            target: self.id.clone(),
            valid_until: evenkeel_guards::outlet::to_the_millisecond(valid_until),
            trouble,
        }));
    }
}

/// Between half and all of a pause.
fn with_chance(pause: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    // Without randomness all come back together: slower, not wrong.
    let chance = match getrandom::fill(&mut byte) {
        Ok(()) => u32::from(byte[0]),
        Err(_) => 255,
    };
    pause / 2 + pause / 2 * chance / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_between_half_and_all_of_itself() {
        for _ in 0..100 {
            let pause = with_chance(PAUSE_MAX);
            assert!((PAUSE_MAX / 2..=PAUSE_MAX).contains(&pause), "{pause:?}");
        }
    }
}
