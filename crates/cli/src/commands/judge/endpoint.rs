//! A model behind an OpenAI-compatible endpoint: `POST BASE/chat/completions` with a picture.

mod address;
mod failure;
mod key;

use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lookalike_eval::{Judge, JudgeError, Question, Reply};
use serde::Deserialize;
use serde_json::json;
use ureq::Agent;
use ureq::http::Response;

use crate::args::EndpointArgs;
use address::Address;
use failure::Failure;
use key::Key;

/// Most bytes of a reply: many times what the longest answer takes.
const MOST_REPLY_BYTES: u64 = 1024 * 1024;
/// Longest time to wait before a question is asked again, whatever the endpoint asks for.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Longest time for a connection to come about.
const CONNECT: Duration = Duration::from_secs(20);

/// A model behind an endpoint.
pub(super) struct Endpoint {
    agent: Agent,
    url: String,
    key: Option<Key>,
    model: String,
    max_tokens: u32,
    seed: u64,
    retries: u32,
    pause: Duration,
}

impl Endpoint {
    /// The endpoint that the command line names, if it names one.
    pub(super) fn of(args: &EndpointArgs, seed: u64) -> anyhow::Result<Option<Self>> {
        let Some((base, model)) = args.endpoint.as_deref().zip(args.judge.clone()) else { return Ok(None) };
        let address = Address::of(base, args.insecure)?;
        let timeout = Duration::from_secs(args.timeout);
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // A key is for the endpoint that was named, not for where it points to.
            .max_redirects(0)
            .timeout_global(Some(timeout))
            .timeout_connect(Some(timeout.min(CONNECT)))
            .user_agent(concat!("lookalike/", env!("CARGO_PKG_VERSION")));
        if address.is_loopback {
            config = config.proxy(None);
        }
        Ok(Some(Self {
            agent: config.build().new_agent(),
            url: address.url,
            key: Key::find(args.key_file.as_deref())?,
            model,
            max_tokens: args.max_tokens,
            seed,
            retries: args.retries,
            pause: Duration::from_millis(args.retry_pause),
        }))
    }

    fn body(&self, question: &Question) -> String {
        let picture = format!("data:image/png;base64,{}", STANDARD.encode(&question.png));
        json!({
            "model": self.model,
            "messages": [
                {"role": "system", "content": question.instructions},
                {"role": "user", "content": [
                    {"type": "text", "text": question.text},
                    {"type": "image_url", "image_url": {"url": picture}},
                ]},
            ],
            "temperature": 0,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
        })
        .to_string()
    }

    /// One attempt.
    fn attempt(&self, body: &str) -> Result<Reply, Failure> {
        let mut request = self.agent.post(&self.url).content_type("application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", key.header());
        }
        let mut response = request.send(body)?;
        let status = response.status();
        let wait = retry_after(&response);
        let bytes = response.body_mut().with_config().limit(MOST_REPLY_BYTES).read_to_vec()?;
        let text = String::from_utf8_lossy(&bytes);
        let text = self.key.as_ref().map_or_else(|| text.to_string(), |key| key.masked(&text));
        if !status.is_success() {
            return Err(Failure::status(status.as_u16(), wait, &text));
        }
        let Ok(Completion { choices, usage }) = serde_json::from_str(&text) else {
            return Err(Failure::shape(&text));
        };
        // One is asked for; an endpoint that sends more means the first.
        let Some(Choice { message }) = choices.into_iter().next() else { return Err(Failure::shape(&text)) };
        Ok(Reply {
            text: message.content.or(message.refusal).unwrap_or_default(),
            tokens_in: usage.as_ref().and_then(|usage| usage.prompt_tokens),
            tokens_out: usage.and_then(|usage| usage.completion_tokens),
        })
    }

    /// Time before the next attempt, after so many.
    fn pause(&self, attempts: u32, asked_for: Option<Duration>) -> Duration {
        let doubled = self.pause.saturating_mul(2_u32.saturating_pow(attempts - 1));
        asked_for.unwrap_or(doubled).min(LONGEST_PAUSE)
    }
}

impl Judge for Endpoint {
    fn name(&self) -> &str {
        &self.model
    }

    fn ask(&self, question: &Question) -> Result<Reply, JudgeError> {
        let body = self.body(question);
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.attempt(&body) {
                Ok(reply) => return Ok(reply),
                Err(failure) if failure.may_pass() && attempts <= self.retries => {
                    thread::sleep(self.pause(attempts, failure.asked_for()));
                }
                Err(failure) => {
                    return Err(JudgeError::Unanswered { source: Box::new(failure.after(attempts)) });
                }
            }
        }
    }
}

/// How long the endpoint asks to be left alone, where it says so in seconds.
fn retry_after<T>(response: &Response<T>) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}
