//! A lease that is extended while its handler runs, under a renewable budget. Time is paused.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use consumer::{
    Budget, Delivery, Failure, Handler, Incoming, MemoryQueues, MessageId, Services, Stop, Summary, Verdict,
    process_one,
};
use idempotency::{
    Answer, Attempt, Change, Claim, Completion, Condition, Existing, Fault, Key, MemoryStore, NoWrites, Record, Status,
    Store, StoreError, Timestamp, TooLarge,
};
use tokio::time::{Instant, sleep};

use crate::common::{NOW, later};

const WINDOW: Duration = Duration::from_secs(30);

/// Takes as many seconds as its message states.
#[derive(Default)]
struct Slow {
    runs: AtomicUsize,
    cleaned_up: Arc<AtomicBool>,
}

impl Handler for Slow {
    type Message = u64;
    type Write = NoWrites;
    const NAMESPACE: &str = "slow";

    async fn handle(&self, seconds: u64, _: &Delivery) -> Result<Completion, Failure> {
        struct CleanUp(Arc<AtomicBool>);
        impl Drop for CleanUp {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        self.runs.fetch_add(1, Ordering::SeqCst);
        let _clean_up = CleanUp(Arc::clone(&self.cleaned_up));
        sleep(Duration::from_secs(seconds)).await;
        Ok(Completion::new())
    }
}

/// A store whose requests take time, and that records when each began and ended, and what it was.
struct Timed {
    store: MemoryStore,
    takes: Duration,
    requests: Mutex<Vec<(&'static str, Duration, Duration)>>,
    started: Instant,
}

impl Timed {
    fn new(takes: Duration) -> Self {
        Self {
            store: MemoryStore::new(),
            takes,
            requests: Mutex::default(),
            started: Instant::now(),
        }
    }

    fn names(&self) -> Vec<&'static str> {
        self.requests.lock().unwrap().iter().map(|(name, ..)| *name).collect()
    }
}

impl Store for Timed {
    type Write = NoWrites;

    async fn change(&self, change: Change<'_, NoWrites>) -> Result<Answer, StoreError> {
        let name = match change.condition {
            Condition::Free(_) => "claim",
            Condition::HeldUntil(..) => "extend",
            Condition::Held(_) => "settle",
        };
        let began = self.started.elapsed();
        sleep(self.takes).await;
        let answer = self.store.change(change).await;
        self.requests
            .lock()
            .unwrap()
            .push((name, began, self.started.elapsed()));
        answer
    }

