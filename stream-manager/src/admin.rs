//! Metrics and probes, asked for on another thread.
//!
//! The loops own all state, so that thread asks them for a page; if they do not answer soon it says
//! so, and if they do not answer for long the process counts as dead.

use crate::{
    boot::{self, Error},
    limits,
    manager::Manager,
    scrape::Scrape,
};
use egret_process::Admin;
use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc as thread,
    },
    time::Instant,
};
use tokio::sync::mpsc;

/// Questions that wait for the loops: each scraper waits for its answer.
const QUESTIONS: usize = 8;

enum Question {
    Page(thread::SyncSender<Scrape>),
    Ready(thread::SyncSender<Result<(), String>>),
}

/// What is said of loops that do nothing.
const SILENT: &str = "the loops do not answer";

struct Window {
    loops: mpsc::Sender<Question>,
    beat: Arc<AtomicU64>,
    start: Instant,
}

impl Admin for Window {
    fn metrics(&self) -> Result<String, String> {
        let scrape = self.ask(Question::Page);
        scrape.map(|scrape| scrape.encode()).ok_or_else(|| SILENT.to_owned())
    }

    fn live(&self) -> bool {
        let beat = self.beat.load(Ordering::Relaxed);
        (self.start.elapsed().as_nanos() as u64).saturating_sub(beat)
            < limits::STUCK.as_nanos() as u64
    }

    fn ready(&self) -> Result<(), String> {
        self.ask(Question::Ready).unwrap_or_else(|| Err(SILENT.to_owned()))
    }
}

impl Window {
    fn ask<T>(&self, question: impl FnOnce(thread::SyncSender<T>) -> Question) -> Option<T> {
        let (answer, answered) = thread::sync_channel(1);
        self.loops.try_send(question(answer)).ok()?;
        answered.recv_timeout(limits::SCRAPE).ok()
    }
}

/// Serves metrics and probes, and says where.
pub(crate) fn serve(manager: &Rc<Manager>) -> Result<(), Error> {
    let (loops, mut questions) = mpsc::channel(QUESTIONS);
    let window = Window { loops, beat: manager.beat.clone(), start: manager.start };
    let address = manager.options.admin;
    let bound = egret_process::admin::serve(address, Arc::new(window))
        .map_err(|source| Error::Admin { address, source })?;
    let manager_too = manager.clone();
    tokio::task::spawn_local(async move {
        while let Some(question) = questions.recv().await {
            // Whoever asked may have given up.
            let _ = match question {
                Question::Page(answer) => answer.try_send(manager_too.scrape()).is_ok(),
                Question::Ready(answer) => answer.try_send(manager_too.ready()).is_ok(),
            };
        }
    });
    boot::publish(manager, boot::ADMIN_ADDRESS, bound)
}
