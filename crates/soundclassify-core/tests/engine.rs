// SPDX-License-Identifier: MIT OR Apache-2.0
//! The engine around networks that are slow, fail, panic, hang and give NaN: batching, order, clear, drop.

use std::{
    collections::HashSet,
    sync::{
        Arc, Condvar, Mutex, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use soundclassify_core::{
    Error,
    model::{Canceller, Engine, Network, Progress, Stream},
};

const LONG: Duration = Duration::from_secs(20);

type Run = Box<dyn FnMut(&[&[f32]], &mut [f32]) -> Result<(), Error> + Send>;

/// Windows of 2 values, 2 classes; `run` is what the test wants.
struct Fake {
    run: Run,
    max_batch: usize,
    canceller: Option<Canceller>,
    is_portable: bool,
}

impl Network for Fake {
    fn window_len(&self) -> usize {
        2
    }
    fn classes(&self) -> usize {
        2
    }
    fn max_batch(&self) -> usize {
        self.max_batch
    }
    fn run(&mut self, windows: &[&[f32]], scores: &mut [f32]) -> Result<(), Error> {
        (self.run)(windows, scores)
    }
    fn canceller(&self) -> Option<Canceller> {
        self.canceller.clone()
    }
    fn is_portable(&self) -> bool {
        self.is_portable
    }
}

impl Fake {
    fn new(run: impl FnMut(&[&[f32]], &mut [f32]) -> Result<(), Error> + Send + 'static) -> Self {
        Self { run: Box::new(run), max_batch: 16, canceller: None, is_portable: false }
    }
}

fn engine(run: impl FnMut(&[&[f32]], &mut [f32]) -> Result<(), Error> + Send + 'static) -> Arc<Engine> {
    Engine::with_network(Box::new(Fake::new(run))).unwrap()
}

/// Scores are the window.
fn echo(windows: &[&[f32]], scores: &mut [f32]) -> Result<(), Error> {
    for (window, scores) in windows.iter().zip(scores.chunks_exact_mut(2)) {
        scores.copy_from_slice(window);
    }
    Ok(())
}

fn push(stream: &Stream, ticket: u64) {
    push_value(stream, ticket, ticket as f32);
}

fn push_value(stream: &Stream, ticket: u64, value: f32) {
    let mut tensor = stream.engine().tensor();
    tensor.fill(value);
    stream.push(ticket, tensor);
}

#[derive(Debug, PartialEq)]
struct Got {
    ticket: u64,
    scores: Result<f32, String>,
    batch: usize,
}

/// A stream and what comes out of it.
fn listen(engine: &Arc<Engine>) -> (Stream, Receiver<Got>) {
    let (sender, receiver) = mpsc::channel();
    let stream = engine.stream(move |reply| {
        let scores = reply.scores.map(|scores| scores[1]).map_err(ToString::to_string);
        let _ = sender.send(Got { ticket: reply.ticket, scores, batch: reply.batch });
    });
    (stream, receiver)
}

/// A door that runs wait before until it is opened.
#[derive(Clone, Default)]
struct Barrier(Arc<(Mutex<(bool, usize)>, Condvar)>);

impl Barrier {
    /// Blocks until opened.
    fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.1 += 1;
        changed.notify_all();
        drop(changed.wait_while(state, |state| !state.0).unwrap());
    }
    fn open(&self) {
        self.0.0.lock().unwrap().0 = true;
        self.0.1.notify_all();
    }
    /// Waits until somebody waits, or has passed.
    fn reached(&self) {
        let (state, changed) = &*self.0;
        drop(changed.wait_while(state.lock().unwrap(), |state| state.1 == 0).unwrap());
    }
}

/// An engine that waits in every run until the barrier is opened.
fn held_engine() -> (Arc<Engine>, Barrier) {
    let barrier = Barrier::default();
    let inner = barrier.clone();
    let engine = engine(move |windows, scores| {
        inner.pass();
        echo(windows, scores)
    });
    (engine, barrier)
}

#[track_caller]
fn expect(receiver: &Receiver<Got>, tickets: impl IntoIterator<Item = u64>) -> Vec<Got> {
    let expect = |ticket| {
        let got = receiver.recv_timeout(LONG).expect("a reply");
        assert_eq!(got.ticket, ticket);
        got
    };
    tickets.into_iter().map(expect).collect()
}

#[track_caller]
fn expect_silence(receiver: &Receiver<Got>) {
    assert_eq!(receiver.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout));
}

