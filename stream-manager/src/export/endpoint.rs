//! Where spans go, and as whose: the plan, then OpenTelemetry's environment variables.

use hyper::{
    HeaderMap, Uri,
    header::{HeaderName, HeaderValue},
};
use percent_encoding::percent_decode_str;

/// Where a collector on the same machine listens.
const DEFAULT: &str = "http://localhost:4318";

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// The whole address for traces.
    traces: Option<String>,
    /// The base address.
    base: Option<String>,
    /// What each request carries. May be secret, so it is never shown.
    pub(super) headers: HeaderMap,
    /// Attributes of the resource.
    pub(super) resource: Vec<(String, String)>,
}

impl Environment {
    /// Reads the variables that OpenTelemetry's specification of exporters names.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Environment {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let either = |traces: &str, all: &str| set(traces).or_else(|| set(all));
        let headers = either("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS");
        let header = |(name, value): (String, String)| {
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
        };
        let mut resource = pairs(set("OTEL_RESOURCE_ATTRIBUTES"));
        if let Some(name) = set("OTEL_SERVICE_NAME") {
            resource.retain(|(key, _)| key != "service.name");
            resource.push(("service.name".to_owned(), name));
        }
        Environment {
            traces: set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
            base: set("OTEL_EXPORTER_OTLP_ENDPOINT"),
            headers: pairs(headers).into_iter().filter_map(header).collect(),
            resource,
        }
    }

    /// Where to send, if the plan asks for this base address.
    pub(super) fn endpoint(&self, planned: Option<&str>) -> Result<Uri, String> {
        let base = self.base.as_deref().unwrap_or(DEFAULT);
        let (given, text) = match (planned, self.traces.as_deref()) {
            (None, Some(traces)) => (traces, traces.to_owned()),
            (Some(planned), _) => (planned, below(planned)),
            (None, None) => (base, below(base)),
        };
        let uri: Uri = text.parse().map_err(|error| format!("`{given}` is no address: {error}"))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() {
            return Err(format!(
                "`{given}` does not start with http://; run a collector near the pods that sends \
                 on by https"
            ));
        }
        // It would be sent in the clear, and told in logs.
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("an address of a collector has no room for a user and a password: put \
                        what it asks for into OTEL_EXPORTER_OTLP_HEADERS"
                .to_owned());
        }
        Ok(uri)
    }
}

fn below(base: &str) -> String {
    format!("{}/v1/traces", base.trim_end_matches('/'))
}

/// `key=value,key=value`, values percent-encoded.
fn pairs(text: Option<String>) -> Vec<(String, String)> {
    let text = text.unwrap_or_default();
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((key.trim().to_owned(), value.into_owned()))
    };
    text.split(',').filter_map(pair).filter(|(key, _)| !key.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Environment::read(|name| value(name).map(|(_, value)| (*value).to_owned()))
    }

    const BASE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://base:4318/");
    const TRACES: (&str, &str) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces/x");

    #[test]
    fn the_plan_goes_before_the_environment_and_that_before_the_default() {
        let of = |variables: &[_], planned| environment(variables).endpoint(planned).unwrap();
        let planned = Some("http://plan:1/otlp");
        assert_eq!(of(&[BASE, TRACES], planned), "http://plan:1/otlp/v1/traces");
        assert_eq!(of(&[BASE, TRACES], None), "http://traces/x");
        assert_eq!(of(&[BASE], None), "http://base:4318/v1/traces");
        assert_eq!(of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], None), of(&[], None));
        assert_eq!(of(&[], None), "http://localhost:4318/v1/traces");
    }

    #[test]
    fn what_is_no_address_of_plain_http_is_refused_in_words() {
        for wrong in ["https://host", "host:4318", "unix:/x", "http://"] {
            let environment = environment(&[("OTEL_EXPORTER_OTLP_ENDPOINT", wrong)]);
            let error = environment.endpoint(None).unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn headers_and_attributes_are_lists_with_encoded_values() {
        let environment = environment(&[
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-scope-orgid=a%20b, bad header=1,=2,authorization=k"),
            ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=p-0,service.name=x,nothing"),
            ("OTEL_SERVICE_NAME", "mine"),
        ]);
        assert_eq!(environment.headers["x-scope-orgid"], "a b");
        assert_eq!(environment.headers.len(), 2);
        assert!(!format!("{:?}", environment.headers).contains("a b"), "it may be secret");
        let resource = [("k8s.pod.name", "p-0"), ("service.name", "mine")];
        let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        assert_eq!(environment.resource, resource.map(own));
    }
}
