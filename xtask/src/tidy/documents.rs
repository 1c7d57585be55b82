//! Rules for documents: links resolve, and nothing points into somebody's machine.

use super::Violation;
use std::path::Path;

/// Where paths of one machine begin.
const MACHINE: [&str; 4] = ["/root/", "/home/", "/tmp/", "/work/"];

pub(super) fn check(root: &Path, path: &str, text: &str, violations: &mut Vec<Violation>) {
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        let mut broken = |rule: String| {
            violations.push(Violation { path: path.to_owned(), line: number + 1, rule });
        };
        if let Some(machine) = MACHINE.iter().find(|machine| starts_a_path(line, machine)) {
            broken(format!("a path below `{machine}` exists on one machine only"));
        }
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for target in targets(line) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let folder = Path::new(path).parent().unwrap_or(Path::new(""));
            if !root.join(folder).join(file).exists() {
                broken(format!("the link to `{target}` leads nowhere"));
            }
        }
    }
}

fn starts_a_path(line: &str, machine: &str) -> bool {
    let before = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '/');
    line.match_indices(machine).any(|(at, _)| !line[..at].ends_with(before))
}

/// What `](...)` and `]: ` point to.
fn targets(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, opening) in line.match_indices("](") {
        let rest = &line[at + opening.len()..];
        let inside = rest.split(')').next().unwrap_or_default();
        found.extend(inside.split_whitespace().next());
    }
    if line.starts_with('[')
        && let Some((_, target)) = line.split_once("]: ")
    {
        found.extend(target.split_whitespace().next());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<String> {
        let mut violations = Vec::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        check(root, "src/page.md", text, &mut violations);
        violations.into_iter().map(|violation| violation.rule).collect()
    }

    #[test]
    fn links_that_resolve_are_fine() {
        assert_eq!(
            rules("see [main](main.rs#top), [up](../Cargo.toml), [web](https://x.y/z)"),
            [""; 0]
        );
        assert_eq!(rules("```\n[not a link](nowhere.md)\n```\nis src/tmp/x a path?"), [""; 0]);
    }

    #[test]
    fn links_that_lead_nowhere_and_paths_of_a_machine_are_noticed() {
        assert!(rules("[gone](gone.md)")[0].contains("`gone.md` leads nowhere"));
        assert!(rules("[gone]: gone.md")[0].contains("leads nowhere"));
        assert!(rules("open `/home/me/x`")[0].contains("one machine only"));
    }
}