#[test]
fn replies_come_in_order_with_their_own_scores() {
    let (stream, replies) = listen(&engine(echo));
    (0..1000).for_each(|ticket| push(&stream, ticket));
    for got in expect(&replies, 0..1000) {
        assert_eq!(got.scores, Ok(got.ticket as f32));
    }
}

#[test]
fn what_waits_goes_in_one_run_of_at_most_16() {
    let (engine, barrier) = held_engine();
    let (stream, replies) = listen(&engine);
    push(&stream, 0);
    barrier.reached();
    (1..=20).for_each(|ticket| push(&stream, ticket));
    barrier.open();
    let batches: Vec<_> = expect(&replies, 0..=20).iter().map(|got| got.batch).collect();
    assert_eq!(batches, [vec![1], vec![16; 16], vec![4; 4]].concat());
}

#[test]
fn windows_pushed_together_run_together() {
    let (stream, replies) = listen(&engine(echo));
    for round in 0..100 {
        stream.push_all((0..4).map(|i| (4 * round + i, stream.engine().tensor())).collect::<Vec<_>>());
        assert!(expect(&replies, 4 * round..4 * round + 4).iter().all(|got| got.batch == 4));
    }
}

#[test]
fn streams_take_turns() {
    let (engine, barrier) = held_engine();
    let (busy, busy_replies) = listen(&engine);
    let (quiet, quiet_replies) = listen(&engine);
    push(&busy, 0);
    barrier.reached();
    (1..100).for_each(|ticket| push(&busy, ticket));
    push(&quiet, 7);
    barrier.open();
    assert_eq!(expect(&quiet_replies, [7])[0].batch, 16);
    expect(&busy_replies, 0..100);
}

#[test]
fn who_waits_sees_the_turns_of_others() {
    let (gate, begun) = (mpsc::channel::<()>(), mpsc::channel());
    let run: Run = Box::new(move |windows, scores| {
        begun.0.send(()).unwrap();
        gate.1.recv().unwrap();
        echo(windows, scores)
    });
    let engine = Engine::with_network(Box::new(Fake { max_batch: 1, ..Fake::new(run) })).unwrap();
    let (streams, _replies): (Vec<_>, Vec<_>) = (0..3).map(|_| listen(&engine)).unzip();
    streams.iter().for_each(|stream| push(stream, 0));
    for turn in 0..3 {
        begun.1.recv_timeout(LONG).unwrap();
        let seen: Vec<_> = streams.iter().map(Stream::progress).collect();
        let expected = (0..3).map(|stream| Progress { done: turn, waits: stream > turn });
        assert_eq!(seen, expected.collect::<Vec<_>>());
        gate.0.send(()).unwrap();
    }
}

#[test]
fn network_with_batch_1_runs_one_by_one() {
    let network = Fake { max_batch: 1, ..Fake::new(echo) };
    let (stream, replies) = listen(&Engine::with_network(Box::new(network)).unwrap());
    (0..50).for_each(|ticket| push(&stream, ticket));
    assert!(expect(&replies, 0..50).iter().all(|got| got.batch == 1));
}

