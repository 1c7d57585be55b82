//! Who somebody is: names in certificates, and the files that prove them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use egret_link::{Authority, Credentials, Identity, Pem};
use egret_topology::id::PodId;
use std::{sync::LazyLock, time::Duration};

/// A DNS name: nobody has two.
pub(crate) fn identity(input: &[u8]) {
    let Ok(name) = std::str::from_utf8(input) else { return };
    if let Ok(identity) = Identity::parse(name) {
        assert_eq!(identity.to_dns(), name, "somebody has two names");
    }
}

static VALID: LazyLock<Pem> = LazyLock::new(|| {
    let authority = Authority::new("u").expect("`u` is a uid");
    let identity = Identity::Pod { uid: "u".to_owned(), pod: PodId(1) };
    authority.issue(&identity, Duration::from_secs(3600)).expect("it is of this topology")
});

/// One of the three files of credentials: the first byte says which, and whether the rest is its
/// text or the DER inside of it.
pub(crate) fn credentials(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else { return };
    let text = if choice & 4 == 0 {
        String::from_utf8_lossy(rest).into_owned()
    } else {
        let label = if choice & 3 == 2 { "PRIVATE KEY" } else { "CERTIFICATE" };
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(rest))
    };
    let mut pem = VALID.clone();
    match choice & 3 {
        0 => pem.ca = text,
        1 => pem.cert = text,
        _ => pem.key = text,
    }
    if let Ok(credentials) = Credentials::from_pem(&pem) {
        let name = credentials.identity().to_dns();
        assert_eq!(Identity::parse(&name).as_ref().ok(), Some(credentials.identity()));
    }
}
