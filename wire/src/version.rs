//! Versions of the protocol: which a build speaks, and by what names it offers them (protocol
//! sections 1 and 12).

use std::fmt;

/// The versions that a build speaks on its links: one, or the one before it too, so that it can
/// take the place of a build of the release before while others of that build go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    oldest: u8,
    newest: u8,
}

impl Versions {
    /// From one version to another, both included.
    pub const fn new(oldest: u8, newest: u8) -> Versions {
        let newest = if newest < oldest { oldest } else { newest };
        Versions { oldest, newest }
    }

    /// The first of them.
    pub const fn oldest(self) -> u8 {
        self.oldest
    }

    /// The last of them.
    pub const fn newest(self) -> u8 {
        self.newest
    }

    /// The version in which frames are made. They pass unchanged over links of other versions, so
    /// it is one that the release before speaks too.
    pub const fn of_frames(self) -> u8 {
        self.oldest
    }

    /// Whether frames of a version are read: those that it speaks, and the one before. A build that
    /// speaks that one and the next has a version in common with this one, and makes frames in it.
    #[inline]
    pub const fn read(self, version: u8) -> bool {
        version <= self.newest && self.oldest <= version.saturating_add(1) && version > 0
    }

    /// How a protocol is offered: by one name for each version, the newest first, of which the
    /// acceptor takes its newest; then by its bare name, for two that have none in common and shall
    /// hear why.
    pub fn names(self, protocol: &[u8]) -> Vec<Vec<u8>> {
        let named = |version: u8| [protocol, b"/", version.to_string().as_bytes()].concat();
        let versions = (self.oldest..=self.newest).rev();
        versions.map(named).chain([protocol.to_vec()]).collect()
    }

    /// As it is told on a link without a version.
    pub const fn encode(self) -> [u8; 2] {
        [self.oldest, self.newest]
    }

    /// What the other end of such a link has told, whatever that is.
    pub const fn decode([oldest, newest]: [u8; 2]) -> Versions {
        Versions::new(oldest, newest)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.oldest == self.newest {
            write!(out, "version {}", self.newest)
        } else {
            write!(out, "versions {} to {}", self.oldest, self.newest)
        }
    }
}

/// The protocol and the version in a name that two ends have agreed on; without a version they have
/// none in common.
pub fn parse(name: &[u8]) -> (&[u8], Option<u8>) {
    let Some(at) = name.iter().rposition(|byte| *byte == b'/') else { return (name, None) };
    let version = std::str::from_utf8(&name[at + 1..]).ok().and_then(|text| text.parse().ok());
    (&name[..at], version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_offered_first_and_the_bare_name_last() {
        let names = Versions::new(1, 2).names(b"egret-peer");
        assert_eq!(names, [&b"egret-peer/2"[..], b"egret-peer/1", b"egret-peer"]);
        let parsed: Vec<_> = names.iter().map(|name| parse(name)).collect();
        let peer = &b"egret-peer"[..];
        assert_eq!(parsed, [(peer, Some(2)), (peer, Some(1)), (peer, None)]);
    }

    #[test]
    fn versions_are_told_as_they_are_whatever_comes() {
        let versions = Versions::new(1, 2);
        assert_eq!(Versions::decode(versions.encode()), versions);
        assert_eq!(Versions::decode([9, 3]), Versions::new(9, 9));
        assert_eq!(format!("{versions}, {}", Versions::new(3, 3)), "versions 1 to 2, version 3");
        assert_eq!(parse(b"egret-peer/256"), (&b"egret-peer"[..], None));
    }

    /// The rule of protocol section 12, for all builds there can be.
    #[test]
    fn two_builds_with_a_version_in_common_read_each_others_frames() {
        let builds = (1..=20u8).flat_map(|v| [Versions::new(v, v), Versions::new(v, v + 1)]);
        let builds: Vec<Versions> = builds.collect();
        for a in &builds {
            for b in &builds {
                let common = a.oldest().max(b.oldest()) <= a.newest().min(b.newest());
                let reads = a.read(b.of_frames()) && b.read(a.of_frames());
                assert!(!common || reads, "{a} and {b}");
            }
        }
    }

    #[test]
    fn frames_of_other_versions_are_not_read() {
        let read = |oldest, newest| {
            let versions = Versions::new(oldest, newest);
            (0..=u8::MAX).filter(|version| versions.read(*version)).collect::<Vec<_>>()
        };
        assert_eq!(read(1, 1), [1]);
        assert_eq!(read(1, 2), [1, 2]);
        assert_eq!(read(2, 2), [1, 2]);
        assert_eq!(read(3, 4), [2, 3, 4]);
        assert_eq!(read(255, 255), [254, 255]);
    }
}