#[test]
fn a_window_that_fails_fails_nobody_elses() {
    let barrier = Barrier::default();
    let inner = barrier.clone();
    let engine = engine(move |windows, scores| {
        inner.pass();
        if windows.iter().any(|window| window[0] == 3.0) {
            return Err(Error::Inference("three".into()));
        }
        echo(windows, scores)
    });
    let (good, good_replies) = listen(&engine);
    let (bad, bad_replies) = listen(&engine);
    push(&good, 0);
    barrier.reached();
    push(&good, 1);
    push(&bad, 3);
    push(&good, 2);
    barrier.open();
    assert!(expect(&good_replies, [0, 1, 2]).iter().all(|got| got.scores == Ok(got.ticket as f32)));
    assert_eq!(expect(&bad_replies, [3])[0].scores, Err("inference failed: three".into()));
}

#[test]
fn a_network_that_panics_is_an_error_and_goes_on() {
    let engine = engine(|windows, scores| {
        assert!(windows.iter().all(|window| window[0] != 1.0), "one");
        echo(windows, scores)
    });
    let (stream, replies) = listen(&engine);
    (0..3).for_each(|ticket| push(&stream, ticket));
    let got = expect(&replies, 0..3);
    assert_eq!(got[1].scores, Err("inference failed: the network panicked: one".into()));
    assert_eq!(got[2].scores, Ok(2.0));
}

#[test]
fn a_reply_that_panics_stops_neither_stream() {
    let engine = engine(echo);
    let (other, other_replies) = listen(&engine);
    let (sender, receiver) = mpsc::channel();
    let stream = engine.stream(move |reply| {
        assert_ne!(reply.ticket, 0, "zero");
        sender.send(reply.ticket).unwrap();
    });
    push(&stream, 0);
    push(&stream, 1);
    push(&other, 5);
    assert_eq!(receiver.recv_timeout(LONG), Ok(1));
    expect(&other_replies, [5]);
}

#[test]
fn scores_that_are_no_numbers_are_an_error_of_that_window() {
    let (stream, replies) = listen(&engine(echo));
    for (ticket, value) in [f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY].into_iter().enumerate() {
        push_value(&stream, ticket as u64, value);
    }
    let got = expect(&replies, 0..4);
    assert_eq!(got[0].scores, Err("the model's score of class 0 is NaN".into()));
    assert_eq!(got[1].scores, Ok(1.0));
    assert_eq!(got[2].scores, Err("the model's score of class 0 is inf".into()));
    assert!(got[3].scores.is_err());
}

#[test]
fn oldest_that_waits_can_be_taken_out() {
    let (engine, barrier) = held_engine();
    let (stream, replies) = listen(&engine);
    assert_eq!(stream.drop_oldest(), None);
    push(&stream, 0);
    barrier.reached();
    (1..4).for_each(|ticket| push(&stream, ticket));
    assert_eq!((stream.waiting(), stream.pending()), (3, 4));
    assert_eq!(stream.drop_oldest(), Some(1));
    assert_eq!((stream.waiting(), stream.pending()), (2, 3));
    barrier.open();
    expect(&replies, [0, 2, 3]);
}

#[test]
fn nothing_is_delivered_after_clear() {
    let (engine, barrier) = held_engine();
    let (stream, replies) = listen(&engine);
    push(&stream, 0);
    barrier.reached();
    push(&stream, 1);
    let begin = Instant::now();
    stream.clear();
    assert!(begin.elapsed() < LONG / 4, "waited for the run");
    assert_eq!((stream.waiting(), stream.pending()), (0, 0));
    push(&stream, 2);
    assert_eq!(stream.pending(), 1);
    barrier.open();
    expect(&replies, [2]);
    expect_silence(&replies);
    wait_until(|| stream.pending() == 0);
}

#[track_caller]
fn wait_until(condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < LONG);
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn clear_waits_for_a_reply_in_progress() {
    let engine = engine(echo);
    let barrier = Barrier::default();
    let (inner, done) = (barrier.clone(), Arc::new(AtomicBool::new(false)));
    let finished = Arc::clone(&done);
    let stream = engine.stream(move |_| {
        inner.pass();
        thread::sleep(Duration::from_millis(30));
        finished.store(true, SeqCst);
    });
    push(&stream, 0);
    barrier.reached();
    barrier.open();
    stream.clear();
    assert!(done.load(SeqCst));
}

