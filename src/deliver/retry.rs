//! Trying again, for receivers that are not AWS: the SDK has its own way.
//!
//! In: something to try, which says whether trying again may help. Out: its last answer, after a bounded number of tries
//! with growing pauses. Chance and waiting are injected, so that tests need neither.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;

/// Waiting, and the chance that spreads it.
#[async_trait]
pub trait Pace: Send + Sync {
    /// From 0 to 1, different each time.
    fn chance(&self) -> f64;
    /// Waits.
    async fn pause(&self, length: Duration);
}

/// How often and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all, at least one.
    pub tries: u32,
    /// The first pause, at most; each further one may be twice as long.
    pub first_pause: Duration,
    /// No pause is longer, not even one that the receiver asks for.
    pub longest_pause: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { tries: 5, first_pause: Duration::from_millis(500), longest_pause: Duration::from_secs(30) }
    }
}

/// A try that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed<E> {
    /// Trying again would fail again.
    ForGood(E),
    /// It may pass; the receiver may have said when.
    ForNow(E, Option<Duration>),
}

impl Retry {
    /// Tries until it works, fails for good, or the tries are used up.
    ///
    /// # Errors
    /// The last try's.
    pub async fn run<T, E, F>(&self, pace: &dyn Pace, mut attempt: impl FnMut() -> F + Send) -> Result<T, E>
    where
        F: Future<Output = Result<T, Failed<E>>> + Send,
        E: Send,
        T: Send,
    {
        let mut tries = 1;
        loop {
            let (error, asked) = match attempt().await {
                Ok(answer) => return Ok(answer),
                Err(Failed::ForGood(error)) => return Err(error),
                Err(Failed::ForNow(error, asked)) => (error, asked),
            };
            if tries >= self.tries {
                return Err(error);
            }
            pace.pause(self.pause_after(tries, asked, pace.chance())).await;
            tries += 1;
        }
    }

    /// Full jitter: anything up to the doubled pause, but never less than the receiver asked for.
    fn pause_after(&self, tries: u32, asked: Option<Duration>, chance: f64) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(self.longest_pause);
        let spread = doubled.mul_f64(chance.clamp(0.0, 1.0));
        asked.map_or(spread, |asked| asked.saturating_add(spread)).min(self.longest_pause)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Waits for nothing, and writes down how long it would have.
    #[derive(Default)]
    struct Noted(Mutex<Vec<Duration>>);

    #[async_trait]
    impl Pace for Noted {
        fn chance(&self) -> f64 {
            1.0
        }
        async fn pause(&self, length: Duration) {
            self.0.lock().unwrap().push(length);
        }
    }

    fn tried(answers: Vec<Result<u8, Failed<&'static str>>>) -> (Result<u8, &'static str>, Vec<Duration>, usize) {
        let pace = Noted::default();
        let mut left = answers.into_iter();
        let mut tries = 0;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(Retry::default().run(&pace, || {
            tries += 1;
            std::future::ready(left.next().unwrap())
        }));
        let pauses = pace.0.lock().unwrap().clone();
        (answer, pauses, tries)
    }

    #[test]
    fn what_may_pass_is_tried_again_with_growing_pauses() {
        let now = || Err(Failed::ForNow("busy", None));
        let (answer, pauses, _) = tried(vec![now(), now(), Ok(1)]);
        assert_eq!(answer, Ok(1));
        assert_eq!(pauses, [Duration::from_millis(500), Duration::from_secs(1)]);
        let (answer, pauses, tries) = tried((0..9).map(|_| now()).collect());
        assert_eq!((answer, tries, pauses.len()), (Err("busy"), 5, 4));
    }

    #[test]
    fn what_fails_for_good_is_not_tried_again() {
        assert_eq!(tried(vec![Err(Failed::ForGood("no")), Ok(1)]), (Err("no"), Vec::new(), 1));
    }

    #[test]
    fn the_receiver_may_ask_for_patience_but_not_for_ever() {
        let ask = |seconds| Err(Failed::ForNow("busy", Some(Duration::from_secs(seconds))));
        let (_, pauses, _) = tried(vec![ask(3), ask(3600), Ok(1)]);
        assert_eq!(pauses, [Duration::from_millis(3500), Duration::from_secs(30)]);
    }
}
