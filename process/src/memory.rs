//! Whether the kernel kills processes of this container because there is no more memory.

use std::fs;

/// Where either version of cgroups counts that, as a container sees its own.
const COUNTS: [&str; 2] =
    ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"];

/// How many it has killed so far; none where the system does not tell.
pub(crate) fn kills() -> Option<u64> {
    COUNTS.iter().find_map(|path| in_text(&fs::read_to_string(path).ok()?))
}

fn in_text(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_cgroups_say_how_many_were_killed() {
        assert_eq!(in_text("low 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"), Some(2));
        assert_eq!(in_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"), Some(1));
        assert_eq!(in_text("oom_kill_disable 0\nunder_oom 0\n"), None);
    }
}