#[test]
fn clear_does_not_wait_for_what_follows_a_reply() {
    let engine = engine(echo);
    let barrier = Barrier::default();
    let (inner, (sender, receiver)) = (barrier.clone(), mpsc::channel());
    let stream = engine.stream_with(move |reply| sender.send(reply.ticket).unwrap(), move || inner.pass());
    push(&stream, 0);
    barrier.reached();
    assert_eq!(receiver.try_recv(), Ok(0));
    stream.clear();
    drop(stream);
    barrier.open();
}

#[test]
fn clear_and_push_work_within_a_reply() {
    let engine = engine(echo);
    let (sender, receiver) = mpsc::channel();
    let handle: Arc<Mutex<Option<Stream>>> = Arc::default();
    let own: Weak<Mutex<Option<Stream>>> = Arc::downgrade(&handle);
    let stream = engine.stream(move |reply| {
        sender.send(reply.ticket).unwrap();
        if reply.ticket == 0 {
            let handle = own.upgrade().unwrap();
            let handle = handle.lock().unwrap();
            let stream = handle.as_ref().unwrap();
            stream.clear();
            assert_eq!(stream.pending(), 0);
            push(stream, 100);
        }
    });
    let mut held = handle.lock().unwrap();
    (0..10).for_each(|ticket| push(&stream, ticket));
    *held = Some(stream);
    drop(held);
    assert_eq!(receiver.recv_timeout(LONG), Ok(0));
    assert_eq!(receiver.recv_timeout(LONG), Ok(100));
    assert_eq!(receiver.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout));
}

#[test]
fn stream_and_engine_may_be_dropped_within_a_reply() {
    let engine = engine(echo);
    let token = Arc::new(());
    let gone = Arc::downgrade(&token);
    let handle: Arc<Mutex<Option<Stream>>> = Arc::default();
    let own = Arc::downgrade(&handle);
    let stream = engine.stream(move |_| {
        let _held = &token;
        drop(own.upgrade().unwrap().lock().unwrap().take());
    });
    let mut held = handle.lock().unwrap();
    push(&stream, 0);
    *held = Some(stream);
    drop(engine);
    drop(held);
    wait_until(|| gone.strong_count() == 0);
}

#[test]
fn dropping_a_stream_drops_its_callback_though_a_run_goes_on() {
    let (engine, barrier) = held_engine();
    let token = Arc::new(());
    let gone = Arc::downgrade(&token);
    let stream = engine.stream(move |_| {
        let _ = &token;
    });
    push(&stream, 0);
    barrier.reached();
    drop(stream);
    assert_eq!(gone.strong_count(), 0);
    assert_eq!(engine.streams(), 0);
    barrier.open();
}

#[test]
fn a_slot_used_again_detects_nothing_of_the_former_stream() {
    let (engine, barrier) = held_engine();
    let (old, old_replies) = listen(&engine);
    push(&old, 0);
    barrier.reached();
    drop(old);
    let (new, new_replies) = listen(&engine);
    push(&new, 1);
    assert_eq!(new.pending(), 1);
    barrier.open();
    expect(&new_replies, [1]);
    assert!(old_replies.recv().is_err());
}

