//! From arguments to an exit code.

use crate::{
    accept, admin,
    boot::{self, Error},
    files, inspect, leave, limits,
    options::Options,
    plans,
};
use clap::Parser;
use egret_link::endpoint::close;
use egret_process::{Exit, Logging, logging};
use std::{ffi::OsString, io, panic, process};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::{LocalSet, spawn_local},
};

/// Runs a stream manager with these arguments, the first of which is the program's name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let options = match Options::try_parse_from(args) {
        Ok(options) => options,
        Err(error) => {
            // Nothing is left to tell if even this fails.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    play(options)
}

/// Is a stream manager, as a process of its own that has been told these options.
pub fn play(options: Options) -> Exit {
    let logging = Logging {
        format: options.log_format(),
        topology: Some(options.topology.clone()),
        pod: Some(options.pod.0),
        ..Logging::default()
    };
    if let Err(error) = logging::init(logging) {
        eprintln!("error: {error}");
        return Exit::Usage;
    }
    die_of_panics();
    match run(options) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            tracing::error!("the stream manager cannot work: {error}");
            Exit::Failed
        }
    }
}

/// A loop that panics would leave the rest of the process alive, and whatever it served at a
/// standstill. So the whole process ends: its parent starts the next life, which is made for that.
fn die_of_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        print(panic);
        process::exit(Exit::Failed.code().into());
    }));
}

/// Runs a stream manager until SIGTERM or SIGINT.
pub fn run(options: Options) -> Result<(), Error> {
    run_until(options, end)
}

/// Runs a stream manager until what `end` returns completes. It is called before anybody can see
/// this stream manager, so that who sees it may end it as planned.
pub fn run_until<E: Future>(
    options: Options,
    end: impl FnOnce() -> Result<E, Error>,
) -> Result<(), Error> {
    // The first look says when this process started.
    egret_process::usage::now();
    if let Some(parent) = options.parent_pid {
        egret_process::die_with_parent(parent)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    LocalSet::new().block_on(&runtime, async { serve(options, end()?).await })
}

async fn serve(options: Options, end: impl Future) -> Result<(), Error> {
    let manager = boot::start(options).await?;
    spawn_local(manager.clone().keep_time());
    spawn_local(files::keep_state(manager.clone()));
    spawn_local(accept::run(manager.clone()));
    spawn_local(leave::watch(manager.clone()));
    spawn_local(manager.endpoint.clone().keep_renewed(manager.options.dir.join("identity")));
    plans::dial_new_peers(&manager);
    admin::serve(&manager)?;
    spawn_local(inspect::serve(manager.clone()));
    boot::publish_address(&manager).await?;
    tracing::info!(incarnation = manager.incarnation.0, "the stream manager is up");
    end.await;
    tracing::info!("the stream manager goes down as planned");
    // The operator gives the next pod what it hears now; one that is away is not waited for.
    manager.farewell.send_replace(true);
    let mut operators = manager.operators.subscribe();
    let _ = tokio::time::timeout(limits::FAREWELL, operators.wait_for(|count| *count == 0)).await;
    manager.endpoint.close(close::SHUTDOWN, "the stream manager goes down");
    files::save(&manager).await;
    manager.exporter.finish().await;
    // A peer that does not answer finds out by itself.
    let _ = tokio::time::timeout(limits::FAREWELL, manager.endpoint.wait_idle()).await;
    Ok(())
}

/// Completes when somebody asks this process to end.
fn end() -> Result<impl Future<Output = ()>, Error> {
    let listen = |kind| signal(kind).map_err(|error: io::Error| Error::Runtime(error));
    let (mut terminate, mut interrupt) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
