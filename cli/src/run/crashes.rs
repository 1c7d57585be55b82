//! Crashes: what is told of one, and when there is no hope.

use super::logs::{Entry, Level};
use egret_process::{Event, Exited};
use std::{collections::BTreeMap, time::Duration};

/// Own exits in a row without progress, after which a child counts as broken.
const MANY: u32 = 5;

/// Time without progress of anything, after which a broken child ends the run: others may work on
/// as long as they can.
const PATIENCE: Duration = Duration::from_secs(10);

/// The children that crash.
#[derive(Debug, Default)]
pub(crate) struct Crashes {
    /// By name: own exits in a row, and the error of the last.
    broken: BTreeMap<String, (u32, String)>,
}

/// What an exit means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// The child crashed; its error, and the words to show.
    Crash { error: String, words: String },
    /// Somebody killed it; the words to show.
    Killed(String),
}

impl Crashes {
    /// Takes note of an event; what there is to tell of it.
    pub(crate) fn note(&mut self, event: &Event) -> Option<Report> {
        let (name, error, respawn_in, consecutive) = match event {
            Event::Spawned { .. } => return None,
            Event::Exited(exited) if exited.planned => return None,
            Event::Exited(exited) if !exited.own => {
                let name = &exited.name;
                return Some(Report::Killed(format!(
                    "{name} was killed{}",
                    again(exited.respawn_in)
                )));
            }
            Event::Exited(exited) => {
                (&exited.name, cause(exited), exited.respawn_in, exited.consecutive)
            }
            Event::Unspawnable { name, error, respawn_in, consecutive } => {
                (name, error.clone(), *respawn_in, *consecutive)
            }
        };
        self.broken.insert(name.clone(), (consecutive, error.clone()));
        let times = if consecutive > 1 { format!(" ({consecutive} times)") } else { String::new() };
        let words = format!("{name} crashed{times}: {error}{}", again(respawn_in));
        Some(Report::Crash { error, words })
    }

    /// The child has come forward: what it died of is over.
    pub(crate) fn forgive(&mut self, name: &str) {
        self.broken.remove(name);
    }

    /// Who has crashed for good, with the error, if nothing has come forward for so long.
    pub(crate) fn for_good(&self, without_progress: Duration) -> Option<String> {
        if without_progress < PATIENCE {
            return None;
        }
        let broken = self.broken.iter().find(|(_, (times, _))| *times >= MANY);
        broken.map(|(name, (times, error))| {
            format!("{name} has crashed for good, {times} times in a row without progress: {error}")
        })
    }
}

fn again(respawn_in: Option<Duration>) -> String {
    respawn_in.map(|delay| format!("; again in {} ms", delay.as_millis())).unwrap_or_default()
}

/// Why a child ended: the user's own words if it left any, and how it ended.
fn cause(exited: &Exited) -> String {
    let how = match (exited.code, exited.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown end".to_owned(),
    };
    match said(&exited.tail) {
        Some(said) => format!("{said} ({how})"),
        None => how,
    }
}

/// The last error that was logged; a panic goes before, because what follows it only repeats it.
fn said(tail: &[String]) -> Option<String> {
    if let Some(at) = tail.iter().rposition(|line| line.contains("panicked at ")) {
        let message = tail.get(at + 1).map(|line| line.trim()).unwrap_or_default();
        let place = tail[at].split("panicked at ").nth(1).unwrap_or_default();
        return Some(format!("panicked at {place} {message}").trim_end().to_owned());
    }
    let logged = tail.iter().rev().map(|line| Entry::parse(line));
    let errors = logged.filter(|entry| entry.level >= Level::Error && !entry.text.is_empty());
    let mut errors = errors.map(|entry| entry.text);
    errors.next().or_else(|| {
        let plain =
            tail.iter().rev().find(|line| !line.trim().is_empty() && !line.starts_with('{'));
        plain.map(|line| line.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exited(own: bool, consecutive: u32, tail: &[&str]) -> Event {
        Event::Exited(Exited {
            name: "count[1]".to_owned(),
            life: 1,
            code: own.then_some(70),
            signal: (!own).then_some(9),
            own,
            planned: false,
            tail: tail.iter().map(|line| (*line).to_owned()).collect(),
            respawn_in: Some(Duration::from_millis(100)),
            consecutive,
        })
    }

    fn words(event: &Event) -> String {
        match Crashes::default().note(event).unwrap() {
            Report::Crash { words, .. } | Report::Killed(words) => words,
        }
    }

    #[test]
    fn a_crash_is_told_in_the_users_own_words() {
        assert_eq!(
            words(&exited(
                true,
                1,
                &[
                    r#"{"level":"INFO","message":"registered"}"#,
                    r#"{"level":"ERROR","message":"cannot open x: no such file"}"#,
                ]
            )),
            "count[1] crashed: cannot open x: no such file (exit code 70); again in 100 ms"
        );
        assert_eq!(
            words(&exited(
                true,
                3,
                &[
                    "thread 'count' panicked at src/main.rs:7:9:",
                    "index out of bounds",
                    r#"{"level":"ERROR","message":"the component panicked; see the text above"}"#,
                ]
            )),
            "count[1] crashed (3 times): panicked at src/main.rs:7:9: index out of bounds (exit \
             code 70); again in 100 ms"
        );
        assert_eq!(words(&exited(true, 1, &[])), "count[1] crashed: exit code 70; again in 100 ms");
    }

    #[test]
    fn a_kill_is_no_crash() {
        assert_eq!(words(&exited(false, 0, &[])), "count[1] was killed; again in 100 ms");
        let mut crashes = Crashes::default();
        (0..9).for_each(|_| drop(crashes.note(&exited(false, 0, &[]))));
        assert_eq!(crashes.for_good(PATIENCE), None);
    }

    #[test]
    fn there_is_no_hope_after_five_crashes_and_ten_seconds_without_progress() {
        let mut crashes = Crashes::default();
        for times in 1..=MANY {
            assert_eq!(crashes.for_good(PATIENCE), None);
            crashes.note(&exited(true, times, &[]));
        }
        assert_eq!(crashes.for_good(PATIENCE - Duration::from_millis(1)), None);
        assert!(
            crashes.for_good(PATIENCE).unwrap().starts_with("count[1] has crashed for good, 5")
        );
        crashes.forgive("count[1]");
        assert_eq!(crashes.for_good(PATIENCE), None);
    }
}
