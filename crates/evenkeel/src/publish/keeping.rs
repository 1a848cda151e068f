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
use evenkeel_core::observation::{CopyReport, OutsideWord, Seen};
use evenkeel_core::time;
use evenkeel_guards::outlet::Outlet;
use tokio::sync::watch;
use tokio::time::Instant;

use super::RENEWALS;
use super::edition::Edition;
use super::signing::Key;
use super::standing::Slate;
use super::statement::{SIGNATURE, STATEMENT, Statement, Voice};
use super::targets::Target;

/// The first pause after a failed try; doubled up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The longest a try may take, where editions are valid for long.
const TRY_MAX: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Keeper {
    pub(crate) id: TargetId,
    pub(crate) target: Arc<dyn Target>,
    pub(crate) standing: Slate,
    pub(crate) outlet: Outlet,
    pub(crate) valid_for: Duration,
    /// Who speaks while we are silent.
    pub(crate) witness: Option<Key>,
}

impl Keeper {
    pub(crate) async fn keep(self, mut editions: watch::Receiver<Option<Arc<Edition>>>) {
        // As if there were a copy: when nothing is delivered by its end, people are called.
        let mut valid_until = time::after(Timestamp::now(), self.valid_for);
        self.report(valid_until, None);
        let mut pause = PAUSE;
        // At the start, and after every failure: somebody may have spoken meanwhile.
        let mut listens = true;
        loop {
            let Some(edition) = editions.borrow_and_update().clone() else {
                if editions.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let heard = match listens {
                true => self.hear_witness().await,
                false => Ok(()),
            };
            let began = Instant::now();
            // What the witness told is heard before it is written over, or not at all.
            let delivered = match heard {
                Ok(()) => self.deliver(&edition).await,
                Err(why) => Err(why),
            };
            match delivered {
                Ok(written) => {
                    listens = false;
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
                    listens = true;
                    tokio::time::sleep(with_chance(pause)).await;
                    pause = (pause * 2).min(PAUSE_MAX).min(self.valid_for / RENEWALS);
                }
            }
        }
    }

    /// What the witness told at this target, where its word is what stands there.
    async fn hear_witness(&self) -> Result<(), String> {
        let Some(key) = &self.witness else {
            return Ok(());
        };
        let names = [STATEMENT, SIGNATURE].map(str::to_owned);
        let most = (self.valid_for / RENEWALS).min(TRY_MAX);
        let read = match tokio::time::timeout(most, self.target.read(&names)).await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return Err(crate::pump::store::chain(&error)),
            Err(_) => {
                let most = most.as_secs();
                return Err(format!("it did not say within {most} s what stands there"));
            }
        };
        let [Some(text), Some(signature)] = &read[..] else {
            return Ok(());
        };
        let keys = std::slice::from_ref(key);
        let Ok((statement, _)) = Statement::verified(text, signature, keys) else {
            return Ok(());
        };
        if let Voice::Witness(outside) = statement.by {
            tracing::info!(
                published_to = %self.id,
                since = %outside.gap.since,
                service = outside.gap.service.as_str(),
                "the witness spoke while this host was out of reach"
            );
            let word = OutsideWord {
                since: outside.gap.since,
                told_at: outside.gap.said_at,
                until: evenkeel_guards::outlet::to_the_millisecond(Timestamp::now()),
                components: outside.fails,
            };
            self.outlet.fact(Seen::OutsideWord(word)).await;
        }
        Ok(())
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
