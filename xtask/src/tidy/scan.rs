//! Takes Rust source apart into code and comments, line by line, without parsing it.

/// A source file taken apart. Both lists have one entry per line.
pub(super) struct Scan {
    /// The code: strings, characters and comments are blanked out.
    pub(super) code: Vec<String>,
    /// The text of comments.
    pub(super) comments: Vec<String>,
    /// Whether the line is inside a `#[cfg(test)]` item.
    pub(super) test: Vec<bool>,
}

/// A function: the line of its `fn` and that of its closing brace, both from 0.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) first: usize,
    pub(super) last: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Code,
    Line,
    Block(usize),
    Text,
    /// A raw string with this many hashes.
    Raw(usize),
}

impl Scan {
    pub(super) fn new(text: &str) -> Scan {
        let mut scan = Scan { code: Vec::new(), comments: Vec::new(), test: Vec::new() };
        let mut state = State::Code;
        for line in text.lines() {
            let (mut code, mut comment) = (String::new(), String::new());
            if state == State::Line {
                state = State::Code;
            }
            let chars: Vec<char> = line.chars().collect();
            let mut at = 0;
            while at < chars.len() {
                at += step(&mut state, &chars[at..], &mut code, &mut comment);
            }
            scan.code.push(code);
            scan.comments.push(comment);
        }
        scan.test = scan.test_lines();
        scan
    }

    /// Every function with a body.
    pub(super) fn functions(&self) -> Vec<Function> {
        let starts = self.code.iter().enumerate().filter_map(|(line, code)| {
            let column = word(code, "fn")?;
            let named = code[column + 2..].trim_start().starts_with(|c: char| c.is_alphanumeric());
            named.then_some((line, column))
        });
        let end = |(first, column)| self.close(first, column).map(|last| Function { first, last });
        starts.filter_map(end).collect()
    }

    /// The line of the brace that closes the item which starts here; `None` if it has no body.
    fn close(&self, line: usize, column: usize) -> Option<usize> {
        let (mut braces, mut others) = (0usize, 0usize);
        for (at, code) in self.code.iter().enumerate().skip(line) {
            let from = if at == line { column } else { 0 };
            for c in code[from..].chars() {
                match c {
                    '(' | '[' => others += 1,
                    ')' | ']' => others = others.saturating_sub(1),
                    ';' if braces == 0 && others == 0 => return None,
                    '{' => braces += 1,
                    '}' => {
                        braces = braces.saturating_sub(1);
                        if braces == 0 {
                            return Some(at);
                        }
                    }
                    _ => {}
                }
            }
        }
        None
    }

    fn test_lines(&self) -> Vec<bool> {
        let mut test = vec![false; self.code.len()];
        for (line, code) in self.code.iter().enumerate() {
            if let Some(column) = code.find("#[cfg(test)]") {
                let last = self.close(line, column + "#[cfg(test)]".len()).unwrap_or(line);
                test[line..=last].fill(true);
            }
        }
        test
    }
}

/// Takes some characters off the front; returns how many.
fn step(state: &mut State, rest: &[char], code: &mut String, comment: &mut String) -> usize {
    let starts = |text: &str| text.chars().enumerate().all(|(i, c)| rest.get(i) == Some(&c));
    let opens = !code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    match *state {
        State::Line => {
            comment.extend(rest);
            return rest.len();
        }
        State::Block(depth) if starts("*/") => {
            *state = if depth == 1 { State::Code } else { State::Block(depth - 1) };
            return 2;
        }
        State::Block(depth) if starts("/*") => {
            *state = State::Block(depth + 1);
            return 2;
        }
        State::Block(_) => comment.push(rest[0]),
        State::Text if rest[0] == '\\' => return 2,
        State::Text => {
            if rest[0] == '"' {
                *state = State::Code;
                code.push('"');
            }
        }
        State::Raw(hashes) => {
            let closes =
                rest[0] == '"' && rest[1..].iter().take_while(|c| **c == '#').count() >= hashes;
            if closes {
                *state = State::Code;
                code.push('"');
                return 1 + hashes;
            }
        }
        State::Code if starts("//") => *state = State::Line,
        State::Code if starts("/*") => {
            *state = State::Block(1);
            return 2;
        }
        State::Code if rest[0] == '"' => {
            code.push('"');
            *state = State::Text;
        }
        State::Code if opens && raw(rest).is_some() => {
            let (hashes, len) = raw(rest).unwrap_or_default();
            code.push('"');
            *state = State::Raw(hashes);
            return len;
        }
        State::Code if rest[0] == '\'' => return character(rest, code),
        State::Code => code.push(rest[0]),
    }
    1
}

/// The hashes and the length of what opens a raw string.
fn raw(rest: &[char]) -> Option<(usize, usize)> {
    let prefix = rest.iter().take_while(|c| matches!(c, 'r' | 'b' | 'c')).count();
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    let is_raw = prefix <= 2 && rest[..prefix].contains(&'r');
    (is_raw && rest.get(prefix + hashes) == Some(&'"')).then_some((hashes, prefix + hashes + 1))
}

/// A character literal is blanked, a lifetime is not.
fn character(rest: &[char], code: &mut String) -> usize {
    let end = match rest.get(1) {
        Some('\\') => rest[2..].iter().skip(1).position(|c| *c == '\'').map(|at| at + 3),
        Some(_) if rest.get(2) == Some(&'\'') => Some(2),
        _ => None,
    };
    code.push('\'');
    end.map_or(1, |end| end + 1)
}

/// The column of a whole word.
pub(super) fn word(code: &str, word: &str) -> Option<usize> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .map(|(at, _)| at)
        .find(|at| !code[..*at].ends_with(part) && !code[at + word.len()..].starts_with(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_characters_and_comments_are_no_code() {
        let scan = Scan::new(
            "let a = \"todo! // {\"; // say {\nlet b = r#\"x\"{\"#; let c = '{'; let d: &'a str;\n\
             /* one /* two */ { */ let e = '\\''; let f = b\"}\\\"\";",
        );
        assert_eq!(scan.code[0], "let a = \"\"; ");
        assert_eq!(scan.comments[0], "/ say {");
        assert_eq!(scan.code[1], "let b = \"\"; let c = '; let d: &'a str;");
        assert_eq!(scan.code[2], " let e = '; let f = b\"\";");
    }

    #[test]
    fn functions_have_bodies_and_ends() {
        let scan = Scan::new(
            "trait T { fn no(a: [u8; 2]); }\nfn one(f: fn(u8) -> u8)\nwhere\n{\n\
             if x { y }\n}\n",
        );
        assert_eq!(scan.functions(), [Function { first: 1, last: 5 }]);
    }

    #[test]
    fn tests_are_told_from_the_rest() {
        let scan = Scan::new("fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}");
        assert_eq!(scan.test, [false, true, true, true, true, false]);
        let outside = Scan::new("#[cfg(test)]\nmod tests;\nfn c() {}");
        assert_eq!(outside.test, [true, false, false]);
    }
}
