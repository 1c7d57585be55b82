//! Counters, told now and then.

use crate::{gateway_loop::Shared, usage};
use std::{rc::Rc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};

/// How often counters are told.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// Of these, each so many look at what the process uses. It always has changed, so a task that does
/// nothing tells that only.
const USAGE_EVERY: u32 = 4;

/// Tells counters now and then, if they changed.
pub(crate) async fn report(shared: Rc<Shared>) -> String {
    let mut ticks = interval(REPORT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    let mut tick = 0u32;
    loop {
        ticks.tick().await;
        if tick.is_multiple_of(USAGE_EVERY) {
            shared.usage.set(Some(usage::now()));
        }
        tick = tick.wrapping_add(1);
        let report = shared.report();
        if last.as_ref() != Some(&report) {
            shared.outgoing.borrow_mut().report(report.clone());
            shared.tell.notify_one();
            last = Some(report);
        }
    }
}
