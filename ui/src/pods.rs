//! Looks into the stream managers of all pods at once, over connections that are kept.

use crate::ask::Connection;
use bytes::Bytes;
use egret_topology::plan::PhysicalPlan;
use egret_wire::inspect::{EdgeKey, Look, Sample};
use futures::{StreamExt, stream};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

/// Pods that are asked at once: through an API server each is a connection of its own.
const AT_ONCE: usize = 16;
/// Time for one pod to answer: who needs more is shown as silent, and the others are shown now.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Who can open a stream to the inspect endpoint of a pod's stream manager.
pub trait Dial: Send + Sync + 'static {
    /// What is opened.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Opens one. Errors are words for people.
    fn dial(&self, pod: &str) -> impl Future<Output = Result<Self::Stream, String>> + Send;
}

/// Looks into pods.
pub struct Pods<D> {
    dial: D,
    /// Connections that nobody uses at the moment.
    idle: Mutex<BTreeMap<String, Connection>>,
    plan: Mutex<Option<Arc<PhysicalPlan>>>,
}

impl<D: Dial> Pods<D> {
    /// No connection is made before somebody looks.
    pub fn new(dial: D) -> Pods<D> {
        Pods { dial, idle: Mutex::default(), plan: Mutex::default() }
    }

    /// What each of these pods says, in their order.
    pub async fn look(&self, pods: &[String]) -> Vec<Result<Look, String>> {
        let looks = self.all(pods, |pod| async move { self.get(&pod, "/look").await }).await;
        lock(&self.idle).retain(|pod, _| pods.contains(pod));
        looks
    }

    /// The newest plan that these pods have, after a look; the last known one if none answers.
    pub async fn plan(&self, looks: &[(String, Look)]) -> Option<Arc<PhysicalPlan>> {
        let known = lock(&self.plan).clone();
        let newest = looks.iter().max_by_key(|(_, look)| look.status.revision);
        let Some((pod, look)) = newest else { return known };
        if known.as_ref().is_some_and(|plan| plan.revision == look.status.revision) {
            return known;
        }
        // A stream manager without a plan says so; the next look asks again.
        let plan: PhysicalPlan = self.get(pod, "/plan").await.ok()?;
        let plan = Arc::new(plan);
        *lock(&self.plan) = Some(plan.clone());
        Some(plan)
    }

    /// Tuples of an edge that these pods have kept, the newest last.
    pub async fn samples(&self, pods: &[String], edge: EdgeKey) -> Result<Vec<Sample>, String> {
        let EdgeKey { from, stream, to } = edge;
        let target = format!("/samples?from={from}&stream={stream}&to={to}");
        let target = &target;
        let answers: Vec<Result<Vec<Sample>, String>> =
            self.all(pods, |pod| async move { self.get(&pod, target).await }).await;
        let failed = answers.iter().find_map(|answer| answer.as_ref().err().cloned());
        let mut samples: Vec<Sample> = answers.into_iter().flatten().flatten().collect();
        if let (true, Some(why)) = (samples.is_empty(), failed) {
            return Err(why);
        }
        samples.sort_by_key(|sample| sample.at_ms);
        Ok(samples)
    }

    /// The same question to all, a few at a time; the answers in order.
    async fn all<T, F: Future<Output = T>>(
        &self,
        pods: &[String],
        ask: impl Fn(String) -> F,
    ) -> Vec<T> {
        stream::iter(pods.iter().cloned()).map(ask).buffered(AT_ONCE).collect().await
    }

    async fn get<T: DeserializeOwned>(&self, pod: &str, target: &str) -> Result<T, String> {
        let answer = timeout(ANSWER_WITHIN, self.bytes(pod, target)).await;
        let late = || Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs()));
        let bytes = answer.unwrap_or_else(|_| late())?;
        serde_json::from_slice(&bytes).map_err(|error| format!("an answer that is none: {error}"))
    }

    async fn bytes(&self, pod: &str, target: &str) -> Result<Bytes, String> {
        let kept = lock(&self.idle).remove(pod);
        if let Some(mut connection) = kept
            && let Ok(bytes) = connection.get(target).await
        {
            lock(&self.idle).insert(pod.to_owned(), connection);
            return Ok(bytes);
        }
        // There was none, or the stream manager has closed it, or it has restarted.
        let mut connection = Connection::over(self.dial.dial(pod).await?).await?;
        let bytes = connection.get(target).await?;
        lock(&self.idle).insert(pod.to_owned(), connection);
        Ok(bytes)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
