use std::ops::Bound;
use std::str::FromStr;

use lookalike_store::TagValue;
use thiserror::Error;

use super::Filter;

/// Largest filter text, in bytes.
pub const MAX_FILTER_BYTES: usize = 4096;

/// Deepest nesting of parentheses and `not`: the parser recurses, and the stack is finite.
const MAX_DEPTH: usize = 64;

/// Why a text is no filter.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterError {
    /// The text is too long.
    #[error("filter: {found} bytes, the limit is {MAX_FILTER_BYTES}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// Parentheses or `not` are nested too deeply.
    #[error("filter: nested more than {MAX_DEPTH} deep at byte {at}")]
    TooDeep {
        /// Where.
        at: usize,
    },
    /// A word stands where another was expected.
    #[error("filter: found {found} at byte {at}, expected {expected}")]
    Unexpected {
        /// What stands there.
        found: String,
        /// Where, in bytes from the start.
        at: usize,
        /// What could stand there.
        expected: &'static str,
    },
    /// A quoted text does not end.
    #[error("filter: the quote opened at byte {at} is never closed")]
    OpenQuote {
        /// Where it was opened.
        at: usize,
    },
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_FILTER_BYTES {
            return Err(FilterError::TooLong { found: text.len() });
        }
        let mut parser = Parser { tokens: tokenise(text)?, next: 0 };
        let filter = parser.any(0)?;
        if *parser.peek() == Kind::End {
            Ok(filter)
        } else {
            Err(parser.unexpected("\"and\", \"or\" or the end"))
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Word(String),
    Quoted(String),
    /// One of `= != < <= > >= ( ) ,`
    Sign(&'static str),
    End,
}

#[derive(Debug)]
struct Token {
    kind: Kind,
    at: usize,
}

const SIGNS: [&str; 9] = ["!=", "<=", ">=", "=", "<", ">", "(", ")", ","];

fn tokenise(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            tokens.push(Token { kind: Kind::Sign(sign), at });
            at += sign.len();
        } else if first == '"' {
            let (value, length) = quoted(rest).ok_or(FilterError::OpenQuote { at })?;
            tokens.push(Token { kind: Kind::Quoted(value), at });
            at += length;
        } else {
            let length = rest
                .find(|c: char| c.is_whitespace() || "!=<>(),\"".contains(c))
                .unwrap_or(rest.len())
                .max(first.len_utf8());
            tokens.push(Token { kind: Kind::Word(rest[..length].to_owned()), at });
            at += length;
        }
    }
    tokens.push(Token { kind: Kind::End, at });
    Ok(tokens)
}

