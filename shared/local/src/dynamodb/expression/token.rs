//! An expression's text cut into tokens.

/// One token. What belongs to no other kind is a symbol: the parser refuses it with its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    /// An attribute's name, a function's name or a keyword.
    Word(&'a str),
    /// `#name`, with its `#`.
    Name(&'a str),
    /// `:value`, with its `:`.
    Value(&'a str),
    Digits(&'a str),
    Symbol(&'a str),
    End,
}

impl<'a> Token<'a> {
    pub(super) fn text(self) -> &'a str {
        match self {
            Self::Word(text) | Self::Name(text) | Self::Value(text) | Self::Digits(text) | Self::Symbol(text) => text,
            Self::End => "<EOF>",
        }
    }

    /// Whether this is the keyword, which may be written in any case.
    pub(super) fn is_keyword(self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// A token and where it begins and ends in the text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Placed<'a> {
    pub(super) token: Token<'a>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// All tokens, and [`Token::End`] last.
pub(super) fn tokens(text: &str) -> Vec<Placed<'_>> {
    let mut placed = Vec::new();
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        if first.is_ascii_whitespace() {
            start += 1;
            continue;
        }
        let token = next(&text[start..], first);
        let end = start + token.text().len();
        placed.push(Placed { token, start, end });
        start = end;
    }
    placed.push(Placed {
        token: Token::End,
        start: text.len(),
        end: text.len(),
    });
    placed
}

fn next(rest: &str, first: char) -> Token<'_> {
    let marked = |end: usize| &rest[..end];
    match first {
        'a'..='z' | 'A'..='Z' => Token::Word(marked(name_end(rest, 1))),
        '0'..='9' => Token::Digits(marked(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()))),
        '#' if name_end(rest, 1) > 1 => Token::Name(marked(name_end(rest, 1))),
        ':' if name_end(rest, 1) > 1 => Token::Value(marked(name_end(rest, 1))),
        _ if ["<>", "<=", ">="].iter().any(|symbol| rest.starts_with(symbol)) => Token::Symbol(marked(2)),
        _ => Token::Symbol(marked(first.len_utf8())),
    }
}

/// Where the run of letters, digits and underscores ends that begins after `skip` bytes.
fn name_end(rest: &str, skip: usize) -> usize {
    rest[skip..]
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .map_or(rest.len(), |length| skip + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|placed| placed.token.text()).collect()
    }

    #[test]
    fn an_expression_is_cut_where_its_tokens_end() {
        assert_eq!(
            texts("a.b[12]<=:v1"),
            ["a", ".", "b", "[", "12", "]", "<=", ":v1", "<EOF>"]
        );
        assert_eq!(
            texts(" SET #1a =\n\t x_1-:_ "),
            ["SET", "#1a", "=", "x_1", "-", ":_", "<EOF>"]
        );
        assert_eq!(texts("a<>b<c"), ["a", "<>", "b", "<", "c", "<EOF>"]);
    }

    #[test]
    fn what_is_no_token_is_a_symbol_of_its_own() {
        assert_eq!(texts("_a # : é!"), ["_", "a", "#", ":", "é", "!", "<EOF>"]);
    }

    #[test]
    fn a_name_reference_may_begin_with_a_digit_and_a_word_may_not() {
        assert_eq!(tokens("#1")[0].token, Token::Name("#1"));
        assert_eq!(tokens("1a")[0].token, Token::Digits("1"));
    }
}
