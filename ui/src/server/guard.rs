//! Who is answered, and what a browser may do with the answer.
//!
//! A page of another site must not read this one: not by asking for it (the browser says who asks),
//! and not by pointing a name of its own at this address (then the request names that name).

use hyper::{HeaderMap, header};
use std::net::IpAddr;

/// On every answer: nothing is loaded from, sent to, or shown within any other origin.
pub(super) const HEADERS: [(&str, &str); 8] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ("x-frame-options", "DENY"),
    ("cache-control", "no-store"),
];

/// Whether a request may be answered, else why not.
pub(super) fn check(headers: &HeaderMap, is_api: bool) -> Result<(), &'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err("the request does not say which host it is for");
    };
    if !host.to_str().is_ok_and(is_ours) {
        return Err("this host name is none of ours: use the address, or localhost");
    }
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    match site {
        Some(b"cross-site" | b"same-site") if is_api => Err("another site may not ask this"),
        _ => Ok(()),
    }
}

/// A name can be made to lead here by whoever owns it; an address, and `localhost`, cannot.
fn is_ours(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            return is_port(port) && matches!(address.parse(), Ok(IpAddr::V6(_)));
        }
        None => match host.rsplit_once(':') {
            Some((name, port)) if is_port(&format!(":{port}")) => name,
            Some(_) => return false,
            None => host,
        },
    };
    name.eq_ignore_ascii_case("localhost") || matches!(name.parse(), Ok(IpAddr::V4(_)))
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn only_addresses_and_localhost_are_ours() {
        for host in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "10.1.2.3", "[::1]:4741", "[::1]"]
        {
            assert!(is_ours(host), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example:80",
            "localhost.evil.example",
            "[::1",
            "[evil]",
            "::1",
            "localhost:x",
            "",
        ] {
            assert!(!is_ours(host), "{host}");
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn other_sites_get_nothing() {
        let ours = ("host", "localhost:1");
        assert!(check(&headers(&[ours]), true).is_ok());
        assert!(check(&headers(&[ours, ("sec-fetch-site", "same-origin")]), true).is_ok());
        assert!(check(&headers(&[ours, ("sec-fetch-site", "cross-site")]), true).is_err());
        // A link from elsewhere to the page itself is fine.
        assert!(check(&headers(&[ours, ("sec-fetch-site", "cross-site")]), false).is_ok());
        assert!(check(&headers(&[]), false).is_err());
        assert!(check(&headers(&[ours, ours]), false).is_err());
        assert!(check(&headers(&[("host", "evil.example")]), false).is_err());
    }
}