/// The text between quotes, with `\"` and `\\` resolved, and the bytes that it took.
fn quoted(rest: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((place, c)) = chars.next() {
        match c {
            '"' => return Some((value, place + 1)),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(c),
        }
    }
    None
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    fn peek(&self) -> &Kind {
        &self.tokens[self.next].kind
    }

    /// The last token is `End`, and it is never passed.
    fn take(&mut self) -> Kind {
        let kind = self.peek().clone();
        if kind != Kind::End {
            self.next += 1;
        }
        kind
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Kind::Word(w) if w.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Kind::Sign(s) if *s == sign);
        self.next += usize::from(found);
        found
    }

    fn unexpected(&self, expected: &'static str) -> FilterError {
        let found = match self.peek() {
            Kind::Word(word) => format!("\"{word}\""),
            Kind::Quoted(text) => format!("the text \"{text}\""),
            Kind::Sign(sign) => format!("\"{sign}\""),
            Kind::End => "the end".to_owned(),
        };
        FilterError::Unexpected { found, at: self.tokens[self.next].at, expected }
    }

    fn any(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let mut parts = vec![self.all(depth)?];
        while self.take_word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(single_or(parts, Filter::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let mut parts = vec![self.one(depth)?];
        while self.take_word("and") {
            parts.push(self.one(depth)?);
        }
        Ok(single_or(parts, Filter::All))
    }

    fn one(&mut self, depth: usize) -> Result<Filter, FilterError> {
        if depth == MAX_DEPTH {
            return Err(FilterError::TooDeep { at: self.tokens[self.next].at });
        }
        if self.take_word("not") {
            return Ok(Filter::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take_sign("(") {
            let filter = self.any(depth + 1)?;
            if !self.take_sign(")") {
                return Err(self.unexpected("\")\""));
            }
            return Ok(filter);
        }
        let asks_presence = self.take_word("has");
        let name = self.name()?;
        match (asks_presence, name) {
            (true, None) => Ok(Filter::HasLabel),
            (true, Some(name)) => Ok(Filter::HasTag(name)),
            (false, name) => self.comparison(name),
        }
    }

    /// A tag's name, or `None` for the label.
    fn name(&mut self) -> Result<Option<String>, FilterError> {
        match self.peek() {
            Kind::Word(_) | Kind::Quoted(_) => Ok(match self.take() {
                Kind::Word(word) if word == "label" => None,
                Kind::Word(name) | Kind::Quoted(name) => Some(name),
                Kind::Sign(_) | Kind::End => None,
            }),
            Kind::Sign(_) | Kind::End => Err(self.unexpected("\"label\" or the name of a tag")),
        }
    }

    fn comparison(&mut self, name: Option<String>) -> Result<Filter, FilterError> {
        if self.take_word("in") {
            if !self.take_sign("(") {
                return Err(self.unexpected("\"(\" and a list of values"));
            }
            let mut values = vec![self.value()?];
            while self.take_sign(",") {
                values.push(self.value()?);
            }
            if !self.take_sign(")") {
                return Err(self.unexpected("\",\" or \")\""));
            }
            return Ok(one_of(name, values));
        }
        if self.take_sign("=") {
            let value = self.value()?;
            return Ok(one_of(name, vec![value]));
        }
        if self.take_sign("!=") {
            let value = self.value()?;
            return Ok(Filter::Not(Box::new(one_of(name, vec![value]))));
        }
        let Some(name) = name else {
            return Err(self.unexpected("\"=\", \"!=\" or \"in\" after \"label\""));
        };
        let signs = ["<", "<=", ">", ">="];
        let Some(sign) = signs.into_iter().find(|sign| self.take_sign(sign)) else {
            return Err(self.unexpected("a comparison (=, !=, <, <=, >, >=, in)"));
        };
        let number = match self.peek() {
            Kind::Word(word) => number(word),
            Kind::Quoted(_) | Kind::Sign(_) | Kind::End => None,
        };
        let Some(number) = number else { return Err(self.unexpected("a number")) };
        self.take();
        let (from, to) = match sign {
            "<" => (Bound::Unbounded, Bound::Excluded(number)),
            "<=" => (Bound::Unbounded, Bound::Included(number)),
            ">" => (Bound::Excluded(number), Bound::Unbounded),
            _ => (Bound::Included(number), Bound::Unbounded),
        };
        Ok(Filter::Range { name, from, to })
    }

    fn value(&mut self) -> Result<Kind, FilterError> {
        match self.peek() {
            Kind::Word(_) | Kind::Quoted(_) => Ok(self.take()),
            Kind::Sign(_) | Kind::End => Err(self.unexpected("a value")),
        }
    }
}

fn single_or(mut parts: Vec<Filter>, many: fn(Vec<Filter>) -> Filter) -> Filter {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => many(parts),
    }
}

fn number(word: &str) -> Option<f64> {
    word.parse().ok().filter(|number: &f64| number.is_finite())
}

fn one_of(name: Option<String>, values: Vec<Kind>) -> Filter {
    let Some(name) = name else {
        return Filter::Label(values.into_iter().filter_map(spelling).collect());
    };
    let mut accepted = Vec::new();
    for value in values {
        if let Kind::Word(word) = &value {
            accepted.extend(number(word).map(TagValue::Number));
        }
        accepted.extend(spelling(value).map(TagValue::Text));
    }
    Filter::Tag { name, values: accepted }
}

fn spelling(value: Kind) -> Option<String> {
    match value {
        Kind::Word(text) | Kind::Quoted(text) => Some(text),
        Kind::Sign(_) | Kind::End => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Filter {
        text.parse().unwrap()
    }

    #[test]
    fn and_binds_closer_than_or() {
        let label = |name: &str| Filter::Label(vec![name.to_owned()]);
        assert_eq!(
            parse("label = a or label = b and not label = c"),
            Filter::Any(vec![label("a"), Filter::All(vec![label("b"), Filter::Not(Box::new(label("c")))])])
        );
        assert_eq!(
            parse("(label = a or label = b) and label != c"),
            Filter::All(vec![Filter::Any(vec![label("a"), label("b")]), Filter::Not(Box::new(label("c")))])
        );
    }

    #[test]
    fn a_bare_number_matches_number_and_spelling_a_quoted_one_only_text() {
        let tag = |values| Filter::Tag { name: "width".to_owned(), values };
        assert_eq!(parse("width=3"), tag(vec![TagValue::Number(3.0), TagValue::Text("3".to_owned())]));
        assert_eq!(parse("width = \"3\""), tag(vec![TagValue::Text("3".to_owned())]));
    }

    #[test]
    fn quoted_names_are_tags_and_quotes_can_be_escaped() {
        assert_eq!(
            parse(r#""label" in ("a \"b\"", c)"#),
            Filter::Tag {
                name: "label".to_owned(),
                values: vec![TagValue::Text("a \"b\"".to_owned()), TagValue::Text("c".to_owned())]
            }
        );
        assert_eq!(parse("has label"), Filter::HasLabel);
    }

    #[test]
    fn ranges_keep_their_ends() {
        let range = |from, to| Filter::Range { name: "w".to_owned(), from, to };
        assert_eq!(parse("w < 2"), range(Bound::Unbounded, Bound::Excluded(2.0)));
        assert_eq!(parse("w >= -1.5"), range(Bound::Included(-1.5), Bound::Unbounded));
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        for (text, message) in [
            ("", "filter: found the end at byte 0, expected \"label\" or the name of a tag"),
            ("label", "filter: found the end at byte 5, expected \"=\", \"!=\" or \"in\" after \"label\""),
            ("label = a b", "filter: found \"b\" at byte 10, expected \"and\", \"or\" or the end"),
            ("w < high", "filter: found \"high\" at byte 4, expected a number"),
            ("w = \"open", "filter: the quote opened at byte 4 is never closed"),
            ("w in (1, 2", "filter: found the end at byte 10, expected \",\" or \")\""),
        ] {
            assert_eq!(text.parse::<Filter>().unwrap_err().to_string(), message);
        }
        let deep = format!("{}w = 1{}", "(".repeat(100), ")".repeat(100));
        assert_eq!(deep.parse::<Filter>(), Err(FilterError::TooDeep { at: 64 }));
        assert_eq!("x".repeat(5000).parse::<Filter>(), Err(FilterError::TooLong { found: 5000 }));
    }
}
