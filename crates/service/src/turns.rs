//! Turns: so many pieces of work at a time, shared out among callers.
//!
//! A caller never has all turns, and whoever has much to do waits for itself only: between two turns of one caller comes one of every other caller
//! that waits. It does not know what is done in a turn. Start at [`Turns::take`].

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use asset::OrganizationId;
use tokio::sync::oneshot;

use crate::failure::Failure;

/// The turns that there are, who has one, and who waits for one.
pub(crate) struct Turns {
    /// At most so many of one caller at a time.
    of_caller_max: usize,
    callers: Mutex<Callers>,
}

struct Callers {
    free: usize,
    by_id: HashMap<OrganizationId, Caller>,
    /// Those that wait, each once; the next turn is for the first that may have one.
    waiting: VecDeque<OrganizationId>,
}

#[derive(Default)]
struct Caller {
    turns: usize,
    waiters: VecDeque<oneshot::Sender<Turn>>,
}

/// A turn, over when this is dropped.
pub(crate) struct Turn {
    /// Nothing if it was refused.
    turns: Option<Arc<Turns>>,
    caller: OrganizationId,
}

impl Turns {
    /// So many at a time, of which one is always left to others than the caller that has the rest.
    pub(crate) fn new(at_once: usize) -> Arc<Self> {
        let callers = Callers { free: at_once, by_id: HashMap::new(), waiting: VecDeque::new() };
        Arc::new(Self { of_caller_max: at_once.saturating_sub(1).max(1), callers: Mutex::new(callers) })
    }

    /// Waits for the caller's turn. Whoever stops waiting leaves its turn to the next.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] if nobody gives turns any more.
    pub(crate) async fn take(self: &Arc<Self>, caller: &OrganizationId) -> Result<Turn, Failure> {
        let (waiter, turn) = oneshot::channel();
        self.callers().enter(caller, waiter);
        self.give();
        turn.await.map_err(|_nobody_gives_turns| Failure::Unavailable)
    }

    /// Gives the turns that are free to those who are next.
    fn give(self: &Arc<Self>) {
        loop {
            let next = self.callers().next(self.of_caller_max);
            let Some((caller, waiter)) = next else { return };
            let turn = Turn { turns: Some(Arc::clone(self)), caller };
            if let Err(mut refused) = waiter.send(turn) {
                // It has left. The turn is given to somebody else at once, and not once more when this is dropped.
                refused.turns = None;
                self.callers().leave(&refused.caller);
            }
        }
    }

    fn callers(&self) -> MutexGuard<'_, Callers> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Callers {
    fn enter(&mut self, id: &OrganizationId, waiter: oneshot::Sender<Turn>) {
        let caller = self.by_id.entry(id.clone()).or_default();
        if caller.waiters.is_empty() {
            self.waiting.push_back(id.clone());
        }
        caller.waiters.push_back(waiter);
    }

    /// Who is next, and has a turn now; nobody if no turn is free, or nobody waits who may have one.
    fn next(&mut self, of_caller_max: usize) -> Option<(OrganizationId, oneshot::Sender<Turn>)> {
        let may = |id: &OrganizationId| self.by_id.get(id).is_some_and(|caller| caller.turns < of_caller_max);
        let place = self.waiting.iter().position(may).filter(|_| self.free > 0)?;
        let id = self.waiting.remove(place)?;
        let caller = self.by_id.get_mut(&id)?;
        let waiter = caller.waiters.pop_front()?;
        if !caller.waiters.is_empty() {
            self.waiting.push_back(id.clone());
        }
        caller.turns += 1;
        self.free -= 1;
        Some((id, waiter))
    }

    fn leave(&mut self, id: &OrganizationId) {
        self.free += 1;
        let Some(caller) = self.by_id.get_mut(id) else { return };
        caller.turns -= 1;
        if caller.turns == 0 && caller.waiters.is_empty() {
            self.by_id.remove(id);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            turns.callers().leave(&self.caller);
            turns.give();
        }
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("caller", &self.caller).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::BoxFuture;

    use super::*;

    /// Somebody who has asked for a turn of this caller.
    struct Asking(BoxFuture<'static, Turn>);

    impl Asking {
        fn new(turns: &Arc<Turns>, caller: &'static str) -> Self {
            let turns = Arc::clone(turns);
            Self(async move { turns.take(&OrganizationId::new(caller)).await.unwrap() }.boxed())
        }

        /// The turn, if there is one.
        fn turn(&mut self) -> Option<Turn> {
            (&mut self.0).now_or_never()
        }
    }

    #[test]
    fn one_turn_is_left_to_others() {
        let turns = Turns::new(3);
        let mut of_a = [(); 3].map(|()| Asking::new(&turns, "a"));
        let mut has: Vec<_> = of_a.iter_mut().map(Asking::turn).collect();
        assert_eq!(has.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
        assert!(Asking::new(&turns, "b").turn().is_some());
        has.clear();
        assert!(of_a[2].turn().is_some());
    }

    #[test]
    fn callers_take_turns_however_many_of_one_of_them_wait() {
        let turns = Turns::new(1);
        let first = Asking::new(&turns, "a").turn().unwrap();
        let mut waiting = ["a", "a", "a", "b", "c"].map(|caller| Asking::new(&turns, caller));
        assert!(waiting.iter_mut().all(|asking| asking.turn().is_none()));
        drop(first);
        let mut order = Vec::new();
        while let Some((place, turn)) = (0..5)
            .filter(|place| !order.contains(place))
            .find_map(|place| Some((place, waiting[place].turn()?)))
        {
            order.push(place);
            drop(turn);
        }
        assert_eq!(order, [0, 3, 4, 1, 2]);
    }

    #[test]
    fn whoever_leaves_takes_no_turn_along_and_nothing_is_remembered() {
        let turns = Turns::new(1);
        let first = Asking::new(&turns, "a").turn().unwrap();
        let [mut left, mut told, mut last] = ["a", "b", "c"].map(|caller| Asking::new(&turns, caller));
        assert!([&mut left, &mut told, &mut last].into_iter().all(|asking| asking.turn().is_none()));
        drop(left);
        drop(first);
        drop(told); // it was given a turn, and has not looked
        drop(last.turn().unwrap());
        let callers = turns.callers();
        assert!(callers.free == 1 && callers.by_id.is_empty() && callers.waiting.is_empty());
    }
}
