//! One process of a function: started, given one invocation at a time, and ended.

mod life;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use axum::body::Bytes;
use rustix::process::Pid;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};

use self::life::Phase;
pub use self::life::Signal;
pub(super) use self::life::Site;
use super::{
    function::Function,
    invocation::Failure,
    lock::lock,
    logs::Logs,
    observer::{Event, Observer},
};

/// One process of a function.
pub(super) struct Process {
    pub(super) id: String,
    pub(super) function: Arc<Function>,
    group: Pid,
    /// Whether an invocation owns this process; the one that started it does from the beginning.
    claimed: AtomicBool,
    /// Whether it gets no more invocations, and ends after the one that it has.
    retired: AtomicBool,
    phase: watch::Sender<Phase>,
    current: Mutex<Option<Current>>,
    init_error: Mutex<Option<Bytes>>,
    outbox: mpsc::UnboundedSender<Work>,
    inbox: tokio::sync::Mutex<mpsc::UnboundedReceiver<Work>>,
    logs: Arc<Logs>,
    observer: Observer,
}

/// What a process gets to do.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    /// When its process will be killed.
    pub(super) deadline: SystemTime,
}

/// The invocation that waits for this process to answer.
struct Current {
    request_id: String,
    reply: oneshot::Sender<Reply>,
}

/// What comes of the work.
#[derive(Debug)]
pub(super) enum Reply {
    Answer(Bytes),
    /// An error that the function itself reported, as it worded it.
    Error(Bytes),
    Failure(Failure),
}

/// Why the Runtime API refuses an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Refusal {
    /// The process has no invocation now.
    NotWorking,
    /// It has another one.
    OtherInvocation,
}

impl Process {
    /// Makes an idle process the caller's, for one invocation.
    pub(super) fn claim(&self) -> bool {
        // Claimed first, looked at then: a process that ends in between is returned by `release`.
        let mine = !self.claimed.swap(true, Ordering::AcqRel);
        if mine && *self.phase.borrow() != Phase::Polling {
            self.release();
            return false;
        }
        mine
    }

    pub(super) fn release(&self) {
        self.claimed.store(false, Ordering::Release);
    }

    /// Kills the process if no invocation owns it; otherwise its owner does that, who finds it [retired](Self::is_retired).
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        if self.claim() {
            self.kill_group();
        }
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Waits until a new process requests its first invocation; one that takes longer than `limit` is killed.
    ///
    /// # Errors
    ///
    /// Why it does not ask.
    pub(super) async fn initialized(&self, limit: Duration) -> Result<(), Reply> {
        match timeout(limit, self.polls()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(ending)) => Err(Failure::Exit(ending)),
            Err(_) => {
                self.kill_group();
                self.ended().await;
                Err(Failure::InitTimeout(limit))
            }
        }
        .map_err(|failure| match lock(&self.init_error).take() {
            Some(reported) => Reply::Error(reported),
            None => Reply::Failure(failure),
        })
    }

    /// Sends an invocation and waits for its result. When this returns, the process requests the next one, or it is gone.
    pub(super) async fn work(&self, request_id: &str, payload: Bytes, kill_delay: Duration) -> Reply {
        let limit = self.function.timeout;
        let (ends, deadline) = (Instant::now() + limit + kill_delay, SystemTime::now() + limit);
        let (reply, mut answered) = oneshot::channel();
        *lock(&self.current) = Some(Current {
            request_id: request_id.to_owned(),
            reply,
        });
        self.logs.begin();
        self.step(Phase::Working);
        let (function, process) = self.names();
        self.report(Event::InvocationStarted {
            function,
            process,
            request_id: request_id.to_owned(),
        });
        // It can't fail: this process holds the receiver too.
        let _ = self.outbox.send(Work {
            request_id: request_id.to_owned(),
            payload,
            deadline,
        });

        let reply = tokio::select! {
            biased;
            Ok(reply) = &mut answered => reply,
            ending = self.ended() => Reply::Failure(Failure::Exit(ending)),
            () = sleep_until(ends) => self.time_out(request_id, answered).await,
        };
        lock(&self.current).take();
        self.settle(ends).await;
        reply
    }

    /// The deadline has passed: whichever takes the current invocation first, this or a response, decides.
    async fn time_out(&self, request_id: &str, answered: oneshot::Receiver<Reply>) -> Reply {
        if lock(&self.current).take().is_none()
            && let Ok(reply) = answered.await
        {
            return reply;
        }
        self.tell_killed(
            request_id,
            format!("timed out after {:.2} seconds", self.function.timeout.as_secs_f64()),
        );
        self.kill_group();
        Reply::Failure(Failure::Timeout(self.function.timeout))
    }

    /// Waits until the process requests the next invocation. An invocation ends with that, not with its answer: a runtime that does
    /// not come back by the deadline is killed, and the answer stands.
    async fn settle(&self, ends: Instant) {
        tokio::select! {
            _ = self.polls() => {}
            () = sleep_until(ends) => {
                self.kill_group();
                self.ended().await;
            }
        }
    }

    /// Waits for work as the runtime's `next` does.
    ///
    /// # Errors
    ///
    /// The process already has an invocation.
    pub(super) async fn next(&self) -> Result<Work, Refusal> {
        if lock(&self.current).is_some() {
            return Err(Refusal::OtherInvocation);
        }
        let mut inbox = self.inbox.lock().await;
        self.step(Phase::Polling);
        inbox.recv().await.ok_or(Refusal::NotWorking)
    }

    /// Takes the runtime's answer to the invocation.
    ///
    /// # Errors
    ///
    /// It isn't this process's invocation now, because it never was, was answered, or ran out of time.
    pub(super) fn answer(&self, request_id: &str, reply: Reply) -> Result<(), Refusal> {
        let mut current = lock(&self.current);
        match current.take() {
            Some(mine) if mine.request_id == request_id => {
                // No receiver: the invocation has just ended otherwise.
                let _ = mine.reply.send(reply);
                Ok(())
            }
            Some(other) => {
                *current = Some(other);
                Err(Refusal::OtherInvocation)
            }
            None => Err(Refusal::NotWorking),
        }
    }

    /// Takes the runtime's report that it can't start.
    ///
    /// # Errors
    ///
    /// It has started already.
    pub(super) fn report_init_error(&self, error: Bytes) -> Result<(), Refusal> {
        if *self.phase.borrow() != Phase::Starting {
            return Err(Refusal::NotWorking);
        }
        *lock(&self.init_error) = Some(error);
        Ok(())
    }

    /// Kills the process if it has an unanswered invocation, and returns whether it had.
    pub(super) fn kill_working(&self) -> bool {
        let request_id = lock(&self.current).as_ref().map(|current| current.request_id.clone());
        if let Some(request_id) = &request_id {
            self.tell_killed(request_id, "killed on request".to_owned());
            self.kill_group();
        }
        request_id.is_some()
    }

    pub(super) fn is_working(&self) -> bool {
        lock(&self.current).is_some()
    }

    pub(super) fn take_log_tail(&self) -> Vec<u8> {
        self.logs.take_tail()
    }

    fn names(&self) -> (String, String) {
        (self.function.name.clone(), self.id.clone())
    }

    fn tell_killed(&self, request_id: &str, reason: String) {
        let (function, process) = self.names();
        self.report(Event::InvocationKilled {
            function,
            process,
            request_id: request_id.to_owned(),
            reason,
        });
    }

    fn report(&self, event: Event) {
        let _ = self.observer.send(event);
    }
}
