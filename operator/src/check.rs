//! `egret-operator check`: asks an operator over its service whether it works, for `helm test`.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    thread,
    time::{Duration, Instant},
};

/// How long to ask again: a service that was just made takes a moment until it leads anywhere.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(1);
/// For one answer.
const ANSWER: Duration = Duration::from_secs(3);
/// Bytes of an answer that are read.
const MOST: u64 = 4096;

/// Asks `HOST:PORT` until it says that it works. Its words, or why there are none.
pub fn check(address: &str) -> Result<String, String> {
    let began = Instant::now();
    loop {
        let why = match ready(address) {
            Ok(Answer { good: true, words }) => return Ok(words),
            Ok(Answer { words, .. }) => words,
            Err(error) => error.to_string(),
        };
        if began.elapsed() >= PATIENCE {
            return Err(format!("{address} does not work: {why}"));
        }
        // Nobody can tell when a service is there.
        thread::park_timeout(PAUSE);
    }
}

struct Answer {
    good: bool,
    words: String,
}

fn ready(address: &str) -> io::Result<Answer> {
    let unknown = || io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    let resolved = address.to_socket_addrs()?.next().ok_or_else(unknown)?;
    let mut stream = TcpStream::connect_timeout(&resolved, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    write!(stream, "GET /ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.take(MOST).read_to_string(&mut text)?;
    Ok(read(&text))
}

fn read(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.lines().next().unwrap_or_default();
    let good = status.split(' ').nth(1) == Some("200");
    let words = if body.trim().is_empty() { status } else { body };
    Answer { good, words: words.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn an_answer_is_good_only_if_its_status_is() {
        assert!(read("HTTP/1.1 200 OK\r\nx: y\r\n\r\nready\n").good);
        let bad = read("HTTP/1.1 503 Service Unavailable\r\n\r\nit has no lease\n");
        assert_eq!((bad.good, bad.words.as_str()), (false, "it has no lease"));
        assert!(!read("").good);
    }

    #[test]
    fn it_asks_who_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.extend(byte);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nready").unwrap();
            asked
        });
        assert_eq!(check(&address.to_string()).unwrap(), "ready");
        assert!(server.join().unwrap().starts_with(b"GET /ready "));
    }
}