#[test]
fn dropping_the_engine_cancels_a_run() {
    let ended = Arc::new(AtomicBool::new(false));
    let cancelled = Arc::new(AtomicBool::new(false));
    let (stop, finished) = (Arc::clone(&cancelled), Arc::clone(&ended));
    let barrier = Barrier::default();
    let reached = barrier.clone();
    barrier.open();
    let run: Run = Box::new(move |_, _| {
        reached.pass();
        while !stop.load(SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        finished.store(true, SeqCst);
        Err(Error::Cancelled("asked to".into()))
    });
    let canceller = Some(Canceller::new(move || cancelled.store(true, SeqCst)));
    let engine = Engine::with_network(Box::new(Fake { canceller, ..Fake::new(run) })).unwrap();
    let (stream, _replies) = listen(&engine);
    push(&stream, 0);
    push(&stream, 1);
    barrier.reached();
    drop(stream);
    drop(engine);
    assert!(ended.load(SeqCst), "drop waits for the thread");
}

#[test]
fn dropping_an_engine_that_hangs_takes_half_a_second() {
    let (engine, barrier) = held_engine();
    let (stream, replies) = listen(&engine);
    push(&stream, 0);
    barrier.reached();
    drop(engine);
    let begin = Instant::now();
    drop(stream);
    assert!((Duration::from_millis(400)..LONG / 2).contains(&begin.elapsed()));
    barrier.open();
    assert!(replies.recv().is_err());
}

#[test]
fn a_thousand_streams_from_many_threads_keep_their_order() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let engine = engine(move |windows, scores| {
        counter.fetch_add(1, SeqCst);
        echo(windows, scores)
    });
    let (streams, replies): (Vec<_>, Vec<_>) = (0..1000).map(|_| listen(&engine)).unzip();
    assert_eq!(engine.streams(), 1000);
    thread::scope(|scope| {
        for part in streams.chunks(250) {
            scope.spawn(move || (0..20).for_each(|ticket| part.iter().for_each(|stream| push(stream, ticket))));
        }
    });
    for replies in &replies {
        assert!(expect(replies, 0..20).iter().all(|got| got.scores == Ok(got.ticket as f32)));
    }
    assert!(runs.load(SeqCst) < 20_000, "nothing went together");
    drop(streams);
    assert_eq!(engine.streams(), 0);
}

#[test]
fn pushing_clearing_and_dropping_at_random_moments_loses_no_later_reply() {
    let engine = engine(echo);
    thread::scope(|scope| {
        for seed in 0..8u64 {
            let engine = &engine;
            scope.spawn(move || {
                let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
                for round in 0..200 {
                    let (stream, replies) = listen(engine);
                    for ticket in 0..random % 7 {
                        push(&stream, ticket);
                    }
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    if random >> 63 == 0 {
                        stream.clear();
                        while replies.try_recv().is_ok() {}
                        push(&stream, 1000 + round);
                        expect(&replies, [1000 + round]);
                    }
                }
            });
        }
    });
    assert_eq!(engine.streams(), 0);
}

#[test]
fn tensors_are_used_again() {
    let (stream, replies) = listen(&engine(echo));
    for ticket in 0..100 {
        push(&stream, ticket);
        expect(&replies, [ticket]);
    }
    // The reply comes before the worker gives the tensor back.
    assert!(stream.engine().pool_stats().made <= 3);
}

#[test]
fn pushing_allocates_nothing_in_steady_state() {
    let engine = engine(echo);
    let (sender, replies) = mpsc::sync_channel(64);
    let stream = engine.stream(move |reply| sender.send(reply.ticket).unwrap());
    let round = || {
        (0..20).for_each(|ticket| push(&stream, ticket));
        (0..20).for_each(|ticket| assert_eq!(replies.recv_timeout(LONG), Ok(ticket)));
        wait_until(|| stream.pending() == 0);
    };
    // Twice the tensors of a round, because the worker gives them back after its replies.
    drop((0..40).map(|_| engine.tensor()).collect::<Vec<_>>());
    (0..10).for_each(|_| round());
    let pushes = allocation_counter::measure(|| (0..20).for_each(|ticket| push(&stream, ticket)));
    assert_eq!(pushes.count_total, 0);
}

/// Networks that take a while for a run, up to 4 of them, and the threads that ran one.
fn slow_engine() -> (Arc<Engine>, Arc<Mutex<HashSet<ThreadId>>>) {
    let threads: Arc<Mutex<HashSet<ThreadId>>> = Arc::default();
    let seen = Arc::clone(&threads);
    let network = move || -> Box<dyn Network> {
        let seen = Arc::clone(&seen);
        let run: Run = Box::new(move |windows, scores| {
            seen.lock().unwrap().insert(thread::current().id());
            thread::sleep(Duration::from_millis(2));
            echo(windows, scores)
        });
        Box::new(Fake::new(run))
    };
    (Engine::with_networks(network(), 4, move || Ok(network())).unwrap(), threads)
}

