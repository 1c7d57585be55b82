//! How fast frames move through two stream managers. Prints; claims only that all arrive.
//!
//! `cargo test --release -p egret-stream-manager --test links -- --ignored --nocapture speed`

use crate::{instance::Instance, pods::Pods};
use egret_wire::header::Kind;
use std::time::{Duration, Instant};

#[tokio::test]
#[ignore = "measures; run it alone and with --release"]
async fn speed_of_bytes_and_frames() {
    for (size, frames) in [(32 << 10, 30_000), (4 << 10, 100_000), (300, 300_000)] {
        let pods = Pods::start(&[(&[], &[0]), (&[0], &[1])]).await;
        let (mut spout, _) = Instance::start(&pods, 0, 1).await;
        let (mut bolt, _) = Instance::start(&pods, 1, 1).await;
        pods.ready(0).await;
        let started = Instant::now();
        let sending = tokio::spawn(async move {
            for n in 0..frames {
                spout.send(Kind::Data, 1, n, size).await;
            }
            spout
        });
        for n in 0..frames {
            assert_eq!(bolt.read().await.base, n);
        }
        let seconds = started.elapsed().as_secs_f64();
        drop(sending.await.unwrap());
        let mib = (frames * size as u64) as f64 / f64::from(1 << 20) / seconds;
        println!("{size:>6} B: {mib:7.0} MiB/s {:9.0} frames/s", frames as f64 / seconds);
    }
}

#[tokio::test]
#[ignore = "measures; run it alone and with --release"]
async fn speed_of_a_single_frame() {
    let pods = Pods::start(&[(&[], &[0]), (&[0], &[1])]).await;
    let (mut spout, _) = Instance::start(&pods, 0, 1).await;
    let (mut bolt, _) = Instance::start(&pods, 1, 1).await;
    pods.ready(0).await;
    let mut took = Vec::new();
    for n in 0..3000 {
        let started = Instant::now();
        spout.send(Kind::Data, 1, n, 100).await;
        assert_eq!(bolt.read().await.base, n);
        bolt.send(Kind::Ack, 0, n, 100).await;
        assert_eq!(spout.read().await.base, n);
        took.push(started.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    took.sort_unstable();
    let at = |part: f64| took[(took.len() as f64 * part) as usize];
    println!("there and back: p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(0.9999));
}
