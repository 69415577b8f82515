//! The queues of a channel: the calls that wait for its writer or its readers, in one lane for each caller.
//!
//! A batch takes one call of each lane in turn, so a caller that floods the channel waits for itself only; and each lane is bounded, so it fills
//! its own. Within a lane calls keep their order. It knows nothing of what calls do. Start at [`queue`].

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use asset::OrganizationId;
use tokio::sync::Notify;

use crate::failure::Failure;
use crate::options::Options;
use crate::waiting::Weight;

/// What can wait in a queue.
pub(crate) trait Weighed {
    /// What it adds to a batch and to the queue.
    fn weight(&self) -> Weight;
}

/// A queue: where calls are put, and where they are taken from.
pub(crate) fn queue<C: Weighed>(options: &Options) -> (QueueEntrance<C>, QueueExit<C>) {
    let queue = Arc::new(Queue {
        lanes: Mutex::default(),
        bell: Notify::new(),
        lane_max: LaneMax { calls: options.queue_length_max, bytes: options.queue_bytes_max },
        calls_max: options.batch_calls_max.max(1),
        batch_max: Weight { rows: options.batch_rows_max, bytes: options.batch_bytes_max },
    });
    (QueueEntrance(Arc::clone(&queue)), QueueExit(queue))
}

/// Where calls are put. When it is dropped, whoever takes them gets what is left, and then the end.
pub(crate) struct QueueEntrance<C: Weighed>(Arc<Queue<C>>);

/// Where calls are taken. When it is dropped, the waiting calls are given up, and no more are accepted.
pub(crate) struct QueueExit<C: Weighed>(Arc<Queue<C>>);

struct Queue<C> {
    lanes: Mutex<Lanes<C>>,
    bell: Notify,
    lane_max: LaneMax,
    calls_max: usize,
    batch_max: Weight,
}

/// What may wait in one lane: calls, and the bytes of their requests.
#[derive(Clone, Copy)]
struct LaneMax {
    calls: usize,
    bytes: usize,
}

struct Lanes<C> {
    by_caller: HashMap<OrganizationId, Lane<C>>,
    /// The callers that have calls waiting, each once; the next batch begins with the first.
    turns: VecDeque<OrganizationId>,
    is_closed: bool,
}

struct Lane<C> {
    calls: VecDeque<C>,
    bytes: usize,
}

impl<C: Weighed> QueueEntrance<C> {
    /// Puts a call at the end of its caller's lane.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] if the lane is full, or nobody takes calls any more.
    pub(crate) fn put(&self, caller: &OrganizationId, call: C) -> Result<(), Failure> {
        self.0.lanes().put(caller, call, self.0.lane_max)?;
        self.0.bell.notify_one();
        Ok(())
    }

    /// Calls that wait, of all callers.
    pub(crate) fn len(&self) -> usize {
        self.0.lanes().by_caller.values().map(|lane| lane.calls.len()).sum()
    }
}

impl<C: Weighed> QueueExit<C> {
    /// Waits for calls and takes a batch of them; none when the queue has ended.
    pub(crate) async fn take(&self) -> Option<Vec<C>> {
        loop {
            {
                let mut lanes = self.0.lanes();
                let batch = lanes.take(self.0.calls_max, self.0.batch_max);
                if !batch.is_empty() {
                    return Some(batch);
                }
                if lanes.is_closed {
                    self.0.bell.notify_one(); // for others that take from the same exit
                    return None;
                }
            }
            self.0.bell.notified().await;
        }
    }
}

impl<C> Queue<C> {
    fn lanes(&self) -> MutexGuard<'_, Lanes<C>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Default for Lanes<C> {
    fn default() -> Self {
        Self { by_caller: HashMap::new(), turns: VecDeque::new(), is_closed: false }
    }
}

impl<C> Default for Lane<C> {
    fn default() -> Self {
        Self { calls: VecDeque::new(), bytes: 0 }
    }
}

impl<C: Weighed> Lanes<C> {
    fn put(&mut self, caller: &OrganizationId, call: C, max: LaneMax) -> Result<(), Failure> {
        let bytes = call.weight().bytes;
        let lane = self.by_caller.entry(caller.clone()).or_default();
        // However large, a call finds room in an empty lane.
        let is_full = lane.calls.len() >= max.calls || lane.bytes.saturating_add(bytes) > max.bytes;
        if self.is_closed || is_full && !lane.calls.is_empty() {
            return Err(Failure::Unavailable);
        }
        if lane.calls.is_empty() {
            self.turns.push_back(caller.clone());
        }
        lane.calls.push_back(call);
        lane.bytes += bytes;
        Ok(())
    }

    /// A batch: one call of each lane in turn, until the next would be too much; the first fits always.
    fn take(&mut self, calls_max: usize, max: Weight) -> Vec<C> {
        let mut batch = Vec::new();
        let mut room = max;
        while batch.len() < calls_max {
            let Some(call) = self.next_that_fits(batch.is_empty(), room) else { break };
            room = room.without(call.weight());
            batch.push(call);
        }
        batch
    }

