// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every interleaving; `check_interleavings` in `tests/run.sh` runs these.

use loom::{sync::Arc, thread};

use super::*;

/// Jobs done. The standard lock, which is never waited for, gives loom nothing more to explore.
type Seen = std::sync::Arc<std::sync::Mutex<Vec<u32>>>;

/// Does the batch; the last of three jobs shuts the queue.
fn finish(queue: &Queue<u32, ()>, seen: &Seen, batch: &mut Vec<Taken<u32>>) {
    for taken in batch.drain(..) {
        let mut seen = seen.lock().unwrap();
        seen.push(taken.job);
        let last = seen.len() == 3;
        drop(seen);
        queue.done(taken.stream, taken.epoch);
        if last {
            queue.shut();
        }
    }
}

fn work(queue: &Queue<u32, ()>, seen: &Seen) {
    let mut batch = Vec::new();
    while queue.take((), 1, &mut batch).is_some() {
        finish(queue, seen, &mut batch);
    }
}

/// Three jobs, of which 0 and 1 are of one stream.
fn check_order(seen: &Seen) {
    let seen = seen.lock().unwrap();
    let position = |job| seen.iter().position(|seen| *seen == job).unwrap();
    assert!(seen.len() == 3 && position(0) < position(1), "{seen:?}");
}

#[test]
fn loom_every_push_is_taken_in_order() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        let stream = queue.open();
        let pusher = Arc::clone(&queue);
        let thread = thread::spawn(move || (0..2).for_each(|job| pusher.push(stream, [job])));
        let (mut jobs, mut batch) = (Vec::new(), Vec::new());
        while jobs.len() < 2 {
            assert!(queue.take((), 2, &mut batch).is_some());
            batch.iter().for_each(|taken| queue.done(taken.stream, taken.epoch));
            jobs.extend(batch.drain(..).map(|taken| taken.job));
        }
        assert_eq!(jobs, [0, 1]);
        thread.join().unwrap();
    });
}

#[test]
fn loom_two_streams_lose_nothing() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        let threads = [0, 1].map(|job| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.push(queue.open(), [job]))
        });
        let mut batch = Vec::new();
        let mut jobs = Vec::new();
        while jobs.len() < 2 {
            assert!(queue.take((), 2, &mut batch).is_some());
            jobs.extend(batch.drain(..).map(|taken| taken.job));
        }
        jobs.sort_unstable();
        assert_eq!(jobs, [0, 1]);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn loom_two_workers_share_and_keep_the_order() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        let streams = [queue.open(), queue.open()];
        let seen = Seen::default();
        let (other, reported) = (Arc::clone(&queue), Seen::clone(&seen));
        let thread = thread::spawn(move || work(&other, &reported));
        queue.push(streams[0], [0, 1]);
        queue.push(streams[1], [10]);
        work(&queue, &seen);
        thread.join().unwrap();
        check_order(&seen);
    });
}

#[test]
fn loom_a_stream_cleared_before_its_owner_ran_wakes_the_worker_again() {
    loom::model(|| {
        let queue = Arc::new(Queue::<u32, ()>::new());
        let stream = queue.open();
        let owner = Arc::clone(&queue);
        let thread = thread::spawn(move || {
            owner.push_own(stream, [0]);
            owner.clear(stream);
            owner.push(stream, [1]);
        });
        let mut batch = Vec::new();
        while batch.iter().all(|taken: &Taken<u32>| taken.job != 1) {
            batch.iter().for_each(|taken| queue.done(taken.stream, taken.epoch));
            batch.clear();
            assert!(queue.take((), 1, &mut batch).is_some());
        }
        thread.join().unwrap();
    });
}

#[test]
fn loom_a_borrowed_network_leaves_nothing_behind() {
    loom::model(|| {
        let queue = Arc::new(Queue::<u32, ()>::new());
        let streams = [queue.open(), queue.open()];
        let done = Seen::default();
        let (own, reported) = (Arc::clone(&queue), Seen::clone(&done));
        let borrowed = thread::spawn(move || {
            let mut batch = Vec::new();
            own.push_own(streams[0], [0, 1]);
            if let Some(network) = own.borrow(streams[0], 1, &mut batch) {
                finish(&own, &reported, &mut batch);
                if own.borrow_more(streams[0], 1, &mut batch) {
                    finish(&own, &reported, &mut batch);
                }
                own.rest(network);
            }
        });
        let other = Arc::clone(&queue);
        let pusher = thread::spawn(move || other.push(streams[1], [10]));
        work(&queue, &done);
        borrowed.join().unwrap();
        pusher.join().unwrap();
        check_order(&done);
    });
}

#[test]
fn loom_nothing_of_before_a_clear_is_current() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        let stream = queue.open();
        queue.push(stream, [0]);
        let worker = Arc::clone(&queue);
        let thread = thread::spawn(move || {
            let mut batch = Vec::new();
            while worker.take((), 1, &mut batch).is_some() {
                batch.drain(..).for_each(|taken| worker.done(taken.stream, taken.epoch));
            }
        });
        queue.clear(stream);
        assert_eq!(queue.pending(stream), 0);
        queue.push(stream, [1]);
        assert!(queue.pending(stream) <= 1);
        queue.shut();
        thread.join().unwrap();
    });
}

#[test]
fn loom_shutting_wakes_the_worker() {
    loom::model(|| {
        let queue = Arc::new(Queue::<u32, ()>::new());
        let worker = Arc::clone(&queue);
        let thread = thread::spawn(move || assert!(worker.take((), 1, &mut Vec::new()).is_none()));
        queue.shut();
        thread.join().unwrap();
    });
}
