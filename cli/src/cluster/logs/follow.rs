//! Goes on with what is logged from now on, also in pods and containers that come later.

use super::{
    MOST,
    line::{Line, Printer},
    merge::Seen,
    reader::{Part, Reader},
    source::{Filter, Key, Source, select},
};
use crate::cluster::{connect::Session, topology::Topology, trouble::Trouble};
use jiff::Timestamp;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{self, MissedTickBehavior},
};

/// Between two looks for new containers.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Lines on their way to the printer: then a container that floods waits for it.
const LINES: usize = 1024;

/// What is known of a container whose log is followed.
#[derive(Clone, Debug, Default)]
struct Followed {
    /// When its last line was logged.
    last: Option<Timestamp>,
    /// Until then no line of it was wanted.
    unwanted_until: Option<Instant>,
    /// Somebody reads it.
    open: bool,
    /// How often it had restarted when its log was read to its end.
    ended: Option<i32>,
}

impl Followed {
    /// Whether there is, or will be, something to read.
    fn has_more(&self, source: &Source) -> bool {
        source.has_log && !self.open && (source.runs || self.ended != Some(source.restarts))
    }

    /// Which part of its log has not been printed.
    fn part(&self, now: Instant) -> Part {
        let unwanted = self.unwanted_until.filter(|_| self.last.is_none());
        let seconds = unwanted.map(|until| now.duration_since(until).as_secs() + 1);
        let since_seconds = seconds.and_then(|seconds| i64::try_from(seconds).ok());
        Part { follow: true, since_seconds, after: self.last, ..Part::default() }
    }
}

enum News {
    Line(Source, Line),
    /// It was read to its end.
    End(Source),
    /// It cannot be read now.
    Later(Source),
    /// Nothing of any log may be read.
    Forbidden(Trouble),
}

/// What is known of containers whose lines were printed, from then on.
pub(super) fn known(seen: Seen, began: Instant) -> Known {
    let of = |last: Option<Timestamp>| {
        let unwanted_until = last.is_none().then_some(began);
        Followed { last, unwanted_until, ..Followed::default() }
    };
    Known(seen.into_iter().map(|(key, last)| (key, of(last))).collect())
}

/// What is known of all containers.
#[derive(Debug)]
pub(super) struct Known(BTreeMap<Key, Followed>);