    fn next_that_fits(&mut self, whatever_its_weight: bool, room: Weight) -> Option<C> {
        let caller = self.turns.front()?.clone();
        let lane = self.by_caller.get_mut(&caller)?;
        let weight = lane.calls.front()?.weight();
        if !(whatever_its_weight || weight.fits(room)) {
            return None;
        }
        let call = lane.calls.pop_front()?;
        lane.bytes -= weight.bytes;
        self.turns.pop_front();
        if lane.calls.is_empty() {
            self.by_caller.remove(&caller);
        } else {
            self.turns.push_back(caller);
        }
        Some(call)
    }
}

impl<C: Weighed> Drop for QueueEntrance<C> {
    fn drop(&mut self) {
        self.0.lanes().is_closed = true;
        self.0.bell.notify_one();
    }
}

impl<C: Weighed> Drop for QueueExit<C> {
    fn drop(&mut self) {
        let given_up = std::mem::replace(&mut *self.0.lanes(), Lanes { is_closed: true, ..Lanes::default() });
        drop(given_up);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call; tests tell it from others by its rows.
    struct Numbered(Weight);

    impl Weighed for Numbered {
        fn weight(&self) -> Weight {
            self.0
        }
    }

    fn put(
        entrance: &QueueEntrance<Numbered>,
        caller: &str,
        number: usize,
        bytes: usize,
    ) -> Result<(), Failure> {
        entrance.put(&OrganizationId::new(caller), Numbered(Weight { rows: number, bytes }))
    }

    fn options() -> Options {
        let mut options = Options::new(Arc::new(|_| Default::default()));
        options.batch_rows_max = 1_000_000;
        options
    }

    async fn taken(exit: &QueueExit<Numbered>) -> Vec<usize> {
        exit.take().await.unwrap_or_default().iter().map(|call| call.weight().rows).collect()
    }

    #[tokio::test]
    async fn callers_take_turns_however_many_calls_one_of_them_has() {
        let (entrance, exit) = queue(&options());
        (1..=4).for_each(|number| put(&entrance, "a", number, 1).unwrap());
        put(&entrance, "b", 10, 1).unwrap();
        put(&entrance, "c", 20, 1).unwrap();
        put(&entrance, "b", 11, 1).unwrap();
        assert_eq!(taken(&exit).await, [1, 10, 20, 2, 11, 3, 4]);
    }

    #[tokio::test]
    async fn whose_turn_it_is_lasts_from_batch_to_batch() {
        let (entrance, exit) = queue(&Options { batch_calls_max: 2, ..options() });
        (1..=3).for_each(|number| put(&entrance, "a", number, 1).unwrap());
        put(&entrance, "b", 10, 1).unwrap();
        put(&entrance, "c", 20, 1).unwrap();
        assert_eq!(taken(&exit).await, [1, 10]);
        assert_eq!(taken(&exit).await, [20, 2]);
        assert_eq!(taken(&exit).await, [3]);
    }

    #[tokio::test]
    async fn a_full_lane_refuses_its_caller_and_nobody_else() {
        let (entrance, exit) = queue(&Options { queue_length_max: 2, queue_bytes_max: 100, ..options() });
        put(&entrance, "a", 1, 1).unwrap();
        put(&entrance, "a", 2, 1).unwrap();
        assert_eq!(put(&entrance, "a", 3, 1), Err(Failure::Unavailable), "calls");
        put(&entrance, "b", 10, 70).unwrap();
        assert_eq!(put(&entrance, "b", 11, 31), Err(Failure::Unavailable), "bytes");
        put(&entrance, "c", 20, 1000).expect("alone in its lane, a call may be larger");
        assert_eq!(taken(&exit).await, [1, 10, 20, 2]);
        put(&entrance, "a", 3, 1).expect("there is room again");
        put(&entrance, "b", 11, 31).expect("there is room again");
    }

    #[tokio::test]
    async fn a_batch_is_bounded_by_calls_rows_and_bytes() {
        let large = |change: fn(&mut Options)| {
            let mut options = options();
            change(&mut options);
            options
        };
        let cases = [
            (large(|options| options.batch_calls_max = 2), [2, 1]),
            (large(|options| options.batch_rows_max = 10), [1, 1]),
            (large(|options| options.batch_bytes_max = 20), [2, 1]),
            (large(|options| options.batch_bytes_max = 5), [1, 1]),
        ];
        for (options, sizes) in cases {
            let (entrance, exit) = queue(&options);
            (7..10).for_each(|number| put(&entrance, "a", number, 10).unwrap());
            for size in sizes {
                assert_eq!(
                    taken(&exit).await.len(),
                    size,
                    "{} {}",
                    options.batch_calls_max,
                    options.batch_bytes_max
                );
            }
        }
    }

    #[tokio::test]
    async fn what_waits_is_taken_before_the_end() {
        let (entrance, exit) = queue(&options());
        put(&entrance, "a", 1, 1).unwrap();
        drop(entrance);
        assert_eq!(taken(&exit).await, [1]);
        assert!(exit.take().await.is_none());
    }

    #[tokio::test]
    async fn without_a_writer_nothing_waits() {
        let (entrance, exit) = queue(&options());
        drop(exit);
        assert_eq!(put(&entrance, "a", 1, 1), Err(Failure::Unavailable));
    }
}