#[test]
fn several_networks_keep_the_order_of_every_stream() {
    let (engine, threads) = slow_engine();
    let (streams, replies): (Vec<_>, Vec<_>) = (0..60).map(|_| listen(&engine)).unzip();
    for round in 0..10 {
        let tickets = 40 * round..40 * (round + 1);
        thread::scope(|scope| {
            for part in streams.chunks(15) {
                let tickets = tickets.clone();
                scope.spawn(move || tickets.for_each(|ticket| part.iter().for_each(|stream| push(stream, ticket))));
            }
        });
        for replies in &replies {
            assert!(expect(replies, tickets.clone()).iter().all(|got| got.scores == Ok(got.ticket as f32)));
        }
    }
    assert_eq!((engine.networks(), threads.lock().unwrap().len()), (4, 4));
    wait_until(|| streams.iter().all(|stream| stream.pending() == 0));
}

#[test]
fn one_stream_needs_no_second_network() {
    let (engine, _) = slow_engine();
    let (stream, replies) = listen(&engine);
    (0..2000).for_each(|ticket| push(&stream, ticket));
    expect(&replies, 0..2000);
    assert_eq!(engine.networks(), 1);
}

#[test]
fn a_network_that_hangs_holds_up_its_own_streams_only() {
    let barrier = Barrier::default();
    let inner = barrier.clone();
    let network = move || -> Box<dyn Network> {
        let inner = inner.clone();
        let run: Run = Box::new(move |windows, scores| {
            if windows.iter().any(|window| window[0] == 1e6) {
                inner.pass();
            }
            thread::sleep(Duration::from_millis(2));
            echo(windows, scores)
        });
        Box::new(Fake { max_batch: 1, ..Fake::new(run) })
    };
    let engine = Engine::with_networks(network(), 2, move || Ok(network())).unwrap();
    let (busy, busy_replies): (Vec<_>, Vec<_>) = (0..2).map(|_| listen(&engine)).unzip();
    (0..200).for_each(|ticket| busy.iter().for_each(|stream| push(stream, ticket)));
    busy_replies.iter().for_each(|replies| drop(expect(replies, 0..200)));
    assert_eq!(engine.networks(), 2);
    let (stuck, stuck_replies) = listen(&engine);
    push_value(&stuck, 0, 1e6);
    barrier.reached();
    push(&stuck, 1);
    busy.iter().for_each(|stream| push(stream, 200));
    busy_replies.iter().for_each(|replies| drop(expect(replies, [200])));
    expect_silence(&stuck_replies);
    // What comes after a clear waits for nobody.
    stuck.clear();
    push(&stuck, 2);
    expect(&stuck_replies, [2]);
    drop((busy, stuck));
    let begin = Instant::now();
    drop(engine);
    assert!((Duration::from_millis(400)..LONG / 2).contains(&begin.elapsed()));
    barrier.open();
}

#[test]
fn without_a_second_network_the_first_goes_on() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let run: Run = Box::new(|windows, scores| {
        thread::sleep(Duration::from_millis(2));
        echo(windows, scores)
    });
    let another = move || {
        counter.fetch_add(1, SeqCst);
        Err(Error::Inference("no".into()))
    };
    let first = Fake { max_batch: 1, ..Fake::new(run) };
    let engine = Engine::with_networks(Box::new(first), 4, another).unwrap();
    let (streams, replies): (Vec<_>, Vec<_>) = (0..2).map(|_| listen(&engine)).unzip();
    (0..200).for_each(|ticket| streams.iter().for_each(|stream| push(stream, ticket)));
    replies.iter().for_each(|replies| drop(expect(replies, 0..200)));
    assert_eq!((engine.networks(), asked.load(SeqCst)), (1, 1));
}

