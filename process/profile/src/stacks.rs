//! Stacks as they are counted, in bounded space.

use egret_wire::profile::{FUNCTIONS, NAME, STACKS, Stack};
use std::collections::{BTreeMap, HashMap};

/// Stands for the functions that are beyond the limit.
const MORE: &str = "[more]";

/// Which stacks were seen how often.
#[derive(Default)]
pub(crate) struct Stacks {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    /// By thread and functions, the outermost first.
    counts: HashMap<(i32, Vec<u32>), u64>,
    threads: BTreeMap<i32, String>,
}

impl Stacks {
    /// The number of a function.
    pub(crate) fn function(&mut self, mut name: String) -> u32 {
        name.truncate(name.floor_char_boundary(NAME));
        if name.contains(char::is_control) {
            name = name.replace(char::is_control, "?");
        }
        if let Some(number) = self.numbers.get(&name) {
            return *number;
        }
        if self.names.len() + 1 >= FUNCTIONS && name != MORE {
            return self.function(MORE.to_owned());
        }
        let number = self.names.len() as u32;
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    /// A thread has been seen in these functions, the outermost first.
    pub(crate) fn count(&mut self, thread: i32, functions: Vec<u32>) {
        let room = self.counts.len() + 1 < STACKS;
        let key = (thread, functions);
        if let Some(count) = self.counts.get_mut(&key) {
            *count += 1;
        } else if room {
            self.counts.insert(key, 1);
        } else {
            let more = self.function(MORE.to_owned());
            *self.counts.entry((0, vec![more])).or_default() += 1;
        }
    }

    /// What a thread is called; to be asked for while it lives.
    pub(crate) fn thread(&mut self, id: i32, name: impl FnOnce() -> Option<String>) {
        if self.threads.len() < STACKS && !self.threads.contains_key(&id) {
            let mut name = name().unwrap_or_else(|| format!("thread {id}"));
            name.truncate(name.floor_char_boundary(32));
            self.threads.insert(id, name.replace(char::is_control, "?"));
        }
    }

    /// Names of functions, and the stacks, the most frequent first.
    pub(crate) fn finish(self) -> (Vec<String>, Vec<Stack>) {
        let stack = |((thread, functions), samples)| Stack {
            thread: self.threads.get(&thread).cloned().unwrap_or_else(|| MORE.to_owned()),
            functions,
            samples,
        };
        let mut stacks: Vec<Stack> = self.counts.into_iter().map(stack).collect();
        stacks.sort_by(|a, b| {
            let by = |of: &Stack| (std::cmp::Reverse(of.samples), of.thread.clone());
            by(a).cmp(&by(b)).then_with(|| a.functions.cmp(&b.functions))
        });
        (self.names, stacks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_stack_of_the_same_thread_is_counted() {
        let mut stacks = Stacks::default();
        let (main, work) = (stacks.function("main".into()), stacks.function("work".into()));
        assert_eq!(stacks.function("main".into()), main);
        stacks.thread(7, || Some("count".into()));
        stacks.thread(7, || panic!("it has a name"));
        stacks.count(7, vec![main]);
        stacks.count(7, vec![main, work]);
        stacks.count(7, vec![main, work]);
        stacks.count(8, vec![main]);
        let (names, seen) = stacks.finish();
        assert_eq!(names, ["main", "work"]);
        let seen: Vec<_> =
            seen.iter().map(|s| (s.thread.as_str(), &s.functions[..], s.samples)).collect();
        let expected: [(&str, &[u32], u64); 3] =
            [("count", &[0, 1], 2), ("[more]", &[0], 1), ("count", &[0], 1)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn any_program_fits_a_control_message() {
        let mut stacks = Stacks::default();
        for number in 0..FUNCTIONS + 100 {
            let name = format!("{number}{}", "\"".repeat(NAME));
            stacks.function(name);
        }
        let deep = vec![u32::MAX; egret_wire::profile::DEPTH];
        for number in 0..STACKS + 100 {
            let mut deep = deep.clone();
            deep[0] = 10_000 + number as u32 % 50_000;
            stacks.thread(number as i32, || Some("\"".repeat(100)));
            stacks.count(number as i32, deep.iter().map(|id| id % 10_000).collect());
        }
        let total = STACKS + 100;
        let (functions, stacks) = stacks.finish();
        assert_eq!((functions.len(), stacks.len()), (FUNCTIONS, STACKS));
        let profile = egret_wire::profile::Profile { functions, stacks, ..Default::default() };
        assert_eq!(profile.samples(), total as u64);
        let message = egret_wire::control::FromInstance::Profile {
            number: 1,
            profile: Some(Box::new(profile)),
            refused: None,
        };
        egret_wire::control::encode(&message).unwrap();
    }
}