/// Prints until the topology is gone or over, or nobody reads.
pub(super) async fn follow(
    session: &Session,
    topology: &Topology,
    filter: &Filter<'_>,
    Known(mut followed): Known,
    printer: &mut Printer,
) -> Result<(), Trouble> {
    let (news, mut heard) = mpsc::channel(LINES);
    // Readers end with this set.
    let mut readers = JoinSet::new();
    let mut looks = time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while printer.is_wanted() {
        tokio::select! {
            biased;
            Some(first) = heard.recv() => {
                hear(first, &mut followed, printer)?;
                while let Ok(more) = heard.try_recv() {
                    hear(more, &mut followed, printer)?;
                    if !printer.is_wanted() { break }
                }
                printer.flush();
            }
            Some(_) = readers.join_next(), if !readers.is_empty() => {}
            _ = looks.tick() => {
                let pods = match session.pods(topology.name()).await {
                    Ok(pods) => pods,
                    Err(trouble) if trouble.may_pass() => continue,
                    Err(trouble) => return Err(trouble),
                };
                let sources = select(&pods, filter);
                let more = open(session, &sources, &mut followed, &news, &mut readers);
                if !more && is_over(session, topology).await? {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

fn hear(
    news: News,
    followed: &mut BTreeMap<Key, Followed>,
    printer: &mut Printer,
) -> Result<(), Trouble> {
    match news {
        News::Forbidden(trouble) => return Err(trouble),
        News::Line(source, line) => {
            if let Some(at) = line.at {
                followed.entry(source.key()).or_default().last = Some(at);
            }
            printer.print(&source, &line);
        }
        News::Later(source) => followed.entry(source.key()).or_default().open = false,
        News::End(source) => {
            let known = followed.entry(source.key()).or_default();
            known.open = false;
            // What still ran when it was opened is looked at again.
            known.ended = (!source.runs).then_some(source.restarts);
        }
    }
    Ok(())
}

/// Starts to read what nobody reads. Whether anything is read at all.
fn open(
    session: &Session,
    sources: &[Source],
    followed: &mut BTreeMap<Key, Followed>,
    news: &mpsc::Sender<News>,
    readers: &mut JoinSet<()>,
) -> bool {
    // Pods that are gone have nothing more to say.
    followed.retain(|key, known| known.open || sources.iter().any(|source| source.key() == *key));
    for source in sources {
        let open = followed.values().filter(|known| known.open).count();
        let known = followed.entry(source.key()).or_default();
        // Those beyond the limit come when others end.
        if open < MOST && known.has_more(source) {
            known.open = true;
            let part = known.part(Instant::now());
            readers.spawn(read(session.clone(), source.clone(), part, news.clone()));
        }
    }
    followed.values().any(|known| known.open)
}

async fn read(session: Session, source: Source, part: Part, news: mpsc::Sender<News>) {
    let end = match Reader::open(&session, &source, &part).await {
        Ok(mut reader) => {
            while let Some(line) = reader.next().await {
                if news.send(News::Line(source.clone(), line)).await.is_err() {
                    return;
                }
            }
            News::End(source)
        }
        Err(trouble) if trouble.is_forbidden() => News::Forbidden(trouble),
        // What cannot be opened now is tried again at the next look.
        Err(_) => News::Later(source),
    };
    // If nobody listens, nobody opens it again.
    let _ = news.send(end).await;
}

/// Whether nothing more will come.
async fn is_over(session: &Session, topology: &Topology) -> Result<bool, Trouble> {
    match session.find(topology.name()).await {
        Ok(Some(now)) if now.uid() == topology.uid() => {
            let state = now.status().state.unwrap_or_default();
            Ok(matches!(state.as_str(), "Completed" | "Stopped"))
        }
        Ok(_) => Ok(true),
        Err(trouble) if trouble.may_pass() => Ok(false),
        Err(trouble) => Err(trouble),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(runs: bool, restarts: i32) -> Source {
        Source {
            pod: "t-0-1".into(),
            uid: "u".into(),
            container: "a-0".into(),
            state: String::new(),
            restarts,
            has_log: true,
            runs,
        }
    }

    #[test]
    fn what_was_printed_or_not_wanted_is_not_read_again() {
        let began = Instant::now();
        let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let key = |name: &str| (name.to_owned(), String::new());
        let seen = Seen::from([(key("a"), Some(at)), (key("b"), None)]);
        let Known(known) = known(seen, began);
        let later = began + Duration::from_millis(1500);
        let part = known[&key("a")].part(later);
        assert_eq!((part.after, part.since_seconds), (Some(at), None));
        let part = known[&key("b")].part(later);
        assert_eq!((part.after, part.since_seconds), (None, Some(2)));
        let part = Followed::default().part(later);
        assert_eq!((part.after, part.since_seconds), (None, None), "a pod that came later");
    }

    #[test]
    fn a_log_is_read_again_only_if_its_container_runs_or_has_run_again() {
        let new = Followed::default();
        assert!(new.has_more(&source(true, 0)));
        assert!(new.has_more(&source(false, 0)), "what has ended is read once");
        let ended = Followed { ended: Some(0), ..new.clone() };
        assert!(!ended.has_more(&source(false, 0)));
        assert!(ended.has_more(&source(false, 1)));
        assert!(ended.has_more(&source(true, 0)), "the connection broke");
        assert!(!Followed { open: true, ..new }.has_more(&source(true, 0)));
        let waiting = Source { has_log: false, ..source(false, 0) };
        assert!(!Followed::default().has_more(&waiting));
    }
}
