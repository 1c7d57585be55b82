//! A CPU profile of this process, recorded on a thread of its own.

use egret_wire::profile::Profile;
use tokio::sync::oneshot;

/// Records for so many seconds. Whoever does not wait to the end stops nothing, and until then
/// another profile is refused. An error is words for people.
pub async fn record(seconds: u32) -> Result<Profile, String> {
    let (answer, answered) = oneshot::channel();
    // Not a thread of the runtime, whose end would wait for it.
    let thread = std::thread::Builder::new().name("profile".into()).spawn(move || {
        // Nobody may wait any more.
        let _ = answer.send(egret_profile::record(seconds));
    });
    thread.map_err(|error| format!("no thread can be started: {error}"))?;
    answered.await.unwrap_or_else(|_| Err("the profile's thread has panicked".to_owned()))
}
