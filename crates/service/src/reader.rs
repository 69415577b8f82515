//! The readers of a channel: inquiries that wait together are answered from one snapshot.
//!
//! A reader takes what is waiting, loads the facts that all of it needs, and answers each inquiry from them; what comes meanwhile waits for the
//! next snapshot, or for another reader. So a lone inquiry does not wait, and many cost little more than one. A snapshot is younger than every
//! inquiry that it answers. Start at `Reader::run`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use asset::{ChannelName, Facts, Inquiry, Needs};
use persistence::{Error, Stages, Store};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::options::Options;
use crate::queue::{QueueEntrance, QueueExit, Weighed, queue};
use crate::waiting::{Weight, contain};

type Question = Box<dyn Asking>;

/// Snapshots of a channel that are read at the same time.
const READERS: usize = 2;

/// An inquiry that waits for its answer, as a reader sees it.
pub(crate) trait Asking: Send + Sync {
    /// Whether the caller has left.
    fn is_abandoned(&self) -> bool;

    /// Adds what has to be known to answer it.
    fn needs(&self, facts: &Facts, needs: &mut Needs);

    /// Answers it.
    fn answer(self: Box<Self>, facts: &Facts);

    /// Sends this failure instead.
    fn fail(self: Box<Self>, failure: Failure);
}

/// A waiting inquiry.
pub(crate) struct WaitingInquiry<I: Inquiry> {
    pub(crate) inquiry: I,
    pub(crate) reply: oneshot::Sender<Result<I::Answer, Failure>>,
}

impl<I: Inquiry> Asking for WaitingInquiry<I> {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn needs(&self, facts: &Facts, needs: &mut Needs) {
        // A fault here comes back when the inquiry is answered.
        let mut own = Needs::default();
        if contain(|| self.inquiry.needs(facts, &mut own)).is_ok() {
            needs.extend(own);
        }
    }

    fn answer(self: Box<Self>, facts: &Facts) {
        let answer =
            contain(|| self.inquiry.answer(facts)).and_then(|answer| answer.map_err(Failure::Refused));
        let _left = self.reply.send(answer);
    }

    fn fail(self: Box<Self>, failure: Failure) {
        let _left = self.reply.send(Err(failure));
    }
}

impl Weighed for Question {
    fn weight(&self) -> Weight {
        Weight::SMALL
    }
}

/// One of the readers of a channel.
pub(crate) struct Reader {
    channel: ChannelName,
    store: Arc<dyn Store>,
}

impl Reader {
    /// Starts the readers; they end when the queue's entrance is dropped.
    pub(crate) fn start(
        channel: &ChannelName,
        store: &Arc<dyn Store>,
        options: &Options,
    ) -> (QueueEntrance<Question>, Vec<JoinHandle<()>>) {
        let (entrance, exit) = queue(options);
        let exit = Arc::new(exit);
        let readers = (0..READERS).map(|_| {
            let reader = Self { channel: channel.clone(), store: Arc::clone(store) };
            tokio::spawn(reader.run(Arc::clone(&exit)))
        });
        (entrance, readers.collect())
    }

    async fn run(self, queue: Arc<QueueExit<Question>>) {
        while let Some(mut questions) = queue.take().await {
            questions.retain(|question| !question.is_abandoned());
            self.serve(questions).await;
        }
    }

    /// Answers questions from one snapshot.
    async fn serve(&self, questions: Vec<Question>) {
        let together = Arc::new(Together(Mutex::new(questions)));
        let facts = self.store.read(&self.channel, Arc::clone(&together) as Arc<dyn Stages>).await;
        let questions = std::mem::take(&mut *together.questions());
        match facts {
            Ok(facts) => questions.into_iter().for_each(|question| question.answer(&facts)),
            Err(Error::Corrupt(_) | Error::Failed(_)) if questions.len() > 1 => {
                // One by one, so that stored data that one of them cannot have do not stand in the way of the others.
                for question in questions {
                    Box::pin(self.serve(vec![question])).await;
                }
            }
            Err(error) => {
                let failure = Failure::of_storage(&error);
                questions.into_iter().for_each(|question| question.fail(failure.clone()));
            }
        }
    }
}

/// Questions that share a snapshot.
struct Together(Mutex<Vec<Question>>);

impl Together {
    fn questions(&self) -> MutexGuard<'_, Vec<Question>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stages for Together {
    fn missing(&self, facts: &Facts) -> Needs {
        let mut needs = Needs::default();
        self.questions().iter().for_each(|question| question.needs(facts, &mut needs));
        needs.retain_missing(facts);
        needs
    }
}
