//! When an unavailable server is asked again: how often, how long, at what pace.
//!
//! It does not know what is asked. Start at [`retry`]; the event stream uses the [`Backoff`] under it directly.

use std::time::Duration;

use tonic::{Code, Status};

/// How often, how long and at what pace to try again.
///
/// The pace doubles from one failure to the next, up to a bound, and each pause is shortened by up to a half, by chance, so that clients
/// that failed together do not come back together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included: 1 means not to try again.
    pub attempts_max: u32,
    /// The pause after the first failure.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// What all attempts and pauses of a call may take together. A server that does not answer is given up then, too.
    pub deadline: Duration,
}

impl Default for RetryPolicy {
    /// Ten attempts within half a minute, at first after 50 ms, later every five seconds: enough for a server that restarts.
    fn default() -> Self {
        Self {
            attempts_max: 10,
            pause_min: Duration::from_millis(50),
            pause_max: Duration::from_secs(5),
            deadline: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// The pause after so many failures in a row; `chance` is from 0 to 1.
    fn pause(&self, failures: u32, chance: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.pause_min.saturating_mul(1 << doublings).min(self.pause_max);
        full.mul_f64(1.0 - chance / 2.0)
    }
}

/// The failures in a row, and the pause after each.
#[derive(Debug)]
pub(crate) struct Backoff {
    policy: RetryPolicy,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Self { policy, failures: 0 }
    }

    /// Counts a failure and pauses; false, and without a pause, if that was the last attempt.
    pub(crate) async fn pause(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.policy.attempts_max {
            return false;
        }
        tokio::time::sleep(self.policy.pause(self.failures, fastrand::f64())).await;
        true
    }

    /// Forgets the failures: something succeeded.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Calls until the outcome is something else than UNAVAILABLE, as often and as long as the policy allows.
pub(crate) async fn retry<T, F>(policy: &RetryPolicy, call: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    match tokio::time::timeout(policy.deadline, attempts(policy, call)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Status::deadline_exceeded(format!("no answer within {:?}", policy.deadline))),
    }
}

async fn attempts<T, F>(policy: &RetryPolicy, mut call: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    let mut backoff = Backoff::new(policy.clone());
    loop {
        match call().await {
            Err(status) if status.code() == Code::Unavailable => {
                if !backoff.pause().await {
                    return Err(status);
                }
            }
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RetryPolicy, retry};
    use std::time::Duration;
    use tokio::time::Instant;
    use tonic::{Code, Status};

    const MS: Duration = Duration::from_millis(1);

    fn policy() -> RetryPolicy {
        RetryPolicy { attempts_max: 5, pause_min: 100 * MS, pause_max: 400 * MS, deadline: 10_000 * MS }
    }

    /// The outcome of a call that answers these codes in turn and then succeeds, with the number of attempts and the time it took.
    async fn outcome(policy: &RetryPolicy, codes: &[Code]) -> (Result<(), Code>, usize, Duration) {
        let start = Instant::now();
        let mut attempts = 0;
        let outcome = retry(policy, || {
            attempts += 1;
            let outcome = codes.get(attempts - 1).map_or(Ok(()), |code| Err(Status::new(*code, "as told")));
            std::future::ready(outcome)
        });
        let outcome = outcome.await.map_err(|status| status.code());
        (outcome, attempts, start.elapsed())
    }

    #[test]
    fn pauses_double_up_to_the_bound_and_chance_shortens_them_by_up_to_a_half() {
        let pauses = |chance| {
            [1, 2, 3, 4, 5, 40, u32::MAX].map(|failures| policy().pause(failures, chance).as_millis())
        };
        assert_eq!(pauses(0.0), [100, 200, 400, 400, 400, 400, 400]);
        assert_eq!(pauses(1.0), [50, 100, 200, 200, 200, 200, 200]);
    }

    #[tokio::test(start_paused = true)]
    async fn only_unavailable_is_tried_again() {
        use Code::{AlreadyExists, Internal, Unavailable, Unknown};
        let cases: [(&[Code], Result<(), Code>, usize); 6] = [
            (&[], Ok(()), 1),
            (&[Unavailable], Ok(()), 2),
            (&[Unavailable; 4], Ok(()), 5),
            (&[Unavailable; 5], Err(Unavailable), 5),
            (&[Unavailable, AlreadyExists], Err(AlreadyExists), 2),
            (&[Internal, Unknown], Err(Internal), 1),
        ];
        for (codes, expected, attempts) in cases {
            let (outcome, made, _) = outcome(&policy(), codes).await;
            assert_eq!((outcome, made), (expected, attempts), "{codes:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_keep_the_pace() {
        let (_, _, took) = outcome(&policy(), &[Code::Unavailable; 5]).await;
        assert!((550 * MS..=1_110 * MS).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_everything() {
        let hasty = RetryPolicy { deadline: 1_000 * MS, ..policy() };
        let start = Instant::now();
        let silent = retry(&hasty, std::future::pending::<Result<(), _>>).await;
        assert_eq!(silent.unwrap_err().code(), Code::DeadlineExceeded);
        assert_eq!(start.elapsed(), hasty.deadline);

        let patient = RetryPolicy { attempts_max: u32::MAX, ..hasty };
        let (busy, attempts, took) = outcome(&patient, &[Code::Unavailable; 100]).await;
        assert_eq!(busy, Err(Code::DeadlineExceeded));
        assert_eq!(took, patient.deadline);
        assert!((4..10).contains(&attempts), "{attempts}");
    }
}