    fn check(&self, key: &Key, record: &Record, writes: &[NoWrites]) -> Result<(), TooLarge> {
        self.store.check(key, record, writes)
    }
}

fn key() -> Key {
    Key::new("slow", "m-1").unwrap()
}

fn budget(longest: Option<Duration>, stop: &Stop) -> Budget {
    Budget::renewable(NOW, WINDOW, longest, stop)
}

async fn process(
    handler: &Arc<Slow>,
    services: &Services<Timed, MemoryQueues>,
    seconds: u64,
    budget: &Budget,
) -> (Verdict, Summary) {
    let message = Incoming::new(MessageId::new("m-1").unwrap(), seconds.to_string());
    let (verdict, summary, _) = process_one(handler, services, message, false, budget).await;
    (verdict, summary)
}

fn services(takes: u64) -> Services<Timed, MemoryQueues> {
    Services::new(Timed::new(Duration::from_secs(takes)), MemoryQueues::new())
}

/// What another attempt finds that is made this long after the start.
async fn found(services: &Services<Timed, MemoryQueues>, after: Duration) -> Claim {
    let now = NOW.plus(after);
    let attempt = Attempt::new(key(), now, now.plus(WINDOW));
    services.ledger().claim(&attempt, later()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_handler_slower_than_its_lease_runs_once() {
    let (handler, services) = (Arc::default(), services(0));
    let budget = budget(None, &Stop::new());
    let late = async {
        for seconds in [20, 40, 60, 80] {
            let at = Duration::from_secs(seconds);
            sleep(at.saturating_sub(services.store().started.elapsed())).await;
            let claim = found(&services, at).await;
            assert!(
                matches!(claim, Claim::NotFree(Existing::InProgress { .. })),
                "promise 1: {claim:?} after {at:?}"
            );
        }
    };
    let ((verdict, summary), ()) = tokio::join!(process(&handler, &services, 89, &budget), late);
    assert_eq!((verdict, summary.done), (Verdict::Done, 1));
    assert_eq!(handler.runs.load(Ordering::SeqCst), 1);
    let extensions = services.store().names().into_iter().filter(|name| *name == "extend");
    assert_eq!(extensions.count(), 5, "at half of 30 seconds, for 89 seconds");
}

#[tokio::test(start_paused = true)]
async fn no_extension_is_in_flight_with_another_request() {
    for seconds in 1..=40 {
        let (handler, services) = (Arc::default(), services(4));
        let (verdict, _) = process(&handler, &services, seconds, &budget(None, &Stop::new())).await;
        assert_eq!(verdict, Verdict::Done);
        let requests = services.store().requests.lock().unwrap().clone();
        assert_eq!(requests.last().unwrap().0, "settle");
        for pair in requests.windows(2) {
            assert!(pair[0].2 <= pair[1].1, "{seconds} s: {pair:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_an_extension_does_not_cancel_the_handler() {
    let (handler, services) = (Arc::default(), services(0));
    let stop = Stop::new();
    let budget = budget(None, &stop);
    let fail = async {
        sleep(Duration::from_secs(1)).await;
        // Two of the three that fit the second half of the lease.
        for _ in 0..2 {
            services.store().store.inject(Fault::Hangs(Some(Status::InProgress)));
        }
        sleep(Duration::from_secs(29)).await;
        let claim = found(&services, WINDOW + consumer::CLOCK_MARGIN + Duration::from_millis(1)).await;
        assert!(matches!(claim, Claim::NotFree(_)), "the third came too late");
    };
    let ((verdict, summary), ()) = tokio::join!(process(&handler, &services, 100, &budget), fail);
    assert_eq!((verdict, summary.lost_leases), (Verdict::Done, 0));
    assert_eq!(handler.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn only_a_lost_lease_cancels_the_handler() {
    let (handler, services) = (Arc::default(), services(0));
    let budget = budget(None, &Stop::new());
    let started = Instant::now();
    let take_over = async {
        sleep(Duration::from_secs(1)).await;
        // As if it had been stopped for a minute: the claim's clock is ahead.
        let claim = found(&services, Duration::from_secs(60)).await;
        assert!(matches!(claim, Claim::Granted(_)), "{claim:?}");
        claim
    };
    let ((verdict, summary), claim) = tokio::join!(process(&handler, &services, 100, &budget), take_over);
    assert!(matches!(verdict, Verdict::Retry { .. }));
    assert_eq!((summary.lost_leases, summary.failed), (1, 1));
    assert_eq!(started.elapsed(), WINDOW / 2, "at the first extension");
    assert!(handler.cleaned_up.load(Ordering::SeqCst));
    let Claim::Granted(lease) = claim else { unreachable!() };
    let owner = services.store().store.record(&key()).unwrap().owner;
    assert_eq!(owner.as_ref(), Some(lease.attempt().owner()), "promise 2");
}

#[tokio::test(start_paused = true)]
async fn a_stop_cancels_and_cleans_up_before_the_verdict() {
    let (handler, services, stop) = (Arc::<Slow>::default(), services(0), Stop::new());
    let budget = budget(None, &stop);
    let end = async {
        sleep(Duration::from_secs(100)).await;
        stop.at(Instant::now() + Duration::from_secs(20));
    };
    let started = Instant::now();
    let ((verdict, _), ()) = tokio::join!(process(&handler, &services, 1000, &budget), end);
    assert_eq!(started.elapsed(), Duration::from_secs(120));
    assert!(handler.cleaned_up.load(Ordering::SeqCst));
    // Its effects may have happened: the lease is not released, and the message waits for its end.
    let record = services.store().store.record(&key()).unwrap();
    let Verdict::Retry { at: Some(at) } = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(record.status, Status::InProgress);
    assert!(record.lease_end.unwrap() <= at && at <= record.lease_end.unwrap().plus(Duration::from_secs(1)));
    assert!(record.lease_end.unwrap() > now_after(120), "extended until the end");
}

fn now_after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

#[tokio::test(start_paused = true)]
async fn a_handler_ends_before_its_message_is_visible_for_good() {
    let (handler, services) = (Arc::<Slow>::default(), services(0));
    let started = Instant::now();
    let longest = Some(Duration::from_secs(600));
    let (verdict, _) = process(&handler, &services, 10_000, &budget(longest, &Stop::new())).await;
    assert!(matches!(verdict, Verdict::Retry { .. }));
    assert_eq!(started.elapsed(), Duration::from_secs(600));
    assert!(handler.cleaned_up.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn no_message_is_started_after_the_stop() {
    let (handler, services, stop) = (Arc::<Slow>::default(), services(0), Stop::new());
    stop.at(Instant::now());
    let (verdict, summary) = process(&handler, &services, 1, &budget(None, &stop)).await;
    assert_eq!(verdict, Verdict::Retry { at: Some(NOW) });
    assert_eq!((summary.not_started, handler.runs.load(Ordering::SeqCst)), (1, 0));
    assert!(services.store().names().is_empty());
}
