//! A CPU profile of this process, recorded by the process itself: no rights, no tools, no ptrace,
//! no `perf_event_open` are needed, so that it works in any pod.
//!
//! ```text
//! SIGPROF ──► sampler ──registers, stack──► program ──functions──► stacks ──► Profile
//!             (the handler: copies)         (framehop, symbols)    (counts)
//! ```
//!
//! Nothing runs, and no memory is taken, while nobody records. Functions are those of the table of
//! symbols: what the compiler has inlined counts for whoever it was inlined into.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod program;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod sampler;
mod stacks;

use egret_wire::profile::Profile;

/// Records where the CPU time of this process goes, for so many seconds of [`SECONDS`]. To be
/// called on a thread of its own. An error is words for people.
///
/// [`SECONDS`]: egret_wire::profile::SECONDS
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub fn record(seconds: u32) -> Result<Profile, String> {
    use egret_wire::profile::{HZ, SECONDS};
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

    /// Time between looks at what was sampled.
    const LOOK: Duration = Duration::from_millis(50);

    let unknown = |error| format!("what this process runs cannot be read: {error}");
    let mapped = program::mapped().map_err(unknown)?;
    let mut program = program::Program::new(&mapped);
    let mut names = Names::default();
    let seconds = seconds.clamp(*SECONDS.start(), *SECONDS.end());
    let length = Duration::from_secs(seconds.into());
    let started_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let began = Instant::now();
    let mut sampler = sampler::Sampler::start(HZ).map_err(|refused| refused.to_string())?;
    while let Some(left) = length.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left.min(LOOK));
        sampler.take(|sample| names.see(&mut program, sample));
    }
    let missed = sampler.missed();
    drop(sampler);
    let (functions, stacks) = names.stacks.finish();
    let name = std::env::current_exe().ok();
    let name = name.as_deref().and_then(std::path::Path::file_name).unwrap_or_default();
    Ok(Profile {
        program: name.to_string_lossy().into_owned(),
        started_ms: started_ms as u64,
        for_ms: began.elapsed().as_millis() as u64,
        hz: HZ,
        missed,
        symbols: program.has_symbols(),
        functions,
        stacks,
    })
}

/// It cannot.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn record(_: u32) -> Result<Profile, String> {
    Err("profiles are recorded on x86-64 and ARM64 only".to_owned())
}

/// What was seen, by name.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[derive(Default)]
struct Names {
    stacks: stacks::Stacks,
    /// Functions by addresses that were asked for.
    known: std::collections::HashMap<u64, u32>,
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl Names {
    fn see(&mut self, program: &mut program::Program<'_>, sample: &sampler::Sample) {
        let Names { stacks, known } = self;
        let addresses = program.unwind(sample, egret_wire::profile::DEPTH);
        let function = |address: u64| {
            let name = || stacks.function(program.name(address));
            *known.entry(address).or_insert_with(name)
        };
        let functions: Vec<u32> = addresses.into_iter().rev().map(function).collect();
        let named = || {
            let name = std::fs::read_to_string(format!("/proc/self/task/{}/comm", sample.thread));
            name.ok().map(|name| name.trim_end().to_owned())
        };
        self.stacks.thread(sample.thread, named);
        self.stacks.count(sample.thread, functions);
    }
}
