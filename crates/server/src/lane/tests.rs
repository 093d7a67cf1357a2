use super::*;

#[tokio::test]
async fn work_beyond_the_places_is_turned_away_at_once() {
    let lane = Lane::new(1, 1).unwrap();
    let (open, gate) = channel::<()>();
    let (started, mut running) = tokio::sync::mpsc::unbounded_channel();
    let first = tokio::spawn({
        let lane = lane.clone();
        async move {
            let work = move || {
                started.send(()).unwrap();
                gate.recv().unwrap();
                1
            };
            lane.run(CancelFlag::default(), work).await
        }
    });
    running.recv().await.unwrap();
    let mut second = Box::pin(lane.run(CancelFlag::default(), || 2));
    assert!(poll_once(&mut second).await.is_none(), "the second waits in the queue");
    let third = lane.run(CancelFlag::default(), || 3).await;
    assert_eq!(third, Err(LaneError::Overloaded { places: 2 }));

    open.send(()).unwrap();
    assert_eq!(first.await.unwrap(), Ok(1));
    assert_eq!(second.await, Ok(2));
    assert_eq!(lane.run(CancelFlag::default(), || 4).await, Ok(4));
}

#[tokio::test]
async fn a_dropped_future_cancels_its_work_and_never_begins_what_still_waits() {
    let lane = Lane::new(1, 1).unwrap();
    let running = CancelFlag::default();
    let (started, mut began) = tokio::sync::mpsc::unbounded_channel();
    let mut first = Box::pin(lane.run(running.clone(), {
        let running = running.clone();
        move || {
            started.send("first").unwrap();
            while !running.is_cancelled() {
                thread::yield_now();
            }
        }
    }));
    assert!(poll_once(&mut first).await.is_none());
    assert_eq!(began.recv().await, Some("first"));
    let begun = Arc::new(Mutex::new(false));
    let mut second = Box::pin(lane.run(CancelFlag::default(), {
        let begun = Arc::clone(&begun);
        move || *begun.lock().unwrap() = true
    }));
    assert!(poll_once(&mut second).await.is_none());

    drop(second);
    drop(first);
    lane.idle().await;
    assert!(running.is_cancelled());
    assert!(!*begun.lock().unwrap());
    assert_eq!(lane.in_hand(), 0);
}

#[tokio::test]
async fn a_panic_ends_the_request_but_not_the_worker() {
    let lane = Lane::new(1, 0).unwrap();
    let panicked = lane.run(CancelFlag::default(), || panic!("of the test")).await;
    assert_eq!(panicked, Err::<(), _>(LaneError::Panicked));
    assert_eq!(lane.run(CancelFlag::default(), || 1).await, Ok(1));
}

#[tokio::test]
async fn a_stopped_lane_lets_go_of_those_who_wait() {
    let lane = Lane::new(1, 0).unwrap();
    let cancel = CancelFlag::default();
    let work = {
        let cancel = cancel.clone();
        move || {
            while !cancel.is_cancelled() {
                thread::yield_now();
            }
        }
    };
    let (waiting, ()) = tokio::join!(lane.run(cancel, work), async { lane.stop() });
    assert_eq!(waiting, Err(LaneError::Stopped));
    lane.idle().await;
    assert_eq!(lane.run(CancelFlag::default(), || ()).await, Err(LaneError::Stopped));
    assert_eq!(lane.run_in_turn(CancelFlag::default(), || ()).await, Err(LaneError::Stopped));
}

/// Polls once; `None` while it is pending.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}
