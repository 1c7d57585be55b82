//! The specs that were asked for, the newest last: what `egret rollout history` shows and
//! `egret rollout undo` goes back to.

use serde_json::Value;

/// How many of them are kept.
pub const KEPT: usize = 10;

/// A spec that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Name of its object.
    pub name: String,
    /// Its number: later ones have greater ones.
    pub number: i64,
    /// The version that it is.
    pub version: Value,
}

/// What is to be written and forgotten.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keep {
    /// Number of the revision that the version becomes; none: it is the newest already.
    pub number: Option<i64>,
    /// Names of those that are too many, or have become the newest under another number.
    pub forget: Vec<String>,
}

/// How a version that is asked for changes what is kept.
pub fn keep(version: &Value, mut kept: Vec<Revision>) -> Keep {
    kept.sort_by_key(|revision| revision.number);
    let newest = kept.last();
    if newest.is_some_and(|newest| newest.version == *version) {
        return Keep::default();
    }
    let number = newest.map_or(0, |newest| newest.number).saturating_add(1);
    let (again, mut rest): (Vec<_>, Vec<_>) =
        kept.into_iter().partition(|revision| revision.version == *version);
    let too_many = (rest.len() + 1).saturating_sub(KEPT);
    let forget = again.into_iter().chain(rest.drain(..too_many)).map(|revision| revision.name);
    Keep { number: Some(number), forget: forget.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(versions: &[&str]) -> Vec<Revision> {
        let of = |(at, version): (usize, &&str)| Revision {
            name: format!("t-r{}", at + 1),
            number: at as i64 + 1,
            version: Value::from(*version),
        };
        versions.iter().enumerate().map(of).collect()
    }

    #[test]
    fn a_version_is_kept_when_it_is_another_one() {
        assert_eq!(keep(&"a".into(), Vec::new()), Keep { number: Some(1), forget: vec![] });
        assert_eq!(keep(&"b".into(), kept(&["a", "b"])), Keep::default());
        assert_eq!(keep(&"c".into(), kept(&["a", "b"])), Keep { number: Some(3), forget: vec![] });
    }

    #[test]
    fn who_goes_back_makes_the_old_version_the_newest() {
        let back = keep(&"a".into(), kept(&["a", "b"]));
        assert_eq!(back, Keep { number: Some(3), forget: vec!["t-r1".into()] });
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let names: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let next = keep(&"new".into(), kept(&names));
        assert_eq!(next.number, Some(13));
        assert_eq!(next.forget, ["t-r1", "t-r2", "t-r3"], "ten stay, the new one among them");
    }
}
