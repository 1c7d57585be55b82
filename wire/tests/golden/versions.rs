//! What two builds say to each other before they have a version in common.

use crate::{documented, hex};
use egret_wire::{
    control::{ALPN_CONTROL, ALPN_INSTANCE, ALPN_PEER},
    limits::VERSIONS,
    version::Versions,
};

#[test]
fn protocols_are_offered_by_these_names() {
    let both = Versions::new(1, 2);
    let offered = |protocol| {
        let names = both.names(protocol).into_iter();
        names.map(|name| format!("`{}`", String::from_utf8(name).unwrap())).collect::<Vec<_>>()
    };
    let peer = ["`egret-peer/2`", "`egret-peer/1`", "`egret-peer`"];
    assert_eq!(offered(ALPN_PEER), peer);
    assert_eq!(offered(ALPN_INSTANCE)[2], "`egret-instance`");
    assert_eq!(offered(ALPN_CONTROL)[2], "`egret-control`");
    for name in [offered(ALPN_PEER), offered(ALPN_INSTANCE), offered(ALPN_CONTROL)].concat() {
        if !name.contains('/') {
            documented(&name);
        }
    }
    documented(&peer.join(", "));
}

#[test]
fn who_has_no_version_in_common_tells_the_oldest_and_the_newest() {
    let told = hex(&Versions::new(2, 3).encode());
    assert_eq!(told, "02 03");
    documented(&told);
}

#[test]
fn the_document_says_which_versions_this_build_speaks() {
    documented(&format!("This build speaks **{VERSIONS}**."));
}