/// Windows of these tickets, and what a stream that waits does then.
fn run_here(stream: &Stream, tickets: impl IntoIterator<Item = u64>) {
    let window = |ticket| {
        let mut tensor = stream.engine().tensor();
        tensor.fill(ticket as f32);
        (ticket, tensor)
    };
    stream.push_own(tickets.into_iter().map(window).collect::<Vec<_>>());
    stream.run(|| true);
}

type Ran = Arc<Mutex<Vec<(ThreadId, Vec<u64>)>>>;

/// An engine whose network may run anywhere, and what ran where.
fn portable_engine(
    mut run: impl FnMut(&[&[f32]], &mut [f32]) -> Result<(), Error> + Send + 'static,
) -> (Arc<Engine>, Ran) {
    let ran = Ran::default();
    let inner = Arc::clone(&ran);
    let network = Fake {
        is_portable: true,
        ..Fake::new(move |windows, scores| {
            let tickets = windows.iter().map(|window| window[0] as u64).collect();
            inner.lock().unwrap().push((thread::current().id(), tickets));
            run(windows, scores)
        })
    };
    (Engine::with_network(Box::new(network)).unwrap(), ran)
}

#[test]
fn a_stream_that_waits_runs_a_network_at_rest_itself_once_it_was_quick() {
    let (engine, ran) = portable_engine(echo);
    let (stream, replies) = listen(&engine);
    let here = thread::current().id();
    run_here(&stream, [0]);
    expect(&replies, [0]);
    wait_until(|| {
        run_here(&stream, [1, 2]);
        let own = replies.try_recv().is_ok_and(|got| got.batch == 2);
        expect(&replies, if own { 2..3 } else { 1..3 });
        ran.lock().unwrap().last() == Some(&(here, vec![1, 2]))
    });
    assert_ne!(ran.lock().unwrap()[0].0, here);
    run_here(&stream, 0..20);
    let batches: Vec<_> = replies.try_iter().map(|got| (got.ticket, got.batch)).collect();
    assert_eq!(batches, (0..20).map(|ticket| (ticket, if ticket < 16 { 16 } else { 4 })).collect::<Vec<_>>());
}

#[test]
fn a_network_that_is_not_portable_or_slow_stays_on_its_thread() {
    let threads = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::clone(&threads);
    let fixed = engine(move |windows, scores| {
        seen.lock().unwrap().insert(thread::current().id());
        echo(windows, scores)
    });
    let (slow, ran) = portable_engine(|windows, scores| {
        thread::sleep(Duration::from_millis(30));
        echo(windows, scores)
    });
    for engine in [fixed, slow] {
        let (stream, replies) = listen(&engine);
        for ticket in 0..5 {
            run_here(&stream, [ticket]);
            expect(&replies, [ticket]);
        }
    }
    threads.lock().unwrap().extend(ran.lock().unwrap().iter().map(|(thread, _)| *thread));
    assert!(!threads.lock().unwrap().contains(&thread::current().id()));
    assert_eq!(threads.lock().unwrap().len(), 2);
}

/// Has the network run on this thread.
fn warm(stream: &Stream, replies: &Receiver<Got>, ran: &Ran) {
    let here = thread::current().id();
    wait_until(|| {
        run_here(stream, [0]);
        expect(replies, [0]);
        ran.lock().unwrap().last().is_some_and(|(thread, _)| *thread == here)
    });
    ran.lock().unwrap().clear();
}

#[test]
fn who_comes_while_a_stream_runs_the_network_is_answered_by_the_engine() {
    let barrier = Barrier::default();
    let inner = barrier.clone();
    let (engine, ran) = portable_engine(move |windows, scores| {
        if windows[0][0] == 7.0 {
            inner.pass();
        }
        echo(windows, scores)
    });
    let ((stream, replies), (other, answers)) = (listen(&engine), listen(&engine));
    warm(&stream, &replies, &ran);
    let pushed = thread::scope(|scope| {
        scope.spawn(|| {
            barrier.reached();
            push(&other, 8);
            barrier.open();
        });
        run_here(&stream, [7]);
        expect(&replies, [7]);
        expect(&answers, [8]);
        ran.lock().unwrap().clone()
    });
    assert_eq!(pushed.iter().map(|(_, tickets)| tickets[0]).collect::<Vec<_>>(), [7, 8]);
    assert!(pushed[0].0 == thread::current().id() && pushed[1].0 != thread::current().id());
}

