//! The last errors of a task over all its lives, in bounded space: when, how often, and in whose
//! words.
//!
//! An instance tells the error that ends its life. In a local run its parent tells of the same end,
//! with more: where a panic was, and the exit code. Parents also tell of lives that were too short
//! to say anything.

use egret_wire::inspect::PastError;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Different errors that are kept, the newest.
const KEPT: usize = 10;
/// Text of each that is kept: the log has all of it.
const TEXT: usize = 1 << 10;

/// Who tells of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The instance, with its last words.
    ByItself,
    /// The parent of its process, which saw it end.
    ByParent,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Errors {
    kept: VecDeque<PastError>,
    /// The newest was told by the instance, and its parent may tell it again.
    open: bool,
}

impl Errors {
    /// An error has ended a life. `restarts` are the lives before that one, `at_ms` is the time of
    /// day.
    pub(crate) fn note(&mut self, told: Told, at_ms: u64, restarts: u32, error: &str) {
        let again = std::mem::replace(&mut self.open, told == Told::ByItself);
        if again && told == Told::ByParent {
            self.take_back();
        }
        let text = &error[..error.floor_char_boundary(TEXT)];
        match self.kept.back_mut().filter(|last| last.text == text) {
            Some(last) => {
                last.times = last.times.saturating_add(1);
                (last.last_ms, last.restarts) = (at_ms, restarts);
            }
            None => {
                if self.kept.len() == KEPT {
                    self.kept.pop_front();
                }
                let text = text.to_owned();
                let once = PastError { first_ms: at_ms, last_ms: at_ms, times: 1, restarts, text };
                self.kept.push_back(once);
            }
        }
    }

    /// Another life has begun: what its parent tells from now on is not of the last one.
    pub(crate) fn reborn(&mut self) {
        self.open = false;
    }

    /// The newest last.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &PastError> {
        self.kept.iter()
    }

    /// Whoever knows more tells the newest again.
    fn take_back(&mut self) {
        match self.kept.back_mut() {
            Some(last) if last.times > 1 => last.times -= 1,
            _ => drop(self.kept.pop_back()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(errors: &Errors) -> Vec<(&str, u32, u64, u64)> {
        let kept = errors.kept();
        kept.map(|e| (e.text.as_str(), e.times, e.first_ms, e.last_ms)).collect()
    }

    #[test]
    fn a_repeated_error_is_counted_and_another_one_stands_behind_it() {
        let mut errors = Errors::default();
        for (at, text) in [(1, "no file"), (2, "no file"), (3, "no disk"), (4, "no file")] {
            errors.note(Told::ByItself, at, at as u32, text);
            errors.reborn();
        }
        assert_eq!(
            kept(&errors),
            [("no file", 2, 1, 2), ("no disk", 1, 3, 3), ("no file", 1, 4, 4)]
        );
        assert_eq!(errors.kept().last().unwrap().restarts, 4);
    }

    #[test]
    fn one_end_that_two_tell_of_is_one_error_in_the_words_of_who_knows_more() {
        let mut errors = Errors::default();
        for life in 0..3 {
            errors.note(Told::ByItself, 10 * u64::from(life), life, "it panicked");
            errors.note(Told::ByParent, 10 * u64::from(life) + 1, life, "panicked at x.rs:3");
            errors.reborn();
        }
        assert_eq!(kept(&errors), [("panicked at x.rs:3", 3, 1, 21)]);
    }

    #[test]
    fn lives_too_short_to_say_anything_are_told_by_their_parent() {
        let mut errors = Errors::default();
        errors.note(Told::ByItself, 1, 0, "no file");
        errors.reborn();
        errors.note(Told::ByParent, 2, 1, "exit code 1");
        errors.note(Told::ByParent, 3, 1, "exit code 1");
        assert_eq!(kept(&errors), [("no file", 1, 1, 1), ("exit code 1", 2, 2, 3)]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut errors = Errors::default();
        for life in 0..100u32 {
            errors.note(Told::ByParent, 1, life, &format!("{life}{}", "ä".repeat(TEXT)));
        }
        assert_eq!(errors.kept().count(), KEPT);
        assert!(errors.kept().all(|error| error.text.len() <= TEXT));
        assert!(errors.kept().next().is_some_and(|error| error.text.starts_with("90")));
    }
}
