//! A stand-in for an endpoint: a thread that listens on this machine, keeps every request and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) line: String,
    headers: Vec<(String, String)>,
    pub(super) body: Value,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut next = || {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
            Some(line.trim_end().to_owned())
        };
        let line = next()?;
        let mut headers = Vec::new();
        while let Some((name, value)) = next()?.split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self { line, headers, body: Value::Null };
        let mut body = vec![0; request.header("content-length")?.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        request.body = serde_json::from_slice(&body).ok()?;
        Some(request)
    }
}

/// What the stand-in does with a request.
#[derive(Debug, Clone)]
pub(super) enum Says {
    /// A status with a body and a further header.
    Status(u16, String, Option<&'static str>),
    /// A body that may be anything.
    Raw(String),
    /// Nothing until the other side gives up.
    Nothing,
}

impl Says {
    pub(super) fn answer(answer: &str) -> Self {
        Self::text(&json!({"answer": answer, "reason": "rounder"}).to_string())
    }

    /// A chat completion with any text.
    pub(super) fn text(text: &str) -> Self {
        let completion = json!({
            "id": "1",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        });
        Self::Raw(completion.to_string())
    }
}

type Script = dyn Fn(&Request, usize) -> Says + Send;

pub(super) struct StandIn {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Listens; `script` gets each request and how many came before it.
    pub(super) fn new(script: impl Fn(&Request, usize) -> Says + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (kept, ended, script): (_, _, Box<Script>) = (requests.clone(), over.clone(), Box::new(script));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                let Some(request) = Request::read(&stream) else { continue };
                let number = kept.lock().unwrap().len();
                kept.lock().unwrap().push(request.clone());
                serve(stream, script(&request, number));
            }
        });
        Self { address, requests, over, thread: Some(thread) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, says: Says) {
    let (status, body, header) = match says {
        Says::Status(status, body, header) => (status, body, header),
        Says::Raw(body) => (200, body, None),
        Says::Nothing => {
            // Returns when the other side closes the connection.
            let _ended = stream.read(&mut [0]);
            return;
        }
    };
    let header = header.map(|header| format!("{header}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} Said\r\nconnection: close\r\n{header}content-length: {}\r\n\r\n",
        body.len()
    );
    // Who has read enough may have gone.
    let _written = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread, which waits for a connection.
        let _woken = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
