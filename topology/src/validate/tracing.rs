//! Which tuples are traced, and where spans go.

use super::Problems;
use crate::{limits, plan::Delivery, resource, tracing::Tracing};

/// What the plan will ask for: nothing, if nothing is sampled.
pub(super) fn check(
    tracing: Option<&resource::Tracing>,
    delivery: Delivery,
    problems: &mut Problems,
) -> Option<Tracing> {
    let resource::Tracing { sample_rate, endpoint } = tracing?;
    if !(0.0..=1.0).contains(sample_rate) {
        problems.add_with(
            "spec.tracing.sampleRate",
            format!("{sample_rate} is not in the range from 0 to 1"),
            "write the share of roots to trace, such as 0.001 for one in a thousand",
        );
    }
    if *sample_rate > 0.0 && delivery == Delivery::AtMostOnce {
        problems.add_with(
            "spec.tracing.sampleRate",
            "tuples carry no roots under `AtMostOnce`, so there is nothing to trace them by",
            "write `delivery: AtLeastOnce`, or leave `tracing` out",
        );
    }
    if let Some(endpoint) = endpoint {
        check_endpoint(endpoint, problems);
    }
    let (sample_rate, endpoint) = (*sample_rate, endpoint.clone());
    (sample_rate > 0.0).then_some(Tracing { sample_rate, endpoint })
}

/// Whether it is `http://HOST:PORT` or that with a path. What is secret has no place in it.
fn check_endpoint(endpoint: &str, problems: &mut Problems) {
    let path = "spec.tracing.endpoint";
    let remedy = "write the base address of a collector, such as http://otel-collector:4318";
    let Some(rest) = endpoint.strip_prefix("http://") else {
        return problems.add_with(
            path,
            format!("`{endpoint}` does not start with http://"),
            remedy,
        );
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}#?@".contains(c);
    let port = match authority.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse::<u16>().is_ok_and(|port| port > 0),
        _ => true,
    };
    let host = authority.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    if endpoint.len() > limits::MAX_TEXT || !rest.chars().all(plain) || !host || !port {
        problems.add_with(path, format!("`{endpoint}` is no address"), remedy);
    }
}
