//! Answers the question where this process spends its CPU time.

use crate::gateway_loop::Shared;
use egret_wire::control::FromInstance;
use std::rc::Rc;

/// Records, and says what came of it when that is done. One that is asked for meanwhile is refused.
pub(crate) fn record(shared: Rc<Shared>, number: u64, seconds: u32) {
    tracing::info!(seconds, "a profile is recorded");
    tokio::task::spawn_local(async move {
        let (profile, refused) = match egret_process::profile::record(seconds).await {
            Ok(profile) => (Some(Box::new(profile)), None),
            Err(why) => (None, Some(why)),
        };
        shared.say(FromInstance::Profile { number, profile, refused });
    });
}
