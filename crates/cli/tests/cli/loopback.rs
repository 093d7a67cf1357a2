//! A web server on the loopback interface that gives prepared answers, one to each connection.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What a connection gets.
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    /// Whether the connection stays open afterwards, without another word.
    pub(crate) silent: bool,
}

impl Answer {
    /// A status line such as `200 OK`, header lines, and a body.
    pub(crate) fn new(status: &str, headers: &[&str], body: &[u8]) -> Self {
        let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
        headers.iter().for_each(|header| head.extend([header, "\r\n"]));
        head.push_str("\r\n");
        Self { bytes: [head.as_bytes(), body].concat(), silent: false }
    }

    /// The whole file.
    pub(crate) fn whole(body: &[u8]) -> Self {
        Self::new("200 OK", &[&format!("Content-Length: {}", body.len())], body)
    }

    /// The file from the byte `from`, as an answer to a request for a range.
    pub(crate) fn rest(body: &[u8], from: usize) -> Self {
        let length = body.len();
        let range = format!("Content-Range: bytes {from}-{}/{length}", length - 1);
        let rest = &body[from..];
        Self::new("206 Partial Content", &[&range, &format!("Content-Length: {}", rest.len())], rest)
    }

    /// Without the last `missing` bytes.
    pub(crate) fn cut(mut self, missing: usize) -> Self {
        self.bytes.truncate(self.bytes.len() - missing);
        self
    }
}

/// The server. Once it is out of answers, connections are refused.
pub(crate) struct Loopback {
    /// Its address without a path.
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    silent: Arc<Mutex<Vec<TcpStream>>>,
}

impl Loopback {
    pub(crate) fn new(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { url, requests: Arc::default(), silent: Arc::default() };
        let (requests, silent) = (Arc::clone(&server.requests), Arc::clone(&server.silent));
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                requests.lock().unwrap().push(head(&mut stream));
                // A client that was told too much hangs up in the middle.
                let _sent = stream.write_all(&answer.bytes);
                if answer.silent {
                    silent.lock().unwrap().push(stream);
                }
            }
        });
        server
    }

    /// The requests so far, each as path and range, for instance `/file bytes=5-`.
    pub(crate) fn requests(&self) -> Vec<String> {
        let of = |head: &String| {
            let path = head.split(' ').nth(1).unwrap();
            let is_range = |line: &&str| line.to_ascii_lowercase().starts_with("range: ");
            match head.lines().find(is_range) {
                Some(range) => format!("{path} {}", &range["range: ".len()..]),
                None => path.to_owned(),
            }
        };
        self.requests.lock().unwrap().iter().map(of).collect()
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.silent.lock().unwrap().clear();
    }
}

/// An address at which nothing listens.
pub(crate) fn nowhere() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}
