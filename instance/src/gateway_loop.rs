//! The I/O thread: drives the gateway half between the bridge and the link, over any number of
//! links.

mod hub;
mod spans;

use crate::{
    control::describe,
    log_level, profile,
    report::report,
    run::{Dialer, Registration, Unregistered},
    streams::{self, StreamError},
    task_thread::TaskEnded,
};
use egret_link::{Backoff, ControlReceiver, ControlSender, endpoint::close, quinn};
use egret_topology::plan::PlanIndex;
use egret_wire::control::{FromInstance, LossScope, Phase, ToInstance};
pub(crate) use hub::Shared;
use std::{convert::Infallible, rc::Rc, time::Duration};
use tokio::{
    sync::{Notify, oneshot},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

/// How long the end of the last link may take.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);

/// How long the stream manager may take to hear that the link is closed. A restart waits for it.
const FAREWELL: Duration = Duration::from_millis(10);

/// A link that lasted this long was a good one: the next attempt comes at once.
const STEADY: Duration = Duration::from_secs(1);

/// Drives the gateway until the task has ended; `None` if the stream manager wants it no more.
pub(crate) async fn run(
    shared: Rc<Shared>,
    dialer: Dialer,
    registration: Registration,
    task_ended: oneshot::Receiver<TaskEnded>,
) -> Option<TaskEnded> {
    let mut pump = tokio::task::spawn_local(pump(shared.clone()));
    let ended = tokio::select! {
        ended = keep_linked(shared, &dialer, registration, task_ended) => ended,
        // Without it nothing would ever move again: this process ends, its parent starts another.
        Err(died) = &mut pump => std::panic::resume_unwind(died.into_panic()),
    };
    pump.abort();
    // The stream manager hears of the end at once, not when the link falls silent.
    let _ = timeout(FAREWELL, dialer.told()).await;
    ended
}

/// Keeps a link to the stream manager until the task has ended.
async fn keep_linked(
    shared: Rc<Shared>,
    dialer: &Dialer,
    registration: Registration,
    mut task_ended: oneshot::Receiver<TaskEnded>,
) -> Option<TaskEnded> {
    let mut backoff = Backoff::new(dialer.incarnation.0);
    let mut registration = Some(registration);
    let leaves = shared.overstays();
    tokio::pin!(leaves);
    loop {
        if let Some(current) = registration.take() {
            let since = Instant::now();
            let connection = current.connection.clone();
            let serving = serve(shared.clone(), current);
            tokio::pin!(serving);
            tokio::select! {
                why = &mut serving => {
                    tracing::warn!(why, "the link to the stream manager is lost");
                    shared.link_lost(dialer, &why);
                }
                // User code that does not return is left where it is.
                () = &mut leaves => return Some(TaskEnded::Closed),
                ended = &mut task_ended => {
                    match &ended {
                        // If it was drained there is nothing to say, else nobody listens.
                        Ok(TaskEnded::Closed) if shared.again.get() => {}
                        _ => {
                            shared.say_last(&ended);
                            let _ = timeout(GOODBYE, serving).await;
                        }
                    }
                    connection.close(close::DONE, b"");
                    return ended.ok();
                }
            }
            // Each new link fails all that is pending: one that never lasts must not come often.
            if since.elapsed() >= STEADY {
                backoff.reset();
            }
        }
        let pause = backoff.delay();
        let next = async {
            sleep(pause).await;
            dialer.register().await
        };
        tokio::select! {
            registered = next => match registered {
                Ok(new) => {
                    tracing::info!("linked to the stream manager again");
                    shared.handle_plan(new.plan.clone());
                    registration = Some(new);
                }
                Err(Unregistered::Unreachable(why)) => {
                    tracing::debug!(why, "the stream manager cannot be reached");
                }
                Err(Unregistered::Refused(why)) => {
                    tracing::error!("{why}");
                    return None;
                }
                // Another process runs a newer life of this task.
                Err(Unregistered::Outdated(_)) => return None,
            },
            () = &mut leaves => return Some(TaskEnded::Closed),
            ended = &mut task_ended => return ended.ok(),
        }
    }
}

/// Serves one link until it is lost, and says why. Returns only then; the last words of a task that
/// has closed are said in `goodbye`.
async fn serve(shared: Rc<Shared>, registration: Registration) -> String {
    let Registration { connection, sender, receiver, plan, .. } = registration;
    log_level::follow(&plan, shared.task);
    shared.widen(&connection, &plan);
    shared.outgoing.borrow_mut().start_over();
    shared.gateway.borrow_mut().handle_link();
    *shared.unwritten.borrow_mut() = shared.gateway.borrow().waiting_streams();
    shared.open_writer.notify_one();
    let mut tasks: JoinSet<String> = JoinSet::new();
    tasks.spawn_local(tell(shared.clone(), sender, connection.clone()));
    tasks.spawn_local(listen(shared.clone(), receiver, connection.clone()));
    tasks.spawn_local(report(shared.clone()));
    tasks.spawn_local(accept(shared.clone(), connection.clone()));
    tasks.spawn_local(open_writers(shared.clone(), connection.clone()));
    let why = tokio::select! {
        ended = tasks.join_next() => match ended {
            Some(Ok(why)) => why,
            Some(Err(error)) => error.to_string(),
            None => String::new(),
        },
        error = connection.closed() => error.to_string(),
    };
    tasks.shutdown().await;
    shared.writers.borrow_mut().clear();
    connection.close(close::REPLACED, why.as_bytes());
    why
}

/// Moves batches to the gateway and keeps its timers.
async fn pump(shared: Rc<Shared>) -> Infallible {
    let far = || Instant::now() + Duration::from_secs(3600);
    let timer = sleep_until(far());
    tokio::pin!(timer);
    let mut armed: Option<u64> = None;
    loop {
        tokio::select! {
            () = shared.bridge.handed_over() => {}
            () = &mut timer => {
                shared.gateway.borrow_mut().handle_timeout(shared.clock.now());
                armed = None;
                timer.as_mut().reset(far());
            }
        }
        shared.take_handed_over();
        let next = shared.gateway.borrow_mut().next_timeout();
        // A timer that rings early is cheaper than one that is moved at every batch.
        if let Some(next) = next
            && armed.is_none_or(|armed| next < armed)
        {
            armed = Some(next);
            timer.as_mut().reset(shared.clock.instant(next).into());
        }
    }
}

/// Tells the stream manager what waits to be told.
async fn tell(
    shared: Rc<Shared>,
    mut sender: ControlSender<FromInstance>,
    connection: quinn::Connection,
) -> String {
    loop {
        let message = shared.outgoing.borrow_mut().next();
        let Some(message) = message else {
            shared.tell.notified().await;
            continue;
        };
        let last = match &message {
            FromInstance::Report(report) => report.phase == Phase::Closed,
            FromInstance::Broken { .. } => true,
            _ => false,
        };
        if let Err(error) = sender.send(&message).await {
            return error.to_string();
        }
        if last {
            // The stream manager closes the link when it has read to the end.
            sender.finish();
            let _ = timeout(GOODBYE, connection.closed()).await;
            return "said goodbye".to_owned();
        }
    }
}

/// Listens to the stream manager.
async fn listen(
    shared: Rc<Shared>,
    mut receiver: ControlReceiver<ToInstance>,
    connection: quinn::Connection,
) -> String {
    loop {
        let message = match receiver.recv().await {
            Ok(Some(message)) => message,
            Ok(None) => return "the stream manager closed the link".to_owned(),
            Err(error) => return error.to_string(),
        };
        let now = shared.clock.now();
        match message {
            ToInstance::Plan(plan) => match PlanIndex::new(*plan) {
                Ok(plan) => {
                    shared.widen(&connection, &plan);
                    shared.handle_plan(plan);
                }
                Err(error) => tracing::error!(%error, "a plan was ignored"),
            },
            ToInstance::Loss { scope, poisoned } => match (scope, poisoned) {
                (LossScope::Task { task }, Some(poisoned)) => {
                    shared.handle_poisoned(task, &describe(scope), &poisoned.bounded());
                }
                _ => shared.handle_loss(scope, &describe(scope)),
            },
            ToInstance::WhoHolds { root } => {
                shared.gateway.borrow_mut().handle_who_holds(now, root);
            }
            ToInstance::Profile { number, seconds } => {
                profile::record(shared.clone(), number, seconds);
            }
            ToInstance::Drain { frames } => shared.gateway.borrow_mut().handle_drain(frames),
            ToInstance::Holds(hold) => shared.gateway.borrow_mut().handle_hold(now, &hold),
            ToInstance::Refused { why, .. } => return why,
            ToInstance::Assign { .. } => return "assigned twice".to_owned(),
        }
        shared.follow_up();
    }
}

/// Accepts the streams that the stream manager opens.
async fn accept(shared: Rc<Shared>, connection: quinn::Connection) -> String {
    let mut readers: JoinSet<Result<(), StreamError>> = JoinSet::new();
    loop {
        tokio::select! {
            stream = connection.accept_uni() => match stream {
                Ok(stream) => {
                    readers.spawn_local(streams::read(shared.clone(), stream));
                }
                Err(error) => return error.to_string(),
            },
            Some(ended) = readers.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error.to_string(),
                Err(error) => return error.to_string(),
            },
        }
    }
}

/// Opens a writer for each stream that has frames and none yet.
async fn open_writers(shared: Rc<Shared>, connection: quinn::Connection) -> String {
    let mut writers: JoinSet<Result<(), StreamError>> = JoinSet::new();
    loop {
        let unwritten = std::mem::take(&mut *shared.unwritten.borrow_mut());
        for key in unwritten {
            let wake = Rc::new(Notify::new());
            if shared.writers.borrow_mut().insert(key, wake.clone()).is_none() {
                writers.spawn_local(streams::write(shared.clone(), connection.clone(), key, wake));
            }
        }
        tokio::select! {
            () = shared.open_writer.notified() => {}
            Some(ended) = writers.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error.to_string(),
                Err(error) => return error.to_string(),
            },
        }
    }
}
