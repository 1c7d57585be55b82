//! The metrics page of a stream manager.

use crate::ask;
use anyhow::Context;
use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A stream manager at full load answers within milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A page in Prometheus' text format.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    /// Asks for it.
    pub(crate) fn fetch(address: SocketAddr) -> anyhow::Result<Page> {
        let asked = || {
            let stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
            stream.set_read_timeout(Some(ANSWER_WITHIN))?;
            ask::get(stream, "/metrics")
        };
        asked().map(Page).with_context(|| format!("cannot read metrics from {address}"))
    }

    /// The sum of all samples of a metric that carry all these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let samples = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (found, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.split_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            let has = |(label, value): &(&str, &str)| {
                found.split(',').any(|pair| pair == format!("{label}=\"{value}\""))
            };
            labels.iter().all(has).then(|| value.trim().parse::<f64>().ok())?
        });
        samples.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_their_labels() {
        let page = Page(
            "# TYPE a_total counter\na_total{component=\"x\",task=\"0\"} 3\n\
             a_total{component=\"x\",task=\"1\"} 4\na_total{component=\"y\",task=\"2\"} 5\n\
             a_total_more 9\nb 0.5\n"
                .to_owned(),
        );
        assert_eq!(page.sum("a_total", &[("component", "x")]), 7.0);
        assert_eq!(page.sum("a_total", &[]), 12.0);
        assert_eq!(page.sum("b", &[]), 0.5);
        assert_eq!(page.sum("c", &[]), 0.0);
    }
}
