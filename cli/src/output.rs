//! What is printed, also into a pipe that somebody closed.

use egret_process::Exit;
use std::io::{self, Write};

/// Prints a result. Whoever closed the pipe has seen enough.
pub(crate) fn print(text: &str) -> Exit {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Ok,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(_) => Exit::Failed,
    }
}

/// Words of others on one line, without what would move the cursor.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Prints what is wrong with what the user wrote.
pub(crate) fn refuse(words: &impl std::fmt::Display) -> Exit {
    // If stderr is gone there is nobody to tell.
    let _ = io::stderr().write_all(words.to_string().as_bytes());
    Exit::Usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_cannot_move_the_cursor() {
        assert_eq!(visible("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }
}