#[test]
fn a_window_that_fails_or_panics_here_fails_no_other_one() {
    for panics in [false, true] {
        let (engine, ran) = portable_engine(move |windows, scores| {
            let fails = windows.iter().any(|window| window[0] == 7.0);
            assert!(!panics || !fails, "as wanted");
            if fails { Err(Error::Inference("no".into())) } else { echo(windows, scores) }
        });
        let (stream, replies) = listen(&engine);
        warm(&stream, &replies, &ran);
        run_here(&stream, [7, 8]);
        let got = expect(&replies, 7..9);
        assert!(got[0].scores.as_ref().is_err_and(|error| error.contains(if panics { "as wanted" } else { "no" })));
        assert_eq!(got[1].scores, Ok(8.0));
        let ran_here = ran.lock().unwrap().iter().all(|(thread, _)| *thread == thread::current().id());
        assert!(ran_here);
        // The next one is for the engine's thread, to be found quick again.
        run_here(&stream, [9]);
        expect(&replies, [9]);
        assert!(ran.lock().unwrap().last().is_some_and(|(thread, _)| *thread != thread::current().id()));
        warm(&stream, &replies, &ran);
    }
}

#[test]
fn clear_push_and_drop_work_within_a_reply_on_the_streams_own_thread() {
    let (engine, ran) = portable_engine(echo);
    let (warmed, replies) = listen(&engine);
    warm(&warmed, &replies, &ran);
    let owner: Arc<Mutex<Weak<Stream>>> = Arc::default();
    let (inner, (sender, replies)) = (Arc::clone(&owner), mpsc::channel());
    let stream = Arc::new(engine.stream(move |reply| {
        let stream = inner.lock().unwrap().upgrade().unwrap();
        if reply.ticket == 0 {
            stream.clear();
            run_here(&stream, [2]);
        }
        sender.send((reply.ticket, thread::current().id())).unwrap();
    }));
    *owner.lock().unwrap() = Arc::downgrade(&stream);
    run_here(&stream, [0, 1]);
    let here = thread::current().id();
    assert_eq!(replies.recv_timeout(LONG), Ok((0, here)));
    assert_eq!(replies.recv_timeout(LONG).map(|replies| replies.0), Ok(2));
    drop(stream);
    assert!(replies.recv_timeout(LONG).is_err());
}

#[test]
fn streams_that_wait_and_streams_that_do_not_lose_nothing_and_keep_their_order() {
    const WINDOWS: u64 = 300;
    let (engine, ran) = portable_engine(echo);
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let engine = Arc::clone(&engine);
            thread::spawn(move || {
                let (stream, replies) = listen(&engine);
                for ticket in 0..WINDOWS {
                    if number % 2 == 0 {
                        run_here(&stream, [ticket]);
                        expect(&replies, [ticket]);
                    } else {
                        push(&stream, ticket);
                    }
                }
                if number % 2 == 1 {
                    expect(&replies, 0..WINDOWS);
                }
                thread::current().id()
            })
        })
        .collect();
    let owners: HashSet<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let ran = ran.lock().unwrap();
    assert_eq!(ran.iter().map(|(_, tickets)| tickets.len() as u64).sum::<u64>(), 8 * WINDOWS);
    assert!(ran.iter().any(|(thread, _)| owners.contains(thread)));
}

#[test]
fn a_thousand_engines_come_and_go() {
    for _ in 0..1000 {
        let (stream, replies) = listen(&engine(echo));
        push(&stream, 0);
        expect(&replies, [0]);
    }
}
