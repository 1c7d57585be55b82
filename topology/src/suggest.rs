//! Did you mean: the known name that is nearest to an unknown one.

/// The name nearest to `wrong`, if any is near enough to be a slip of the keyboard.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (wrong.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (distance(&wrong.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= allowed && *distance < name.chars().count())
        .min()
        .map(|(_, name)| name)
}

/// Words that name the known and, if there is one, the nearest: `did you mean ...? known: a, b`.
pub fn remedy<'a>(wrong: &str, what: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if known.is_empty() {
        return format!("there are no {what}");
    }
    let list = format!("the {what} are {}", known.join(", "));
    match nearest(wrong, known) {
        Some(name) => format!("did you mean `{name}`? {list}"),
        None => list,
    }
}

/// How many characters must be added, removed, changed or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["lines", "split", "count"];
        assert_eq!(nearest("line", known), Some("lines"));
        assert_eq!(nearest("Lines", known), Some("lines"));
        assert_eq!(nearest("slpit", known), Some("split"));
        assert_eq!(nearest("kafka", known), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}
